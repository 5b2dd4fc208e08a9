package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	cmv1beta2 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

// standalone runs a server of the echo provider on a free port of 127.0.0.1.
func standalone(t testing.TB, change func(*Options, *Deps)) *Server {
	t.Helper()
	opts := NewOptions()
	opts.Standalone = true
	opts.Serving.BindPort = 0
	deps := Deps{Custom: echo{}, External: echo{}}
	if change != nil {
		change(opts, &deps)
	}
	srv, err := New(opts, deps)
	if err != nil {
		t.Fatal(err)
	}
	run(t, srv)
	return srv
}

// run runs srv until the test ends.
func run(t testing.TB, srv *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	select {
	case <-srv.Ready():
	case err := <-done:
		t.Fatalf("Run: %v", err)
	}
	stop = func() error {
		cancel()
		err := <-done
		done <- err // for a second call
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

// config is how a client reaches srv, verifying its certificate.
func config(srv *Server) *rest.Config {
	return &rest.Config{Host: srv.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: srv.CA()}, QPS: -1}
}

// get returns status, headers and body of the answer to a GET.
func get(t testing.TB, srv *Server, path, accept string) (int, http.Header, string) {
	t.Helper()
	client, err := rest.HTTPClientFor(config(srv))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, srv.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestPaths(t *testing.T) {
	srv := standalone(t, nil)
	const (
		v1beta1  = "/apis/custom.metrics.k8s.io/v1beta1"
		v1beta2  = "/apis/custom.metrics.k8s.io/v1beta2"
		external = "/apis/external.metrics.k8s.io/v1beta1"
	)
	tests := []struct {
		name string
		path string
		code int
		want []string // parts of the body
	}{
		{"one pod", v1beta2 + "/namespaces/shop/pods/web-0/http_requests", 200,
			[]string{`"kind":"pods"`, `"namespace":"shop"`, `"name":"web-0"`, `"metric":{"name":"http_requests"`, `"value":"1500m"`, `"timestamp":"2026-01-02T03:04:05Z"`}},
		{"one pod in the older version", v1beta1 + "/namespaces/shop/pods/web-0/http_requests", 200,
			[]string{`"apiVersion":"custom.metrics.k8s.io/v1beta1"`, `"metricName":"http_requests"`, `"value":"1500m"`}},
		{"every pod", v1beta2 + "/namespaces/shop/pods/*/http_requests", 200,
			[]string{`"name":"web-0"`, `"name":"web-1"`}},
		{"pods by selector", v1beta2 + "/namespaces/shop/pods/*/http_requests?labelSelector=pod%3Dweb-1", 200,
			[]string{`"items":[{"describedObject":{"kind":"pods","namespace":"shop","name":"web-1"}`}},
		{"a metric selector reaches the provider", v1beta2 + "/namespaces/shop/pods/web-0/http_requests?metricLabelSelector=path%3Dcheckout", 200,
			[]string{`"selector":{"matchLabels":{"path":"checkout"}}`}},
		{"a metric selector in the older version", v1beta1 + "/namespaces/shop/pods/web-0/http_requests?metricLabelSelector=path%3Dcheckout", 200,
			[]string{`"selector":{"matchLabels":{"path":"checkout"}}`}},
		{"a metric selector that does not parse", v1beta2 + "/namespaces/shop/pods/web-0/http_requests?metricLabelSelector=%3D%3D", 400,
			[]string{`"reason":"BadRequest"`, "metricLabelSelector"}},
		{"a resource with a group", v1beta2 + "/namespaces/shop/deployments.apps/web/http_p95_seconds", 200,
			[]string{`"kind":"deployments.apps"`, `"name":"web"`}},
		{"an object of the cluster", v1beta2 + "/nodes/n1/load", 200,
			[]string{`"kind":"nodes"`, `"name":"n1"`}},
		{"a namespace itself", v1beta2 + "/namespaces/shop/metrics/orders", 200,
			[]string{`"kind":"namespaces"`, `"name":"shop"`, `"metric":{"name":"orders"`}},
		{"external", external + "/namespaces/shop/queue_depth", 200,
			[]string{`"kind":"ExternalMetricValueList"`, `"metricName":"queue_depth"`, `"namespace":"shop"`, `"value":"250m"`}},
		{"external with a selector", external + "/namespaces/shop/queue_depth?labelSelector=queue%3Dmail", 200,
			[]string{`"selector":"queue=mail"`}},

		{"not found stays not found", v1beta2 + "/namespaces/shop/pods/web-0/missing", 404,
			[]string{`"reason":"NotFound"`}},
		{"external not found", external + "/namespaces/shop/missing", 404, []string{`"reason":"NotFound"`}},
		{"unavailable stays unavailable", v1beta2 + "/namespaces/shop/pods/*/backoff", 503,
			[]string{`"reason":"ServiceUnavailable"`, "backend is away"}},
		{"external unavailable", external + "/namespaces/shop/backoff", 503, []string{"backend is away"}},
		{"any other error is the server's", v1beta2 + "/namespaces/shop/pods/web-0/broken", 500,
			[]string{`"status":"Failure"`, "something the author did not expect"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, header, body := get(t, srv, test.path, "application/json")
			if code != test.code {
				t.Errorf("status %d, want %d: %s", code, test.code, body)
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("%s\nis without %s", body, want)
				}
			}
			if got := header.Get("Retry-After"); got != "" {
				t.Errorf("Retry-After: %s", got)
			}
		})
	}
}

func TestEveryRequestEnds(t *testing.T) {
	over := make(chan struct{})
	srv := standalone(t, func(_ *Options, d *Deps) { d.Custom = echo{deafUntil: over} })
	t.Cleanup(func() { close(over) }) // before the server stops
	for metric, want := range map[string]string{
		"slow": "the backend is slow",
		"deaf": "request did not complete within the allotted timeout",
	} {
		start := time.Now()
		code, header, body := get(t, srv, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-0/"+metric, "application/json")
		if code != 504 || !strings.Contains(body, want) || header.Get("Retry-After") != "" {
			t.Errorf("%s: status %d, headers %v: %s", metric, code, header, body)
		}
		if took := time.Since(start); took < RequestTimeout/2 || took > 5*RequestTimeout {
			t.Errorf("%s: ended after %s, not around %s", metric, took, RequestTimeout)
		}
	}
}

func TestContentTypes(t *testing.T) {
	srv := standalone(t, nil)
	for _, path := range []string{
		"/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/web-0/http_requests",
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-0/http_requests",
		"/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth",
	} {
		for accept, magic := range map[string]string{
			"application/vnd.kubernetes.protobuf": "k8s\x00",
			"application/json":                    `{"kind":`,
			"application/yaml":                    "apiVersion: ",
		} {
			code, header, body := get(t, srv, path, accept)
			if code != 200 || header.Get("Content-Type") != accept || !strings.HasPrefix(body, magic) {
				t.Errorf("%s as %s: status %d, Content-Type %s, body %q", path, accept, code, header.Get("Content-Type"), body)
			}
		}
	}
}

// The clients of the HorizontalPodAutoscaler controller read every kind of
// metric, in both versions and in both wire formats.
func TestClientsOfTheAutoscaler(t *testing.T) {
	srv := standalone(t, nil)
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	checkout := labels.SelectorFromSet(labels.Set{"path": "checkout"})

	for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
		cfg := config(srv)
		cfg.ContentType = contentType
		cfg.AcceptContentTypes = contentType
		for _, version := range []schema.GroupVersion{
			{Group: "custom.metrics.k8s.io", Version: "v1beta1"},
			{Group: "custom.metrics.k8s.io", Version: "v1beta2"},
		} {
			t.Run(version.Version+" "+contentType, func(t *testing.T) {
				client, err := customclient.NewForVersionForConfig(cfg, mapper, version)
				if err != nil {
					t.Fatal(err)
				}
				in := client.NamespacedMetrics("shop")

				one, err := in.GetForObject(deployment, "web", "http_p95_seconds", checkout)
				if err != nil {
					t.Fatal(err)
				}
				want := &cmv1beta2.MetricValue{
					DescribedObject: one.DescribedObject,
					Metric: cmv1beta2.MetricIdentifier{
						Name:     "http_p95_seconds",
						Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"path": "checkout"}},
					},
					Timestamp: sampleTime,
					Value:     one.Value,
				}
				if diff := cmp.Diff(want.Metric, one.Metric); diff != "" {
					t.Errorf("metric (-want +got):\n%s", diff)
				}
				if one.Value.MilliValue() != 1500 || !one.Timestamp.Equal(&sampleTime) {
					t.Errorf("value %s at %s", &one.Value, one.Timestamp)
				}
				if got := one.DescribedObject; got.Kind != "deployments.apps" || got.Namespace != "shop" || got.Name != "web" {
					t.Errorf("described object %+v", got)
				}

				pods, err := in.GetForObjects(schema.GroupKind{Kind: "Pod"}, labels.SelectorFromSet(labels.Set{"app": "web"}), "http_requests", labels.Everything())
				if err != nil {
					t.Fatal(err)
				}
				if len(pods.Items) != 2 {
					t.Errorf("%d pods, want 2", len(pods.Items))
				}

				orders, err := client.RootScopedMetrics().GetForObject(schema.GroupKind{Kind: "Namespace"}, "shop", "orders", labels.Everything())
				if err != nil {
					t.Fatal(err)
				}
				if orders.DescribedObject.Name != "shop" || orders.Value.MilliValue() != 1500 {
					t.Errorf("metric of the namespace: %+v", orders)
				}

				if _, err := in.GetForObject(deployment, "web", "missing", labels.Everything()); !apierrors.IsNotFound(err) {
					t.Errorf("missing metric: %v", err)
				}
				start := time.Now()
				if _, err := in.GetForObject(deployment, "web", "backoff", labels.Everything()); !apierrors.IsServiceUnavailable(err) {
					t.Errorf("unavailable metric: %v", err)
				}
				if blocked := time.Since(start); blocked > 5*time.Second {
					t.Errorf("the client blocked for %s: it was told to retry", blocked)
				}
			})
		}
		t.Run("external "+contentType, func(t *testing.T) {
			client, err := externalclient.NewForConfig(cfg)
			if err != nil {
				t.Fatal(err)
			}
			list, err := client.NamespacedMetrics("shop").List("queue_depth", checkout)
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Items) != 1 || list.Items[0].Value.MilliValue() != 250 || list.Items[0].MetricLabels["selector"] != "path=checkout" {
				t.Errorf("answer %+v", list)
			}
		})
	}
}

