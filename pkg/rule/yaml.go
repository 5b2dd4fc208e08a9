package rule

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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

// yaml reports a syntax error of the YAML library.
func (d *decoder) yaml(err error) {
	line, cause := "", err.Error()
	if parts := yamlMessage.FindStringSubmatch(cause); parts != nil {
		line, cause = parts[1], parts[2]
	}
	at := Position{File: d.source.name, Line: 1, Column: 1}
	if n, err := strconv.Atoi(line); err == nil {
		at.Line = n
	}
	if slices.ContainsFunc(ofParser, func(m string) bool { return strings.HasPrefix(cause, m) }) {
		at.Line++
	}
	if anchor, found := strings.CutPrefix(cause, "unknown anchor '"); found {
		anchor, _, _ = strings.Cut(anchor, "'")
		at = d.source.find("*"+anchor, at)
	}
	d.report(at, "invalid YAML: "+cause, yamlHint(cause))
}

// yamlHint explains the message that PromQL in braces leads to.
func yamlHint(cause string) string {
	if strings.HasPrefix(cause, "did not find expected ',' or") {
		return "PromQL with braces, brackets or commas needs quotes within {...}"
	}
	return ""
}

// find returns where a text first stands; otherwise if it does not.
func (s source) find(text string, otherwise Position) Position {
	for i, line := range s.lines {
		if before, _, found := strings.Cut(line, text); found {
			return Position{File: s.name, Line: i + 1, Column: utf8.RuneCountInString(before) + 1}
		}
	}
	return otherwise
}
