package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A Short is an App in the short forms of the command line, as they are typed;
// empty is not given.
type Short struct {
	Server      string   // as ParseServer reads it
	ServiceTime string   // the mean, a duration
	Startup     string   // the mean, a duration
	Signals     []string // as ParseSignal reads them
}

// App makes the app. What the short forms have no place for is as in a file that
// says nothing of it. The error is Problems, which call the forms by the names of
// their flags.
func (s Short) App() (*App, error) {
	var problems Problems
	report := place.Reporter{Problems: &problems}
	c := appConfig{}
	s.server(report, &c.server)
	flagDuration(report, "--service-time", "the mean time that a request takes", s.ServiceTime, &c.server.serviceTime)
	flagDuration(report, "--startup", "the time from a pod's creation until it is ready", s.Startup, &c.startup.mean)
	s.signals(report, &c)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	c.startup.given = true
	c.server.at = Position{Line: 1, Column: 1}
	c.setDefaults()
	appCheck{&c, report}.all()
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return c.compile(), nil
}

func (s Short) server(report place.Reporter, into *serverConfig) {
	if s.Server == "" {
		report.Report(Position{}, "--server is missing", "say what runs in a pod, as in --server gunicorn:4x2")
		return
	}
	server, err := ParseServer(s.Server)
	if err != nil {
		report.Report(Position{}, "--server: "+err.Error(), "")
		return
	}
	into.kind = given(server.Kind)
	if server.Workers > 0 {
		into.workers = given(int64(server.Workers))
	}
	if server.Prefetch > 0 {
		into.prefetch.OrElse(int64(server.Prefetch)) // Celery's default, not the user's word
	}
}

func (s Short) signals(report place.Reporter, into *appConfig) {
	seen := map[string]bool{}
	for _, text := range s.Signals {
		metric, signal, err := ParseSignal(text)
		switch {
		case err != nil:
			report.Report(Position{}, "--signal: "+err.Error(), "")
			continue
		case seen[metric]:
			report.Report(Position{}, fmt.Sprintf("--signal: %q is given twice", metric), "")
			continue
		}
		seen[metric] = true
		c := signalConfig{metric: metric, signal: given(signal)}
		if strings.Contains(text, "[") {
			c.window = given(signal.Window)
		}
		into.signals = append(into.signals, c)
	}
}

func given[T any](value T) place.Field[T] {
	return place.Field[T]{Value: value, Given: true, Valid: true}
}

func flagDuration(report place.Reporter, flag, what, text string, into *place.Field[time.Duration]) {
	if text == "" {
		report.Report(Position{}, flag+" is missing", "say "+what+", as in "+flag+" 20s")
		return
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		report.Report(Position{}, fmt.Sprintf("%s: %q is not a duration", flag, text), "write it as in 500ms, 10s or 1m30s")
		return
	}
	*into = given(value)
}

// A serverForm is a program that ParseServer knows.
type serverForm struct {
	name     string
	kind     workload.Kind
	prefetch int
	threads  bool // it takes processes × threads
	example  string
}

var serverForms = []serverForm{
	{name: "gunicorn", kind: workload.Sync, threads: true, example: "gunicorn:4x2 (4 processes of 2 threads)"},
	{name: "uvicorn", kind: workload.Async, example: "uvicorn:4 (4 event loops)"},
	// Celery fetches worker_prefetch_multiplier tasks for each worker, 4 by
	// default, one of which it works on.
	{name: "celery", kind: workload.Queue, prefetch: 3, example: "celery:8 (8 tasks at a time)"},
	{name: "linear", kind: workload.Linear, example: "linear"},
}

// ParseServer reads the short form of a server: gunicorn:4x2 is four processes
// of two threads, uvicorn:4 four event loops, celery:8 eight tasks at a time with
// Celery's own prefetch, and linear has no workers. Its times are not in it.
func ParseServer(text string) (workload.Server, error) {
	name, count, counted := strings.Cut(text, ":")
	i := slices.IndexFunc(serverForms, func(f serverForm) bool { return f.name == name })
	if i < 0 {
		return workload.Server{}, refuse(text, &place.Refusal{Cause: fmt.Sprintf("there is no server %q", name), Hint: serverHint(name)})
	}
	form := serverForms[i]
	server := workload.Server{Kind: form.kind, Prefetch: form.prefetch}
	if form.kind == workload.Linear {
		if counted {
			return workload.Server{}, refuse(text, &place.Refusal{Cause: "linear has no workers", Hint: "write linear"})
		}
		return server, nil
	}
	processes, threads, product := strings.Cut(count, "x")
	n, ok := smallNumber(processes)
	if product && form.threads {
		m, more := smallNumber(threads)
		n, ok = n*m, ok && more
	} else if product {
		ok = false
	}
	if !ok || n > maxWorkers {
		return workload.Server{}, refuse(text, &place.Refusal{Cause: fmt.Sprintf("%q is not a number of workers", count), Hint: "write it as in " + form.example})
	}
	server.Workers = n
	return server, nil
}

func serverHint(name string) string {
	var names, examples []string
	for _, f := range serverForms {
		names, examples = append(names, f.name), append(examples, f.example)
	}
	if hint := place.DidYouMean(name, names); hint != "" {
		return hint
	}
	return "write " + strings.Join(examples[:len(examples)-1], ", ") + " or " + examples[len(examples)-1] +
		"; other servers have app.yaml"
}

// smallNumber reads a whole number above zero of at most five digits.
func smallNumber(text string) (int, bool) {
	if len(text) > 5 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0
}
