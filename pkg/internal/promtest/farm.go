package promtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// A Farm is many Servers behind one address, each below a path of its own name
// and scripted over HTTP, for clients in other processes:
//
//	PUT /NAME/series   [{"labels": {"__name__": "load", "pod": "a"}, "value": 20}]
//	PUT /NAME/fault    {"kind": "status", "code": 503, "delay": "2s"}
//	GET /NAME/asked    {"sum(load)": 12}
//	…   /NAME/api/v1/query
//
// The series are the Truth, a Steady one. The fault is that of every answer from
// then on; its kind is named as Kind.String does, and its value is text, such as
// "-Inf". Asked counts the requests for each query. The first PUT to a name
// opens its Server.
type Farm struct {
	elsewhere string

	mu      sync.Mutex
	servers map[string]*farmed
}

// A farmed Server is one whose fault and truth can be set.
type farmed struct {
	*Server
	truth Steady

	mu    sync.Mutex
	fault Fault
}

// NewFarm returns a Farm without a Server. Elsewhere is the host and port that
// redirects lead to: another name of the Farm's own address, so that a client
// that follows gets a wrong number.
func NewFarm(elsewhere string) *Farm {
	return &Farm{elsewhere: elsewhere, servers: map[string]*farmed{}}
}

// Close ends all Servers.
func (f *Farm) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.servers {
		s.Close()
	}
}

// ServeHTTP scripts a Server, or lets it play.
func (f *Farm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.routes().ServeHTTP(w, r)
}

func (f *Farm) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /{name}/series", func(w http.ResponseWriter, r *http.Request) {
		f.put(w, r, new(seriesText), func(s *farmed, text any) error { return s.setSeries(*text.(*seriesText)) })
	})
	mux.HandleFunc("PUT /{name}/fault", func(w http.ResponseWriter, r *http.Request) {
		f.put(w, r, new(faultText), func(s *farmed, text any) error { return s.setFault(*text.(*faultText)) })
	})
	mux.HandleFunc("GET /{name}/asked", f.withServer(func(w http.ResponseWriter, _ *http.Request, s *farmed) {
		_ = json.NewEncoder(w).Encode(s.Asked())
	}))
	mux.HandleFunc("/{name}/api/v1/query", f.withServer(func(w http.ResponseWriter, r *http.Request, s *farmed) {
		s.ServeHTTP(w, r)
	}))
	return mux
}

// put reads a body and sets what it says.
func (f *Farm) put(w http.ResponseWriter, r *http.Request, text any, set func(*farmed, any) error) {
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	err := body.Decode(text)
	if err == nil {
		err = set(f.open(r.PathValue("name")), text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// open returns the Server of a name.
func (f *Farm) open(name string) *farmed {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.servers[name]
	if !ok {
		s = &farmed{}
		s.Server = New(Options{Truth: &s.truth, Script: s.script, Elsewhere: f.elsewhere})
		f.servers[name] = s
	}
	return s
}

func (f *Farm) withServer(serve func(http.ResponseWriter, *http.Request, *farmed)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		s, ok := f.servers[r.PathValue("name")]
		f.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		serve(w, r, s)
	}
}

// seriesText is the body of a PUT of series.
type seriesText []struct {
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

func (s *farmed) setSeries(text seriesText) error {
	series := make([]instant.Sample, len(text))
	for i, one := range text {
		if one.Labels[model.MetricNameLabel] == "" {
			return fmt.Errorf("series %d has no label %s", i, model.MetricNameLabel)
		}
		series[i] = instant.Sample{Labels: labels.FromMap(one.Labels), Value: one.Value}
	}
	s.truth.Set(series)
	return nil
}

// faultText is the body of a PUT of a fault.
type faultText struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
	Code  int    `json:"code"`
	Delay string `json:"delay"`
	Skew  string `json:"skew"`
}

func (s *farmed) setFault(text faultText) error {
	fault, err := text.fault()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
	return nil
}

func (text faultText) fault() (Fault, error) {
	f := Fault{Code: text.Code}
	var err error
	if f.Kind, err = parseKind(text.Kind); err != nil {
		return f, err
	}
	if text.Value != "" {
		if f.Value, err = strconv.ParseFloat(text.Value, 64); err != nil {
			return f, err
		}
	}
	if f.Delay, err = parseDuration(text.Delay); err != nil {
		return f, err
	}
	f.Skew, err = parseDuration(text.Skew)
	return f, err
}

func parseKind(text string) (Kind, error) {
	for _, kind := range Kinds() {
		if kind.String() == text {
			return kind, nil
		}
	}
	return 0, fmt.Errorf("no fault is called %q: use one of %v", text, Kinds())
}

// parseDuration reads a duration, or zero where there is none.
func parseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// script is the Script of a farmed Server.
func (s *farmed) script(Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}
