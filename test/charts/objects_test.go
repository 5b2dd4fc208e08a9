package charts

import (
	"slices"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kubernetes "k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"
)

// scheme knows every kind that the chart makes.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		kubernetes.AddToScheme, apiregistration.AddToScheme, monitoring.AddToScheme, certmanager.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}()

// An object is one of a manifest.
type object struct {
	runtime.Object
	meta metav1.Object
	text string
}

func (o object) kind() string { return o.GetObjectKind().GroupVersionKind().Kind }

func (o object) String() string {
	return o.kind() + " " + strings.TrimPrefix(o.meta.GetNamespace()+"/"+o.meta.GetName(), "/")
}

// decode reads a manifest into typed objects. A field that their types do not
// have, or that is given twice, is an error.
func decode(t *testing.T, manifest string) []object {
	t.Helper()
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var all []object
	for _, text := range strings.Split("\n"+manifest, "\n---\n") {
		if empty(text) {
			continue
		}
		o, _, err := strict.Decode([]byte(text), nil, nil)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		accessor, err := meta.Accessor(o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, object{Object: o, meta: accessor, text: text})
	}
	return all
}

// empty reports whether a document holds nothing but comments.
func empty(text string) bool {
	var value any
	return yaml.Unmarshal([]byte(text), &value) == nil && value == nil
}

// of returns the objects of a type.
func of[T runtime.Object](all []object) (some []T) {
	for _, o := range all {
		if typed, ok := o.Object.(T); ok {
			some = append(some, typed)
		}
	}
	return some
}

// one returns the object of a type of which there has to be one.
func one[T runtime.Object](t *testing.T, all []object) T {
	t.Helper()
	some := of[T](all)
	if len(some) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(some), *new(T))
	}
	return some[0]
}

// pitotOf returns the container of Pitot.
func pitotOf(d *appsv1.Deployment) *corev1.Container {
	containers := d.Spec.Template.Spec.Containers
	return &containers[slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == "pitot" })]
}

// arguments returns the values of a flag of Pitot, in the order in which they are given.
func arguments(c *corev1.Container, flag string) (values []string) {
	for _, arg := range c.Args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			values = append(values, value)
		}
	}
	return values
}
