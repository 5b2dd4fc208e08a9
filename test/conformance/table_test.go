package conformance

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var docs = flag.String("docs", "", "a page whose table of versions gets a row for this run, if all is equal")

// ran is what this run has compared.
var ran struct {
	version      string
	steps, loops int
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && *docs != "" {
		if err := writeRow(*docs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const tableHead = "| version | random syncs compared | differences | closed loops of a day |\n|---|---|---|---|\n"

// writeRow puts the row of this version into the table, newest first.
func writeRow(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, after, found := strings.Cut(string(text), tableHead)
	if !found {
		return fmt.Errorf("%s has no table of versions", page)
	}
	rows := []string{fmt.Sprintf("| %s | %s | 0 | %d |\n", ran.version, thousands(ran.steps), ran.loops)}
	minor := func(row string) string { return strings.Join(strings.SplitN(row, ".", 3)[:2], ".") }
	for strings.HasPrefix(after, "|") {
		row, rest, _ := strings.Cut(after, "\n")
		if minor(row) != minor(rows[0]) {
			rows = append(rows, row+"\n")
		}
		after = rest
	}
	slices.Sort(rows)
	slices.Reverse(rows)
	return os.WriteFile(page, []byte(before+tableHead+strings.Join(rows, "")+after), 0o600)
}

// thousands is 2,000,000 for 2000000.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
