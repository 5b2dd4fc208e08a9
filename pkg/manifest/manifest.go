// Package manifest reads HorizontalPodAutoscalers from YAML as a cluster would
// take them in.
//
//	autoscalers, err := manifest.Read("hpa.yaml", file)
//
// The text may have any number of documents and Lists, be the output of
// "kubectl get -o yaml" or of "helm template", and be JSON. Objects of other
// kinds are skipped. autoscaling/v2 is read, and autoscaling/v1 with what its
// annotations carry.
//
// An object goes through what the API server does to it: decoding, defaulting
// and validation. It is as strict as kubectl's --validate=strict: unknown
// fields and fields given twice are problems. The error is Problems: all of
// them, each with its place in the text, the path of the field and, where the
// API server has a rule, its words.
//
// # Limitations
//
// The rules are those of Kubernetes 1.37 for an object that is created. Older
// versions refuse minReplicas 0 and know no tolerance. What the cluster's
// admission plugins and policies add is not known here.
package manifest

import (
	"fmt"
	"io"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// An Autoscaler is a HorizontalPodAutoscaler with all defaults filled in.
type Autoscaler struct {
	Position

	Namespace string // "default" where the manifest has none
	Name      string
	Target    Target

	// Spec is what decides. Its Controller is hpa.DefaultController, as a
	// manifest says nothing about that.
	Spec hpa.Spec

	// Sources say of each of Spec's metrics what only its reader needs to know.
	Sources []Source
}

// A Source is where a metric comes from.
type Source struct {
	Object   Target                // the described object of an Object metric
	Selector *metav1.LabelSelector // of the metric; nil is none
}

// A Target is the object whose replicas the autoscaler sets.
type Target struct {
	APIVersion string
	Kind       string
	Name       string
}

// Read returns the autoscalers of a text in their order, none if it has only
// objects of other kinds. The name of the text is for problems. The error is
// Problems unless the text cannot be read.
func Read(name string, text io.Reader) ([]Autoscaler, error) {
	all, err := io.ReadAll(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var found []Autoscaler
	var problems Problems
	for _, d := range split(name, all) {
		objects, unreadable := d.objects()
		problems = append(problems, unreadable...)
		for _, o := range objects {
			autoscaler, wrong := o.admit()
			problems = append(problems, wrong...)
			found = append(found, autoscaler)
		}
	}
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	return found, nil
}

// admit does what the API server does when the object is created.
func (o *object) admit() (Autoscaler, Problems) {
	in := &autoscalingv2.HorizontalPodAutoscaler{}
	problems := o.repeated()
	if o.version == "v1" {
		// Without v2's defaults for the behavior: those it gets when it is read back.
		old, wrong := o.decodeV1()
		in, problems = fromV1(old), append(problems, wrong...)
	} else {
		problems = append(problems, o.decode(in)...)
		setDefaults(in)
	}
	setNames(in)
	problems = o.also(problems, validate(in))
	if len(problems) > 0 {
		return Autoscaler{}, problems
	}
	setDefaults(in)
	ref := in.Spec.ScaleTargetRef
	return Autoscaler{
		Position:  o.at(o.node),
		Namespace: in.Namespace,
		Name:      in.Name,
		Target:    Target{APIVersion: ref.APIVersion, Kind: ref.Kind, Name: ref.Name},
		Spec:      spec(&in.Spec),
		Sources:   sourcesOf(&in.Spec),
	}, nil
}
