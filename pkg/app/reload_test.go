package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-base/metrics/testutil"
	metricsapi "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// values are what the backend of a URL answers to a query.
var values = map[string]float64{
	"http://a:9090 up": 1, "http://a:9090 ready": 2,
	"http://b:9090 up": 11, "http://b:9090 ready": 12,
}

// fakeClient answers for namespace shop, from values.
type fakeClient struct {
	url string

	mu     sync.Mutex
	closed bool
}

func (c *fakeClient) Query(_ context.Context, expr string, _ time.Time) (instant.Vector, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return instant.Vector{}, errors.New("closed")
	}
	if strings.Contains(expr, "timestamp(") { // every sample is new
		now := time.Now()
		return instant.Vector{At: now, Samples: []instant.Sample{{Value: float64(now.Unix())}}}, nil
	}
	if strings.Contains(expr, "scrape targets") { // which labels there are
		return instant.Vector{At: time.Now(), Samples: []instant.Sample{
			{Labels: promlabels.FromStrings("of", "series of its rules", "labels", "all"), Value: 3},
			{Labels: promlabels.FromStrings("of", "series of its rules", "labels", "prometheus-operator"), Value: 3},
		}}, nil
	}
	value, ok := values[c.url+" "+expr]
	if !ok {
		return instant.Vector{}, fmt.Errorf("unexpected query %q at %s", expr, c.url)
	}
	return instant.Vector{At: time.Now(), Samples: []instant.Sample{{Labels: promlabels.FromStrings("namespace", "shop"), Value: value}}}, nil
}

func (c *fakeClient) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *fakeClient) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// A rig is a reloader with all that hangs on it, on virtual time.
type rig struct {
	*reloader
	logs *observer.ObservedLogs
}

// inRig runs f with a rig that serves names.
func inRig(t *testing.T, names []string, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		connect := func(b rule.Backend) backendClient { return &fakeClient{url: b.URL} }
		reload, err := newReloader(newConfigFiles(Env{}, names), connect, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		reload.store = snapshot.NewStore(snapshot.Options{Backends: reload.current.Load().asked()})
		defer reload.store.Close()
		reload.provider = provider.New(reload.current.Load().served, provider.Reader{Store: reload.store, Pods: noCluster{}}, provider.KnownKinds())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go reload.run(ctx)
		f(t, &rig{reload, logs})
	})
}

// settle waits until a change of the files is served.
func settle() { time.Sleep(3 * pollInterval) }

// read reads an external metric in namespace shop: its value or error.
func (r *rig) read(metric string) string {
	list, err := r.provider.GetExternalMetric(context.Background(), "shop", labels.Everything(), metricsapi.ExternalMetricInfo{Metric: metric})
	if err != nil {
		return err.Error()
	}
	return list.Items[0].Value.String()
}

func (r *rig) want(t *testing.T, metric, value string) {
	t.Helper()
	if got := r.read(metric); got != value {
		t.Errorf("%s reads %s, want %s", metric, got, value)
	}
}

