package doctor

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the table of codes in docs/doctor.md")

const (
	page      = "../../../docs/doctor.md"
	beginning = "<!-- codes: written by go test ./pkg/internal/doctor -update -->\n"
	end       = "<!-- end of codes -->\n"
)

// docs/doctor.md lists every code.
func TestPageListsTheCodes(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), beginning)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no place for the codes", page)
	}
	want := codesTable()
	if *update {
		if err := os.WriteFile(page, []byte(before+beginning+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", page, diff)
	}
}

// codesTable has a table for each hundred of codes.
func codesTable() string {
	titles := map[byte]string{
		'1': "The metrics APIs", '2': "Rights", '3': "Pitot", '4': "The HPA and what it scales", '5': "Metrics", '6': "Scraping", '7': "kube-controller-manager",
	}
	var b strings.Builder
	for i, e := range Entries {
		if i == 0 || e.Code[1] != Entries[i-1].Code[1] {
			fmt.Fprintf(&b, "\n### %s\n\n| code | | what | cure |\n|---|---|---|---|\n", titles[e.Code[1]])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Code, e.Severity, e.Meaning, e.Cure)
	}
	b.WriteByte('\n')
	return b.String()
}

func TestCodesAreInOrderAndComplete(t *testing.T) {
	for i, e := range Entries {
		if i > 0 && e.Code <= Entries[i-1].Code {
			t.Errorf("%s comes after %s", e.Code, Entries[i-1].Code)
		}
		if e.Severity.rank() < 0 || e.Meaning == "" || e.Cure == "" {
			t.Errorf("%s lacks something: %+v", e.Code, e)
		}
	}
}
