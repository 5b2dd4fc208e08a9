package place

import "testing"

func TestClosest(t *testing.T) {
	words := []string{"query", "quantile", "buckets", "of", "onIdle"}
	for _, c := range []struct{ written, want string }{
		{"querry", "query"},
		{"qeury", "query"},
		{"QUERY", "query"},
		{"bucket", "buckets"},
		{"onidle", "onIdle"},
		{"quantil", "quantile"},
		{"off", "of"},
		{"window", ""},
		{"x", ""},
		{"", ""},
	} {
		if got, _ := Closest(c.written, words); got != c.want {
			t.Errorf("closest to %q is %q, want %q", c.written, got, c.want)
		}
	}
}
