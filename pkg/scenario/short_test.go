package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

func TestServers(t *testing.T) {
	for text, want := range map[string]workload.Server{
		"gunicorn:4x2": {Kind: workload.Sync, Workers: 8},
		"gunicorn:3":   {Kind: workload.Sync, Workers: 3},
		"uvicorn:4":    {Kind: workload.Async, Workers: 4},
		"celery:8":     {Kind: workload.Queue, Workers: 8, Prefetch: 3},
		"linear":       {Kind: workload.Linear},
	} {
		got, err := ParseServer(text)
		if err != nil {
			t.Errorf("%v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", text, diff)
		}
	}
}

func TestServersThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"gunicron:4":        `"gunicron:4": there is no server "gunicron" (hint: did you mean "gunicorn"?)`,
		"apache":            `"apache": there is no server "apache" (hint: write gunicorn:4x2 (4 processes of 2 threads), uvicorn:4 (4 event loops), celery:8 (8 tasks at a time) or linear; other servers have app.yaml)`,
		"gunicorn":          `"gunicorn": "" is not a number of workers (hint: write it as in gunicorn:4x2 (4 processes of 2 threads))`,
		"gunicorn:4x":       `"gunicorn:4x": "4x" is not a number of workers (hint: write it as in gunicorn:4x2 (4 processes of 2 threads))`,
		"gunicorn:999x999":  `"gunicorn:999x999": "999x999" is not a number of workers (hint: write it as in gunicorn:4x2 (4 processes of 2 threads))`,
		"uvicorn:4x2":       `"uvicorn:4x2": "4x2" is not a number of workers (hint: write it as in uvicorn:4 (4 event loops))`,
		"celery:-1":         `"celery:-1": "-1" is not a number of workers (hint: write it as in celery:8 (8 tasks at a time))`,
		"linear:3":          `"linear:3": linear has no workers (hint: write linear)`,
		"celery:9999999999": `"celery:9999999999": "9999999999" is not a number of workers (hint: write it as in celery:8 (8 tasks at a time))`,
	} {
		_, err := ParseServer(text)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestSignals(t *testing.T) {
	for text, want := range map[string]sim.Signal{
		"rps=rate":      {Kind: sim.Rate, Window: 2 * time.Minute},
		"rps=rate[1m]":  {Kind: sim.Rate, Window: time.Minute},
		"p=p95":         {Kind: sim.Latency, Quantile: 0.95, Window: 2 * time.Minute},
		"p=p99.9[5m]":   {Kind: sim.Latency, Quantile: 0.999, Window: 5 * time.Minute},
		"depth=backlog": {Kind: sim.Backlog},
		"cpu=cpu[90s]":  {Kind: sim.Cores, Window: 90 * time.Second},
	} {
		_, got, err := ParseSignal(text)
		if err != nil {
			t.Errorf("%v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"rps":              `"rps": it does not begin with the name of a metric and = (hint: write it as in http_requests_per_second=rate)`,
		"=rate":            `"=rate": it does not begin with the name of a metric and = (hint: write it as in http_requests_per_second=rate)`,
		"rps=rte":          `"rps=rte": "rte" is not a signal (hint: did you mean "rate"?)`,
		"rps=p0":           `"rps=p0": "p0" is not a signal (hint: did you mean "p50"?)`,
		"rps=rate[1m":      `"rps=rate[1m": "[1m" is not a window (hint: write it as in rate[2m])`,
		"rps=rate[0s]":     `"rps=rate[0s]": a window of 0s is below a second`,
		"rps=inflight[1m]": `"rps=inflight[1m]": inflight is a gauge and has no window`,
	} {
		_, _, err := ParseSignal(text)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestAShortApp(t *testing.T) {
	app, err := Short{Server: "celery:8", ServiceTime: "2s", Startup: "20s", Signals: []string{"queue_depth=backlog", "p=p95[1m]"}}.App()
	if err != nil {
		t.Fatal(err)
	}
	const want = `server {Kind:queue Workers:8 Service:{Mean:2s SCV:1} Delay:{Mean:0s SCV:0} CPU:0s Background:0 Balancer: Limit:0 Timeout:0s Prefetch:3 WarmUp:0s WarmUpSpeed:0}
pods startup {20s 0} pending 0s shutdown 30s
signal p=p95[1m] idle is zero: false
signal queue_depth=backlog idle is zero: false
buckets [0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10], exposed []
`
	got := describeApp(app)
	if diff := cmp.Diff(want, got[:min(len(want), len(got))]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, a := range app.Assumptions() {
		if given := a.Name != "server.prefetch" && a.Name != "server.serviceSCV"; strings.HasPrefix(a.Name, "server.p") && a.Given == !given {
			t.Errorf("%+v", a)
		}
	}
}

func TestAShortAppWithMistakes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		short Short
		want  string
	}{
		{"nothing", Short{}, `--server is missing (hint: say what runs in a pod, as in --server gunicorn:4x2)
--service-time is missing (hint: say the mean time that a request takes, as in --service-time 20s)
--startup is missing (hint: say the time from a pod's creation until it is ready, as in --startup 20s)`},
		{"all wrong", Short{Server: "gunicorn", ServiceTime: "fast", Startup: "5", Signals: []string{"a=b", "c=rate", "c=rate"}}, `--server: "gunicorn": "" is not a number of workers (hint: write it as in gunicorn:4x2 (4 processes of 2 threads))
--service-time: "fast" is not a duration (hint: write it as in 500ms, 10s or 1m30s)
--startup: "5" is not a duration (hint: write it as in 500ms, 10s or 1m30s)
--signal: "a=b": "b" is not a signal (hint: there are rate, arrivals, concurrency, inflight, utilization, backlog, cpu, and quantiles of latency such as p95)
--signal: "c" is given twice`},
		{"what an app cannot be", Short{Server: "gunicorn:4", ServiceTime: "0s", Startup: "-5s", Signals: []string{"q=backlog"}}, `signal "q": a server of kind sync has no shared queue (hint: inflight has what waits at a pod)
field "serviceTime": 0s is not between 1µs and 24h
field "startup": -5s is not between 0s and 24h`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tc.short.App()
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(strings.Split(tc.want, "\n"), strings.Split(err.Error(), "\n"), sortLines); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

var sortLines = cmp.Transformer("sorted", func(lines []string) map[string]bool {
	all := map[string]bool{}
	for _, line := range lines {
		all[line] = true
	}
	return all
})

func TestOverrides(t *testing.T) {
	for _, tc := range []struct {
		name      string
		overrides []string
		check     string
	}{
		{"a bound", []string{"maxReplicas=30"}, "2 to 30, no behavior, target 20000"},
		{"a bound with spec before it", []string{"spec.minReplicas=3"}, "3 to 20, no behavior, target 20000"},
		{"a target of a metric", []string{`metrics[0].pods.target.averageValue="30"`}, "2 to 20, no behavior, target 30000"},
		{"a behavior that was not there", []string{"behavior.scaleDown.stabilizationWindowSeconds=600"}, "2 to 20, down 10m0s [{Percent 100 15s}], target 20000"},
		{"a whole policy, and a field of it", []string{"behavior.scaleDown.policies[0]={type: Pods, value: 1, periodSeconds: 60}", "behavior.scaleDown.policies[0].value=2", "behavior.scaleDown.stabilizationWindowSeconds=0"}, "2 to 20, down 0s [{Pods 2 1m0s}], target 20000"},
		{"null takes a field out", []string{"minReplicas=null"}, "1 to 20, no behavior, target 20000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var all []Override
			for _, text := range tc.overrides {
				o, err := ParseOverride(text)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, o)
			}
			a, err := ReadAutoscaler("hpa.yaml", []byte("# a comment\n---\nkind: Service\napiVersion: v1\n---\n"+webHPA), "web", all...)
			if err != nil {
				t.Fatal(err)
			}
			if got := overridden(a.Spec); got != tc.check {
				t.Errorf("got  %s\nwant %s", got, tc.check)
			}
			if a.Line != 6 {
				t.Errorf("it stands at %s", a.Position)
			}
		})
	}
}

func TestOverridesReachIntoListsAndThroughAliases(t *testing.T) {
	const text = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscalerList
items:
- metadata: {name: a}
  spec: &spec {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, maxReplicas: 5}
- metadata: {name: b}
  spec: *spec
`
	o, err := ParseOverride("maxReplicas=7")
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadAutoscaler("hpa.yaml", []byte(text), "b", o)
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != "b" || b.Spec.MaxReplicas != 7 || b.Line != 6 {
		t.Errorf("%+v", b)
	}
}

// Every path that overrides know is one that manifests know, and the other way
// round for those that examples use.
func TestOverridesKnowTheFieldsOfHPAs(t *testing.T) {
	var visit func(path string, s shape)
	visit = func(path string, s shape) {
		o, err := ParseOverride(path + "=null")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = ReadAutoscaler("hpa.yaml", []byte(webHPA), "", o); err != nil && strings.Contains(err.Error(), "unknown field") {
			t.Errorf("%v", err)
		}
		for _, name := range sortedNames(s.fields) {
			visit(path+"."+name, s.fields[name])
		}
		if s.element != nil {
			visit(path+"[0]", *s.element)
		}
	}
	for _, name := range sortedNames(spec.fields) {
		visit(name, spec.fields[name])
	}
}

func overridden(s hpa.Spec) string {
	behavior := "no behavior"
	if s.Behavior != nil {
		window := "the controller's window"
		if w := s.Behavior.ScaleDown.StabilizationWindow; w != nil {
			window = w.String()
		}
		behavior = fmt.Sprintf("down %s %v", window, s.Behavior.ScaleDown.Policies)
	}
	return fmt.Sprintf("%d to %d, %s, target %d", s.MinReplicas, s.MaxReplicas, behavior, s.Metrics[0].Target.Milli)
}
