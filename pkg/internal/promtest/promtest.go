// Package promtest plays a Prometheus that fails in every way that a Prometheus
// and what stands before it fail, and remembers what it answered and when.
//
//	server := promtest.New(promtest.Options{Truth: db, Script: script, Seed: 7})
//	defer server.Close()
//	client, err := promapi.New(promapi.Config{URL: promtest.URL, Dial: server.Dial})
//	…
//	for _, answer := range server.Answers(query) { … }
//
// A Truth says what a healthy server would answer: a promdb.DB, for one. A
// Script says what goes wrong with each request. What a client makes of it can
// then be compared with the Truth at the times that Answers tells.
//
// Dial is a network in memory, so that everything above it runs on the virtual
// time of testing/synctest. A Server is an http.Handler too, for real sockets. A
// Farm is many of them, scripted over HTTP; cmd/promtest is a program of one.
//
// # Promises
//
//   - Equal seeds, scripts and times of requests give equal answers.
//   - A harmed answer holds wrong numbers. A client that takes one for an answer
//     serves a number that was never true.
//   - Healthy answers differ in all that means nothing: the order of series,
//     members that the API does not define, compression, the size of pieces.
//
// # Limitations
//
// The only endpoint is /api/v1/query. There is neither TLS nor authentication.
package promtest

import (
	"context"
	"hash/fnv"
	"io"
	"log"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// URL is the address of every Server behind its own Dial.
const URL = "http://prometheus.promtest:9090"

// elsewhere is where redirects lead, unless Options say otherwise.
const elsewhere = "elsewhere.promtest:9090"

// A Truth is what a healthy server would answer at a time. It is called
// concurrently.
type Truth interface {
	Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error)
}

// A Request is one query as it arrives.
type Request struct {
	Query string
	// N counts the requests for this query, from 0.
	N int
	// Arrived is when all of it was read.
	Arrived time.Time
}

// A Script decides what happens to a request. It is called concurrently, and
// should depend on the Request alone.
type Script func(Request) Fault

// Options configure a Server.
type Options struct {
	Truth Truth
	// Script is asked for every request. Default: nothing goes wrong.
	Script Script
	// Down tells when the port is closed: connections are refused, and those
	// that are open end without an answer. Default: never.
	Down func(time.Time) bool
	// Seed is the chance in what a Fault leaves open, such as where a body is cut.
	Seed uint64
	// Elsewhere is the host and port that redirects lead to. Default: one that
	// only Dial finds.
	Elsewhere string
}

// An Answer is what a Server did with a Request.
type Answer struct {
	Request
	Fault Fault
	// At is the evaluation time that the answer claims: Arrived with the Fault's
	// Skew, or the time that the request names.
	At time.Time
	// Evaluated is when its numbers, unless harmed, are the Truth: Arrived, or where
	// the request names the time of an earlier answer, when that one was evaluated.
	Evaluated time.Time
	// Done is when all of it was on its way; zero if the client had gone.
	Done time.Time
}

// A Server plays a Prometheus. Close it.
type Server struct {
	options Options
	net     *memoryNet
	http    *http.Server
	serving sync.WaitGroup
	strays  atomic.Int64

	mu      sync.Mutex
	asked   map[string]int
	answers map[string][]Answer
	healthy map[string]healthyAnswer // the last one
	said    map[int64]time.Time      // when an answer was evaluated, by the milliseconds of its At
}

// A healthyAnswer is what Repeated repeats.
type healthyAnswer struct {
	at      time.Time
	samples []instant.Sample
}

// New starts a Server.
func New(o Options) *Server {
	if o.Script == nil {
		o.Script = func(Request) Fault { return Fault{} }
	}
	if o.Down == nil {
		o.Down = func(time.Time) bool { return false }
	}
	if o.Elsewhere == "" {
		o.Elsewhere = elsewhere
	}
	s := &Server{
		options: o, net: newMemoryNet(),
		asked: map[string]int{}, answers: map[string][]Answer{}, healthy: map[string]healthyAnswer{},
		said: map[int64]time.Time{},
	}
	s.http = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	s.serving.Go(func() { _ = s.http.Serve(s.net) })
	return s
}

