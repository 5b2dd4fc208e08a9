package charts

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	valuesFile     = chartPath + "/values.yaml"
	valuesPage     = repository + "/docs/helm-values.md"
	valuesPageHead = `# Values of the Helm chart

Every value of ` + "`charts/pitot`" + ` with its default. A key that is not here is refused. [How to install](install.md) says which of
them matter. This page is made of the comments in ` + "`charts/pitot/values.yaml`" + `.
`
)

// TestValuesPage keeps docs/helm-values.md.
func TestValuesPage(t *testing.T) {
	var document yaml.Node
	read(t, valuesFile, func(text []byte) error { return yaml.Unmarshal(text, &document) })
	page := page{t: t}
	page.WriteString(valuesPageHead)
	// The first heading stands under the comment of the whole file.
	page.heading(document.HeadComment[strings.LastIndex(document.HeadComment, "\n")+1:])
	page.mapping("", document.Content[0])
	golden(t, valuesPage, page.String())
}

// A page describes values.
type page struct {
	strings.Builder
	t *testing.T
}

// heading begins a table under a comment.
func (p *page) heading(comment string) {
	fmt.Fprintf(p, "\n#%s\n\n| value | default | |\n|---|---|---|\n", comment)
}

// mapping describes the keys of a mapping below a path.
func (p *page) mapping(path string, node *yaml.Node) {
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := path + key.Value
		heading, what := comment(key.HeadComment)
		if heading != "" {
			p.heading("# " + heading)
		}
		switch {
		case what != "":
			fmt.Fprintf(p, "| `%s` | %s | %s |\n", name, byDefault(value), what)
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			p.mapping(name+".", value)
		default:
			p.t.Errorf("values.yaml:%d: %s has no comment that begins with \"# -- \"", key.Line, name)
		}
	}
}

// comment splits the lines above a key into a heading, which stands alone, and the
// description, which begins with "-- ".
func comment(text string) (heading, what string) {
	var description []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")
		begin, begins := strings.CutPrefix(line, "-- ")
		switch {
		case begins:
			description = []string{begin}
		case len(description) > 0:
			description = append(description, line)
		case line != "":
			heading = line
		}
	}
	return heading, strings.ReplaceAll(strings.Join(description, " "), "|", "\\|")
}

// byDefault shows a value in a table.
func byDefault(value *yaml.Node) string {
	copied := *value
	flat(&copied)
	text, err := yaml.Marshal(&copied)
	if err != nil {
		return err.Error()
	}
	return "`" + strings.Join(strings.Fields(string(text)), " ") + "`"
}

// flat makes a value one line long, without its comments.
func flat(node *yaml.Node) {
	node.Style |= yaml.FlowStyle
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	for _, below := range node.Content {
		flat(below)
	}
}
