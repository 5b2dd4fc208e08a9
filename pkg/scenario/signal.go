package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// signalKinds are those that are words; a latency is named by its quantile.
var signalKinds = []sim.SignalKind{sim.Rate, sim.Arrivals, sim.Concurrency, sim.InFlight, sim.Busy, sim.Backlog, sim.Cores}

// gauge reports whether a kind of signal is as the last scrape found it, and so
// without a window.
func gauge(k sim.SignalKind) bool { return k == sim.InFlight || k == sim.Backlog }

// ParseSignal reads the short form of a signal: a metric, what it measures, and
// for a rate or a quantile the window, as in
//
//	http_requests_per_second=rate
//	http_requests_per_second=rate[1m]
//	http_p95_seconds=p95[5m]
//
// Without a window it is DefaultWindow. The kinds are those of package sim, and
// quantiles of latency such as p95.
func ParseSignal(text string) (metric string, s sim.Signal, err error) {
	metric, what, ok := strings.Cut(text, "=")
	if !ok || !metricName(metric) {
		return "", sim.Signal{}, refuse(text, &place.Refusal{Cause: "it does not begin with the name of a metric and =", Hint: "write it as in http_requests_per_second=rate"})
	}
	what, window, hasWindow := strings.Cut(what, "[")
	s, refusal := parseSignalKind(what)
	switch {
	case refusal != nil:
	case hasWindow:
		s.Window, refusal = parseWindow(s, window)
	case !gauge(s.Kind):
		s.Window = DefaultWindow
	}
	if refusal != nil {
		return "", sim.Signal{}, refuse(text, refusal)
	}
	return metric, s, nil
}

// refuse is the error of a short form.
func refuse(text string, why *place.Refusal) error {
	return Problem{Cause: fmt.Sprintf("%q: %s", text, why.Cause), Hint: why.Hint}
}

// SignalText is the short form of a signal, as ParseSignal reads it.
func SignalText(metric string, s sim.Signal) string {
	text := metric + "=" + signalName(s)
	if !gauge(s.Kind) {
		text += "[" + duration(s.Window) + "]"
	}
	return text
}

func signalName(s sim.Signal) string {
	if s.Kind == sim.Latency {
		return quantileName(s.Quantile)
	}
	return string(s.Kind)
}

func parseWindow(s sim.Signal, text string) (time.Duration, *place.Refusal) {
	inside, closed := strings.CutSuffix(text, "]")
	window, err := time.ParseDuration(inside)
	switch {
	case gauge(s.Kind):
		return 0, &place.Refusal{Cause: fmt.Sprintf("%s is a gauge and has no window", s.Kind)}
	case !closed || err != nil:
		return 0, &place.Refusal{Cause: fmt.Sprintf("%q is not a window", "["+text), Hint: "write it as in " + signalName(s) + "[2m]"}
	case window < time.Second:
		return 0, &place.Refusal{Cause: fmt.Sprintf("a window of %s is below a second", inside)}
	}
	return window, nil
}

// parseSignalKind reads the word for a signal.
func parseSignalKind(text string) (sim.Signal, *place.Refusal) {
	if slices.Contains(signalKinds, sim.SignalKind(text)) {
		return sim.Signal{Kind: sim.SignalKind(text)}, nil
	}
	if q, ok := parseQuantile(text); ok {
		return sim.Signal{Kind: sim.Latency, Quantile: q}, nil
	}
	names := []string{"p50", "p90", "p95", "p99"}
	for _, k := range signalKinds {
		names = append(names, string(k))
	}
	hint := place.DidYouMean(text, names)
	if hint == "" {
		hint = "there are " + strings.Join(names[4:], ", ") + ", and quantiles of latency such as p95"
	}
	return sim.Signal{}, &place.Refusal{Cause: fmt.Sprintf("%q is not a signal", text), Hint: hint}
}

// parseQuantile reads p95 as 0.95. It takes up to four digits after the point.
func parseQuantile(text string) (float64, bool) {
	digits, ok := strings.CutPrefix(text, "p")
	if !ok || strings.Trim(digits, "0123456789.") != "" || len(digits) > 7 {
		return 0, false
	}
	percent, err := strconv.ParseFloat(digits, 64)
	// Of p95 the nearest number to 0.95, not 95 times the nearest one to 0.01.
	q := math.Round(percent*1e4) / 1e6
	return q, err == nil && q > 0 && q < 1
}

// quantileName is the text form of a quantile.
func quantileName(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(q*1e6)/1e4, 'f', -1, 64)
}

// An onIdle is what a quantile without requests reads as, in the words of
// Pitot's rules.
type onIdle string

const (
	idleError onIdle = "error"
	idleZero  onIdle = "zero"
)

// A signalConfig is an entry of signals.
type signalConfig struct {
	metric  string
	at      Position
	signal  place.Field[sim.Signal] // its kind and quantile
	window  place.Field[time.Duration]
	buckets bucketsConfig
	onIdle  place.Field[onIdle]
}

// A bucketsConfig is a list of upper bounds.
type bucketsConfig []place.Field[float64]

func (s *signalConfig) kind() sim.SignalKind { return s.signal.Value.Kind }

// signals reads the map from the metrics to what they measure.
func (d decoder) signals(node *yaml.Node, c *appConfig) {
	d.Each(node, "signals", func(name, value *yaml.Node) {
		s := signalConfig{metric: name.Value, at: d.At(name)}
		named := decoder{d.About(fmt.Sprintf("signal %q", name.Value))}
		kind := place.Scalar(named.Decoder, "signal", "one word", nil, &s.signal, parseSignalKind)
		if place.Target(value).Kind == yaml.ScalarNode {
			kind(value)
		} else {
			named.Object(value, "a signal", place.Fields{
				"signal":  kind,
				"window":  named.Duration("window", &s.window),
				"buckets": named.buckets(&s.buckets),
				"onIdle":  place.OneOf(named.Decoder, "onIdle", &s.onIdle, idleError, idleZero),
			})
		}
		c.signals = append(c.signals, s)
	})
}

func (d decoder) buckets(to *bucketsConfig) func(*yaml.Node) {
	return func(node *yaml.Node) {
		elements, _ := d.Elements(node, "buckets")
		*to = bucketsConfig{}
		for _, element := range elements {
			var bound place.Field[float64]
			d.Number("buckets", &bound)(element)
			*to = append(*to, bound)
		}
	}
}

func (b bucketsConfig) values() []float64 {
	var values []float64
	for _, bound := range b {
		values = append(values, bound.Value)
	}
	return values
}

func (s *signalConfig) setDefaults() {
	if s.signal.Valid && !gauge(s.kind()) {
		s.window.OrElse(DefaultWindow)
	}
	if s.kind() == sim.Latency {
		s.onIdle.OrElse(idleError)
	}
}

func (s *signalConfig) compile() sim.Signal {
	out := s.signal.Value
	out.Window, out.IdleIsZero = s.window.Value, s.onIdle.Value == idleZero
	return out
}

// metricName reports whether a text is a name that the metrics APIs and
// Prometheus understand.
func metricName(text string) bool {
	for i, c := range text {
		letter := c == '_' || c == ':' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}
