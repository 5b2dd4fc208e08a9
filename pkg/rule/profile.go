package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// The labels that name the objects of a cluster, as all rules write them. This is
// the one place that says which label holds the namespace: a Profile says what a
// backend calls it, and is applied to whatever the backend is asked.
const (
	NamespaceLabel = "namespace"
	PodLabel       = "pod"
	serviceLabel   = "service"
	containerLabel = "container"
	nodeLabel      = "node"
)

// objectNames are the labels that a Profile is about.
var objectNames = []string{NamespaceLabel, PodLabel, serviceLabel, containerLabel, nodeLabel}

// A Profile says by which labels the series of a backend name the objects of the
// cluster.
type Profile struct {
	// Name is what a configuration calls it; "custom" for labels of its own.
	Name string
	// Labels are the backend's own, by the names that rules use; those that are
	// missing are the same.
	Labels map[string]string
}

// The profiles by name.
var (
	// Auto is not known yet: it becomes the first of Operator, LegacyAnnotations
	// and OTel of whose labels the backend has some.
	Auto = Profile{Name: "auto"}
	// Operator has the labels of the Prometheus Operator's monitors, and of most
	// other ways to scrape.
	Operator = Profile{Name: "prometheus-operator"}
	// LegacyAnnotations has those of configurations for prometheus.io/scrape.
	LegacyAnnotations = Profile{Name: "legacy-annotations", Labels: map[string]string{
		NamespaceLabel: "kubernetes_namespace", PodLabel: "kubernetes_pod_name",
		serviceLabel: "kubernetes_name", nodeLabel: "kubernetes_node",
	}}
	// OTel has OpenTelemetry's resource attributes, as Prometheus spells them.
	OTel = Profile{Name: "otel", Labels: map[string]string{
		NamespaceLabel: "k8s_namespace_name", PodLabel: "k8s_pod_name",
		containerLabel: "k8s_container_name", nodeLabel: "k8s_node_name",
	}}
	// Exported has the labels of the page where it names objects itself, and its
	// target's labels had precedence.
	Exported = Profile{Name: "exported", Labels: map[string]string{
		NamespaceLabel: "exported_namespace", PodLabel: "exported_pod",
		serviceLabel: "exported_service", containerLabel: "exported_container", nodeLabel: "exported_node",
	}}
)

var profiles = []Profile{Auto, Operator, LegacyAnnotations, OTel, Exported}

// customProfile is the name of profiles with labels of their own.
const customProfile = "custom"

// IsAuto reports whether the profile has to be found out.
func (p Profile) IsAuto() bool { return p.Name == Auto.Name }

