package app

import (
	"strings"
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// Every HPA that is printed is admitted, reads Pods or Object metrics, and finds a
// printed rule for each of them.
func TestPrintedHPAsReadPrintedRules(t *testing.T) {
	backends := rule.File{Name: "backends.yaml", Text: []byte("apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends: [{name: main, url: http://localhost:9090}]\n")}
	kinds := map[string]rule.GroupResource{
		"Deployment": {Group: "apps", Resource: "deployments"},
		"Ingress":    {Group: "networking.k8s.io", Resource: "ingresses"},
		"Namespace":  {Resource: "namespaces"},
		"Service":    {Resource: "services"},
	}
	for _, p := range preset.All() {
		t.Run(p.Name, func(t *testing.T) {
			set, err := rule.Load(backends, rule.File{Name: "rules.yaml", Text: []byte(presetRules(p))})
			if err != nil {
				t.Fatal(err)
			}
			autoscalers, err := manifest.Read("hpa.yaml", strings.NewReader(presetHPA(p)))
			if err != nil {
				t.Fatal(err)
			}
			if len(autoscalers) != 1 || len(autoscalers[0].Spec.Metrics) != len(set.Rules) {
				t.Fatalf("%d autoscalers, with %d rules", len(autoscalers), len(set.Rules))
			}
			for i, metric := range autoscalers[0].Spec.Metrics {
				source := autoscalers[0].Sources[i]
				of := rule.GroupResource{Resource: "pods"}
				switch metric.Type {
				case hpa.Pods:
				case hpa.Object:
					of = kinds[source.Object.Kind]
				default:
					t.Errorf("metric %s is of type %v", metric.Name, metric.Type)
				}
				r, ok := set.Custom(metric.Name, of)
				if !ok {
					t.Fatalf("no rule serves %s on %s", metric.Name, of)
				}
				if source.Selector == nil {
					continue
				}
				for label := range source.Selector.MatchLabels {
					if !strings.Contains(strings.Join(r.Selectable, " "), label) {
						t.Errorf("metric %s selects by %s", metric.Name, label)
					}
				}
			}
		})
	}
}
