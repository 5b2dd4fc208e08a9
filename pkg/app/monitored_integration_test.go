//go:build integration

package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
)

// faster is how much shorter the times of alerts are here: five minutes are five
// seconds. Prometheus scrapes and evaluates as much more often than every minute.
const faster = 60

// A monitored is all that alerts and the dashboard look at: two replicas of Pitot,
// of which one is in a cluster, that ask a Prometheus which can fail; somebody who
// reads; kube-apiserver and kube-state-metrics, as far as their metrics are asked
// for; and a real Prometheus that scrapes all of these.
type monitored struct {
	t          *testing.T
	farm       *httptest.Server
	kube       *fakeKube
	cluster    *tinyCluster // behind kube
	config     string       // the configuration file
	prometheus string       // the address of the real one
	began      time.Time

	inCluster, alone *replica
	others           *others
	guess            atomic.Bool // somebody reads a metric that no rule serves
}

// A replica is a process of "pitot serve" on a port of its own.
type replica struct {
	address string
	stderr  *lockedBuffer
	stop    func()
}

const monitoredRules = `
- {metric: depth, backend: main, type: External, query: 'sum by (namespace) (depth)'}
- {metric: orders, backend: main, type: Object, of: namespaces, objectLabel: namespace, query: 'sum by (namespace) (rate(orders_total[30s]))'}
- {metric: far_depth, backend: far, type: External, query: 'sum by (namespace) (depth)'}
`

func (m *monitored) configText(more string) string {
	return fmt.Sprintf("apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends:\n"+
		"- {name: main, url: '%[1]s/main', scrapeInterval: 1s}\n- {name: far, url: '%[1]s/far', scrapeInterval: 1s}\nrules:%[2]s%[3]s",
		m.farm.URL, monitoredRules, more)
}

// monitor starts all of it.
func monitor(t *testing.T) *monitored {
	m := &monitored{t: t, cluster: newTinyCluster(t), others: newOthers(), config: filepath.Join(t.TempDir(), "pitot.yaml"), began: time.Now()}
	farm := promtest.NewFarm("elsewhere.test")
	t.Cleanup(farm.Close)
	m.farm = httptest.NewServer(farm)
	t.Cleanup(m.farm.Close)
	for _, name := range []string{"main", "far"} {
		m.put(name+"/series", `[{"labels": {"__name__": "depth", "namespace": "shop"}, "value": 7}, {"labels": {"__name__": "up", "job": "web"}, "value": 1},
			{"labels": {"__name__": "orders_total", "namespace": "shop"}, "value": 3}]`)
		m.fault(name, "healthy")
	}
	write(t, m.config, m.configText(""))

	kube, kubeconfig := newFakeKube(t)
	m.kube = kube
	kube.more = m.cluster
	kube.come(t)
	m.inCluster = m.serve(freeAddress(t), "--kubeconfig", kubeconfig, "--authentication-skip-lookup", "--shutdown-delay-duration", "0s",
		"--authorization-webhook-cache-authorized-ttl", "1h", // so that Prometheus may scrape while kube-apiserver is away
		"--certificates", "auto", "--service", "monitoring/pitot", "--ca-secret", "monitoring/pitot-ca", "--apiservice", "v1beta1.custom.metrics.k8s.io")
	m.alone = m.serve(freeAddress(t), m.certificate(365*24*time.Hour, 300*24*time.Hour)...)
	m.read()
	m.prometheus = m.startPrometheus()
	return m
}

// serve runs a replica on an address until it is stopped or the test ends.
func (m *monitored) serve(address string, args ...string) *replica {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	args = append([]string{"serve", "--config", m.config, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--refresh-interval", "1s", "--max-age", "3s", "--log-level", "debug"}, args...)
	process := exec.Command(self, args...)
	process.Args[0] = "pitot"
	r := &replica{address: address, stderr: &lockedBuffer{}}
	process.Stderr = r.stderr
	r.stop = m.start(process)
	within(m.t, "a replica that is ready", func() bool { code, _ := get(m.t, "https://"+address+"/readyz"); return code == http.StatusOK })
	return r
}

// start starts a process that ends with the test at the latest, even if the test
// is killed.
func (m *monitored) start(process *exec.Cmd) (stop func()) {
	m.t.Helper()
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		m.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
	})
	m.t.Cleanup(stop)
	return stop
}