// The controller asks discovery which version to speak.
func TestAutoscalerFindsTheVersion(t *testing.T) {
	srv := standalone(t, nil)
	client, err := discovery.NewDiscoveryClientForConfig(config(srv))
	if err != nil {
		t.Fatal(err)
	}
	versions := customclient.NewAvailableAPIsGetter(client)
	got, err := versions.PreferredVersion()
	if err != nil {
		t.Fatal(err)
	}
	if want := (schema.GroupVersion{Group: "custom.metrics.k8s.io", Version: "v1beta2"}); got != want {
		t.Errorf("preferred version %s, want %s", got, want)
	}
}

func TestDiscovery(t *testing.T) {
	srv := standalone(t, func(o *Options, _ *Deps) {
		o.CustomGroup = "custom.shadow.example.com"
		o.ExternalGroup = "external.shadow.example.com"
	})
	aggregated, err := discovery.NewDiscoveryClientForConfig(config(srv))
	if err != nil {
		t.Fatal(err)
	}
	legacy := *aggregated
	legacy.UseLegacyDiscovery = true
	for name, client := range map[string]*discovery.DiscoveryClient{"aggregated": aggregated, "legacy": &legacy} {
		t.Run(name, func(t *testing.T) {
			groups, lists, err := client.ServerGroupsAndResources()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range groups {
				for _, v := range g.Versions {
					got = append(got, "version "+v.GroupVersion)
				}
				got = append(got, "prefer "+g.PreferredVersion.GroupVersion)
			}
			for _, l := range lists {
				for _, r := range l.APIResources {
					if own := (schema.GroupVersion{Group: r.Group, Version: r.Version}); !own.Empty() && own.String() != l.GroupVersion {
						t.Errorf("%s in %s is of %s", r.Name, l.GroupVersion, own)
					} else if own.Empty() && name == "aggregated" { // there, nothing is inherited
						t.Errorf("%s in %s has a kind without group and version", r.Name, l.GroupVersion)
					}
					got = append(got, l.GroupVersion+" "+r.Kind+" "+r.Name)
				}
			}
			slices.Sort(got)
			want := []string{
				"version custom.shadow.example.com/v1beta2",
				"version custom.shadow.example.com/v1beta1",
				"prefer custom.shadow.example.com/v1beta2",
				"version external.shadow.example.com/v1beta1",
				"prefer external.shadow.example.com/v1beta1",
				"custom.shadow.example.com/v1beta2 MetricValueList pods/http_requests",
				"custom.shadow.example.com/v1beta2 MetricValueList deployments.apps/http_p95_seconds",
				"custom.shadow.example.com/v1beta1 MetricValueList pods/http_requests",
				"custom.shadow.example.com/v1beta1 MetricValueList deployments.apps/http_p95_seconds",
				"external.shadow.example.com/v1beta1 ExternalMetricValueList queue_depth",
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a metric under the other name", func(t *testing.T) {
		code, _, body := get(t, srv, "/apis/custom.shadow.example.com/v1beta1/namespaces/shop/pods/web-0/http_requests", "")
		if code != 200 || !strings.Contains(body, `"apiVersion":"custom.shadow.example.com/v1beta1"`) {
			t.Errorf("status %d: %s", code, body)
		}
	})
	t.Run("nothing under the usual name", func(t *testing.T) {
		if code, _, _ := get(t, srv, "/apis/custom.metrics.k8s.io/v1beta1", ""); code != 404 {
			t.Errorf("status %d, want 404", code)
		}
	})
}

func TestOneProviderOnly(t *testing.T) {
	srv := standalone(t, func(_ *Options, d *Deps) { d.Custom = nil })
	if code, _, body := get(t, srv, "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth", ""); code != 200 {
		t.Errorf("external: status %d: %s", code, body)
	}
	if code, _, _ := get(t, srv, "/apis/custom.metrics.k8s.io", ""); code != 404 {
		t.Errorf("custom: status %d, want 404", code)
	}
}

// probe waits for a probe to answer with code and returns the last answer.
func probe(t *testing.T, srv *Server, path string, code int) (body string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is %d", path, code), func() (holds bool) {
		var got int
		got, _, body = get(t, srv, path, "")
		return got == code
	})
	return body
}

