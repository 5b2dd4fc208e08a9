package place

import (
	"fmt"
	"slices"
	"strings"
)

// DidYouMean returns a hint if one of the names is close to what was written,
// otherwise "".
func DidYouMean(written string, names []string) string {
	if name, ok := Closest(written, names); ok {
		return fmt.Sprintf("did you mean %q?", name)
	}
	return ""
}

// Closest returns the name with the fewest typing mistakes, the first one of
// equals. One mistake may be in any word, more only in less than a third of the
// letters.
func Closest(written string, names []string) (name string, ok bool) {
	best := max(1, (len(written)-1)/3) + 1
	for _, candidate := range slices.Sorted(slices.Values(names)) {
		if candidate == written || len(written)-len(candidate) >= best {
			continue
		}
		if d := mistakes(strings.ToLower(written), strings.ToLower(candidate)); d < best {
			best, name, ok = d, candidate, true
		}
	}
	return name, ok
}

// mistakes counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (the optimal string alignment distance).
func mistakes(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	before, above, current := row(), row(), row()
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := above[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			current[j] = min(above[j]+1, current[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, above, current = above, current, before
	}
	return above[len(b)]
}

// List returns the names as in `"a", "b" or "c"`.
func List(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
