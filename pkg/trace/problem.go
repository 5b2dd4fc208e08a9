package trace

import (
	"fmt"
	"strconv"
	"strings"
)

// A Problem is why a file cannot be read, or its series cannot be a demand.
type Problem struct {
	File string
	// Line and Column count from 1, columns in bytes; 0 is the file as a whole.
	Line, Column int
	// Path leads to the place in a JSON text, as in data.result[3].values[17][1].
	Path string
	// Cause says what is wrong; Hint, where there is one, how to put it right.
	Cause string
	Hint  string
	// Err is the error of the file system, the network or the decompressor; nil
	// where the text is at fault.
	Err error
}

// Error returns the problem in one line, as in
//
//	load.csv:14:21: "n/k" in column "rps" is no number (hint: leave the cell empty where nothing was recorded)
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Cause)
	if p.Hint != "" {
		fmt.Fprintf(&b, " (hint: %s)", p.Hint)
	}
	return b.String()
}

// Unwrap returns the error below, if there is one.
func (p *Problem) Unwrap() error { return p.Err }

// quoted is a piece of the user's text for a message: in one line, and not long.
func quoted(text string) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// listed are names for a message.
func listed(names []string) string {
	const most = 30
	shown := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, quoted(name))
	}
	if more := len(names) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, ", ")
}
