package place

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A source is a text to point into.
type source struct {
	name  string
	text  string
	lines []string

	// around is set where the text is a scalar of another: places are then those
	// of the other, see Decoder.Inside.
	around func(line, column int) Position
}

// lineBreak is what YAML ends a line with.
var lineBreak = regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`)

func newSource(name string, text []byte) source {
	return source{name: name, text: string(text), lines: lineBreak.Split(string(text), -1)}
}

// at is the place of a line and a column of the text.
func (s source) at(line, column int) Position {
	if s.around != nil {
		return s.around(line, column)
	}
	return Position{File: s.name, Line: line, Column: column}
}

func (s source) start() Position { return s.at(1, 1) }

// line returns the text of a line from a column on; "" where there is none.
func (s source) line(line, column int) string {
	if line < 1 || line > len(s.lines) || column < 1 {
		return ""
	}
	runes := []rune(s.lines[line-1])
	return string(runes[min(column-1, len(runes)):])
}

// Within returns the place of a line and a column, both from 1, of a scalar's
// value. It trusts nothing but the text itself: unless the file shows the value
// there as it is, ok is false.
func (d *Decoder) Within(node *yaml.Node, line, column int) (at Position, ok bool) {
	node = Target(node)
	switch node.Style {
	case yaml.LiteralStyle:
		written, value := d.source.line(node.Line+line, 1), valueLine(node.Value, line)
		indent := strings.TrimSuffix(written, value)
		shown := strings.HasSuffix(written, value) && strings.Trim(indent, " ") == ""
		return d.source.at(node.Line+line, len(indent)+column), shown && column >= 1 && column <= utf8.RuneCountInString(value)+1
	case 0, yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		start := node.Column + d.source.anchor(node)
		written, ok := writtenBefore(d.source.line(node.Line, start), node.Value, column)
		return d.source.at(node.Line, start+written), ok && line == 1
	}
	return Position{}, false
}

// Inside reads the text that a scalar holds, as a ConfigMap holds files. Places in
// it are those of the text around it, where that shows the value as it is; else
// they are the place of the scalar.
func (d *Decoder) Inside(node *yaml.Node, problems *Problems) *Decoder {
	node = Target(node)
	inner := NewDecoder(d.source.name, []byte(node.Value), problems)
	inner.source.around = func(line, column int) Position {
		if at, shown := d.Within(node, line, column); shown {
			return at
		}
		return d.At(node)
	}
	return inner
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
	if line < 1 || line > len(lines) {
		return ""
	}
	return lines[line-1]
}

// writtenBefore returns how many characters a one-line scalar takes in the file
// before a column of its value, the opening quote included. It undoes doubled
// single quotes, and backslashes before quotes and backslashes; any other escape
// makes it give up. The column after the last is one too: something is missing
// there.
func writtenBefore(written, value string, column int) (characters int, ok bool) {
	var quote rune
	in := []rune(written)
	if len(in) > 0 && (in[0] == '\'' || in[0] == '"') {
		quote, characters = in[0], 1
	}
	wanted := []rune(value)
	if column < 1 || column > len(wanted)+1 {
		return 0, false
	}
	for _, want := range wanted[:column-1] {
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

// A yamlMessage is what yaml/v3 says of a text that is no YAML.
var yamlMessage = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s).*)$`)

// ofParser are the messages for which yaml/v3 gives a line one too small
// (parser.fail in its decode.go corrects those of the scanner only).
var ofParser = []string{
	"did not find expected key",
	"did not find expected '-' indicator",
	"did not find expected ',' or",
	"did not find expected node content",
	"did not find expected <",
}

// syntax is the problem of a text that the YAML library refuses.
func (s source) syntax(err error) *Problem {
	line, cause := 1, err.Error()
	if parts := yamlMessage.FindStringSubmatch(cause); parts != nil {
		cause = parts[2]
		if n, err := strconv.Atoi(parts[1]); err == nil {
			line = n
		}
	}
	if slices.ContainsFunc(ofParser, func(m string) bool { return strings.HasPrefix(cause, m) }) {
		line++
	}
	at := s.at(line, 1)
	if anchor, found := strings.CutPrefix(cause, "unknown anchor '"); found {
		anchor, _, _ = strings.Cut(anchor, "'")
		at = s.find("*"+anchor, at)
	}
	return &Problem{Position: at, Cause: "invalid YAML: " + cause}
}

// find returns where a text first stands; otherwise if it does not.
func (s source) find(text string, otherwise Position) Position {
	for i, line := range s.lines {
		if before, _, found := strings.Cut(line, text); found {
			return s.at(i+1, utf8.RuneCountInString(before)+1)
		}
	}
	return otherwise
}
