package doctor

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
)

// Defaults of kube-controller-manager in Kubernetes 1.37.
const (
	defaultQPS        = 20
	defaultSyncPeriod = 15 * time.Second
	defaultTolerance  = 0.1
	defaultWorkers    = 5
)

// ReadController reads the flags of kube-controller-manager. Those that it does
// not know it passes over.
func ReadController(pod string, words []string) *Controller {
	c := &Controller{Pod: pod}
	flags := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Float64Var(&c.QPS, "kube-api-qps", defaultQPS, "")
	flags.DurationVar(&c.SyncPeriod, "horizontal-pod-autoscaler-sync-period", defaultSyncPeriod, "")
	flags.Float64Var(&c.Tolerance, "horizontal-pod-autoscaler-tolerance", defaultTolerance, "")
	flags.IntVar(&c.Workers, "concurrent-horizontal-pod-autoscaler-syncs", defaultWorkers, "")
	// A value that does not parse would not have let it start: the default stays.
	_ = flags.Parse(words)
	return c
}

// load is how many requests the HPA controller sends in a round over all HPAs,
// by that client of it that sends most. Each client has the whole limit.
func (f *Facts) load() int {
	clients := map[string]int{"scale": len(f.Autoscalers)}
	for i := range f.Autoscalers {
		for _, metric := range f.Autoscalers[i].Spec.Metrics {
			clients[groupOf(metric)]++
		}
	}
	most := 0
	for _, n := range clients {
		most = max(most, n)
	}
	return most
}

// controller judges what kube-controller-manager shows. HPAs of one namespace
// are not enough to judge its load by, but they may be too many already.
func (d *diagnosis) controller() {
	c := d.Controller
	if c == nil {
		return
	}
	object := "pod " + c.Pod
	round := time.Duration(float64(d.load()) / c.QPS * float64(time.Second))
	if c.QPS > 0 && round > c.SyncPeriod {
		need := int(float64(d.load())/c.SyncPeriod.Seconds()) + 1
		d.found(SlowController, object, fmt.Sprintf("a round over all HPAs takes %s at --kube-api-qps=%g, and the sync period is %s: HPAs react later than they should",
			round.Round(time.Second), c.QPS, c.SyncPeriod),
			fmt.Sprintf("--kube-api-qps=%d --kube-api-burst=%d", 2*need, 4*need))
	}
	for _, odd := range []struct {
		is   bool
		flag string
	}{
		{c.SyncPeriod > time.Minute, fmt.Sprintf("--horizontal-pod-autoscaler-sync-period=%s: HPAs look at their metrics that rarely", c.SyncPeriod)},
		{c.Tolerance > 0.2, fmt.Sprintf("--horizontal-pod-autoscaler-tolerance=%g: HPAs do nothing until a metric is off by %g %%", c.Tolerance, 100*c.Tolerance)},
		{c.Tolerance == 0, "--horizontal-pod-autoscaler-tolerance=0: HPAs follow every wobble of a metric"},
	} {
		if odd.is {
			d.found(OddController, object, odd.flag, "remove the flag, or give the simulator the same")
		}
	}
}

// ControllerGap is what to say where the controller shows no flags.
func (f *Facts) ControllerGap(why string) Gap {
	if load := f.load(); load > defaultQPS*int(defaultSyncPeriod.Seconds()) {
		why += fmt.Sprintf("; with its default limit of %d requests a second a round over these HPAs takes %ds", defaultQPS, load/defaultQPS)
	}
	return Gap{Resource: "flags of kube-controller-manager", Why: why}
}
