package detect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Objective is the latency that users are promised: a share of the requests,
// the quantile, take no longer than the limit. The zero value is none.
type Objective struct {
	Quantile float64 // above 0 and below 1
	Limit    time.Duration
}

// targetShare is the share of an objective at which an HPA has to act: pods take
// time to start.
const targetShare = 0.8

// ParseObjective reads an objective such as p95=500ms or p99.9=2s.
func ParseObjective(text string) (Objective, error) {
	percent, limit, ok := strings.Cut(strings.TrimPrefix(text, "p"), "=")
	if !ok || !strings.HasPrefix(text, "p") {
		return Objective{}, fmt.Errorf("objective %q: write it as p95=500ms", text)
	}
	// 99.9 % is 99.9e-2 exactly, and not 99.9 / 100.
	q, err := strconv.ParseFloat(percent+"e-2", 64)
	if err != nil || !(q > 0 && q < 1) {
		return Objective{}, fmt.Errorf("objective %q: %q is no percentile between 0 and 100", text, percent)
	}
	d, err := time.ParseDuration(limit)
	if err != nil {
		return Objective{}, fmt.Errorf("objective %q: %q is no duration: write 500ms or 2s", text, limit)
	}
	if d < time.Millisecond || d%time.Millisecond != 0 {
		return Objective{}, fmt.Errorf("objective %q: the limit has to be whole milliseconds, which is what an HPA can read", text)
	}
	return Objective{Quantile: q, Limit: d}, nil
}

// set reports whether there is an objective.
func (o Objective) set() bool { return o.Limit > 0 }

// quantile is that of the objective; 0.95, which the presets have, without one.
func (o Objective) quantile() float64 {
	if o.set() {
		return o.Quantile
	}
	return 0.95
}

// percentile names the quantile as people do: p95.
func (o Objective) percentile() string {
	return "p" + strconv.FormatFloat(o.quantile()*100, 'g', 6, 64)
}

// target is the latency at which the HPA has more pods started, in seconds.
func (o Objective) target() float64 { return targetShare * o.Limit.Seconds() }

// String writes the objective as ParseObjective reads it: p95=1m, not p95=1m0s.
func (o Objective) String() string {
	limit := strings.Replace(o.Limit.String(), "m0s", "m", 1)
	return o.percentile() + "=" + strings.Replace(limit, "h0m", "h", 1)
}
