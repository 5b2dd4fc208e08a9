package place

import (
	"strings"
	"testing"
)

// TestWithin marks the character of a value that a problem is at with ^ in the
// line below the one in the file where it stands. Without a mark, the place is
// unclear.
func TestWithin(t *testing.T) {
	for _, c := range []struct {
		name         string
		line, column int // within the value
		text         string
	}{
		{"plain", 1, 5, `
q: sum(x
       ^`},
		{"plain with characters of several bytes", 1, 9, `
q: x{a="ä",b
           ^`},
		{"plain in braces", 1, 5, `
{a: ä, q: sum(x, b: 1}
              ^`},
		{"after an anchor", 1, 5, `
q: &name  sum(x
              ^`},
		{"the end of a value", 1, 6, `
q: sum(x
        ^`},
		{"single quotes", 1, 5, `
q: 'sum(x'
        ^`},
		{"doubled single quotes", 1, 6, `
q: 'x{''a''}'
           ^`},
		{"double quotes", 1, 5, `
q: "sum(x"
        ^`},
		{"escaped double quotes and backslashes", 1, 8, `
q: "x{a=\"\\d\"}"
             ^`},
		{"another escape before the place", 1, 4, `
q: "x{\u00e4a"`},
		{"another escape after the place", 1, 2, `
q: "x{\u00e4a"
     ^`},
		{"another line of a quoted text", 2, 2, `
q: "x +\n rate(y)"`},
		{"a plain text of two lines, in the first", 1, 5, `
q: sum(x
       ^
   + y`},
		{"a plain text of two lines, in the second", 1, 9, `
q: sum(x
   + y`},
		{"a literal block", 2, 3, `
q: |
  sum(
    x
    ^
  )`},
		{"a literal block with an indentation", 1, 3, `
q: |2-
    sum(
    ^`},
		{"a literal block with an empty first line", 2, 1, `
q: |

  sum(
  ^`},
		{"a folded block", 1, 1, `
q: >
  sum(`},
		{"beyond the value", 1, 7, `
q: sum(x`},
		{"beyond a line of a literal block", 1, 6, `
q: |
  sum(
    x`},
		{"no place", 1, 0, `
q: sum(x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, want := unmark(strings.TrimPrefix(c.text, "\n"))
			var problems Problems
			d := NewDecoder("", []byte(text), &problems)
			root, ok := d.Document()
			if !ok {
				t.Fatal(problems)
			}
			at, ok := d.Within(Lookup(root, "q"), c.line, c.column)
			if ok != (want != Position{}) || (ok && at != want) {
				t.Errorf("got %d:%d (%t), want %d:%d", at.Line, at.Column, ok, want.Line, want.Column)
			}
		})
	}
}

// unmark takes the line with the mark out of a text and returns the place that
// it marks, in the line before.
func unmark(marked string) (text string, at Position) {
	var lines []string
	for _, line := range strings.Split(marked, "\n") {
		if strings.TrimSpace(line) == "^" {
			at = Position{Line: len(lines), Column: len(line)}
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), at
}
