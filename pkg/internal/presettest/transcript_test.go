package presettest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// A transcript is a file of testdata: a rule, and what it reads in some cases.
type transcript struct {
	rule  string // fields of the rule, in YAML's flow style
	every time.Duration
	cases []episode
}

// An episode is one case: series, and readings at some times.
type episode struct {
	title    string
	line     int
	series   []series
	pods     []string // that live; by default all that a series names
	readings []expected
}

// A series has a sample every so often; a gap is omitted.
type series struct {
	labels  labels.Labels
	samples []parser.SequenceValue
}

// expected is what an object reads at a time: a number, with the state where that
// is not "value", or only a state.
type expected struct {
	line   int
	at     time.Duration
	object string
	want   string
}

// parseTranscript reads a file. Its lines are
//
//	rule metric: m, preset: p     the rule, once
//	every 30s                     between samples; 15s if it is not said
//	== busy: two pods             begins a case
//	name{label="value"} 0+150x20  a series of the namespace shop, unless it says another
//	pods web-a web-b              the pods of the workload web, if not those of the series
//	at 5m web-a: 10               what a pod, the workload web or an Ingress reads; of an
//	                              External metric its selector names the object
//	# …                           a comment, also at the end of a reading
func parseTranscript(t *testing.T, path string) transcript {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tr := transcript{every: 15 * time.Second}
	for i, line := range strings.Split(string(text), "\n") {
		if err := tr.line(i+1, strings.TrimSpace(line)); err != nil {
			t.Fatalf("%s:%d: %v", path, i+1, err)
		}
	}
	return tr
}

func (tr *transcript) line(number int, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
		return nil
	case word == "rule":
		tr.rule = rest
		return nil
	case word == "every":
		every, err := time.ParseDuration(rest)
		tr.every = every
		return err
	case word == "==":
		tr.cases = append(tr.cases, episode{title: rest, line: number})
		return nil
	case len(tr.cases) == 0:
		return fmt.Errorf("%q stands before the first case", line)
	}
	return tr.cases[len(tr.cases)-1].add(number, word, rest, line)
}

func (e *episode) add(number int, word, rest, line string) error {
	switch word {
	case "pods":
		e.pods = strings.Fields(rest)
	case "at":
		return e.expect(number, rest)
	default:
		ls, samples, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
		if err != nil {
			return err
		}
		if !ls.Has("namespace") {
			ls = labels.NewBuilder(ls).Set("namespace", "shop").Labels()
		}
		e.series = append(e.series, series{ls, samples})
	}
	return nil
}

func (e *episode) expect(number int, text string) error {
	text, _, _ = strings.Cut(text, " #")
	at, rest, _ := strings.Cut(text, " ")
	object, want, found := strings.Cut(rest, ": ")
	if !found {
		return fmt.Errorf("a reading is written as in at 5m web-a: 10, not %q", text)
	}
	offset, err := time.ParseDuration(at)
	e.readings = append(e.readings, expected{line: number, at: offset, object: strings.TrimSpace(object), want: strings.TrimSpace(want)})
	return err
}

// members are the pods of the workload.
func (e *episode) members() []string {
	if e.pods != nil {
		return e.pods
	}
	var pods []string
	for _, s := range e.series {
		if pod := s.labels.Get("pod"); pod != "" && s.labels.Get("namespace") == "shop" {
			pods = append(pods, pod)
		}
	}
	slices.Sort(pods)
	return slices.Compact(pods)
}
