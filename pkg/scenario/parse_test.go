package scenario

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpectationsPrintAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{
		"replicas at 5m == 8", "pods at 1h30m != 3", "replicas between 10m and 20m >= 4", "max(replicas) <= 20", "min(ready) >= 2",
		"max(p99) < 1.5s", "p95 < 500ms for 99% of time", "backlog < 1000 for 99.5% of time", "p95 < 800ms", "scale_events <= 12/h",
		"scale_events <= 3", "reversals <= 2/d", "scale_ups < 1/m", "pod_hours <= 120.5", "dropped == 0", "failed < 0.1%",
		"minutes_over <= 5", "longest_short <= 1m30s", "failed_syncs == 0", "minutes_at_max < 10", "reason at 5m == ScaleDownStabilized",
		"never: FailedGetPodsMetric", "always: ValidMetricFound",
	} {
		e, err := ParseExpectation(text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if got := e.String(); got != text {
			t.Errorf("%q prints as %q", text, got)
		}
	}
}

func TestSpacesAndUnitsAreFree(t *testing.T) {
	for text, want := range map[string]string{
		"max( replicas )<=20":                "max(replicas) <= 20",
		"  p95<0.5s   for 99.0% of time ":    "p95 < 500ms for 99% of time",
		"longest_short <= 90s":               "longest_short <= 1m30s",
		"never:FailedGetPodsMetric":          "never: FailedGetPodsMetric",
		"replicas between 600s and 20m>=4.0": "replicas between 10m and 20m >= 4",
	} {
		e, err := ParseExpectation(text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if got := e.String(); got != want {
			t.Errorf("%q prints as %q, want %q", text, got, want)
		}
	}
}

func TestAnExpectationOutsideAFileNamesItsColumn(t *testing.T) {
	_, err := ParseExpectation("max(replica) <= 20")
	const want = `"max(replica) <= 20": column 5: "replica" is not a figure (hint: did you mean "replicas"?)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParseExpectation(f *testing.F) {
	text, err := os.ReadFile("testdata/judge.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f.Add(strings.TrimSpace(line))
	}
	for _, text := range []string{"p95 < 1µs", "replicas at -5m == 1", "dropped < 1e300%", "never: \xff", "p95 < 167h59m59.999999999s", "scale_events <= 0.1/d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseExpectation(text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an error without words")
			}
			return
		}
		again, err := ParseExpectation(e.String())
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, e, err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("%q prints as %q, which is another: -want +got\n%s", text, e, diff)
		}
	})
}

func FuzzParseShortForms(f *testing.F) {
	for _, text := range []string{"gunicorn:4x2", "uvicorn:4", "celery:8", "linear", "a=rate[1m]", "http_p95=p99.9", "p95=500ms", "maxReplicas=5", "metrics[0].type={a: [*b, &c d]}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if server, err := ParseServer(text); err == nil {
			if server.Workers < 0 || server.Workers > maxWorkers {
				t.Fatalf("%d workers", server.Workers)
			}
		}
		if metric, s, err := ParseSignal(text); err == nil {
			m, again, err := ParseSignal(SignalText(metric, s))
			if err != nil || m != metric || again != s {
				t.Fatalf("%q: %+v is %+v when it is read again: %v", text, s, again, err)
			}
		}
		if o, err := ParseObjective(text); err == nil && (o.Limit <= 0 || o.Quantile <= 0 || o.Quantile >= 1) {
			t.Fatalf("%+v", o)
		}
		if o, err := ParseOverride(text); err == nil {
			if _, err := ReadAutoscaler("hpa.yaml", []byte(webHPA), "", o); err != nil && err.Error() == "" {
				t.Fatal("an error without words")
			}
		}
	})
}

func FuzzReadApp(f *testing.F) {
	for _, dir := range []string{"broken", "good"} {
		for _, c := range readArchives(f, dir) {
			for _, file := range c.archive.Files {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		app, err := ReadApp("app.yaml", strings.NewReader(string(text)))
		if err != nil {
			requireSensible(t, err, string(text))
			return
		}
		if err := app.Server.WithDefaults().Validate(); err != nil {
			t.Fatalf("package workload refuses it: %v", err)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, dir := range []string{"broken", "good"} {
		for _, c := range readArchives(f, dir) {
			f.Add(c.archive.Files[0].Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files := archiveCase{archive: archiveOf("scenario.yaml", text)}.files()
		cases, err := Read("scenario.yaml", files)
		if err != nil {
			requireSensible(t, err, string(text))
			return
		}
		for i := range cases {
			if cases[i].App == nil || cases[i].Autoscaler.Name == "" || cases[i].Name == "" {
				t.Fatalf("%+v", cases[i])
			}
			cases[i].Judge()
		}
	})
}
