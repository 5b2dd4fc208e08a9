package app

import (
	"fmt"
	"strings"

	"github.com/pitot-autoscaling/pitot/pkg/detect"
)

// page is what "pitot detect" prints for people.
func (d *detection) page(result detected) string {
	var b strings.Builder
	for _, l := range result.Libraries {
		fmt.Fprintf(&b, "%s: %s\n", l.Name, l.Stack)
		for _, text := range l.Evidence {
			fmt.Fprintf(&b, "  %s\n", text)
		}
	}
	if len(result.Libraries) == 0 {
		fmt.Fprint(&b, "No library that the presets know wrote these metrics.\n")
	}
	if len(result.Presets) > 0 {
		section(&b, "Presets that fit", d.fitLines(result.Presets)...)
	}
	for i, f := range result.Findings {
		fmt.Fprintf(&b, "\n%d. %s [%s]\n", i+1, f.What, f.Code)
		for _, text := range f.Evidence {
			fmt.Fprintf(&b, "   seen: %s\n", text)
		}
		fmt.Fprintf(&b, "   why:  %s\n   cure: %s\n", f.Why, f.Cure)
	}
	if len(result.Findings) == 0 && len(result.Libraries) > 0 {
		fmt.Fprint(&b, "\nNothing is wrong on these pages.\n")
	}
	if len(result.Notes) > 0 {
		section(&b, "What they do not tell", bullets(result.Notes)...)
	}
	b.WriteString(written("Rules", d.rulesTo, result.RulesYAML))
	b.WriteString(written("HPA", d.hpaTo, result.HPAYAML))
	return b.String()
}

// fitLines names presets, and what the rules leave out and why.
func (d *detection) fitLines(fits []detect.Fit) []string {
	width := 0
	for _, f := range fits {
		width = max(width, len(f.Name))
	}
	var lines []string
	for _, f := range fits {
		line := fmt.Sprintf("%-*s  %s", width, f.Name, f.Title)
		if f.Preset.Draft {
			line += " (draft)"
		}
		for _, parameter := range d.writing.Needs(f.Preset) {
			line += fmt.Sprintf("; needs --with %s=…, such as %s", parameter.Name, parameter.Example)
		}
		lines = append(lines, line)
	}
	return lines
}

// written is a file: where it went, or the text of it.
func written(what, file, text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	if file != "" {
		fmt.Fprintf(&b, "\n%s: %s\n", what, file)
		return b.String()
	}
	section(&b, what, strings.Split(strings.TrimSpace(text), "\n")...)
	return b.String()
}