// takeLog returns the lines of the log since the last call.
func (r *rig) takeLog() string {
	var b strings.Builder
	for _, entry := range r.logs.TakeAll() {
		fields := entry.ContextMap()
		fmt.Fprintf(&b, "%s %s:", entry.Level, entry.Message)
		for _, name := range []string{"metric", "of", "query", "backend", "url", "problem"} {
			if value, ok := fields[name]; ok {
				text := fmt.Sprint(value)
				if at := strings.Index(text, ".yaml:"); name == "problem" && at >= 0 {
					text = text[strings.LastIndex(text[:at], "/")+1:]
				}
				fmt.Fprintf(&b, " %s", text)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// configText is a configuration of one backend and External rules: "a: up".
func configText(url string, rules ...string) string {
	text := "apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends:\n- {name: main, url: '" + url + "'}\nrules:\n"
	for _, r := range rules {
		metric, query, _ := strings.Cut(r, ": ")
		text += fmt.Sprintf("- {metric: %s, type: External, query: '%s'}\n", metric, query)
	}
	return text
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAReloadServesAndLogsWhatChanged(t *testing.T) {
	const a, b = "http://a:9090", "http://b:9090"
	steps := []struct {
		name string
		text string // "" removes the file
		want map[string]string
		log  string
	}{
		{"a rule is added", configText(a, "one: up", "two: ready"), map[string]string{"one": "1", "two": "2"},
			"info rule added: two namespaces ready\n"},
		{"nothing but a place changes", configText(a, "two: ready", "one: up"), map[string]string{"one": "1", "two": "2"}, ""},
		{"a rule changes", configText(a, "one: ready", "two: ready"), map[string]string{"one": "2", "two": "2"},
			"info rule changed: one namespaces ready\n"},
		{"a rule breaks, another changes", configText(a, "one: ready(", "two: up"), map[string]string{"one": "2", "two": "1"},
			"error configuration problem: pitot.yaml:6:47: rule \"one\": field \"query\": unclosed left parenthesis\n" +
				"info rule changed: two namespaces up\n" +
				"warn rule broken: served as it was: one namespaces ready\n"},
		{"it is still broken in another place", configText(a, "two: up", "one: ready("), map[string]string{"one": "2", "two": "1"}, ""},
		{"it is repaired", configText(a, "one: ready", "two: up"), map[string]string{"one": "2", "two": "1"},
			"info rule repaired: one namespaces ready\n"},
		{"a rule is removed", configText(a, "one: ready"), map[string]string{"one": "2", "two": `metric "two": no rule has this name`},
			"info rule removed: two namespaces up\n"},
		{"a new rule is broken", configText(a, "one: ready", "two: up("), map[string]string{
			"one": "2", "two": `metric "two": the configuration is broken: pitot.yaml:7:44: rule "two": field "query": unclosed left parenthesis`},
			"error configuration problem: pitot.yaml:7:44: rule \"two\": field \"query\": unclosed left parenthesis\n"},
		{"the backend moves", configText(b, "one: ready"), map[string]string{"one": "12"},
			"info backend changed: main http://b:9090\n"},
		{"the backend breaks", configText("b:9090", "one: ready"), map[string]string{"one": "12"},
			"error configuration problem: pitot.yaml:4:21: backend \"main\": field \"url\": the address has no scheme (hint: did you mean \"http://b:9090\"?)\n" +
				"warn rule broken: served as it was: one namespaces ready\n"},
		{"the file is gone", "", map[string]string{"one": "12"},
			"error configuration problem: pitot.yaml:1:1: open PITOT.YAML: no such file or directory\n"},
		{"the file is back", configText(b, "one: ready"), map[string]string{"one": "12"},
			"info rule repaired: one namespaces ready\n"},
	}
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, configText(a, "one: up"))
	inRig(t, []string{name}, func(t *testing.T, r *rig) {
		for _, step := range steps {
			if step.text == "" {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, name, step.text)
			}
			settle()
			time.Sleep(20 * time.Second) // a backend that moved answers from its next turn on
			for metric, want := range step.want {
				if got := strings.ReplaceAll(r.read(metric), name, "pitot.yaml"); got != want {
					t.Errorf("%s: %s reads %s, want %s", step.name, metric, got, want)
				}
			}
			got := strings.ReplaceAll(r.takeLog(), name, "PITOT.YAML")
			if diff := cmp.Diff(step.log, got); diff != "" {
				t.Errorf("%s: log -want +got\n%s", step.name, diff)
			}
		}
	})
}

// underLoad runs f while readers demand that metric steady reads 1 all the time.
func (r *rig) underLoad(t *testing.T, f func()) {
	t.Helper()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					if n < 1000 {
						t.Errorf("only %d reads", n)
					}
					return
				case <-time.After(100 * time.Millisecond):
				}
				if got := r.read("steady"); got != "1" {
					t.Errorf("%s: steady reads %s", time.Now().Format(time.TimeOnly), got)
					return
				}
			}
		})
	}
	f()
	close(stop)
	readers.Wait()
}

