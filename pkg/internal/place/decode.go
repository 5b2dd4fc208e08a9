package place

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Decoder reads YAML nodes and reports whatever is not as it should be. It
// never stops at a problem.
type Decoder struct {
	Reporter
	// UnknownHint says what to write in place of a field that is none of the known
	// ones, which are sorted. NewDecoder sets it to the closest of them, or else to
	// all if they are few.
	UnknownHint func(field string, known []string) string

	source source
}

// NewDecoder reads a text, whose name is for problems.
func NewDecoder(name string, text []byte, problems *Problems) *Decoder {
	return &Decoder{Reporter: Reporter{Problems: problems}, UnknownHint: unknownHint, source: newSource(name, text)}
}

func unknownHint(field string, known []string) string {
	if hint := DidYouMean(field, known); hint != "" || len(known) > 16 {
		return hint
	}
	return "there are " + strings.Join(known, ", ")
}

// About is the decoder for a part of the text that has a name of its own.
func (d *Decoder) About(subject string) *Decoder {
	named := *d
	named.Subject = subject
	return &named
}

// Documents are those of the text that hold anything. Where the text is no YAML
// they end with the problem, which is not reported yet.
func (d *Decoder) Documents() iter.Seq2[*yaml.Node, *Problem] {
	return func(yield func(*yaml.Node, *Problem) bool) {
		documents := yaml.NewDecoder(strings.NewReader(d.source.text))
		for {
			var document yaml.Node
			err := documents.Decode(&document)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, d.source.syntax(err))
				return
			}
			content := document.Content[0]
			if Target(content).Tag != "!!null" && !yield(content, nil) {
				return
			}
		}
	}
}

// Document returns the one document of the text. It reports a text with none or
// several.
func (d *Decoder) Document() (root *yaml.Node, ok bool) {
	for content, wrong := range d.Documents() {
		switch {
		case wrong != nil:
			d.Report(wrong.Position, wrong.Cause, "")
			return nil, false
		case root != nil:
			d.Report(d.At(content), "a second document: there can be only one", "make a file of its own of it")
			return root, true
		}
		root = content
	}
	if root == nil {
		d.Report(d.source.start(), "there is nothing in it", "")
	}
	return root, root != nil
}

// At returns the place of a node.
func (d *Decoder) At(node *yaml.Node) Position {
	return d.source.at(max(node.Line, 1), max(node.Column, 1))
}

// Fields are the fields that an object may have, each with its reader.
type Fields map[string]func(*yaml.Node)

// Object reads a mapping. It refuses unknown fields and fields given twice. It
// reports whether the node is a mapping at all.
func (d *Decoder) Object(node *yaml.Node, what string, known Fields) bool {
	return d.Each(node, what, func(name, value *yaml.Node) {
		if read, ok := known[name.Value]; ok {
			read(value)
			return
		}
		d.unknown(Target(node), name, value, known)
	})
}

// Each reads a mapping whose names are its own. It refuses names given twice.
func (d *Decoder) Each(node *yaml.Node, what string, read func(name, value *yaml.Node)) bool {
	node = Target(node)
	if node.Kind != yaml.MappingNode {
		d.Report(d.At(node), fmt.Sprintf("%s must be an object with fields, not %s", what, Describe(node)), "")
		return false
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := Target(node.Content[i]), node.Content[i+1]
		first, repeated := seen[name.Value]
		switch {
		case name.Tag == "!!merge":
			d.Report(d.At(name), "merge keys (<<) are not supported", "an alias (*name) in place of a value is")
		case name.Kind != yaml.ScalarNode:
			d.Report(d.At(name), fmt.Sprintf("the name of a field must be text, not %s", Describe(name)), "")
		case repeated:
			d.Report(d.At(name), fmt.Sprintf("field %q is given twice: first in line %d", name.Value, d.At(first).Line), "")
		default:
			read(name, value)
		}
		seen[name.Value] = name
	}
	return true
}

// unknown reports a field that does not exist. If it is another one misspelled,
// it is read as that one, so that its value is checked and nothing is missed.
func (d *Decoder) unknown(object, name, value *yaml.Node, known Fields) {
	names := slices.Sorted(maps.Keys(known))
	d.Report(d.At(name), fmt.Sprintf("unknown field %q", name.Value), d.UnknownHint(name.Value, names))
	if meant, ok := Closest(name.Value, names); ok && Lookup(object, meant) == nil {
		known[meant](value)
	}
}

// Elements returns the elements of a sequence. It reports whether the node is one.
func (d *Decoder) Elements(node *yaml.Node, what string) (elements []*yaml.Node, ok bool) {
	node = Target(node)
	if node.Kind != yaml.SequenceNode {
		d.Report(d.At(node), fmt.Sprintf("%s must be a list, not %s", what, Describe(node)), "")
		return nil, false
	}
	return node.Content, true
}

// A Refusal is why a text is no value of a field.
type Refusal struct {
	Cause string
	Hint  string
	// Column is where in the text, from 1; 0 is the text as a whole.
	Column int
}

