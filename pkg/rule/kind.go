package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// The kinds that the API and this package treat specially.
var (
	pods       = GroupResource{Resource: "pods"}
	namespaces = GroupResource{Resource: "namespaces"}
)

// String returns the text form: "deployments.apps" or "services".
func (gr GroupResource) String() string {
	if gr.Group == "" {
		return gr.Resource
	}
	return gr.Resource + "." + gr.Group
}

// ParseGroupResource reads a kind of object in its text form: the plural
// resource and, outside the core group, a dot and the group. It refuses Kinds
// ("Deployment"), singulars, versions, and resources of Kubernetes' own groups
// that do not exist; a resource of any other group, which has a dot, is accepted.
func ParseGroupResource(text string) (GroupResource, error) {
	gr, refusal := parseKind(text)
	if refusal != nil {
		return GroupResource{}, place.Problem{Cause: refusal.Cause, Hint: refusal.Hint}
	}
	return gr, nil
}

// A builtin is a kind of Kubernetes' own.
type builtin struct {
	names   []string // what users write instead: kind in lower case, short names
	hasPods bool     // it owns them, or, as a Service, has endpoints
}

// builtins are the kinds that a rule may be of, of Kubernetes' own. Groups
// without a dot belong to Kubernetes, so this list decides for them.
var builtins = map[string]builtin{
	"cronjobs.batch":                       {names: []string{"cronjob", "cj"}, hasPods: true},
	"daemonsets.apps":                      {names: []string{"daemonset", "ds"}, hasPods: true},
	"deployments.apps":                     {names: []string{"deployment", "deploy"}, hasPods: true},
	"jobs.batch":                           {names: []string{"job"}, hasPods: true},
	"replicasets.apps":                     {names: []string{"replicaset", "rs"}, hasPods: true},
	"replicationcontrollers":               {names: []string{"replicationcontroller", "rc"}, hasPods: true},
	"statefulsets.apps":                    {names: []string{"statefulset", "sts"}, hasPods: true},
	"configmaps":                           {names: []string{"configmap", "cm"}},
	"endpoints":                            {names: []string{"endpoint", "ep"}},
	"horizontalpodautoscalers.autoscaling": {names: []string{"horizontalpodautoscaler", "hpa"}},
	"ingresses.networking.k8s.io":          {names: []string{"ingress", "ing"}},
	"namespaces":                           {names: []string{"namespace", "ns"}},
	"nodes":                                {names: []string{"node", "no"}},
	"persistentvolumeclaims":               {names: []string{"persistentvolumeclaim", "pvc"}},
	"persistentvolumes":                    {names: []string{"persistentvolume", "pv"}},
	"poddisruptionbudgets.policy":          {names: []string{"poddisruptionbudget", "pdb"}},
	"pods":                                 {names: []string{"pod", "po"}},
	"resourcequotas":                       {names: []string{"resourcequota", "quota"}},
	"serviceaccounts":                      {names: []string{"serviceaccount", "sa"}},
	"services":                             {names: []string{"service", "svc"}, hasPods: true},
}

// mayHavePods reports whether objects of the kind can have pods of their own. It
// believes so of any kind that is not Kubernetes' own.
func (gr GroupResource) mayHavePods() bool {
	b, known := builtins[gr.String()]
	return !known || b.hasPods
}

// singular returns the usual label with the object's name: service of services.
func (gr GroupResource) singular() string {
	if b, known := builtins[gr.String()]; known {
		return b.names[0]
	}
	return strings.TrimSuffix(gr.Resource, "s")
}

var (
	kindForm = regexp.MustCompile(`^[a-z][a-z0-9]*(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	version  = regexp.MustCompile(`\.v[0-9]+((alpha|beta)[0-9]+)?(\.|$)`)
)

// parseKind returns the kind, or why the text is none and what was meant.
func parseKind(text string) (GroupResource, *place.Refusal) {
	var gr GroupResource
	gr.Resource, gr.Group, _ = strings.Cut(text, ".")
	if _, known := builtins[text]; known {
		return gr, nil
	}
	refusal := &place.Refusal{Cause: fmt.Sprintf("%q is not a kind of object", text)}
	if meant, ok := meantKind(text); ok {
		refusal.Hint = fmt.Sprintf("did you mean %q?", meant)
		return gr, refusal
	}
	switch {
	case !kindForm.MatchString(text):
		refusal.Hint = `write the plural resource in lower case, then its group, as in "deployments.apps" or "rollouts.argoproj.io"`
	case version.MatchString(text):
		refusal.Hint = "leave the version out: " + strings.TrimSuffix(version.ReplaceAllString(text, "."), ".")
	case strings.Contains(gr.Group, "."):
		return gr, nil
	case gr.Group == "":
		refusal.Cause += " in the core group"
		refusal.Hint = `other resources need their group, as in "deployments.apps"`
	default:
		refusal.Cause += " of Kubernetes"
		refusal.Hint = `a group of your own has a dot, as in "rollouts.argoproj.io"`
	}
	return gr, refusal
}

// meantKind finds the kind that a text means in another spelling: a Kind, a
// singular or short name, a resource without its group, a typing mistake.
func meantKind(text string) (string, bool) {
	lower := strings.ToLower(text)
	resource, group, _ := strings.Cut(lower, ".")
	if _, known := builtins[lower]; known {
		return lower, true
	}
	for _, name := range slices.Sorted(maps.Keys(builtins)) {
		plural, builtinGroup, _ := strings.Cut(name, ".")
		spelled := plural == resource || slices.Contains(builtins[name].names, resource)
		if spelled && (group == "" || group == builtinGroup) {
			return name, true
		}
	}
	if strings.Contains(group, ".") && group != "networking.k8s.io" {
		return "", false // a group of the user's own: any resource may exist
	}
	return place.Closest(lower, slices.Collect(maps.Keys(builtins)))
}
