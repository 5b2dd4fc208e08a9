package rule

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

var update = flag.Bool("update", false, "write the expected problems of testdata/broken and the sets of testdata/good anew")

// TestBroken loads every archive of testdata/broken and compares the problems
// with those that the archive ends with.
func TestBroken(t *testing.T) {
	for _, c := range readCases(t, "broken") {
		t.Run(c.name, func(t *testing.T) {
			set, err := Load(c.files...)
			if err == nil {
				t.Fatalf("it loads: %d rules", len(set.Rules))
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error is a %T", err)
			}
			for _, p := range problems {
				if strings.Contains(p.Error(), "\n") {
					t.Errorf("more than one line: %q", p.Error())
				}
				if of := (subject{p.Rule, p.Backend}); p.Subject != of.String() {
					t.Errorf("it is in %q, and names %q", p.Subject, of)
				}
			}
			c.expect(t, "problems", err.Error()+"\n")
		})
	}
}

// TestGood loads every archive of testdata/good and compares what it means with
// what the archive ends with.
func TestGood(t *testing.T) {
	for _, c := range readCases(t, "good") {
		t.Run(c.name, func(t *testing.T) {
			set, err := Load(c.files...)
			if err != nil {
				t.Fatal(err)
			}
			c.expect(t, "set", describeSet(set))
		})
	}
}

// A loadCase is an archive of configuration files whose last file is expected.
type loadCase struct {
	name, path string
	archive    *txtar.Archive
	files      []File
}

func readCases(t testing.TB, dir string) []loadCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	var cases []loadCase
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := loadCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, archive: archive}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				c.files = append(c.files, File{Name: f.Name, Text: f.Data})
			}
		}
		cases = append(cases, c)
	}
	return cases
}

func (c loadCase) expect(t *testing.T, name, got string) {
	t.Helper()
	last := &c.archive.Files[len(c.archive.Files)-1]
	if last.Name != name {
		t.Fatalf("the last file of %s is %s, not %s", c.path, last.Name, name)
	}
	if *update {
		last.Data = []byte(got)
		if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(last.Data), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", c.path, diff)
	}
}

// describeSet prints a set for people to check.
func describeSet(s *Set) string {
	var b strings.Builder
	line := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" && text != "[]" && text != "0" && text != "false" {
			fmt.Fprintf(&b, "    %s: %s\n", name, text)
		}
	}
	for _, backend := range s.Backends {
		fmt.Fprintf(&b, "backend %s\n", backend.Name)
		line("url", backend.URL)
		line("timeout", backend.Timeout)
		line("scrape interval", backend.ScrapeInterval)
		line("max response bytes", backend.MaxResponseBytes)
		line("labels", backend.Labels)
		if backend.BasicAuth != nil {
			line("user", backend.BasicAuth.Username+" with "+backend.BasicAuth.PasswordFile)
		}
		line("bearer token", backend.BearerTokenFile)
		line("ca", backend.TLS.CAFile)
		line("certificate", backend.TLS.CertFile)
		line("key", backend.TLS.KeyFile)
		line("server name", backend.TLS.ServerName)
		line("insecure", backend.TLS.InsecureSkipVerify)
	}
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "%s %s of %s (%s)\n", r.Type, r.Metric, r.Of, r.Position)
		line("backend", r.Backend)
		line("asks", r.Expr())
		line("quantile", r.Quantile)
		line("aggregate", r.Aggregate)
		line("object label", r.ObjectLabel)
		line("on idle", r.OnIdle)
		line("on empty", r.OnEmpty)
		line("on NaN", r.OnNaN)
		line("negative values", r.AllowNegative)
		line("clamped", clamps(r))
		line("ceiling", r.Ceiling)
		line("scope", r.Scope)
		line("selectable", r.Selectable)
	}
	return b.String()
}