// String is the name, and what labels a custom profile has.
func (p Profile) String() string {
	if p.Name != customProfile {
		return p.Name
	}
	var pairs []string
	for _, name := range objectNames {
		if own, ok := p.Labels[name]; ok {
			pairs = append(pairs, name+": "+own)
		}
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

// Label is what the backend calls a label of rules.
func (p Profile) Label(name string) string {
	if own, ok := p.Labels[name]; ok {
		return own
	}
	return name
}

// Renaming leads from the labels of rules to those of the backend. It is a
// permutation: where the backend has another name for an object's label, a label
// of the rule's name is the application's own, which rules know as exported.
func (p Profile) Renaming() map[string]string {
	names := map[string]string{}
	for name, own := range p.Labels {
		if name == own {
			continue
		}
		exported := model.ExportedLabelPrefix + name
		names[name], names[exported] = own, name
		if own != exported {
			names[own] = exported
		}
	}
	return names
}

// Names reports whether the rule itself names a label that the profile's backends
// have in the place of another one, and which.
func (r *Rule) Names(p Profile) (own string, named bool) {
	said := append(slices.Clone(r.Selectable), r.ObjectLabel)
	for _, expr := range []*promexpr.Expr{r.Query, r.Buckets, r.ZeroWhen} {
		if expr != nil {
			said = append(said, expr.LabelNames()...)
		}
	}
	for _, name := range objectNames {
		if own := p.Label(name); own != name && slices.Contains(said, own) {
			return own, true
		}
	}
	return "", false
}

// names refuses a rule that names a backend's own label: under the profile that
// means another one.
func (c ruleCheck) names(backends []backendConfig) {
	for _, b := range backends {
		if !b.name.Valid || b.name.Value != c.backend.Value || !b.labels.Valid {
			continue
		}
		p := b.labels.Value
		own, named := c.compile().Names(p)
		if !named {
			continue
		}
		_, expr := c.expr()
		c.Report(expr.At, fmt.Sprintf("the rule names the label %q itself, and backend %q has labels: %s", own, b.name.Value, p),
			fmt.Sprintf("write %q, or give the rule a backend with labels: %s", p.nameOf(own), Operator))
	}
}

// nameOf is what rules call a backend's own label.
func (p Profile) nameOf(own string) string {
	for name, label := range p.Labels {
		if label == own {
			return name
		}
	}
	return own
}

// profile reads the name of a profile, or labels.
func (d decoder) profile(name string, to *place.Field[Profile]) func(*yaml.Node) {
	byName := place.Scalar(d.Decoder, name, "the name of a profile, or labels", nil, to, namedProfile)
	return func(node *yaml.Node) {
		if place.Target(node).Kind != yaml.MappingNode {
			byName(node)
			return
		}
		to.At, to.Given = d.At(place.Target(node)), true
		before := len(*d.Problems)
		to.Value = d.customProfile(node, to.At)
		to.Valid = len(*d.Problems) == before
	}
}

func namedProfile(text string) (Profile, *place.Refusal) {
	var names []string
	for _, p := range profiles {
		if p.Name == text {
			return p, nil
		}
		names = append(names, p.Name)
	}
	refusal := &place.Refusal{Cause: fmt.Sprintf("there is no profile %q", text), Hint: place.DidYouMean(text, names)}
	if refusal.Hint == "" {
		refusal.Hint = fmt.Sprintf("use %s, or labels of your own, as in {namespace: my_namespace, pod: my_pod}", place.List(names))
	}
	return Profile{}, refusal
}

// customProfile reads labels. No two may be one, and none may be what rules, or
// PromQL, call something else.
func (d decoder) customProfile(node *yaml.Node, at Position) Profile {
	p := Profile{Name: customProfile, Labels: map[string]string{}}
	fields := place.Fields{}
	texts := map[string]*place.Field[string]{}
	for _, name := range objectNames {
		texts[name] = &place.Field[string]{}
		fields[name] = d.Text(name, texts[name])
	}
	d.Object(node, "labels", fields)
	for _, name := range objectNames {
		text := texts[name]
		if !text.Valid {
			continue
		}
		if cause := p.refuses(name, text.Value); cause != "" {
			d.Report(text.At, fmt.Sprintf("field %q: %s", name, cause), "")
			continue
		}
		p.Labels[name] = text.Value
	}
	if !texts[NamespaceLabel].Given && len(p.Labels) > 0 {
		d.Report(at, `field "namespace" is missing: labels of your own need it`, "")
	}
	return p
}

// refuses says why a backend's label cannot be what rules call by a name.
func (p Profile) refuses(name, own string) string {
	exported, isExported := strings.CutPrefix(own, model.ExportedLabelPrefix)
	switch {
	case !labelName.MatchString(own):
		return fmt.Sprintf("%q is not a label name", own)
	case strings.HasPrefix(own, model.ReservedLabelPrefix) || own == model.BucketLabel:
		return fmt.Sprintf("the label %q means something else", own)
	case own != name && (slices.Contains(objectNames, own) || isExported && exported != name && slices.Contains(objectNames, exported)):
		return fmt.Sprintf("rules know the label %q as something else", own)
	}
	for _, other := range slices.Sorted(maps.Keys(p.Labels)) {
		if p.Labels[other] == own {
			return fmt.Sprintf("the label %q is that of %q already", own, other)
		}
	}
	return ""
}
