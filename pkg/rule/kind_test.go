package rule

import (
	"strings"
	"testing"
)

func TestParseGroupResource(t *testing.T) {
	for _, c := range []struct {
		text string
		want GroupResource
	}{
		{"pods", GroupResource{Resource: "pods"}},
		{"deployments.apps", GroupResource{Group: "apps", Resource: "deployments"}},
		{"ingresses.networking.k8s.io", GroupResource{Group: "networking.k8s.io", Resource: "ingresses"}},
		{"rollouts.argoproj.io", GroupResource{Group: "argoproj.io", Resource: "rollouts"}},
		{"services.serving.knative.dev", GroupResource{Group: "serving.knative.dev", Resource: "services"}},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := ParseGroupResource(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %#v, %v", got, err)
			}
			if got.String() != c.text {
				t.Errorf("prints as %s", got)
			}
		})
	}
	for text, want := range map[string]string{
		"":            `"" is not a kind of object (hint: write the plural`,
		"Service":     `"Service" is not a kind of object (hint: did you mean "services"?)`,
		"sts":         `"sts" is not a kind of object (hint: did you mean "statefulsets.apps"?)`,
		"a..b.c":      `"a..b.c" is not a kind of object (hint: write the plural`,
		"pods.v1":     `"pods.v1" is not a kind of object (hint: leave the version out: pods)`,
		"widgets.foo": `"widgets.foo" is not a kind of object of Kubernetes (hint: a group of your own has a dot`,
	} {
		if _, err := ParseGroupResource(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseGroupResource(%q): %v, want %s", text, err, want)
		}
	}
}
