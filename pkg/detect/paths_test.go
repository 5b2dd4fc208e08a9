package detect

import (
	"fmt"
	"strings"
	"testing"
)

func TestRawPaths(t *testing.T) {
	many := make([]string, manyPaths+1)
	for i := range many {
		many[i] = fmt.Sprintf("/page-%d", i)
	}
	for _, tt := range []struct {
		name  string
		paths []string
		want  string // part of the evidence; "" for none
	}{
		{"two numbers in one place", []string{"/items/1", "/items/2"}, "2 values of the form /items/{id}"},
		{"two UUIDs", []string{"/u/8c6d2e14-93ab-4d4f-9a57-0d6e3b1c2f10", "/u/00000000-93ab-4d4f-9a57-0d6e3b1c2f10"}, "/u/{id}"},
		{"two hashes", []string{"/c/0123456789abcdef", "/c/fedcba9876543210"}, "/c/{id}"},
		{"a path with a query", []string{"/items/1?page=2", "/items/2"}, "/items/{id}"},
		{"many paths without identifiers", many, "201 different values"},
		{"routes", []string{"/items/{id}", "/items/<int:id>", "/orders/:id"}, ""},
		{"one number may be the name of a page", []string{"/404", "/items"}, ""},
		{"versions", []string{"/v1/items", "/v2/items"}, ""},
		{"as many routes as an application may have", many[:manyPaths], ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			for _, path := range tt.paths {
				fmt.Fprintf(&text, "requests_total{path=%q} 1\n", path)
			}
			page, err := ReadPage([]byte(text.String()), "")
			if err != nil {
				t.Fatal(err)
			}
			got := rawPaths(nil, []Pod{{Name: "web-1", Reads: []*Page{page}}})
			if tt.want == "" {
				if got.Code != "" {
					t.Errorf("found %v", got.Evidence)
				}
				return
			}
			if len(got.Evidence) != 1 || !strings.Contains(got.Evidence[0], tt.want) {
				t.Errorf("found %v, want %q", got.Evidence, tt.want)
			}
		})
	}
}
