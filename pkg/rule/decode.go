package rule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A field is a value of the configuration and where it stands. The zero field is
// absent.
type field[T any] struct {
	value T
	at    Position
	given bool // the file has the field
	valid bool // value holds what the file, or a default, says
}

// orElse fills in a default.
func (f *field[T]) orElse(value T) {
	if !f.given {
		f.value, f.valid = value, true
	}
}

// A decoder reads YAML nodes and reports whatever is not as it should be. It
// never stops at a problem: a field it cannot read stays given and not valid.
type decoder struct {
	reporter
	source source
}

// at returns the place of a node.
func (d *decoder) at(node *yaml.Node) Position {
	return Position{File: d.source.name, Line: max(node.Line, 1), Column: max(node.Column, 1)}
}

// fields are the fields that an object may have, each with its reader.
type fields map[string]func(*yaml.Node)

// object reads a mapping. It refuses unknown fields and fields given twice. It
// reports whether the node is a mapping at all.
func (d *decoder) object(node *yaml.Node, what string, known fields) bool {
	node = target(node)
	if node.Kind != yaml.MappingNode {
		d.report(d.at(node), fmt.Sprintf("%s must be an object with fields, not %s", what, describe(node)), "")
		return false
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := target(node.Content[i]), node.Content[i+1]
		read, ok := known[name.Value]
		first, repeated := seen[name.Value]
		switch {
		case name.Tag == "!!merge":
			d.report(d.at(name), "merge keys (<<) are not supported", "an alias (*name) in place of a value is")
		case name.Kind != yaml.ScalarNode:
			d.report(d.at(name), fmt.Sprintf("the name of a field must be text, not %s", describe(name)), "")
		case repeated:
			d.report(d.at(name), fmt.Sprintf("field %q is given twice: first in line %d", name.Value, first.Line), "")
		case !ok:
			d.unknown(node, name, value, known)
		default:
			read(value)
		}
		seen[name.Value] = name
	}
	return true
}

// unknown reports a field that does not exist. If it is another one misspelled,
// it is read as that one, so that its value is checked and nothing is missed.
func (d *decoder) unknown(object, name, value *yaml.Node, known fields) {
	names := slices.Collect(maps.Keys(known))
	d.report(d.at(name), fmt.Sprintf("unknown field %q", name.Value), unknownHint(name.Value, names))
	if meant, ok := closest(name.Value, names); ok && lookup(object, meant) == nil {
		known[meant](value)
	}
}

// list returns the elements of a sequence. It reports whether the node is one.
func (d *decoder) list(node *yaml.Node, what string) (elements []*yaml.Node, ok bool) {
	node = target(node)
	if node.Kind != yaml.SequenceNode {
		d.report(d.at(node), fmt.Sprintf("%s must be a list, not %s", what, describe(node)), "")
		return nil, false
	}
	return node.Content, true
}

// scalar reads a field of one of the YAML types in tags, or of any if they are
// nil, with parse. That returns a cause, and perhaps a hint, for what it refuses.
func scalar[T any](d *decoder, name, want string, tags []string, to *field[T], parse func(text string) (v T, cause, hint string)) func(*yaml.Node) {
	return func(node *yaml.Node) {
		node = target(node)
		to.at, to.given = d.at(node), true
		switch {
		case node.Kind == yaml.ScalarNode && (node.Tag == "!!null" || node.Value == ""):
			d.report(to.at, fmt.Sprintf("field %q has no value", name), "")
			return
		case node.Kind != yaml.ScalarNode || (tags != nil && !slices.Contains(tags, node.Tag)):
			d.report(to.at, fmt.Sprintf("field %q must be %s, not %s", name, want, describe(node)), quoteHint(node, tags))
			return
		}
		value, cause, hint := parse(node.Value)
		if cause != "" {
			d.report(to.at, fmt.Sprintf("field %q: %s", name, cause), hint)
			return
		}
		to.value, to.valid = value, true
	}
}

var (
	textTags    = []string{"!!str"}
	numberTags  = []string{"!!float", "!!int"}
	booleanTags = []string{"!!bool"}
)

func (d *decoder) text(name string, to *field[string]) func(*yaml.Node) {
	return scalar(d, name, "text", textTags, to, func(text string) (string, string, string) { return text, "", "" })
}

func (d *decoder) boolean(name string, to *field[bool]) func(*yaml.Node) {
	return scalar(d, name, "true or false", booleanTags, to, func(text string) (bool, string, string) {
		return strings.EqualFold(text, "true"), "", ""
	})
}

func (d *decoder) number(name string, to *field[float64]) func(*yaml.Node) {
	return scalar(d, name, "a number", numberTags, to, func(text string) (float64, string, string) {
		v, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil {
			return 0, fmt.Sprintf("%q is not a decimal number", text), ""
		}
		return v, "", ""
	})
}

func (d *decoder) duration(name string, to *field[time.Duration]) func(*yaml.Node) {
	return scalar(d, name, "a duration such as 10s", nil, to, func(text string) (time.Duration, string, string) {
		v, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Sprintf("%q is not a duration", text), "write it as in 500ms, 10s or 1m30s"
		}
		return v, "", ""
	})
}

// bytes reads a Kubernetes quantity; a plain number is one too.
func (d *decoder) bytes(name string, to *field[int64]) func(*yaml.Node) {
	return scalar(d, name, "a quantity such as 64Mi", nil, to, func(text string) (int64, string, string) {
		v, err := resource.ParseQuantity(text)
		if err != nil {
			return 0, fmt.Sprintf("%q is not a quantity", text), "write it as in 64Mi"
		}
		return v.Value(), "", ""
	})
}

// oneOf reads one of some words.
func oneOf[T ~string](d *decoder, name string, to *field[T], words ...T) func(*yaml.Node) {
	return scalar(d, name, "one word", nil, to, func(text string) (T, string, string) {
		if slices.Contains(words, T(text)) {
			return T(text), "", ""
		}
		names := make([]string, len(words))
		for i, word := range words {
			names[i] = string(word)
		}
		return "", fmt.Sprintf("%q is not %s", text, quotedList(names)), didYouMean(text, names)
	})
}

func (d *decoder) kind(name string, to *field[GroupResource]) func(*yaml.Node) {
	return scalar(d, name, "a kind such as deployments.apps", nil, to, parseKind)
}

// expression reads PromQL. Its problems stand where they are in the file.
func (d *decoder) expression(name string, to *field[*promexpr.Expr]) func(*yaml.Node) {
	var text field[string]
	read := d.text(name, &text)
	return func(node *yaml.Node) {
		read(node)
		to.at, to.given = text.at, text.given
		if !text.valid {
			return
		}
		expr, err := promexpr.Parse(text.value)
		if err != nil {
			d.syntax(name, target(node), err)
			return
		}
		to.value, to.valid = expr, true
	}
}

// lookup returns the value of a mapping's field; nil if there is none.
func lookup(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if target(node.Content[i]).Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// target returns the node that an alias stands for.
func target(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// describe names what a node holds, for a message.
func describe(node *yaml.Node) string {
	switch node.Kind {
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