func TestAHundredBrokenReloadsUnderLoadChangeNoAnswer(t *testing.T) {
	good := configText("http://a:9090", "steady: up", "other: ready")
	broken := []string{
		configText("http://a:9090", "steady: up(", "other: ready"),
		configText("a:9090", "steady: up", "other: ready"),
		good[:len(good)/2],
		"",
		"\x00",
		strings.Replace(good, "v1alpha1", "v2", 1),
		strings.Replace(good, "steady", "stedy: steady", 1),
		good + "- {metric: steady, type: External, query: ready}\n",
		strings.Replace(good, "rules:", "rulez:", 1),
		good + "\t- nonsense",
	}
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, good)
	inRig(t, []string{name}, func(t *testing.T, r *rig) {
		r.underLoad(t, func() {
			for i := range 100 {
				text := broken[i%len(broken)]
				write(t, name, text)
				settle()
				if len(r.current.Load().problems) == 0 {
					t.Errorf("no problem found in %q", text)
				}
				wantMetric(t, "pitot_config_last_reload_successful", 0)
				if i%7 == 0 {
					write(t, name, good+fmt.Sprintf("- {metric: new%d, type: External, query: ready}\n", i))
					settle()
					r.want(t, fmt.Sprintf("new%d", i), "2")
					wantMetric(t, "pitot_config_last_reload_successful", 1)
				}
			}
		})
	})
}

// wantMetric compares a gauge of /metrics.
func wantMetric(t *testing.T, name string, want float64) {
	t.Helper()
	gauge := map[string]func() (float64, error){
		"pitot_config_last_reload_successful":                func() (float64, error) { return testutil.GetGaugeMetricValue(reloadSuccessful) },
		"pitot_config_last_reload_success_timestamp_seconds": func() (float64, error) { return testutil.GetGaugeMetricValue(reloadSuccessTime) },
		"good":   func() (float64, error) { return testutil.GetGaugeMetricValue(configRules.WithLabelValues("good")) },
		"kept":   func() (float64, error) { return testutil.GetGaugeMetricValue(configRules.WithLabelValues("kept")) },
		"broken": func() (float64, error) { return testutil.GetGaugeMetricValue(configRules.WithLabelValues("broken")) },
	}[name]
	if got, err := gauge(); err != nil || got != want {
		t.Errorf("%s is %g (%v), want %g", name, got, err, want)
	}
}

func TestTheMetricsOfTheConfiguration(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, configText("http://a:9090", "one: up", "two: ready"))
	inRig(t, []string{name}, func(t *testing.T, _ *rig) {
		loaded := float64(time.Now().Unix())
		wantMetric(t, "pitot_config_last_reload_successful", 1)
		wantMetric(t, "pitot_config_last_reload_success_timestamp_seconds", loaded)
		wantMetric(t, "good", 2)
		wantMetric(t, "broken", 0)
		write(t, name, configText("http://a:9090", "one: up(", "two: ready", "three: up("))
		settle()
		wantMetric(t, "pitot_config_last_reload_successful", 0)
		wantMetric(t, "pitot_config_last_reload_success_timestamp_seconds", loaded)
		wantMetric(t, "good", 1)
		wantMetric(t, "kept", 1)
		wantMetric(t, "broken", 1)
		write(t, name, "}")
		settle()
		wantMetric(t, "good", 0)
		wantMetric(t, "kept", 2)
		wantMetric(t, "broken", 0)
	})
}

// A mountedConfigMap is a folder as the kubelet writes it.
type mountedConfigMap struct {
	folder  string
	version int
}

// update writes a new version and swaps it in at once.
func (m *mountedConfigMap) update(t *testing.T, files map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m.version++
	version := fmt.Sprintf("..2026_11_22_%d", m.version)
	must(os.Mkdir(filepath.Join(m.folder, version), 0o700))
	for name, text := range files {
		write(t, filepath.Join(m.folder, version, name), text)
	}
	data, next := filepath.Join(m.folder, "..data"), filepath.Join(m.folder, "..data_tmp")
	old, _ := os.Readlink(data)
	must(os.Symlink(version, next))
	must(os.Rename(next, data))
	for name := range files {
		if link := filepath.Join(m.folder, name); m.version == 1 {
			must(os.Symlink(filepath.Join("..data", name), link))
		}
	}
	if old != "" {
		must(os.RemoveAll(filepath.Join(m.folder, old)))
	}
}