// Close ends every connection.
func (s *Server) Close() {
	_ = s.http.Close()
	s.serving.Wait()
}

// Answers returns what was done with the requests for a query, in the order in
// which they ended.
func (s *Server) Answers(query string) []Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.answers[query])
}

// Asked returns how many requests there were for each query.
func (s *Server) Asked() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.asked)
}

// Strays counts the requests that followed a redirect.
func (s *Server) Strays() int { return int(s.strays.Load()) }

// ServeHTTP plays /api/v1/query.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	switch {
	case !strings.HasSuffix(r.URL.Path, "/api/v1/query"):
		http.NotFound(w, r)
	case s.options.Down(time.Now()):
		drop(w)
	case r.Host == s.options.Elsewhere:
		s.strays.Add(1)
		s.play(w, r, &Answer{Request: Request{Query: query, Arrived: time.Now()}, Fault: Fault{Kind: stray}})
	default:
		request := s.arrive(query)
		answer := Answer{Request: request, Fault: s.options.Script(request)}
		defer s.record(&answer) // an answer that is cut ends in a panic
		s.play(w, r, &answer)
	}
}

func (s *Server) record(a *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[a.Query] = append(s.answers[a.Query], *a)
}

func (s *Server) arrive(query string) Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	request := Request{Query: query, N: s.asked[query], Arrived: time.Now()}
	s.asked[query]++
	return request
}

// play answers a request and fills in the answer's times.
func (s *Server) play(w http.ResponseWriter, r *http.Request, a *Answer) {
	s.date(a, r.FormValue("time"))
	truth, err := s.options.Truth.Query(r.Context(), a.Query, a.Evaluated)
	samples := s.remember(a, skewed(a, truth.Samples))
	p := &performance{
		writer: w, request: r, query: a.Query, fault: a.Fault, at: a.At,
		chance: s.chance(a.Request), elsewhere: s.options.Elsewhere,
	}
	if err != nil {
		a.Fault = Fault{Kind: Status}
		p.refuse(err)
		return
	}
	w.Header().Set("Date", a.At.UTC().Format(http.TimeFormat))
	if p.perform(samples) {
		a.Done = time.Now()
	}
}

// date decides when a query is evaluated, and when it claims to be. A time that
// the server has told itself is its own clock's, which may be skewed.
func (s *Server) date(a *Answer, named string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := parseTime(named); ok {
		a.At, a.Evaluated = at, at
		if evaluated, ok := s.said[at.UnixMilli()]; ok {
			a.Evaluated = evaluated
		}
		return
	}
	a.At, a.Evaluated = a.Arrived.Add(a.Fault.Skew), a.Arrived
	s.said[a.At.UnixMilli()] = a.Evaluated
}

// skewed moves the times of samples as the server's clock is.
func skewed(a *Answer, samples []instant.Sample) []instant.Sample {
	if skew := a.At.Sub(a.Evaluated); skew.Abs() >= time.Millisecond && aboutTimes(a.Query) {
		return mapped(samples, func(v float64) float64 { return v + skew.Seconds() })
	}
	return samples
}

// remember keeps a healthy answer, and puts the last one in the place of one
// that repeats it, its time included.
func (s *Server) remember(a *Answer, samples []instant.Sample) []instant.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.healthy[a.Query]
	if a.Fault.Kind == Repeated && known {
		a.At = last.at
		return last.samples
	}
	if a.Fault.Kind.True() || a.Fault.Kind == Repeated {
		s.healthy[a.Query] = healthyAnswer{at: a.At, samples: samples}
	}
	return samples
}

// chance is what a Fault leaves open, the same for the same request.
func (s *Server) chance(r Request) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, r.Query)
	return rand.New(rand.NewPCG(s.options.Seed^h.Sum64(), uint64(r.N)))
}

// parseTime reads the parameter time, in seconds since 1970.
func parseTime(text string) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))), true
}