// clamps prints the interval that a rule's values are served in.
func clamps(r *Rule) string {
	if math.IsInf(r.ClampMin, -1) && math.IsInf(r.ClampMax, +1) {
		return ""
	}
	return fmt.Sprintf("%g to %g", r.ClampMin, r.ClampMax)
}

// sameSet compares sets; expressions are equal if they print alike.
var sameSet = cmp.Options{
	cmpopts.IgnoreUnexported(Set{}, Rule{}),
	cmp.Transformer("Expr", func(e *promexpr.Expr) string {
		if e == nil {
			return ""
		}
		return e.String()
	}),
}

// lineBreak is what YAML ends a line with.
var lineBreak = regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`)

func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"broken", "good"} {
		for _, c := range readCases(f, dir) {
			for _, file := range c.files {
				f.Add(file.Text)
			}
		}
	}
	f.Add([]byte("a\u2028b\r\u0085c: 1")) // YAML's other line breaks
	f.Fuzz(func(t *testing.T, text []byte) {
		file := File{Name: "fuzz.yaml", Text: text}
		set, err := Load(file)
		if err != nil {
			requireSensible(t, err, len(lineBreak.Split(string(text), -1)))
			return
		}
		again, err := Load(file)
		if err != nil {
			t.Fatalf("loads once only: %v", err)
		}
		if diff := cmp.Diff(set, again, sameSet); diff != "" {
			t.Fatalf("loads differently: %s", diff)
		}
		for _, r := range set.Rules {
			requireServable(t, set, r)
		}
	})
}

// requireSensible fails unless the error is problems with a cause and a place in
// the file.
func requireSensible(t *testing.T, err error, lines int) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("error %T %v", err, err)
	}
	for _, p := range problems {
		if p.Cause == "" || p.Line < 1 || p.Column < 1 || p.Line > lines+1 {
			t.Fatalf("%d lines: %v", lines, p)
		}
	}
}

// requireServable fails unless the rule can be found, asked and narrowed.
func requireServable(t *testing.T, set *Set, r *Rule) {
	t.Helper()
	if _, ok := set.Backend(r.Backend); !ok {
		t.Fatalf("rule %s has no backend", r.Metric)
	}
	if found, ok := set.Custom(r.Metric, r.Of); !ok || found != r {
		t.Fatalf("rule %s of %s is not found", r.Metric, r.Of)
	}
	if _, err := ParseGroupResource(r.Of.String()); err != nil {
		t.Fatalf("rule %s: %v", r.Metric, err)
	}
	if why := unsafe(r); why != "" {
		t.Fatalf("rule %s of %s: %s", r.Metric, r.Of, why)
	}
	if expr, filter, err := r.Narrow("shop", nil); err != nil || filter != nil || (expr.String() != r.Expr().String()) != (r.EachNamespace() && r.Namespace == "") {
		t.Fatalf("rule %s narrowed by nothing: %v, %v, %v", r.Metric, expr, filter, err)
	}
}

// unsafe says which promise about numbers the rule breaks; "" if none.
func unsafe(r *Rule) string {
	several := r.Type == TypeExternal || r.Aggregate != ""
	switch {
	case r.OnEmpty == PolicyZero && (r.Type == TypePods || r.Buckets != nil):
		return "no series counts as zero"
	case r.OnNaN == PolicyDrop && !several:
		return "its only value would be dropped"
	case r.OnNaN != PolicyError && r.Buckets != nil:
		return "a mistake in the buckets would be served"
	case r.OnIdle == PolicyZero && r.Buckets == nil:
		return "idle, and no quantile"
	case r.Ceiling <= 0 || r.Ceiling > MaxCeiling:
		return "the ceiling does not fit into thousandths"
	case r.ClampMin > r.ClampMax || r.ClampMin > r.Ceiling || r.ClampMax < -r.Ceiling:
		return "a clamp leads out of the range"
	case !r.AllowNegative && (!math.IsInf(r.ClampMin, -1) && r.ClampMin < 0 || r.ClampMax <= 0):
		return "a clamp leads below zero"
	}
	return ""
}
