package app

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A format is how a command writes its results.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

var formats = []string{string(formatText), string(formatJSON)}

// String, Set and Type make a format a flag.
func (f *format) String() string { return string(*f) }

// Type names the values in --help.
func (f *format) Type() string { return strings.Join(formats, "|") }

// Set refuses what is not a format.
func (f *format) Set(text string) error {
	if !slices.Contains(formats, text) {
		return fmt.Errorf("use %s", strings.Join(formats, " or "))
	}
	*f = format(text)
	return nil
}

// outputFlag adds -o to flags.
func outputFlag(flags *pflag.FlagSet) *format {
	f := formatText
	flags.VarP(&f, "output", "o", "how to write the result")
	return &f
}

// writeJSON writes v on one line.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
