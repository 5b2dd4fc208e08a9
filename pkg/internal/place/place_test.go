package place

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// read reads a text of one object with the fields name, limit and wait.
func read(text string) (name Field[string], limit Field[int64], wait Field[time.Duration], problems Problems) {
	d := NewDecoder("f.yaml", []byte(text), &problems)
	if root, ok := d.Document(); ok {
		d.Object(root, "a thing", Fields{
			"name": d.Text("name", &name), "limit": d.Whole("limit", &limit), "wait": d.Duration("wait", &wait),
		})
	}
	return name, limit, wait, problems
}

func TestValuesComeWithTheirPlaces(t *testing.T) {
	name, limit, wait, problems := read("name: x\nlimit: 1_000\nwait: &w 1m30s\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	at := func(line, column int) Position { return Position{File: "f.yaml", Line: line, Column: column} }
	if diff := cmp.Diff(Field[string]{"x", at(1, 7), true, true}, name); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Field[int64]{1000, at(2, 8), true, true}, limit); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Field[time.Duration]{90 * time.Second, at(3, 7), true, true}, wait); diff != "" {
		t.Error(diff)
	}
}

func TestEveryProblemIsReported(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "# only words\n", "f.yaml:1:1: there is nothing in it"},
		{"no YAML", "a: [1\n", "f.yaml:2:1: invalid YAML: did not find expected ',' or ']'"},
		{"an anchor that is not there", "name: x\nlimit: *ten\n", "f.yaml:2:8: invalid YAML: unknown anchor 'ten' referenced"},
		{"no object", "- a\n", "f.yaml:1:1: a thing must be an object with fields, not a list"},
		{"a second document", "name: x\n---\nname: y\n", "f.yaml:3:1: a second document: there can be only one (hint: make a file of its own of it)"},
		{"a misspelled field is read all the same", "namee: 5\n", "f.yaml:1:1: unknown field \"namee\" (hint: did you mean \"name\"?)\nf.yaml:1:8: field \"name\" must be text, not the number 5 (hint: put it in quotes: \"5\")"},
		{"a field that is like no other", "colour: red\n", `f.yaml:1:1: unknown field "colour" (hint: there are limit, name, wait)`},
		{"a field twice", "name: x\nname: y\n", `f.yaml:2:1: field "name" is given twice: first in line 1`},
		{"a field of a list", "? [a]\n: b\n", "f.yaml:1:3: the name of a field must be text, not a list"},
		{"a number in quotes", `limit: "5"`, `f.yaml:1:8: field "limit" must be a whole number, not the text "5" (hint: leave the quotes out)`},
		{"nothing where a value should be", "limit:\n", `f.yaml:1:7: field "limit" has no value`},
		{"no duration", "wait: 5\n", `f.yaml:1:7: field "wait": "5" is not a duration (hint: write it as in 500ms, 10s or 1m30s)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, _, problems := read(tc.text)
			err := problems.Err()
			if err == nil || err.Error() != tc.want {
				t.Errorf("got\n%v\nwant\n%s", err, tc.want)
			}
		})
	}
}

func TestADefaultGivesWayToWhatIsGiven(t *testing.T) {
	given := Field[int]{Given: true}
	given.OrElse(3)
	if given.Valid || given.Value != 0 {
		t.Errorf("a value that could not be read became %+v", given)
	}
	var f Field[int]
	f.OrElse(3)
	f.OrElse(4)
	if !f.Valid || f.Given || f.Value != 3 {
		t.Errorf("%+v", f)
	}
}

func FuzzDecoder(f *testing.F) {
	for _, text := range []string{"name: x\nlimit: 5\nwait: 1s\n", "name: &a 'x''y'\n<<: *a\n", "a\u2028b\r\u0085c: 1", "- [&b {}, *b]", "name: &a |2-\n    x\n", "namee: \xff"} {
		f.Add([]byte(text), 1, 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, line, column int) {
		_, _, _, problems := read(string(text))
		lines := len(lineBreak.Split(string(text), -1))
		for _, p := range problems {
			if p.Cause == "" || p.Line < 1 || p.Column < 1 || p.Line > lines+1 || strings.Contains(p.Error(), "\n") {
				t.Fatalf("%d lines: %v", lines, p)
			}
		}
		if len(text) > 1<<12 {
			return // looking into each value of a long line takes its square
		}
		var again Problems
		d := NewDecoder("f.yaml", text, &again)
		root, ok := d.Document()
		if !ok {
			return
		}
		var visit func(node *yaml.Node)
		visit = func(node *yaml.Node) {
			if at, ok := d.Within(node, line, column); ok && (at.Line < 1 || at.Column < 1) {
				t.Fatalf("%v", at)
			}
			for _, child := range node.Content {
				visit(child)
			}
		}
		visit(root)
	})
}