func TestSwapsOfAConfigMapUnderLoad(t *testing.T) {
	m := &mountedConfigMap{folder: t.TempDir()}
	backends := configText("http://a:9090")
	rules := func(rules ...string) string {
		return strings.Replace(configText("", rules...), "backends:\n- {name: main, url: ''}\n", "", 1)
	}
	m.update(t, map[string]string{"a.yaml": backends, "b.yml": rules("steady: up")})
	inRig(t, []string{m.folder}, func(t *testing.T, r *rig) {
		r.underLoad(t, func() {
			for i := range 200 {
				m.update(t, map[string]string{"a.yaml": backends, "b.yml": rules("steady: up", fmt.Sprintf("new%d: ready", i))})
				settle()
				r.want(t, fmt.Sprintf("new%d", i), "2")
			}
		})
	})
}

func TestAFileIsNotReadWhileItIsWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	whole := configText("http://a:9090", "one: up", "two: ready")
	write(t, name, whole)
	inRig(t, []string{name}, func(t *testing.T, r *rig) {
		time.Sleep(pollInterval / 2) // write between the polls
		for range 10 {
			write(t, name, configText("http://a:9090", "one: up")) // right as far as it goes
			time.Sleep(pollInterval)
			write(t, name, whole)
			time.Sleep(pollInterval)
		}
		if diff := cmp.Diff("", r.takeLog()); diff != "" {
			t.Errorf("log -want +got\n%s", diff)
		}
	})
}

func TestABackendStaysUntilNobodyReadsIt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, configText("http://a:9090", "one: up"))
	inRig(t, []string{name}, func(t *testing.T, r *rig) {
		former := r.current.Load().backends["main"].client.(*fakeClient)
		write(t, name, configText("http://b:9090", "one: up"))
		time.Sleep(50 * time.Millisecond) // look between the polls
		for range 100 {
			if r.current.Load().backends["main"].client != backendClient(former) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if former.isClosed() {
			t.Error("closed with the reload")
		}
		time.Sleep(pollInterval)
		if !former.isClosed() {
			t.Error("not closed one poll later")
		}
	})
}

func TestAStartNeedsOneFileThatCanBeRead(t *testing.T) {
	dir := t.TempDir()
	good, bad, folder := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "folder")
	write(t, good, configText("http://a:9090", "one: up"))
	write(t, bad, "}")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.yaml")
	tests := []struct {
		name  string
		files []string
		one   string // what metric one reads
	}{
		{"a good file", []string{good}, "1"},
		{"a good one beside a bad one", []string{bad, good}, "1"},
		{"a good one beside one that is missing", []string{missing, good}, "1"},
		{"a bad one", []string{bad}, `metric "one": the configuration is broken: bad.yaml:2:1: invalid YAML: did not find expected node content`},
		{"an empty folder", []string{folder}, `metric "one": the configuration is broken: no backend is configured (hint: add backends: [{name: main, url: http://prometheus-operated.monitoring:9090}]) (the first of 2 problems)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inRig(t, test.files, func(t *testing.T, r *rig) {
				if got := strings.ReplaceAll(r.read("one"), dir+"/", ""); got != test.one {
					t.Errorf("reads %s, want %s", got, test.one)
				}
				logged := strings.Contains(r.takeLog(), "error configuration problem")
				if problems := len(r.current.Load().problems) > 0; logged != problems {
					t.Errorf("problems %t, logged %t", problems, logged)
				}
			})
		})
	}
	t.Run("only one that is missing", func(t *testing.T) {
		if _, err := newReloader(newConfigFiles(Env{}, []string{missing}), newLateClient, zap.NewNop()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAFolderIsItsYAMLFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yml", "c.yaml.bak", ".hidden.yaml", "README", "..data"} {
		write(t, filepath.Join(dir, name), name)
	}
	for _, name := range []string{"folder.yaml", "below"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "deep.yaml"), "deep")
	}
	file := filepath.Join(dir, "README")
	var got []string
	env := Env{Stdin: strings.NewReader("from stdin")}
	files := newConfigFiles(env, []string{file, dir, "-"})
	for range 2 {
		got = nil
		for _, f := range files.read() {
			got = append(got, filepath.Base(f.Name)+": "+string(f.Text)+errorText(f.Err))
		}
	}
	want := []string{"README: README", "a.yml: a.yml", "b.yaml: b.yaml", "-: from stdin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
