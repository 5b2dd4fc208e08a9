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
}

// lineBreak is what YAML ends a line with.
var lineBreak = regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`)

func newSource(name string, text []byte) source {
	return source{name: name, text: string(text), lines: lineBreak.Split(string(text), -1)}
}

// line returns the text of a line from a column on; "" where there is none.
func (s source) line(line, column int) string {
	if line < 1 || line > len(s.lines) || column < 1 {
		return ""
	}
	runes := []rune(s.lines[line-1])
	return string(runes[min(column-1, len(runes)):])
}

// Within returns the place of a column, from 1, of a scalar's one-line value. It
// trusts nothing but the text itself: unless the file shows the value there as
// it is, the place is that of the scalar. So it is for column 0.
func (d *Decoder) Within(node *yaml.Node, column int) Position {
	node = Target(node)
	at := d.At(node)
	written, ok := writtenBefore(d.source.line(node.Line, node.Column), node.Value, column)
	if ok && node.Kind == yaml.ScalarNode && node.Anchor == "" {
		at.Column += written
	}
	return at
}

// writtenBefore returns how many characters a scalar takes in the file before a
// column of its value, the opening quote included. It undoes doubled single
// quotes, and backslashes before quotes and backslashes; any other escape makes
// it give up. The column after the last is one too: something is missing there.
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

// syntax reports a syntax error of the YAML library.
func (d *Decoder) syntax(err error) {
	at, cause := d.start(), err.Error()
	if parts := yamlMessage.FindStringSubmatch(cause); parts != nil {
		cause = parts[2]
		if n, err := strconv.Atoi(parts[1]); err == nil {
			at.Line = n
		}
	}
	if slices.ContainsFunc(ofParser, func(m string) bool { return strings.HasPrefix(cause, m) }) {
		at.Line++
	}
	if anchor, found := strings.CutPrefix(cause, "unknown anchor '"); found {
		anchor, _, _ = strings.Cut(anchor, "'")
		at = d.find("*"+anchor, at)
	}
	d.Report(at, "invalid YAML: "+cause, "")
}

// find returns where a text first stands; otherwise if it does not.
func (d *Decoder) find(text string, otherwise Position) Position {
	for i, line := range d.source.lines {
		if before, _, found := strings.Cut(line, text); found {
			return Position{File: d.source.name, Line: i + 1, Column: utf8.RuneCountInString(before) + 1}
		}
	}
	return otherwise
}
