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
	formatText     format = "text"
	formatJSON     format = "json"
	formatJSONL    format = "jsonl"
	formatCSV      format = "csv"
	formatMarkdown format = "markdown"
)

// A formatFlag is a format that is one of several.
type formatFlag struct {
	format
	among []format
}

// String, Set and Type make it a flag.
func (f *formatFlag) String() string { return string(f.format) }

// Type names the values in --help.
func (f *formatFlag) Type() string { return f.list("|") }

// Set refuses what is not among the formats.
func (f *formatFlag) Set(text string) error {
	if !slices.Contains(f.among, format(text)) {
		return fmt.Errorf("use %s", f.list(" or "))
	}
	f.format = format(text)
	return nil
}

func (f *formatFlag) list(separator string) string {
	names := make([]string, len(f.among))
	for i, one := range f.among {
		names[i] = string(one)
	}
	return strings.Join(names, separator)
}

// outputFlag adds -o to flags: text or JSON, and more.
func outputFlag(flags *pflag.FlagSet, more ...format) *format {
	f := &formatFlag{format: formatText, among: append([]format{formatText, formatJSON}, more...)}
	flags.VarP(f, "output", "o", "how to write the result")
	return &f.format
}

// writeJSON writes v on one line.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