// certificate writes a certificate of a life of which some is left, and returns
// the flags that serve it without a cluster.
func (m *monitored) certificate(life, left time.Duration) []string {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	ends := time.Now().Add(left)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-life), NotAfter: ends, DNSNames: []string{"pitot.monitoring.svc"}}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		m.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	folder := m.t.TempDir()
	write(m.t, filepath.Join(folder, "tls.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	write(m.t, filepath.Join(folder, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return []string{"--standalone", "--tls-cert-file", filepath.Join(folder, "tls.crt"), "--tls-private-key-file", filepath.Join(folder, "tls.key")}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // on loopback

func get(t *testing.T, address string) (code int, body string) {
	t.Helper()
	response, err := insecure.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// read reads every metric again and again, as HPAs do, until the test ends.
func (m *monitored) read() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.t.Cleanup(func() { cancel(); <-done; insecure.CloseIdleConnections() })
	go func() {
		defer close(done)
		every(ctx, 200*time.Millisecond, func() {
			for _, metric := range []string{"external.metrics.k8s.io/v1beta1/namespaces/shop/depth", "external.metrics.k8s.io/v1beta1/namespaces/shop/far_depth", "custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/orders"} {
				_, _ = get(m.t, "https://"+m.inCluster.address+"/apis/"+metric)
			}
			if m.guess.Load() {
				_, _ = get(m.t, "https://"+m.inCluster.address+"/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/a-guess")
			}
		})
	}()
}

// fault makes every answer of a backend of Pitot's go wrong from now on.
func (m *monitored) fault(backend, kind string) {
	m.t.Helper()
	m.put(backend+"/fault", fmt.Sprintf(`{"kind": %q}`, kind))
}

func (m *monitored) put(path, body string) {
	m.t.Helper()
	request, err := http.NewRequest(http.MethodPut, m.farm.URL+"/"+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		m.t.Fatalf("%s: %s", path, text)
	}
}

// startPrometheus runs the real server with the alerts, sped up.
func (m *monitored) startPrometheus() string {
	m.t.Helper()
	folder, err := exec.Command(repository+"/hack/testbin.sh", "prometheus").Output()
	if err != nil {
		m.t.Fatalf("hack/testbin.sh prometheus: %v", err)
	}
	work := m.t.TempDir()
	for _, file := range alertFiles {
		write(m.t, filepath.Join(work, file), spedUp(m.t, file))
	}
	kubernetes := httptest.NewServer(m.others)
	m.t.Cleanup(kubernetes.Close)
	write(m.t, filepath.Join(work, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [alerts.yaml, alerts-hpa.yaml]
scrape_configs:
- job_name: pitot
  scheme: https
  tls_config: {insecure_skip_verify: true}
  static_configs: [{targets: [%q, %q]}]
- job_name: kubernetes
  static_configs: [{targets: [%q]}]
`, m.inCluster.address, m.alone.address, strings.TrimPrefix(kubernetes.URL, "http://")))
	address := freeAddress(m.t)
	process := exec.Command(filepath.Join(strings.TrimSpace(string(folder)), "prometheus"),
		"--config.file="+filepath.Join(work, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(work, "tsdb"), "--web.listen-address="+address)
	var log lockedBuffer
	process.Stdout, process.Stderr = &log, &log
	m.start(process)
	m.t.Cleanup(func() {
		if m.t.Failed() {
			m.t.Logf("prometheus said:\n%s", log.String())
		}
	})
	within(m.t, "Prometheus", func() bool { code, _ := get(m.t, "http://"+address+"/-/ready"); return code == http.StatusOK })
	return "http://" + address
}

// spedUp is a file of alerts with shorter times.
func spedUp(t *testing.T, file string) string {
	t.Helper()
	var groups map[string]any
	if err := yaml.Unmarshal([]byte(readText(t, chartFiles+file)), &groups); err != nil {
		t.Fatal(err)
	}
	for _, group := range groups["groups"].([]any) {
		for _, one := range group.(map[string]any)["rules"].([]any) {
			alert := one.(map[string]any)
			alert["expr"] = fasterRanges(t, alert["expr"].(string))
			alert["for"] = fasterDuration(t, alert["for"].(string))
		}
	}
	text, err := yaml.Marshal(groups)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var ranges = regexp.MustCompile(`\[[0-9]+[smhd]\]`)

func fasterRanges(t *testing.T, expr string) string {
	return ranges.ReplaceAllStringFunc(expr, func(r string) string { return "[" + fasterDuration(t, strings.Trim(r, "[]")) + "]" })
}

func fasterDuration(t *testing.T, text string) string {
	t.Helper()
	d, err := model.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return (d / faster).String()
}

// firing names the alerts that fire, with what tells them apart.
func (m *monitored) firing() []string {
	m.t.Helper()
	_, body := get(m.t, m.prometheus+"/api/v1/alerts")
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		m.t.Fatalf("%v: %s", err, body)
	}
	var names []string
	for _, alert := range answer.Data.Alerts {
		if alert.State != "firing" {
			continue
		}
		name := alert.Labels["alertname"]
		for _, label := range []string{"backend", "metric", "api", "apiservice", "horizontalpodautoscaler", "condition", "kind", "name"} {
			if value := alert.Labels[label]; value != "" {
				name += " " + value
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// broken are the rules of Prometheus that it could not evaluate.
func (m *monitored) broken() []string {
	m.t.Helper()
	_, body := get(m.t, m.prometheus+"/api/v1/rules")
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		m.t.Fatalf("%v: %s", err, body)
	}
	var bad []string
	for _, group := range answer.Data.Groups {
		for _, one := range group.Rules {
			if one.Health != "ok" {
				bad = append(bad, one.Name+": "+one.Health+" "+one.LastError)
			}
		}
	}
	return bad
}

// A point is a value at a time.
type point struct {
	at    time.Time
	value float64
}

// query evaluates an expression over all of the time since the beginning. It
// returns the points of each series, by its labels.
func (m *monitored) query(expr string) map[string][]point {
	m.t.Helper()
	seconds := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	parameters := url.Values{"query": {expr}, "start": {seconds(m.began)}, "end": {seconds(time.Now())}, "step": {"1"}}
	code, body := get(m.t, m.prometheus+"/api/v1/query_range?"+parameters.Encode())
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK {
		m.t.Fatalf("%s: %d %s", expr, code, body)
	}
	series := map[string][]point{}
	for _, one := range answer.Data.Result {
		var points []point
		for _, pair := range one.Values {
			value, err := strconv.ParseFloat(pair[1].(string), 64)
			if err != nil {
				m.t.Fatal(err)
			}
			points = append(points, point{time.UnixMilli(int64(pair[0].(float64) * 1000)), value})
		}
		series[fmt.Sprint(one.Metric)] = points
	}
	return series
}

// others is a page in the format of kube-state-metrics and of kube-apiserver.
type others struct {
	mu          sync.Mutex
	desired     int
	flaps       bool
	active      bool
	unavailable bool
}

func newOthers() *others { return &others{desired: 3, active: true} }

func (o *others) change(f func(o *others)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o)
}

func (o *others) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flaps {
		o.desired = 3 + 7 - o.desired
	}
	var page bytes.Buffer
	hpa := `namespace="shop",horizontalpodautoscaler="web"`
	yes := map[bool]int{true: 1}
	fmt.Fprintf(&page, "kube_horizontalpodautoscaler_status_desired_replicas{%s} %d\n", hpa, o.desired)
	fmt.Fprintf(&page, "kube_horizontalpodautoscaler_spec_min_replicas{%s} 2\nkube_horizontalpodautoscaler_spec_max_replicas{%s} 10\n", hpa, hpa)
	for _, condition := range []string{"AbleToScale", "ScalingActive", "ScalingLimited"} {
		holds := condition == "AbleToScale" || condition == "ScalingActive" && o.active
		fmt.Fprintf(&page, "kube_horizontalpodautoscaler_status_condition{%s,condition=%q,status=\"true\"} %d\n", hpa, condition, yes[holds])
		fmt.Fprintf(&page, "kube_horizontalpodautoscaler_status_condition{%s,condition=%q,status=\"false\"} %d\n", hpa, condition, yes[!holds])
		fmt.Fprintf(&page, "kube_horizontalpodautoscaler_status_condition{%s,condition=%q,status=\"unknown\"} 0\n", hpa, condition)
	}
	fmt.Fprintf(&page, "aggregator_unavailable_apiservice{name=\"v1beta1.external.metrics.k8s.io\"} %d\n", yes[o.unavailable])
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = page.WriteTo(w)
}
