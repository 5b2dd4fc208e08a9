// Package manifests proves pkg/manifest: it lets the API server's own code, for
// decoding, defaulting, conversion and validation, read the same manifests.
package manifests

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install" // fills the scheme
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/test/conformance/translate"
)

var (
	manifests = flag.Int("manifests", 10_000, "how many manifests to compare")
	seed      = flag.Uint64("seed", 1, "of the manifests")
)

// TestManifests lets the API server's own code and pkg/manifest read the same
// manifests: whether they are let in, at which fields they are wrong and why,
// and what the controller would make of them.
func TestManifests(t *testing.T) {
	admitted, refused, reasons := 0, 0, map[string]int{}
	for i := range uint64(*manifests) {
		text := newManifest(rand.New(rand.NewPCG(*seed, i)))
		theirs, ours := admitTheirs(text), admitOurs(text)
		if theirs.verdict() != ours.verdict() {
			t.Fatalf("manifest %d of -seed %d:\n%s\nKubernetes:\n%s\npkg/manifest:\n%s", i, *seed, text, theirs.verdict(), ours.verdict())
		}
		if theirs.wrong == nil {
			admitted++
		} else {
			refused++
		}
		for _, one := range theirs.wrong {
			reasons[bare(one)]++
		}
	}
	t.Logf("%d manifests let in, %d refused, 0 differences, %d different reasons", admitted, refused, len(reasons))
	if min(admitted, refused) < *manifests/5 {
		t.Error("the manifests are too uniform to show anything")
	}
}

// An admission is what becomes of a manifest.
type admission struct {
	wrong []string // each problem, in words that both sides share
	spec  string   // what the controller would act on, where nothing is wrong
}

func (a admission) verdict() string { return strings.Join(a.wrong, "\n") + a.spec }

// admitTheirs is strict decoding, defaulting, conversion and validation by the
// code of the API server, and for the controller the object as it is read back.
func admitTheirs(text string) admission {
	scheme := legacyscheme.Scheme
	options := serializer.SerializerOptions{Yaml: true, Strict: true}
	object, _, err := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, options).Decode([]byte(text), nil, nil)
	var wrong []string
	if err != nil {
		wrong = strictly(err)
	}
	if slices.Contains(wrong, undecodable) {
		return admission{wrong: wrong}
	}
	scheme.Default(object)
	in := convert(object, autoscaling.SchemeGroupVersion).(*autoscaling.HorizontalPodAutoscaler)
	if in.Namespace == "" {
		in.Namespace = metav1.NamespaceDefault // as kubectl does
	}
	if in.Name == "" && in.GenerateName != "" {
		in.Name = in.GenerateName + "xxxxx"
	}
	for _, one := range horizontalpodautoscaler.Strategy.Validate(context.Background(), in) {
		wrong = append(wrong, one.Error())
	}
	if len(wrong) > 0 {
		return admission{wrong: distinct(wrong)}
	}
	stored := convert(in, autoscalingv2.SchemeGroupVersion).(*autoscalingv2.HorizontalPodAutoscaler)
	scheme.Default(stored)
	return admission{spec: show(translate.Spec(&stored.Spec, hpa.DefaultController()))}
}

// admitOurs is the same by pkg/manifest.
func admitOurs(text string) admission {
	found, err := manifest.Read("hpa.yaml", strings.NewReader(text))
	var problems manifest.Problems
	if errors.As(err, &problems) {
		return admission{wrong: distinct(wordsOf(problems))}
	}
	if err != nil || len(found) != 1 {
		panic(fmt.Sprintf("%d autoscalers, %v", len(found), err))
	}
	return admission{spec: show(found[0].Spec)}
}

// wordsOf puts problems into words that both sides have in common. Where a
// value cannot be decoded, the API server says no more than that.
func wordsOf(problems manifest.Problems) (wrong []string) {
	for _, p := range problems {
		if strings.HasPrefix(p.Cause, "must be ") {
			return []string{undecodable}
		}
		switch {
		case p.Cause == "unknown field":
			wrong = append(wrong, fmt.Sprintf("unknown field %q", p.Field))
		case strings.HasPrefix(p.Cause, "given twice"):
			wrong = append(wrong, twice(p.Field[strings.LastIndexByte(p.Field, '.')+1:]))
		default:
			wrong = append(wrong, p.Field+": "+p.Cause)
		}
	}
	return wrong
}

// values are what differs between two problems of one kind.
var values = regexp.MustCompile(`"[^"]*"|-?[0-9]+`)

func bare(problem string) string { return values.ReplaceAllString(problem, "…") }

const undecodable = "undecodable"

func twice(name string) string { return fmt.Sprintf("key %q already set in map", name) }

var alreadySet = regexp.MustCompile(`key "[^"]*" already set in map`)

// strictly are the problems of strict decoding.
func strictly(err error) (wrong []string) {
	strict, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return []string{undecodable}
	}
	for _, one := range strict.Errors() {
		if repeated := alreadySet.FindAllString(one.Error(), -1); repeated != nil {
			wrong = append(wrong, repeated...)
			continue
		}
		wrong = append(wrong, one.Error())
	}
	return wrong
}

// distinct are problems in order, once each. Of a field that is missing nothing
// else is said, although the API server finds it of no valid kind as well. Nor
// is it said twice what resources a container may have.
func distinct(wrong []string) []string {
	missing := map[string]bool{}
	for _, one := range wrong {
		if field, what, _ := strings.Cut(one, ": "); strings.HasPrefix(what, "Required value") {
			missing[field] = true
		}
	}
	kept := slices.DeleteFunc(slices.Clone(wrong), func(one string) bool {
		field, what, _ := strings.Cut(one, ": ")
		again := missing[field] && !strings.HasPrefix(what, "Required value")
		return again || strings.HasSuffix(what, ": must be a standard resource type or fully qualified")
	})
	slices.Sort(kept)
	return slices.Compact(kept)
}

func show(spec hpa.Spec) string {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	return string(text)
}
