package promexpr_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// Two tenants, and a thousand expressions by chance that do what they can to look
// beyond: confined, each answers as if the other tenant did not exist, which is
// more than that it answers none of its series.
func TestTenantsDoNotExistForEachOther(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	metrics := []string{"x", "y"}
	everybodys := promdb.New(promdb.Options{})
	fill(t, everybodys, metrics, 7, at)
	wanted, answered, foreign := 1000, 0, 0
	for n := range wanted {
		e := randomExpression(rand.New(rand.NewPCG(uint64(n), 1)))
		for _, tenant := range []string{"a", "b"} {
			own := labels.MustNewMatcher(labels.MatchEqual, "namespace", tenant)
			ours := promdb.New(promdb.Options{})
			fillWith(t, ours, metrics, 7, at, func(series labels.Labels) bool { return own.Matches(series.Get("namespace")) })
			confined, err := e.Confine(own)
			if err != nil {
				t.Fatalf("%s: %v", e, err)
			}
			seen, err1 := everybodys.Query(t.Context(), confined.String(), at)
			there, err2 := ours.Query(t.Context(), confined.String(), at)
			if (err1 == nil) != (err2 == nil) {
				t.Fatalf("%s: errors %v and %v", confined, err1, err2)
			}
			if got, want := sorted(seen), sorted(there); !slices.Equal(got, want) {
				t.Errorf("%s sees %v, and its own is %v", confined, got, want)
			}
			if len(seen.Samples) > 0 {
				answered++
			}
			if open, err := everybodys.Query(t.Context(), e.String(), at); err == nil && !slices.Equal(sorted(open), sorted(seen)) {
				foreign++
			}
		}
	}
	// The test would show nothing if nothing was there to be seen.
	if answered < wanted/2 || foreign < wanted/2 {
		t.Errorf("of %d confined expressions, %d answered, and %d would have answered something else unconfined", 2*wanted, answered, foreign)
	}
}

// randomExpression makes an expression that Pitot can serve.
func randomExpression(rng *rand.Rand) *promexpr.Expr {
	for {
		if e, err := promexpr.Parse(randomVector(rng, 3)); err == nil {
			return e
		}
	}
}

func randomVector(rng *rand.Rand, depth int) string {
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	if depth == 0 {
		return pick("x", "y", `{__name__=~".+"}`, `{__name__=~"x|y"}`, `{"x"}`) + pick("", "", `{namespace="a"}`, `{namespace="b"}`, `{namespace=~".*"}`,
			`{namespace!="a"}`, `{namespace=""}`, `{pod=~"a|b"}`, `{job!="c"}`) + pick("", "", " offset 1m", " @ end()", " @ start()")
	}
	inner := func() string { return randomVector(rng, depth-1) }
	selector := func() string { return randomVector(rng, 0) }
	switch rng.IntN(12) {
	case 0:
		return fmt.Sprintf("%s %s(%s)", pick("sum", "max", "count", "avg", "group"), pick("", "by (namespace) ", "by (pod) ", "without (pod) "), inner())
	case 1:
		return fmt.Sprintf("(%s) or (%s)", inner(), inner())
	case 2:
		return fmt.Sprintf("(%s) %s %s (%s)", inner(), pick("and", "unless"), pick("on (pod)", "on ()", "ignoring (namespace)"), inner())
	case 3:
		return fmt.Sprintf("%s(%s)", pick("absent", "-", "abs", "sort", "timestamp"), inner())
	case 4:
		return fmt.Sprintf(`label_replace(%s, "namespace", %s, "", "")`, inner(), pick(`"a"`, `"b"`, `""`))
	case 5:
		return fmt.Sprintf("%s((%s)[%s])", pick("max_over_time", "sum_over_time", "last_over_time", "absent_over_time", "present_over_time"), inner(), pick("3m:1m", "2m:30s", "1m:20s"))
	case 6:
		plain := strings.Fields(selector())[0]
		return fmt.Sprintf("%s(%s[3m] offset %s)", pick("rate", "increase", "max_over_time", "count_over_time"), plain, pick("0s", "1m"))
	case 7:
		return fmt.Sprintf("(%s) %s scalar(%s)", inner(), pick("+", "/", ">", "== bool"), inner())
	case 8:
		return fmt.Sprintf(`count_values("namespace", %s)`, inner())
	case 9:
		// Not topk: which of two equal values it takes is a matter of chance.
		return fmt.Sprintf("quantile(scalar(count(%s)) / 20, %s)", selector(), inner())
	case 10:
		return fmt.Sprintf(`(%s) * on () group_left (%s) %s(%s)`, inner(), pick("", "namespace"), pick("sum", "max by (namespace)"), inner())
	default:
		return fmt.Sprintf("(%s) + on (pod) (%s)", inner(), inner())
	}
}
