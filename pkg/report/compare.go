package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A Format is how a comparison is written.
type Format int

// The formats of comparisons.
const (
	Plain    Format = iota // for a terminal
	Markdown               // for a pull request on GitHub
)

// Compare writes what a change from one run to another does: a sentence, and a
// table of the figures that are known of one of them, with their difference.
func Compare(w io.Writer, format Format, before, after Run) error {
	out := bufio.NewWriter(w)
	t := table{head: []string{"", before.title(), after.title(), "change"}}
	for i := range figures {
		f := &figures[i]
		if a, b := f.of(&before), f.of(&after); !math.IsNaN(a) || !math.IsNaN(b) {
			t.add(f.name, fixed(a, f.decimals), fixed(b, f.decimals), f.change(a, b))
		}
	}
	verdict := change(&before, &after)
	if format == Markdown {
		fmt.Fprintf(out, "**%s**\n\n", markdown(verdict))
		t.writeMarkdown(out)
	} else {
		fmt.Fprintf(out, "%s\n\n", printable(verdict))
		t.write(out, 0)
	}
	return out.Flush()
}

// change is a difference with its sign, and whether it is for the better.
func (f *figure) change(before, after float64) string {
	delta := after - before
	text := fixed(delta, f.decimals)
	switch {
	case math.IsNaN(delta):
		return unknown
	case strings.Trim(text, "-0.,") == "":
		return "="
	case delta > 0:
		text = "+" + text
	}
	if before != 0 && !math.IsInf(delta, 0) && !strings.HasSuffix(f.name, "(%)") {
		text += fmt.Sprintf(" (%+.0f %%)", 100*delta/math.Abs(before))
	}
	if f.better == neither {
		return text
	}
	if (delta < 0) == (f.better == less) {
		return text + " better"
	}
	return text + " worse"
}

// change says in one sentence what the second run does other than the first.
func change(before, after *Run) string {
	var parts []string
	hours := after.Summary.ReplicaHours - before.Summary.ReplicaHours
	switch {
	case fixed(hours, 1) == "0.0":
		parts = append(parts, "take as many replica-hours")
	case hours < 0:
		parts = append(parts, fmt.Sprintf("take %s fewer replica-hours", withPercent(-hours, before.Summary.ReplicaHours)))
	default:
		parts = append(parts, fmt.Sprintf("take %s more replica-hours", withPercent(hours, before.Summary.ReplicaHours)))
	}
	parts = append(parts, overChange(before, after))
	events := after.Summary.ScaleUps + after.Summary.ScaleDowns - before.Summary.ScaleUps - before.Summary.ScaleDowns
	switch {
	case events == 0:
		parts = append(parts, "scale as often")
	case events < 0:
		parts = append(parts, fmt.Sprintf("scale %s less often", times(-events)))
	default:
		parts = append(parts, fmt.Sprintf("scale %s more often", times(events)))
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	last := len(parts) - 1
	sentence := fmt.Sprintf("%s instead of %s would %s and %s.", after.Name, before.Name, strings.Join(parts[:last], ", "), parts[last])
	if before.OpenLoop || after.OpenLoop {
		sentence = "Open loop (the metrics are as recorded, whatever the replicas): " + sentence
	}
	return sentence
}

// overChange compares the minutes over the objective. It is empty without, and of
// different objectives.
func overChange(before, after *Run) string {
	if before.Objective == nil || after.Objective == nil || *before.Objective != *after.Objective {
		return ""
	}
	over := after.Summary.MinutesOver - before.Summary.MinutesOver
	switch objective := after.objective(); {
	case math.IsNaN(over):
		return ""
	case fixed(over, 1) == "0.0":
		return fmt.Sprintf("miss %s as long", objective)
	case over < 0:
		return fmt.Sprintf("miss %s for %s minutes less", objective, fixed(-over, 1))
	default:
		return fmt.Sprintf("miss %s for %s minutes more", objective, fixed(over, 1))
	}
}

func withPercent(delta, of float64) string {
	if of <= 0 {
		return fixed(delta, 1)
	}
	return fmt.Sprintf("%s (%.0f %%)", fixed(delta, 1), 100*delta/of)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return counted(n, "time", "times")
}

// Band writes how much the figures vary over runs that differ only by what
// nobody chooses, such as the phases of scrapes: the least, the median and the most
// of each. Figures that no run has are left out.
func Band(w io.Writer, format Format, runs []Run) error {
	out := bufio.NewWriter(w)
	t := table{head: []string{fmt.Sprintf("over %s", counted(len(runs), "run", "runs")), "min", "median", "max"}}
	for i := range figures {
		f := &figures[i]
		if values := known(f, runs); len(values) > 0 {
			t.add(f.name, fixed(values[0], f.decimals), fixed(median(values), f.decimals), fixed(values[len(values)-1], f.decimals))
		}
	}
	if format == Markdown {
		t.writeMarkdown(out)
	} else {
		t.write(out, 0)
	}
	return out.Flush()
}

// known are the values of a figure, rising, without the runs that have none.
func known(f *figure, runs []Run) []float64 {
	var values []float64
	for i := range runs {
		if v := f.of(&runs[i]); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// median is the middle of rising values, or the mean of the two in the middle.
func median(values []float64) float64 {
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
