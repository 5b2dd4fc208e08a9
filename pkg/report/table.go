package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table has names in its first column and numbers in the others, which stand
// at the right.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the table for a terminal of a width; 0 is as wide as it takes.
// What does not fit side by side follows below, under the same names.
func (t *table) write(w io.Writer, width int) {
	widths := t.widths()
	for from := 1; from < len(t.head) || from == 1; {
		to, used := from, widths[0]
		for to < len(widths) && (to == from || width <= 0 || used+2+widths[to] <= width) {
			used += 2 + widths[to]
			to++
		}
		if from > 1 {
			fmt.Fprintln(w)
		}
		t.writeColumns(w, widths, from, to)
		from = max(to, from+1)
	}
}

func (t *table) writeColumns(w io.Writer, widths []int, from, to int) {
	for _, row := range append([][]string{t.head}, t.rows...) {
		line := padRight(printable(row[0]), widths[0])
		for i := from; i < to; i++ {
			line += "  " + padLeft(printable(row[i]), widths[i])
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(cell)))
		}
	}
	return widths
}

// writeMarkdown writes the table as GitHub reads it.
func (t *table) writeMarkdown(w io.Writer) {
	line := func(cells []string) {
		for i, cell := range cells {
			if i == 0 {
				fmt.Fprint(w, "|")
			}
			fmt.Fprintf(w, " %s |", markdown(cell))
		}
		fmt.Fprintln(w)
	}
	line(t.head)
	fmt.Fprintln(w, "|---|"+strings.Repeat("---:|", len(t.head)-1))
	for _, row := range t.rows {
		line(row)
	}
}

// markdownEscaper takes the meaning from characters that GitHub would read.
var markdownEscaper = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "#", `\#`, "~", `\~`, "@", "&#64;",
	"\n", " ", "\r", " ",
)

func markdown(text string) string { return markdownEscaper.Replace(text) }

// printable keeps what a terminal would obey out of it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, text)
}

func padRight(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + text
}
