package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// kind is what this package reads.
const kind = "HorizontalPodAutoscaler"

// A document is one YAML document of a text.
type document struct {
	file string
	from int // lines before it
	text []byte
}

// split cuts a text at the lines that begin a YAML document.
func split(file string, text []byte) []document {
	var documents []document
	begin := document{file: file}
	for i, line := range bytes.SplitAfter(text, []byte("\n")) {
		if word := bytes.TrimRight(line, " \t\r\n"); bytes.Equal(word, []byte("---")) || bytes.HasPrefix(word, []byte("--- ")) {
			documents = append(documents, begin)
			begin = document{file: file, from: i}
		}
		begin.text = append(begin.text, line...)
	}
	return append(documents, begin)
}

// An object is a HorizontalPodAutoscaler as it is written.
type object struct {
	document
	version string // v1 or v2
	value   map[string]any
	node    *yamlv3.Node // where it stands; nil where that is unknown
	unread  []string     // the fields whose values could not be decoded
}

// objects are the HorizontalPodAutoscalers of a document.
//
// Values come from the YAML library of kubectl, to which yes is a truth value
// and 010 is eight. It knows no places: those come from a second one.
func (d document) objects() ([]object, Problems) {
	value, err := d.parse()
	if err != nil {
		return nil, Problems{d.yaml(err)}
	}
	if value == nil {
		return nil, nil
	}
	root := object{document: d, node: d.nodes()}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, Problems{root.problem("", "this is no Kubernetes object", "")}
	}
	root.value = fields
	return root.unfold("", "")
}

func (d document) parse() (value any, err error) {
	text, err := yaml.YAMLToJSON(d.text)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // of large whole numbers no digit may be lost
	err = decoder.Decode(&value)
	return value, err
}

func (d document) nodes() *yamlv3.Node {
	var node yamlv3.Node
	if yamlv3.Unmarshal(d.text, &node) != nil || len(node.Content) == 0 {
		return nil
	}
	return node.Content[0]
}

// yamlLine finds the line in a message of the YAML library.
var yamlLine = regexp.MustCompile(`(?s)yaml: (?:line (\d+): )?(.*)$`)

// yaml is the problem of a document that is no YAML.
func (d document) yaml(err error) Problem {
	at, cause := Position{File: d.file, Line: d.from + 1, Column: 1}, err.Error()
	if parts := yamlLine.FindStringSubmatch(cause); parts != nil {
		cause = parts[2]
		if line, err := strconv.Atoi(parts[1]); err == nil {
			at.Line = d.from + line
		}
	}
	return Problem{Problem: place.Problem{Position: at, Cause: "invalid YAML: " + cause}}
}

// unfold sorts out the HorizontalPodAutoscalers of a List, or finds that the
// object is one. The elements of a typed list need not repeat the list's type.
func (o object) unfold(apiVersion, elementKind string) ([]object, Problems) {
	is, written := text(o.value["kind"], elementKind)
	version, _ := text(o.value["apiVersion"], apiVersion)
	if !written {
		return nil, Problems{o.problem("kind", "a Kubernetes object names its kind", "")}
	}
	group, minor, _ := strings.Cut(version, "/")
	elements, isList := o.value["items"].([]any)
	switch {
	case strings.HasSuffix(is, "List") && isList:
		typed := ""
		if is != "List" {
			typed, apiVersion = strings.TrimSuffix(is, "List"), version
		}
		return o.list(elements, apiVersion, typed)
	case is != kind || group != "autoscaling":
		return nil, nil
	case minor != "v1" && minor != "v2":
		return nil, Problems{o.problem("apiVersion", fmt.Sprintf("%q is not autoscaling/v2 or autoscaling/v1, the versions that Kubernetes serves", version), "")}
	}
	o.version = minor
	return []object{o}, nil
}

func (o object) list(elements []any, apiVersion, typed string) (found []object, problems Problems) {
	for i, element := range elements {
		_, node := o.find(fmt.Sprintf("items[%d]", i))
		one := object{document: o.document, node: node}
		fields, ok := element.(map[string]any)
		if !ok {
			problems = append(problems, one.problem("", "this is no Kubernetes object", ""))
			continue
		}
		one.value = fields
		objects, unreadable := one.unfold(apiVersion, typed)
		found, problems = append(found, objects...), append(problems, unreadable...)
	}
	return found, problems
}

// text is a value that should be one.
func text(value any, otherwise string) (s string, ok bool) {
	if s, ok = value.(string); !ok || s == "" {
		return otherwise, otherwise != ""
	}
	return s, true
}
