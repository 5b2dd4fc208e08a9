package rule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A source is the text of a configuration file, to point into.
type source struct {
	name  string
	lines []string
}

// lineBreak is what YAML ends a line with.
var lineBreak = regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`)

func newSource(f File) source {
	return source{name: f.Name, lines: lineBreak.Split(string(f.Text), -1)}
}

// line returns the text of a line from a column on; "" where there is none.
func (s source) line(line, column int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	runes := []rune(s.lines[line-1])
	return string(runes[min(column-1, len(runes)):])
}

// syntax reports the problems of a PromQL text, each at its own place in the
// file. Where the YAML folds or escapes the text so that this place is unclear,
// it reports at the value and gives the place within.
func (d *decoder) syntax(name string, node *yaml.Node, err error) {
	var problems promexpr.SyntaxErrors
	errors.As(err, &problems) // Parse promises it.
	for _, p := range problems {
		if at, ok := d.source.within(node, p.Line, p.Column); ok {
			d.report(at, fmt.Sprintf("field %q: %s", name, p.Msg), "")
			continue
		}
		d.report(d.at(node), fmt.Sprintf("field %q: line %d, column %d of the expression: %s", name, p.Line, p.Column, p.Msg), "")
	}
}

// within returns the file position of a line and column of a scalar's value. It
// trusts nothing but the text itself: unless the file shows the value there as
// it is, ok is false.
func (s source) within(node *yaml.Node, line, column int) (at Position, ok bool) {
	at = Position{File: s.name}
	switch node.Style {
	case yaml.LiteralStyle:
		at.Line = node.Line + line
		written, value := s.line(at.Line, 1), valueLine(node.Value, line)
		indent := strings.TrimSuffix(written, value)
		at.Column = len(indent) + column
		return at, strings.HasSuffix(written, value) && strings.Trim(indent, " ") == ""
	case 0, yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		start := node.Column + s.anchor(node)
		written, ok := writtenBefore(s.line(node.Line, start), node.Value, column)
		at.Line, at.Column = node.Line, start+written
		return at, ok && line == 1
	}
	return at, false
}

// anchor returns how many characters an anchor takes before the value itself.
func (s source) anchor(node *yaml.Node) int {
	written := s.line(node.Line, node.Column)
	after, found := strings.CutPrefix(written, "&"+node.Anchor+" ")
	if node.Anchor == "" || !found {
		return 0
	}
	return utf8.RuneCountInString(written) - utf8.RuneCountInString(strings.TrimLeft(after, " "))
}

// valueLine returns one line of a value.
func valueLine(value string, line int) string {
	lines := strings.Split(value, "\n")
	if line > len(lines) {
		return ""
	}
	return lines[line-1]
}

// writtenBefore returns how many characters a one-line scalar takes in the file
// before a column of its value, the opening quote included. It undoes doubled
// single quotes, and backslashes before quotes and backslashes; any other escape
// makes it give up.
func writtenBefore(written, value string, column int) (characters int, ok bool) {
	var quote rune
	in := []rune(written)
	if len(in) > 0 && (in[0] == '\'' || in[0] == '"') {
		quote, characters = in[0], 1
	}
	for i, want := range []rune(value) {
		if i == column-1 {
			return characters, true
		}
		if characters+1 < len(in) && escapes(quote, in[characters], in[characters+1]) {
			characters++
		}
		if characters >= len(in) || in[characters] != want {
			return 0, false
		}
		characters++
	}
	return characters, true
}

// escapes reports whether a character makes the next one stand for itself.
func escapes(quote, c, next rune) bool {
	switch quote {
	case '\'':
		return c == '\'' && next == '\''
	case '"':
		return c == '\\' && (next == '"' || next == '\\')
	}
	return false
}
