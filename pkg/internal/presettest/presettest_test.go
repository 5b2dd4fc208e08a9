// Package presettest tests what the presets read: series in, numbers and states
// out, through the adapter's own code and the PromQL engine. Only the samples are
// made up.
//
// Each preset has a transcript in testdata, whose numbers were computed by hand and
// are never written by a program. Those of complete presets have the cases
//
//	busy           load that is easy to compute
//	idle           the series are there, and nothing happens
//	absent         there is no series
//	restart        a counter begins anew
//	new pod        one sample so far; of a queue, a second exporter
//	exporter down  the series end
//	pitfall        what the preset's pitfalls name
//
// and those of drafts the cases busy and absent. Native histograms, which one draft
// is of, are not known to the engine's store.
package presettest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/reading"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// profiles are the ways in which a backend may name objects.
var profiles = []rule.Profile{rule.Operator, rule.LegacyAnnotations, rule.OTel, rule.Exported}

// TestPresets plays each transcript as it is written, and as it would be with the
// labels of each profile: what is read is the same.
func TestPresets(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcript: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			tr := parseTranscript(t, path)
			for _, p := range profiles {
				if refuses(p, tr.rule) {
					continue
				}
				r := load(t, tr.rule)
				for _, e := range tr.cases {
					t.Run(p.Name+": "+e.title, func(t *testing.T) {
						if len(e.readings) == 0 {
							t.Fatalf("%s:%d: nothing is read", path, e.line)
						}
						synctest.Test(t, func(t *testing.T) { play(t, path, tr, e, r, p) })
					})
				}
			}
		})
	}
}

// TestEveryPresetHasItsCases finds the transcript of each preset, and in it each
// case of the package comment.
func TestEveryPresetHasItsCases(t *testing.T) {
	for _, p := range preset.All() {
		if p.Name == "otel-http-p95-native" {
			continue
		}
		kinds := []string{"busy", "idle", "absent", "restart", "new pod", "exporter down", "pitfall"}
		if p.Draft {
			kinds = []string{"busy", "absent"}
		}
		tr := parseTranscript(t, filepath.Join("testdata", p.Name+".txt"))
		if r := load(t, tr.rule); !slices.Equal(r.Presets, []string{p.Name}) {
			t.Errorf("%s: the transcript is of %v", p.Name, r.Presets)
		}
		for _, kind := range kinds {
			if !slices.ContainsFunc(tr.cases, func(e episode) bool { return strings.HasPrefix(e.title, kind+": ") }) {
				t.Errorf("%s: no case %q", p.Name, kind)
			}
		}
	}
}

// TestPresetsThatKnowWhatIsExported: those alone cannot be asked of a backend where
// exported labels are everybody's.
func TestPresetsThatKnowWhatIsExported(t *testing.T) {
	for _, p := range preset.All() {
		tr := transcript{rule: strings.Join(fields(p), ", ")}
		knows := strings.Contains(p.Rule.Query, "exported_")
		for _, labels := range profiles {
			if got, want := refuses(labels, tr.rule), knows && labels.Name == rule.Exported.Name; got != want {
				t.Errorf("%s with labels: %s is refused: %t", p.Name, labels, got)
			}
		}
	}
}

// refuses reports whether a rule cannot be on a backend with a profile.
func refuses(p rule.Profile, fields string) bool {
	_, err := rule.Load(fileOf(p, fields))
	return err != nil
}

func fileOf(p rule.Profile, fields string) rule.File {
	return rule.File{Name: "rule", Text: fmt.Appendf(nil, `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://localhost:9090, labels: %s}]
rules: [{%s}]
`, p, fields)}
}

func load(t *testing.T, fields string) *rule.Rule {
	t.Helper()
	set, err := rule.Load(fileOf(rule.Operator, fields))
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules[0]
}

// play fills a database, as of now, and reads the rule at each time.
func play(t *testing.T, path string, tr transcript, e episode, r *rule.Rule, p rule.Profile) {
	db, start := promdb.New(promdb.Options{}), time.Now()
	for _, s := range e.series {
		for i, sample := range s.samples {
			if !sample.Omitted {
				add(t, db, start.Add(time.Duration(i)*tr.every), inLabelsOf(p, s.labels), sample.Value)
			}
		}
	}
	for _, want := range e.readings {
		time.Sleep(time.Until(start.Add(want.at)))
		if got := read(t, db, e, r, p, want.object); got != want.want {
			t.Errorf("%s:%d: at %s %s reads %s, want %s", path, want.line, want.at, want.object, got, want.want)
		}
	}
}

func add(t *testing.T, db *promdb.DB, at time.Time, series promlabels.Labels, v float64) {
	t.Helper()
	if err := db.Append(at, series, v); err != nil {
		t.Fatal(err)
	}
}

// inLabelsOf is a series as a backend with a profile has it.
func inLabelsOf(p rule.Profile, series promlabels.Labels) promlabels.Labels {
	renaming := p.Renaming()
	b := promlabels.NewScratchBuilder(series.Len())
	series.Range(func(l promlabels.Label) {
		if own, ok := renaming[l.Name]; ok {
			l.Name = own
		}
		b.Add(l.Name, l.Value)
	})
	b.Sort()
	return b.Labels()
}

// read is what an HPA reads now, as a transcript has it.
func read(t *testing.T, db *promdb.DB, e episode, r *rule.Rule, p rule.Profile, object string) string {
	t.Helper()
	backend := profile.New(db, p, nil)
	defer backend.Close()
	store := snapshot.NewStore(snapshot.Options{Backends: map[string]snapshot.Backend{r.Backend: {Querier: backend}}, FirstWait: time.Minute})
	defer store.Close()
	reader := provider.Reader{Store: store, Pods: members(e.members())}
	name, selector := object, []*promlabels.Matcher(nil)
	if r.Type == rule.TypeExternal {
		name, selector = "shop", matchers(t, object)
	}
	answer, err := reader.Object(t.Context(), r, instant.Object{Namespace: "shop", Name: name}, selector)
	if err != nil {
		t.Fatal(err)
	}
	return show(answer.Readings[0])
}

func show(one reading.Reading) string {
	number := strconv.FormatFloat(float64(one.Milli())/1000, 'f', -1, 64)
	switch {
	case one.Cause != "":
		return one.State.String()
	case one.State == reading.Value:
		return number
	}
	return one.State.String() + " " + number
}

// matchers reads a selector such as "queue=celery,db=db1"; "all" selects nothing.
func matchers(t *testing.T, selector string) []*promlabels.Matcher {
	t.Helper()
	if selector == "all" {
		return nil
	}
	var all []*promlabels.Matcher
	for pair := range strings.SplitSeq(selector, ",") {
		name, value, _ := strings.Cut(pair, "=")
		all = append(all, promlabels.MustNewMatcher(promlabels.MatchEqual, name, value))
	}
	return all
}

// members are the pods of the one workload there is.
type members []string

var _ provider.Pods = members(nil)

func (members) Follow(string, string)                              {}
func (members) Knows(string, string) error                         { return nil }
func (m members) Live(string, labels.Selector) []string            { return m }
func (m members) Of(string, pods.Workload) []string                { return m }
func (members) Departed(string, pods.Workload, time.Time) []string { return nil }
func (members) Workloads(string, string, string) []string          { return []string{"web"} }
