package doctor

import (
	"math"
	"net/url"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A Question is a read of a metric as the HPA controller reads it.
type Question struct {
	Group, Namespace string
	Path             string // with the query
	// Unselected is the same without the metric's selector, "" if it has none.
	Unselected string
	// Right is what the reader needs.
	Right Right
}

// Question is how an HPA reads a metric. It is false for resource metrics, and
// where the cluster did not tell enough.
func (f *Facts) Question(hpa *autoscalingv2.HorizontalPodAutoscaler, m autoscalingv2.MetricSpec) (Question, bool) {
	id, _ := identified(m)
	group := groupOf(m)
	version := f.version(group)
	if id == nil || version == "" {
		return Question{}, false
	}
	// As the HPA's own client writes it; a selector that is none fails there too.
	selector, err := metav1.LabelSelectorAsSelector(id.Selector)
	if err != nil {
		return Question{}, false
	}
	base := "/apis/" + group + "/" + version + "/namespaces/"
	query, metricSelector := url.Values{}, "metricLabelSelector"
	right := Right{Verb: "get", Group: group, Namespace: hpa.Namespace}
	var path string
	switch {
	case m.External != nil:
		path, metricSelector = base+hpa.Namespace+"/"+id.Name, "labelSelector"
		right.Verb, right.Resource = "list", id.Name
	case m.Pods != nil:
		workload := f.Workloads[TargetOf(hpa)]
		if workload == nil || workload.Selector == nil || workload.Selector.Empty() {
			return Question{}, false
		}
		path = base + hpa.Namespace + "/pods/*/" + id.Name
		right.Resource, right.Subresource, right.Name = "pods", id.Name, "*"
		query.Set("labelSelector", workload.Selector.String())
	default:
		ref := m.Object.DescribedObject
		kind, ok := f.Kinds[schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind()]
		resource := kind.Resource.GroupResource().String()
		right.Resource, right.Subresource, right.Name = resource, id.Name, ref.Name
		switch {
		case !ok:
			return Question{}, false
		case resource == "namespaces":
			path = base + ref.Name + "/metrics/" + id.Name
			right.Namespace, right.Resource, right.Subresource, right.Name = ref.Name, "metrics", "", id.Name
		case !kind.Namespaced:
			path = strings.TrimSuffix(base, "namespaces/") + resource + "/" + ref.Name + "/" + id.Name
			right.Namespace = ""
		default:
			path = base + hpa.Namespace + "/" + resource + "/" + ref.Name + "/" + id.Name
		}
	}
	q := Question{Group: group, Namespace: hpa.Namespace, Right: right}
	if id.Selector != nil && !selector.Empty() {
		q.Unselected = joined(path, query)
		query.Set(metricSelector, selector.String())
	}
	q.Path = joined(path, query)
	return q, true
}

func joined(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// Questions are the reads of all chosen HPAs, each once.
func (f *Facts) Questions() (questions []Question) {
	asked := map[string]bool{}
	for i := range f.Autoscalers {
		for _, m := range f.Autoscalers[i].Spec.Metrics {
			if !f.chosen(&f.Autoscalers[i]) {
				continue
			}
			if q, ok := f.Question(&f.Autoscalers[i], m); ok && !asked[q.Path] {
				asked[q.Path] = true
				questions = append(questions, q)
			}
		}
	}
	return questions
}

func round3(x float64) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}