func TestProbes(t *testing.T) {
	var missing atomic.Bool
	missing.Store(true)
	srv := standalone(t, func(_ *Options, d *Deps) {
		d.ReadyChecks = map[string]func() error{"pods-synced": func() error {
			if missing.Load() {
				return errors.New("pods: not listed yet")
			}
			return nil
		}}
	})
	probe(t, srv, "/livez", 200)
	probe(t, srv, "/healthz", 200)
	if body := probe(t, srv, "/readyz", 500); !strings.Contains(body, "[-]pods-synced failed") {
		t.Errorf("/readyz does not name the check that fails:\n%s", body)
	}
	missing.Store(false)
	if body := probe(t, srv, "/readyz?verbose", 200); !strings.Contains(body, "[+]pods-synced ok") {
		t.Errorf("/readyz does not name the check that passes:\n%s", body)
	}
}

func TestOpenAPI(t *testing.T) {
	srv := standalone(t, nil)
	for path, part := range map[string]string{
		"/openapi/v2": `"title":"Pitot"`,
		"/openapi/v3": "apis/custom.metrics.k8s.io/v1beta2",
		"/openapi/v3/apis/custom.metrics.k8s.io/v1beta2":   "MetricValueList",
		"/openapi/v3/apis/external.metrics.k8s.io/v1beta1": "ExternalMetricValueList",
	} {
		if code, _, body := get(t, srv, path, "application/json"); code != 200 || !strings.Contains(body, part) {
			t.Errorf("%s: status %d, without %s: %.500s", path, code, part, body)
		}
	}
}

