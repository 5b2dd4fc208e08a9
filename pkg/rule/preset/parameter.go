package preset

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// A Type says what values a parameter takes.
type Type string

// The types of parameters.
const (
	// Duration is a time such as 2m or 1m30s, in whole milliseconds.
	Duration Type = "duration"
	// Number is above zero.
	Number Type = "number"
	// Regexp is a regular expression that a whole label value has to match.
	Regexp Type = "regexp"
)

// Window is the name of the parameter that says how far a query looks back. It is
// a Duration of at least Samples scrape intervals.
const Window = "window"

// Samples is how many samples a window has to hold: when one scrape is lost, a
// rate still has three to go by.
const Samples = 4

// A Parameter is what a user may, or must, say of a preset.
type Parameter struct {
	Name    string `yaml:"name" json:"name"`
	Type    Type   `yaml:"type" json:"type"`
	Default string `yaml:"default" json:"default,omitempty"` // "": it has to be given
	Example string `yaml:"example" json:"example,omitempty"` // of one without a default
	Meaning string `yaml:"meaning" json:"meaning"`
}

// Required reports whether the parameter has to be given.
func (p Parameter) Required() bool { return p.Default == "" }

// A ParameterError is what is wrong with one parameter.
type ParameterError struct {
	Parameter string
	Cause     string
	Hint      string // may be ""
}

// Error returns all of it in one line.
func (e *ParameterError) Error() string {
	text := fmt.Sprintf("parameter %q: %s", e.Parameter, e.Cause)
	if e.Hint != "" {
		text += fmt.Sprintf(" (hint: %s)", e.Hint)
	}
	return text
}

// text returns the parameter's value as PromQL has it.
func (p Parameter) text(with map[string]string) (string, *ParameterError) {
	written, given := with[p.Name]
	switch {
	case given:
	case p.Required():
		return "", p.wrong("it is missing", fmt.Sprintf("write with: {%s: %s}, which is %s", p.Name, p.Example, p.Meaning))
	default:
		written = p.Default
	}
	switch p.Type {
	case Duration:
		return p.duration(written)
	case Number:
		return p.number(written)
	default:
		return p.regexp(written)
	}
}

func (p Parameter) wrong(cause, hint string) *ParameterError {
	return &ParameterError{Parameter: p.Name, Cause: cause, Hint: hint}
}

// duration writes milliseconds: PromQL has all of Go's units but no fractions.
func (p Parameter) duration(written string) (string, *ParameterError) {
	d, err := time.ParseDuration(written)
	if err != nil {
		return "", p.wrong(fmt.Sprintf("%q is not a duration", written), "write it as in 90s, 2m or 1m30s")
	}
	if d <= 0 || d%time.Millisecond != 0 {
		return "", p.wrong(fmt.Sprintf("%s is not a time of whole milliseconds above zero", d), "")
	}
	return fmt.Sprintf("%dms", d.Milliseconds()), nil
}

func (p Parameter) number(written string) (string, *ParameterError) {
	v, err := strconv.ParseFloat(written, 64)
	if err != nil {
		return "", p.wrong(fmt.Sprintf("%q is not a number", written), "")
	}
	if !(v > 0) || math.IsInf(v, 0) {
		return "", p.wrong(fmt.Sprintf("%s is not above zero", written), "")
	}
	return strconv.FormatFloat(v, 'f', -1, 64), nil
}

// regexp escapes what a text in double quotes has to escape: templates put regular
// expressions between such quotes.
func (p Parameter) regexp(written string) (string, *ParameterError) {
	if _, err := regexp.Compile("^(?s:" + written + ")$"); err != nil {
		return "", p.wrong(fmt.Sprintf("%q is not a regular expression", written), "")
	}
	quoted := strconv.Quote(written)
	return quoted[1 : len(quoted)-1], nil
}
