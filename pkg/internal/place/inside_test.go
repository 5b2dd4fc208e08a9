package place

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A text within a text: what is wrong in it is where an editor shows it.
func TestInside(t *testing.T) {
	const block = "data:\n  a.yaml: |\n    name: x\n"
	for _, c := range []struct{ name, text, want string }{
		{"an unknown field", block + "    limti: 3\n", `f.yaml:4:5: unknown field "limti" (hint: did you mean "limit"?)`},
		{"a value", block + "    limit: many\n", `f.yaml:4:12: field "limit" must be a whole number, not the text "many"`},
		{"a field given twice", block + "    name: y\n", `f.yaml:4:5: field "name" is given twice: first in line 3`},
		{"no YAML", block + "    limit: [\n", `f.yaml:5:1: invalid YAML: did not find expected node content`},
		{"an unknown anchor", block + "    limit: *other\n", `f.yaml:4:12: invalid YAML: unknown anchor 'other' referenced`},
		{"in quotes", `data: {a.yaml: "limit: many"}`, `f.yaml:1:24: field "limit" must be a whole number, not the text "many"`},
		{"folded, where lines are not those of the file", "data:\n  a.yaml: >\n    limit: many\n", `f.yaml:2:11: field "limit" must be a whole number, not the text "many"`},
		{"escaped", `data: {a.yaml: "name: x\nlimit: many"}`, `f.yaml:1:16: field "limit" must be a whole number, not the text "many"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var outer, problems Problems
			d := NewDecoder("f.yaml", []byte(c.text), &outer)
			root, _ := d.Document()
			inner := d.Inside(Lookup(Lookup(root, "data"), "a.yaml"), &problems)
			for node, wrong := range inner.Documents() {
				if wrong != nil {
					problems = append(problems, *wrong)
					break
				}
				var name Field[string]
				var limit Field[int64]
				inner.Object(node, "it", Fields{"name": inner.Text("name", &name), "limit": inner.Whole("limit", &limit)})
			}
			if diff := cmp.Diff(c.want, problems.Error()); diff != "" || len(outer) > 0 {
				t.Errorf("%s %v", diff, outer)
			}
		})
	}
}
