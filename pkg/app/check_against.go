package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/pitot-autoscaling/pitot/pkg/detect"
	"github.com/pitot-autoscaling/pitot/pkg/internal/dryrun"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A liveCheck is what "pitot check --against" tries.
type liveCheck struct {
	against   string
	objective string
	timeout   time.Duration
	options   dryrun.Options
}

// ownBackends stands for the addresses of the configuration.
const ownBackends = "backends"

// triedAtOnce bounds the rules that are tried at a time: a check must not be a load.
const triedAtOnce = 4

func (l *liveCheck) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&l.against, "against", "", `try the rules on this Prometheus; "backends": on those of the configuration`)
	flags.StringVar(&l.objective, "objective", "", "latency that users are promised, as in p95=500ms: are there buckets for it?")
	flags.DurationVar(&l.timeout, "timeout", 2*time.Minute, "time for all of --against")
}

func (l *liveCheck) validate() error {
	if l.objective == "" {
		return nil
	}
	objective, err := detect.ParseObjective(l.objective)
	if err != nil {
		return usageError("--objective: %w", err)
	}
	l.options.Objective = objective.Limit
	return nil
}

// An against is what came of it, as "pitot check --against -o json" prints it.
type against struct {
	Backends []triedBackend  `json:"backends"`
	Rules    []dryrun.Report `json:"rules"` // of those backends that answer
	Errors   int             `json:"errors"`
	Warnings int             `json:"warnings"`
}

// A triedBackend is where rules were tried.
type triedBackend struct {
	Name      string `json:"name"`
	URL       string `json:"url"`
	Labels    string `json:"labels"` // the profile; "" if it is not known
	LabelsWhy string `json:"labels_why"`
	Error     string `json:"error,omitempty"` // why no rule was tried

	backend rule.Backend
	profile rule.Profile
}

func (l *liveCheck) run(ctx context.Context, env Env, output format, set *rule.Set) error {
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	var found against
	for _, b := range set.Backends {
		tried, err := l.backend(limited, set, b)
		if err != nil {
			return err
		}
		found.Backends = append(found.Backends, tried)
	}
	l.rules(limited, env, set, &found)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	found.count()
	if err := found.write(env.Stdout, output, set); err != nil {
		return err
	}
	if found.Errors > 0 {
		return &exitError{code: exitFound}
	}
	return nil
}

// backend finds out the labels of a backend.
func (l *liveCheck) backend(ctx context.Context, set *rule.Set, b rule.Backend) (triedBackend, error) {
	if l.against != ownBackends {
		b = rule.Backend{
			Name: b.Name, URL: l.against, Labels: b.Labels,
			Timeout: b.Timeout, ScrapeInterval: b.ScrapeInterval, MaxResponseBytes: b.MaxResponseBytes,
		}
	}
	tried := triedBackend{Name: b.Name, URL: b.URL, Labels: b.Labels.String(), LabelsWhy: "configured", backend: b, profile: b.Labels}
	client, err := newClient(b)
	if err != nil {
		return tried, usageError("--against: %w", err)
	}
	defer client.Close()
	if !b.Labels.IsAuto() {
		return tried, nil
	}
	found := profile.Probe(ctx, client, rulesOn(set, b.Name))
	tried.profile = found.Profile
	tried.Labels, tried.LabelsWhy = labelsOf(found)
	if _, none := errors.AsType[*profile.NoSeriesError](found.Err); none {
		tried.profile = rule.Operator // Each of its rules will say what is missing.
	} else if found.Err != nil {
		tried.Error = found.Err.Error()
	}
	return tried, nil
}

// rules tries the rules, a few at a time, and keeps their order.
func (l *liveCheck) rules(ctx context.Context, env Env, set *rule.Set, found *against) {
	reports := make([]*dryrun.Report, len(set.Rules))
	var group errgroup.Group
	group.SetLimit(triedAtOnce)
	var done atomic.Int64
	for i, r := range set.Rules {
		tried := found.backend(r.Backend)
		if tried.Error != "" {
			continue
		}
		group.Go(func() error {
			report := l.try(ctx, tried, r)
			reports[i] = &report
			if n := done.Add(1); env.ErrTerminal {
				fmt.Fprintf(env.Stderr, "\r\x1b[Ktried %d of %s", n, count(len(set.Rules), "rule"))
			}
			return nil
		})
	}
	_ = group.Wait() // a report holds its own errors
	if env.ErrTerminal {
		fmt.Fprint(env.Stderr, "\r\x1b[K")
	}
	found.Rules = []dryrun.Report{}
	for _, report := range reports {
		if report != nil {
			found.Rules = append(found.Rules, *report)
		}
	}
}