func TestOwnMetrics(t *testing.T) {
	srv := standalone(t, nil)
	get(t, srv, "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth", "")
	_, _, body := get(t, srv, "/metrics", "")
	for _, name := range []string{"apiserver_request_duration_seconds_bucket", "metrics_apiserver_metric_freshness_seconds_bucket", "go_goroutines"} {
		if !strings.Contains(body, name) {
			t.Errorf("/metrics is without %s", name)
		}
	}
}

func TestStandaloneConnectionsAreReused(t *testing.T) {
	srv := standalone(t, nil)
	client, err := rest.HTTPClientFor(config(srv))
	if err != nil {
		t.Fatal(err)
	}
	reused := false
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }}
	for range 2 {
		if err := readOnce(httptrace.WithClientTrace(t.Context(), trace), client, srv.URL()+benchPath); err != nil {
			t.Fatal(err)
		}
	}
	if !reused {
		t.Error("the second request opened a connection of its own")
	}
}

func TestImpersonationIsHarmlessStandalone(t *testing.T) {
	srv := standalone(t, nil)
	cfg := config(srv)
	cfg.Impersonate.UserName = "system:admin"
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ServerGroups(); err != nil {
		t.Error(err)
	}
}

func TestRunLetsRequestsEndAndFreesThePort(t *testing.T) {
	opts := NewOptions()
	opts.Standalone = true
	opts.Serving.BindPort = 0
	srv, err := New(opts, Deps{External: echo{}})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, srv)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}

func TestNewGivesThePortBackWhenItFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opts := NewOptions()
	opts.Serving.Listener = listener
	opts.Kubeconfig = "testdata/none"
	if _, err := New(opts, Deps{External: echo{}}); err == nil {
		t.Fatal("no error for a kubeconfig that does not exist")
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
	}
}

func TestFlags(t *testing.T) {
	opts := NewOptions()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	opts.AddFlags(flags)
	err := flags.Parse(strings.Fields("--bind-address=127.0.0.2 --secure-port=0 --tls-cert-file=a --tls-private-key-file=b --kubeconfig=k " +
		"--authentication-kubeconfig=n --authorization-kubeconfig=z --requestheader-client-ca-file=r --client-ca-file=c " +
		"--custom-metrics-group=x.y --external-metrics-group=z.y --shutdown-delay-duration=1s --standalone"))
	if err != nil {
		t.Fatal(err)
	}
	if opts.Serving.BindAddress.String() != "127.0.0.2" || opts.Serving.BindPort != 0 || opts.Kubeconfig != "k" ||
		opts.Authentication.RemoteKubeConfigFile != "n" || opts.Authorization.RemoteKubeConfigFile != "z" ||
		opts.CustomGroup != "x.y" || opts.ExternalGroup != "z.y" || opts.ShutdownDelay != time.Second || !opts.Standalone {
		t.Errorf("parsed to %+v", opts)
	}
	for _, absent := range []string{"audit-log-path", "etcd-servers", "admission-control-config-file"} {
		if flags.Lookup(absent) != nil {
			t.Errorf("there is a flag --%s", absent)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		want   string // "" for valid
	}{
		{"the defaults are valid", func(*Options) {}, ""},
		{"standalone needs nothing more", func(o *Options) { o.Standalone = true }, ""},
		{"standalone on IPv6 loopback", func(o *Options) { o.Standalone = true; o.Serving.BindAddress = net.IPv6loopback }, ""},
		{"standalone for the world", func(o *Options) { o.Standalone = true; o.Serving.BindAddress = net.IPv4zero },
			"--standalone answers everybody, so it listens on loopback only: --bind-address 0.0.0.0 is reachable from outside (hint: 127.0.0.1)"},
		{"standalone with a cluster", func(o *Options) { o.Standalone = true; o.Kubeconfig = "k" },
			"--standalone uses no cluster: remove the kubeconfig flags"},
		{"a certificate without a key", func(o *Options) { o.Serving.ServerCert.CertKey.CertFile = "c" },
			"--tls-cert-file and --tls-private-key-file go together: one of them is missing"},
		{"a group that is no name", func(o *Options) { o.CustomGroup = "Shadow!" },
			`--custom-metrics-group "Shadow!" is not a name for an API group`},
		{"one group for two APIs", func(o *Options) { o.CustomGroup = o.ExternalGroup },
			"two APIs need two groups"},
		{"a negative delay", func(o *Options) { o.ShutdownDelay = -time.Second }, "--shutdown-delay-duration -1s is negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opts := NewOptions()
			test.change(opts)
			err := errors.Join(opts.Validate()...)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}
