//go:build mutants

package promtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A mutant is a deliberate error on the way of a value: in a file, the text was
// is replaced. It stands there once.
type mutant struct{ file, was, is string }

// valuePath are errors that would serve a wrong number, or one that is too old,
// or of somebody else. Each must fail a test.
var valuePath = []mutant{
	// What the decoder lets through.
	{"promapi/decode.go", `math.Round(seconds * 1000)`, `math.Round(seconds * 1001)`},
	{"promapi/promapi.go", `FollowRedirects = false`, `FollowRedirects = true`},

	// What a value may be.
	{"reading/judge.go", `case math.IsInf(v, 0):`, `case math.IsInf(v, -1):`},
	{"reading/judge.go", `case v < 0 && !r.AllowNegative:`, `case v < -1 && !r.AllowNegative:`},
	{"reading/judge.go", `math.Abs(v) > r.Ceiling`, `math.Abs(v) > 2*r.Ceiling`},
	{"reading/judge.go", `if policy != rule.PolicyZero {`, `if policy == "never" {`},
	{"reading/judge.go", `min(max(one.Value, r.ClampMin), r.ClampMax)`, `max(min(one.Value, r.ClampMin), r.ClampMax)`},
	{"reading/reading.go", `math.Round(r.Value * 1000)`, `math.Floor(r.Value * 1000)`},
	{"reading/object.go", `if r.OnNaN == rule.PolicyDrop && math.IsNaN(s.Value) {`, `if r.OnNaN != rule.PolicyError && math.IsNaN(s.Value) {`},
	{"reading/object.go", `if !m.Matches(series.Get(m.Name)) {`, `if m.Matches(series.Get(m.Name)) {`},
	{"reading/workload.go", `case r.OnNaN == rule.PolicyDrop:`, `case r.OnNaN != rule.PolicyZero:`},
	{"reading/workload.go", `if math.IsNaN(count) || math.IsInf(count, 0) {`, `if math.IsNaN(count) {`},
	{"reading/workload.go", `ok && all.Sum() == 0 {`, `ok && all.Sum() < 1 {`},
	{"reading/workload.go", `if len(members.Live) == 0 {`, `if len(members.Live) < 0 {`},
	{"reading/workload.go", `for _, name := range members.Live {`, `for _, name := range members.Departed {`},

	// How old its samples may be.
	{"reading/view.go", `age := s.Age + v.Elapsed`, `age := s.Age`},
	{"reading/view.go", `age <= r.MaxSampleAge`, `age <= 2*r.MaxSampleAge`},
	{"snapshot/ask.go", `s.Age = max(s.Age, vector.At.Sub(taken))`, `s.Age = vector.At.Sub(taken)`},
	{"snapshot/ask.go", `taken.Before(earlier)`, `taken.After(earlier)`},
	{"snapshot/ask.go", `case known || key.SampleTimes.Optional:`, `case known || true:`},
	{"snapshot/ask.go", `key.SampleTimes.Query, answer.vector.At)`, `key.SampleTimes.Query, time.Time{})`},
	{"snapshot/ask.go", `if err == nil && len(vector.Warnings) > 0 {`, `if err == nil && len(vector.Warnings) > 1 {`},
	{"snapshot/ask.go", `if !(math.Abs(s.Value) < year2200) { // NaN is not`, `if math.Abs(s.Value) > year2200 {`},
	{"../promexpr/sampletimes.go", `moved.OriginalOffset += p.offset`, `moved.OriginalOffset = p.offset`},
	{"../promexpr/sampletimes.go", `left, right = p.only(equal), p.only(equal)`, `left, right = p, p`},
	{"../promexpr/sampletimes.go", `p = p.without(text(n.Args[1]))`, `p = p.without()`},
	{"../rule/load.go", `cmp.Or(r.MaxSampleAge, b.MaxSampleAge()) + b.Delay`, `cmp.Or(r.MaxSampleAge, b.MaxSampleAge())`},
	{"../rule/rule.go", `max(time.Minute, 3*b.ScrapeInterval)`, `min(time.Minute, 3*b.ScrapeInterval)`},

	// What proves zero.
	{"reading/view.go", `agrees = agrees && l.Value == object.Namespace`, `agrees = agrees && l.Value != ""`},
	{"reading/view.go", "case r.ObjectLabel:\n\t\t\t\tagrees = ", "case r.ObjectLabel:\n\t\t\t\t_ = "},
	{"reading/view.go", `case v.ProofErr != nil:`, `case v.ProofErr != nil && len(v.Proof) > 0:`},
	{"reading/view.go", `case !v.proved(r, one.Object):`, `case v.proved(r, one.Object):`},
	{"../rule/load.go", `r.proof = r.ZeroWhen.Fresh(r.MaxSampleAge)`, `r.proof = r.ZeroWhen`},

	// How old an answer may be, and what an outage leaves behind.
	{"snapshot/outcome.go", `case age <= maxAge:`, `case age <= 2*maxAge:`},
	{"snapshot/outcome.go", `return &outcome{good: o.good, err: err}`, `return &outcome{good: o.good}`},
	{"snapshot/store.go", `err == nil && asked.Before(full) {`, `err == nil && asked.After(full) {`},
	{"snapshot/health.go", `asked.Sub(h.answered) > bearable {`, `asked.Sub(h.answered) > 10*bearable {`},
	{"snapshot/health.go", `return h.back.Add(window + scrapeInterval)`, `return h.back.Add(window / 2)`},
	{"snapshot/coverage.go", `const coverage = 0.75`, `const coverage = 0.25`},
	{"snapshot/breaker.go", `return ok && verdict.Answered()`, `return ok && !verdict.Answered()`},

	// Whose value it is.
	{"../rule/narrow.go", `inject = append(inject, labels.MustNewMatcher`, `_ = append(inject, labels.MustNewMatcher`},
	{"../promexpr/matchers.go", `c.RHS = narrow(n.RHS, matchers)`, `c.RHS = n.RHS`},
	{"provider/selector.go", `quoted = append(quoted, regexp.QuoteMeta(v))`, `quoted = append(quoted, regexp.QuoteMeta("")+v)`},
	{"provider/reader.go", `if q.rule.Scope == rule.ScopeCluster || q.rule.EachNamespace() {`, `if true {`},
	{"provider/provider.go", `cmp.Compare(b.Value, a.Value)`, `cmp.Compare(a.Value, b.Value)`},
	{"instant/group.go", `if object.Namespace == "" || object.Name == "" {`, `if object.Namespace == "" && object.Name == "" {`},
}