func (a *against) backend(name string) triedBackend {
	for _, b := range a.Backends {
		if b.Name == name {
			return b
		}
	}
	return triedBackend{} // Load has found it.
}

// try tries one rule, over a connection of its own whose bytes can be counted.
func (l *liveCheck) try(ctx context.Context, on triedBackend, r *rule.Rule) dryrun.Report {
	var received atomic.Int64
	c := clientConfig(on.backend)
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return countedConn{conn, &received}, nil
	}
	client, err := promapi.New(c)
	if err != nil { // its certificates have gone meanwhile
		return dryrun.Report{Metric: r.Metric, Findings: []dryrun.Finding{{Severity: dryrun.Error, Code: "no-client", What: err.Error()}}}
	}
	defer client.Close()
	return dryrun.Rule(ctx, dryrun.Backend{
		Querier: client, Received: received.Load, Profile: on.profile, ScrapeInterval: on.backend.ScrapeInterval,
	}, r, l.options)
}

// A countedConn counts what comes in.
type countedConn struct {
	net.Conn
	received *atomic.Int64
}

// Read implements net.Conn.
func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

func (a *against) count() {
	for _, b := range a.Backends {
		if b.Error != "" {
			a.Errors++
		}
	}
	for _, r := range a.Rules {
		for _, f := range r.Findings {
			if f.Severity == dryrun.Error {
				a.Errors++
			} else {
				a.Warnings++
			}
		}
	}
}

func (a *against) write(w io.Writer, output format, set *rule.Set) error {
	if output == formatJSON {
		report := newCheckReport(set, nil)
		report.Against = a
		return writeJSON(w, report)
	}
	_, err := io.WriteString(w, a.text())
	return err
}

// text is the report for people.
func (a *against) text() string {
	var b strings.Builder
	for _, one := range a.Backends {
		fmt.Fprintf(&b, "backend %s, %s\n", one.Name, one.URL)
		if one.Error != "" {
			fmt.Fprintf(&b, "  error: %s\n", one.Error)
			continue
		}
		fmt.Fprintf(&b, "  labels: %s\n", labelsText(one.Labels, one.LabelsWhy))
	}
	for _, one := range a.Rules {
		writeTried(&b, one)
	}
	fmt.Fprintf(&b, "\n%s, %s: %s\n", count(len(a.Rules), "rule"), count(len(a.Backends), "backend"), a.verdict())
	return b.String()
}

func (a *against) verdict() string {
	if a.Errors+a.Warnings == 0 {
		return "nothing is wrong"
	}
	return count(a.Errors, "error") + ", " + count(a.Warnings, "warning")
}

func writeTried(b *strings.Builder, r dryrun.Report) {
	fmt.Fprintf(b, "\n%s of %s: %s\n  %s\n", r.Metric, r.Of, spokenOf(r), r.Query)
	for _, in := range r.Inputs {
		fmt.Fprintf(b, "  reads %s: %s\n", in.Selector, readFrom(in))
	}
	fmt.Fprintf(b, "  answers %d series, %s in %s%s\n", r.Answered, size(r.Bytes), milliseconds(r.Seconds), aboveTop(r))
	for _, f := range r.Findings {
		fmt.Fprintf(b, "  %s: %s [%s]\n", f.Severity, f.What, f.Code)
		if f.Hint != "" {
			fmt.Fprintf(b, "    hint: %s\n", f.Hint)
		}
	}
}

// spokenOf says of what the answer speaks.
func spokenOf(r dryrun.Report) string {
	if r.Objects == 0 {
		return fmt.Sprintf("%d series", r.Answered)
	}
	return fmt.Sprintf("%s in %s, such as %s", count(r.Objects, "object"), count(r.Namespaces, "namespace"), r.Example)
}

func readFrom(in dryrun.Input) string {
	text := fmt.Sprintf("%d series", in.Series)
	if in.IntervalSeconds > 0 {
		text += ", a sample each " + shortDuration(seconds(in.IntervalSeconds))
	}
	if in.WindowSeconds > 0 && in.Series > 0 {
		text += fmt.Sprintf(", %g in the window", in.Samples)
	}
	return text
}

func aboveTop(r dryrun.Report) string {
	if r.AboveTop == nil {
		return ""
	}
	return fmt.Sprintf("; %.3g %% of observations above the highest bucket", 100**r.AboveTop)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

func milliseconds(s float64) string { return fmt.Sprintf("%.0fms", 1000*s) }

func size(bytes int64) string { return fmt.Sprintf("%.1f kB", float64(bytes)/1000) }
