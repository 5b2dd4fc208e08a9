package rule

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// TeamLabel, with the value TeamLabelValue, marks the ConfigMaps that teams bring
// rules in.
const (
	TeamLabel      = "pitot.dev/rules"
	TeamLabelValue = "true"
)

// A ConfigMap holds the rules of a team: each entry whose name ends in .yaml or
// .yml is a configuration file without backends. What else is in it has no meaning
// here.
type ConfigMap struct {
	Namespace string // "" where a manifest leaves it to whoever applies it
	Name      string
	Files     []File   // by name
	Position  Position // of the ConfigMap as a whole
}

// NewConfigMap returns a ConfigMap as a cluster has it. Its files are called
// namespace/name/entry.
func NewConfigMap(namespace, name string, data map[string]string) ConfigMap {
	m := ConfigMap{Namespace: namespace, Name: name, Position: Position{File: path.Join(namespace, name), Line: 1, Column: 1}}
	for _, entry := range slices.Sorted(maps.Keys(data)) {
		if isRulesEntry(entry) {
			m.Files = append(m.Files, File{Name: path.Join(namespace, name, entry), Text: []byte(data[entry])})
		}
	}
	return m
}

// String is namespace/name.
func (m ConfigMap) String() string {
	if m.Namespace == "" {
		return m.Name
	}
	return m.Namespace + "/" + m.Name
}

func isRulesEntry(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// ConfigMaps reads a file of manifests: ConfigMaps with TeamLabel and whatever
// stands beside them, which is passed over. Places in the files of such a ConfigMap
// are places in the manifest. It is none, with ok false, if there is no ConfigMap in
// the file at all: then it may be a configuration.
func ConfigMaps(f File) (labelled []ConfigMap, problems Problems, ok bool) {
	var found place.Problems
	d := f.decoder(&found)
	var unlabelled []manifest
	for root, wrong := range d.Documents() {
		if wrong != nil {
			found = append(found, *wrong)
			break
		}
		if !isConfigMap(root) {
			continue
		}
		ok = true
		if m := readManifest(d, root); m.marked() {
			labelled = append(labelled, m.ConfigMap)
		} else {
			unlabelled = append(unlabelled, m)
		}
	}
	if len(labelled) == 0 {
		for _, m := range unlabelled {
			m.reportUnmarked(d)
		}
	}
	return labelled, subject{}.own(found), ok
}

func isConfigMap(root *yaml.Node) bool {
	kind := place.Lookup(root, "kind")
	return kind != nil && place.Target(kind).Value == "ConfigMap"
}

// A manifest is a ConfigMap as it is written.
type manifest struct {
	ConfigMap
	label place.Field[string]
}

// readManifest reads of a ConfigMap what Pitot does. The rest is for the API server
// to judge.
func readManifest(d *place.Decoder, root *yaml.Node) manifest {
	m := manifest{ConfigMap: ConfigMap{Position: d.At(root)}}
	metadata := func(name string) *yaml.Node {
		if node := place.Lookup(root, "metadata"); node != nil {
			return place.Lookup(node, name)
		}
		return nil
	}
	text := func(name string, node *yaml.Node) (f place.Field[string]) {
		if node != nil {
			d.Text(name, &f)(node)
		}
		return f
	}
	m.Name = text("name", metadata("name")).Value
	m.Namespace = text("namespace", metadata("namespace")).Value
	if labels := metadata("labels"); labels != nil {
		if label := place.Lookup(labels, TeamLabel); label != nil {
			m.label = text(TeamLabel, label)
			m.label.At, m.label.Given = d.At(place.Target(label)), true
		}
	}
	data := place.Lookup(root, "data")
	if data == nil || place.Absent(data) {
		return m
	}
	d.Each(data, "data", func(name, value *yaml.Node) {
		if entry := text(name.Value, value); entry.Valid && isRulesEntry(name.Value) {
			m.Files = append(m.Files, File{Name: m.Position.File, Text: []byte(entry.Value), inside: func(problems *place.Problems) *place.Decoder {
				return d.Inside(value, problems)
			}})
		}
	})
	return m
}

// marked reports whether Pitot reads the ConfigMap. A label that is no text counts:
// its problem is reported.
func (m manifest) marked() bool {
	return m.label.Given && (!m.label.Valid || m.label.Value == TeamLabelValue)
}

func (m manifest) reportUnmarked(d *place.Decoder) {
	if m.label.Given {
		d.Report(m.label.At, fmt.Sprintf("the label %s is %q, so Pitot does not read the ConfigMap %q", TeamLabel, m.label.Value, m.Name), fmt.Sprintf("write %q", TeamLabelValue))
		return
	}
	d.Report(m.Position, fmt.Sprintf("the ConfigMap %q has no label %s, so Pitot does not read it", m.Name, TeamLabel),
		fmt.Sprintf("add to its metadata: labels: {%s: %q}", TeamLabel, TeamLabelValue))
}