// TestEveryMutantIsCaught makes each deliberate error and runs the tests of the
// value path over it.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, m := range valuePath {
		t.Run(filepath.Base(m.file)+" "+m.is, func(t *testing.T) {
			path, err := filepath.Abs(filepath.Join("..", m.file))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte(m.was)); n != 1 {
				t.Fatalf("%q stands %d times in %s", m.was, n, m.file)
			}
			began := time.Now()
			output, err := testWith(t.Context(), t.TempDir(), path, bytes.Replace(text, []byte(m.was), []byte(m.is), 1))
			switch {
			case err == nil:
				t.Errorf("no test fails")
			case !strings.Contains(output, "--- FAIL"):
				t.Errorf("it does not compile:\n%s", output)
			default:
				t.Logf("caught after %s", time.Since(began).Round(time.Second))
			}
		})
	}
}

// testWith runs the tests of the value path with another text of one file.
func testWith(ctx context.Context, folder, path string, text []byte) (output string, err error) {
	changed, overlay := filepath.Join(folder, "changed.go"), filepath.Join(folder, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(changed, text, 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet=off", "-failfast", "-timeout", "4m",
		"../../promexpr", "../../rule", "../reading", "../snapshot", "../provider", "../instant", "../promapi", ".")
	command.Env = append(os.Environ(), "PITOT_TEST_ANSWERS=8000")
	all, err := command.CombinedOutput()
	return string(all), err
}
