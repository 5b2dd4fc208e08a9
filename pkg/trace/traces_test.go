package trace

import (
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// traces is where recorded traffic is; it is no part of the repository.
const traces = "../../../shared/traces"

func needTraces(tb testing.TB) {
	tb.Helper()
	if _, err := os.Stat(traces); err != nil {
		tb.Skipf("recorded traces are outside of the repository, and not here: %v", err)
	}
}

// howToRead are the recordings that the zero Options do not suit, or that can be read in
// another way as well.
var howToRead = []struct {
	file, how string
	options   Options
}{
	{"autothrottle/bursty.txt", "a line per second", Options{Interval: time.Second}},
	{"autothrottle/diurnal-2.txt", "a line per second", Options{Interval: time.Second}},
	{"autothrottle/diurnal.txt", "a line per second", Options{Interval: time.Second}},
	{"autothrottle/noisy.txt", "a line per second", Options{Interval: time.Second}},
	{"azure-functions-2021-sample/Azure2021_200.csv", "as events", Options{Events: true}},
	{"azure-functions-2021-sample/Azure2021_200.csv", "as events by app", Options{Events: true, Labels: []string{"app"}}},
	{"azure-llm-2023/AzureLLMInferenceTrace_code.csv.gz", "as events", Options{Events: true}},
	{"azure-llm-2023/AzureLLMInferenceTrace_conv.csv.gz", "as events", Options{Events: true}},
	{"mooncake/conversation_trace.csv.gz", "as events", Options{Events: true}},
	{"nezha/2022-08-22_frontend-579b9bff58-t2dbm_metric.csv.gz", "column PodWorkload(Ops)", Options{Values: []string{"PodWorkload(Ops)"}}},
	{"nezha/2022-08-22_frontend-579b9bff58-t2dbm_metric.csv.gz", "column PodWorkload", Options{Values: []string{"PodWorkload"}}},
}

func TestEachRecordingIsReadOrRefusedWithAReason(t *testing.T) {
	needTraces(t)
	var got strings.Builder
	err := filepath.WalkDir(traces, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(traces, path)
		if err != nil || d.IsDir() {
			return err
		}
		fmt.Fprintf(&got, "%s\n\t%s\n", name, describeFile(name, Options{}))
		for _, h := range howToRead {
			if h.file == name {
				fmt.Fprintf(&got, "%s, %s\n\t%s\n", name, h.how, describeFile(name, h.options))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "recordings.txt", got.String())
}

// The authors of the recordings say how many requests they hold.
func TestKnownSumsOfRecordings(t *testing.T) {
	needTraces(t)
	for _, c := range []struct {
		file    string
		options Options
		sum     float64
		from    string
	}{
		{"worldcup98_requests_per_minute.csv.gz", Options{}, 1352804107, "worldcup98_WorldCup.html"},
		{"azure-llm-2023/AzureLLMInferenceTrace_conv.csv.gz", Options{Events: true}, 19366, "PROVENANCE.md"},
		{"mooncake/conversation_trace.csv.gz", Options{Events: true}, 12031, "PROVENANCE.md"},
		{"autothrottle/bursty.txt", Options{Interval: time.Second}, 587788, "awk over its lines"},
		{"autothrottle/noisy.txt", Options{Interval: time.Second}, 566914, "awk over its lines"},
	} {
		set, err := Open(filepath.Join(traces, c.file), c.options)
		if err != nil {
			t.Error(err)
			continue
		}
		var sum float64
		for _, v := range set.Series[0].Samples() {
			sum += v
		}
		if len(set.Series) != 1 || sum != c.sum {
			t.Errorf("%s: %d series, the first sums to %v; %s says %v", c.file, len(set.Series), sum, c.from, c.sum)
		}
	}
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func describeFile(file string, o Options) string {
	set, err := Open(filepath.Join(traces, file), o)
	if err != nil {
		return strings.ReplaceAll(err.Error(), traces+"/", "")
	}
	return describeSet(set)
}

func describeSet(set *Set) string {
	samples, gaps, sum := 0, 0, 0.0
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, s := range set.Series {
		samples += s.Len()
		first, last = min(first, s.Begin().UnixNano()), max(last, s.End().UnixNano())
		for _, v := range s.Samples() {
			if v != v {
				gaps++
			} else {
				sum += v
			}
		}
	}
	return fmt.Sprintf("%d × %s…, %d samples, %d gaps, %s + %s, every %s, sum %.10g",
		len(set.Series), set.Series[0], samples, gaps,
		instant(first).Format(time.RFC3339Nano), time.Duration(last-first), set.Series[0].Interval(), sum)
}