// Scalar reads a field of one of the YAML types in tags, or of any if there are
// none, with parse. That returns nil, or why it refuses the text.
func Scalar[T any](d *Decoder, name, want string, tags []string, to *Field[T], parse func(text string) (T, *Refusal)) func(*yaml.Node) {
	return func(node *yaml.Node) {
		node = Target(node)
		to.At, to.Given = d.At(node), true
		switch {
		case Absent(node):
			d.Report(to.At, fmt.Sprintf("field %q has no value", name), "")
			return
		case node.Kind != yaml.ScalarNode || (tags != nil && !slices.Contains(tags, node.Tag)):
			d.Report(to.At, fmt.Sprintf("field %q must be %s, not %s", name, want, Describe(node)), quoteHint(node, tags))
			return
		}
		value, refusal := parse(node.Value)
		if refusal != nil {
			at, shown := d.Within(node, 1, refusal.Column)
			if !shown {
				at = to.At
			}
			d.Report(at, fmt.Sprintf("field %q: %s", name, refusal.Cause), refusal.Hint)
			return
		}
		to.Value, to.Valid = value, true
	}
}

var (
	textTags    = []string{"!!str"}
	booleanTags = []string{"!!bool"}
	numberTags  = []string{"!!float", "!!int"}
	wholeTags   = []string{"!!int"}
)

// Text reads a field that is text.
func (d *Decoder) Text(name string, to *Field[string]) func(*yaml.Node) {
	return Scalar(d, name, "text", textTags, to, func(text string) (string, *Refusal) { return text, nil })
}

// Boolean reads a field that is true or false.
func (d *Decoder) Boolean(name string, to *Field[bool]) func(*yaml.Node) {
	return Scalar(d, name, "true or false", booleanTags, to, func(text string) (bool, *Refusal) {
		return strings.EqualFold(text, "true"), nil
	})
}

// Number reads a field that is a finite decimal number.
func (d *Decoder) Number(name string, to *Field[float64]) func(*yaml.Node) {
	return Scalar(d, name, "a number", numberTags, to, func(text string) (float64, *Refusal) {
		v, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return 0, &Refusal{Cause: fmt.Sprintf("%q is not a decimal number", text)}
		}
		return v, nil
	})
}

// Whole reads a field that is a whole decimal number.
func (d *Decoder) Whole(name string, to *Field[int64]) func(*yaml.Node) {
	return Scalar(d, name, "a whole number", wholeTags, to, func(text string) (int64, *Refusal) {
		v, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return 0, &Refusal{Cause: fmt.Sprintf("%q is not a whole decimal number", text)}
		}
		return v, nil
	})
}

// Duration reads a field that is a duration of Go.
func (d *Decoder) Duration(name string, to *Field[time.Duration]) func(*yaml.Node) {
	return Scalar(d, name, "a duration such as 10s", nil, to, func(text string) (time.Duration, *Refusal) {
		v, err := time.ParseDuration(text)
		if err != nil {
			return 0, &Refusal{Cause: fmt.Sprintf("%q is not a duration", text), Hint: "write it as in 500ms, 10s or 1m30s"}
		}
		return v, nil
	})
}

// OneOf reads a field that is one of some words.
func OneOf[T ~string](d *Decoder, name string, to *Field[T], words ...T) func(*yaml.Node) {
	return Scalar(d, name, "one word", nil, to, func(text string) (T, *Refusal) {
		if slices.Contains(words, T(text)) {
			return T(text), nil
		}
		names := make([]string, len(words))
		for i, word := range words {
			names[i] = string(word)
		}
		return "", &Refusal{Cause: fmt.Sprintf("%q is not %s", text, List(names)), Hint: DidYouMean(text, names)}
	})
}

// Constant checks a field of a document's head, which has only one possible value.
func (d *Decoder) Constant(name string, document Position, f Field[string], want string) {
	switch {
	case !f.Given:
		d.Report(document, fmt.Sprintf("field %q is missing", name), fmt.Sprintf("begin with %s: %s", name, want))
	case f.Valid && f.Value != want:
		d.Report(f.At, fmt.Sprintf("field %q: %q is not supported", name, f.Value), fmt.Sprintf("write %s: %s", name, want))
	}
}

// Lookup returns the value of a mapping's field; nil if there is none.
func Lookup(node *yaml.Node, name string) *yaml.Node {
	node = Target(node)
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if Target(node.Content[i]).Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// Target returns the node that an alias stands for.
func Target(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// Absent reports whether a node is an empty value, such as that of "name:".
func Absent(node *yaml.Node) bool {
	node = Target(node)
	return node.Kind == yaml.ScalarNode && (node.Tag == "!!null" || node.Value == "")
}

// Describe names what a node holds, for a message.
func Describe(node *yaml.Node) string {
	switch node = Target(node); node.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "the truth value " + node.Value
	case "!!int", "!!float":
		return "the number " + node.Value
	case "!!str":
		return fmt.Sprintf("the text %q", node.Value)
	}
	return fmt.Sprintf("%s %q", node.Tag, node.Value)
}

// quoteHint helps where YAML reads text as something else, such as yes or 1e3,
// and where quotes made text of a number.
func quoteHint(node *yaml.Node, tags []string) string {
	if node.Kind != yaml.ScalarNode {
		return ""
	}
	quoted := node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	switch {
	case !quoted && slices.Contains(tags, "!!str"):
		return fmt.Sprintf("put it in quotes: %q", node.Value)
	case quoted:
		return "leave the quotes out"
	}
	return ""
}
