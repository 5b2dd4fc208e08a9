package app

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

// The shop is the service of the demo: two pods of the Deployment shop/web that
// answer HTTP requests on loopback, and a queue of e-mails that they fill.
const (
	shopNamespace = "shop"
	shopWorkload  = "web"
	shopQueue     = "emails"

	shopThreads     = 4                      // per pod; more requests wait
	shopServiceTime = 120 * time.Millisecond // of one request, on average: at the wave's top, requests wait
	shopEmailChance = 0.5                    // that a request queues an e-mail
	shopEmailsPerS  = 15.0                   // that the workers send: what the mean load queues

	shopPeriod  = time.Minute // of the load's wave
	shopMeanRPS = 30.0
	shopSwing   = 25.0
	shopTick    = 20 * time.Millisecond // between two looks at how many requests are due
	shopInWork  = 200                   // most requests at a time
)

// A shop is running.
type shop struct {
	listener net.Listener
	server   *http.Server
	pods     []*shopPod
	queued   atomic.Int64 // e-mails waiting
	client   *http.Client
}

type shopPod struct {
	name     string
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	threads  chan struct{}
}

// openShop listens on a free port of loopback. Call run to serve.
func openShop() (*shop, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &shop{listener: listener, client: &http.Client{Timeout: 5 * time.Second}}
	mux := http.NewServeMux()
	for _, name := range []string{"web-1", "web-2"} {
		pod := newShopPod(name)
		s.pods = append(s.pods, pod)
		mux.HandleFunc("/"+name+"/work", s.work(pod))
		mux.Handle("/"+name+"/metrics", promhttp.HandlerFor(pod.registry, promhttp.HandlerOpts{}))
	}
	mux.Handle("/queue/metrics", promhttp.HandlerFor(s.queueRegistry(), promhttp.HandlerOpts{}))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return s, nil
}

func newShopPod(name string) *shopPod {
	pod := &shopPod{
		name:     name,
		registry: prometheus.NewRegistry(),
		threads:  make(chan struct{}, shopThreads),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered.",
		}, []string{"handler", "method", "status"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "http_request_duration_highr_seconds", Help: "Time from request to answer.",
			Buckets: []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 1.5, 2, 3, 5},
		}),
	}
	pod.registry.MustRegister(pod.requests, pod.duration)
	return pod
}

func (s *shop) queueRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "queue_messages_ready", Help: "Messages that wait for a worker.",
		ConstLabels: prometheus.Labels{"queue": shopQueue},
	}, func() float64 { return float64(s.queued.Load()) }))
	return registry
}

// work answers one request, after waiting for one of the pod's threads.
func (s *shop) work(pod *shopPod) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		select {
		case pod.threads <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		time.Sleep(time.Duration(float64(shopServiceTime) * (0.5 + rand.Float64())))
		<-pod.threads
		if rand.Float64() < shopEmailChance {
			s.queued.Add(1)
		}
		pod.duration.Observe(time.Since(begun).Seconds())
		pod.requests.WithLabelValues("/work", http.MethodGet, "200").Inc()
		fmt.Fprintln(w, "ok")
	}
}

// targets are the shop's pages as Prometheus would label them in a cluster.
func (s *shop) targets() []promdb.Target {
	base := "http://" + s.listener.Addr().String()
	targets := []promdb.Target{{
		URL:    base + "/queue/metrics",
		Labels: labels.FromStrings("namespace", shopNamespace, "pod", "queue-exporter"),
	}}
	for _, pod := range s.pods {
		targets = append(targets, promdb.Target{
			URL:    base + "/" + pod.name + "/metrics",
			Labels: labels.FromStrings("namespace", shopNamespace, "pod", pod.name),
		})
	}
	return targets
}

// run serves, sends requests and works off the queue until ctx is done.
func (s *shop) run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { _ = s.server.Serve(s.listener) })
	parts.Go(func() { s.sendRequests(ctx) })
	parts.Go(func() { s.sendEmails(ctx) })
	<-ctx.Done()
	_ = s.server.Close()
	parts.Wait()
}

// shopRPS is the load at a time after the start: a wave that begins at its mean.
func shopRPS(at time.Duration) float64 {
	return shopMeanRPS + shopSwing*math.Sin(2*math.Pi*at.Seconds()/shopPeriod.Seconds())
}

// sendRequests drives the pods in turn, open loop: slow answers do not lower
// the rate, until shopInWork requests wait.
func (s *shop) sendRequests(ctx context.Context) {
	var requests sync.WaitGroup
	defer requests.Wait()
	slots := make(chan struct{}, shopInWork)
	start, due, sent := time.Now(), 0.0, 0
	every(ctx, shopTick, func() {
		due += shopRPS(time.Since(start)) * shopTick.Seconds()
		for ; float64(sent) < due; sent++ {
			select {
			case slots <- struct{}{}:
			default:
				continue
			}
			url := "http://" + s.listener.Addr().String() + "/" + s.pods[sent%len(s.pods)].name + "/work"
			requests.Go(func() {
				defer func() { <-slots }()
				s.get(ctx, url)
			})
		}
	})
}

func (s *shop) get(ctx context.Context, url string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return
	}
	if answer, err := s.client.Do(request); err == nil {
		_ = answer.Body.Close()
	}
}

// sendEmails takes from the queue what the workers can send.
func (s *shop) sendEmails(ctx context.Context) {
	able := 0.0
	every(ctx, shopTick, func() {
		able += shopEmailsPerS * shopTick.Seconds()
		for ; able >= 1; able-- {
			if s.queued.Load() > 0 {
				s.queued.Add(-1)
			}
		}
	})
}

// every calls f once per period until ctx is done.
func every(ctx context.Context, period time.Duration, f func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}
