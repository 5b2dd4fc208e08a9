package detect

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/common/model"
)

const (
	startTime = "process_start_time_seconds"

	multiprocessCure = "Set PROMETHEUS_MULTIPROC_DIR before the first import of prometheus_client, on an emptyDir that is wiped at the start, and mark_process_dead in gunicorn's child_exit; or run one process in a pod. If the address is that of several pods, such as a Service, read each pod by itself."
	multiprocessWhy  = "Each scrape reads the counters of another worker, which Prometheus takes for restarts: rates are wrong in both directions, by a factor of two and more."
)

// processes tells from several reads of a pod whether several processes answer in
// turn, each with counters of its own. What it cannot tell is in the note.
func processes(pod Pod) (f Finding, note string) {
	if len(pod.Reads) == 1 {
		if starts(pod.Reads) != nil {
			note = pod.Name + " is the page of one process. If the pod runs several workers, read it several times: one read cannot tell whether they take turns."
		}
		return Finding{}, note
	}
	began := starts(pod.Reads)
	fell, again := fallen(pod.Reads)
	switch {
	case returns(began):
		return severalProcesses(fmt.Sprintf("%s: %s was %s: a process that is restarted never starts earlier than before", pod.Name, startTime, sequence(began))), ""
	case len(began) == len(pod.Reads) && began[0] == began[len(began)-1]:
		return Finding{}, "" // a fall of a counter is not that of a process
	case again != "":
		return severalProcesses(pod.Name + ": " + again + ": a restart hardly explains it"), ""
	case len(began) > 0 && began[0] != began[len(began)-1]:
		return Finding{}, fmt.Sprintf("%s: %s was %s. That is a restart, or several processes that take turns: read it more often.", pod.Name, startTime, sequence(began))
	case fell != "":
		return Finding{}, fmt.Sprintf("%s: %s. That is a restart, or several processes that take turns: read it more often.", pod.Name, fell)
	}
	return Finding{}, ""
}

func severalProcesses(evidence string) Finding {
	return Finding{
		Code:     "no-multiprocess",
		What:     "Several processes answer in turn, each with its own counters.",
		Evidence: []string{evidence},
		Why:      multiprocessWhy,
		Cure:     multiprocessCure,
	}
}

// starts are when the processes began that gave the pages; nil when no page says.
func starts(reads []*Page) []float64 {
	var all []float64
	for _, p := range reads {
		if f := p.families[startTime]; f != nil && len(f.series) == 1 {
			all = append(all, f.series[0].value)
		}
	}
	return all
}

// returns reports whether a later process began earlier.
func returns(began []float64) bool {
	for i := 1; i < len(began); i++ {
		if began[i] < began[i-1] {
			return true
		}
	}
	return false
}

func sequence(values []float64) string {
	text := ""
	for i, v := range values {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%.2f", v)
	}
	return text
}

// fallen finds a counter that fell, and one that fell more than once or came back
// to where it was: what a restart does once, workers do all the time.
func fallen(reads []*Page) (once, again string) {
	counts := map[string][]float64{}
	for _, p := range reads {
		for _, f := range p.families {
			for _, s := range f.counted() {
				if key := s.String(); !math.IsNaN(s.value) {
					counts[key] = append(counts[key], s.value)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		falls, back := falls(counts[name])
		text := fmt.Sprintf("%s read %s", name, values(counts[name]))
		if falls > 0 && once == "" {
			once = text
		}
		if (falls > 1 || back) && again == "" {
			again = text
		}
	}
	return once, again
}

// regained is how much a counter must have lost, and won back from one read to the
// next, to be no restart: few requests may come in between.
const regained = 10

// falls counts how often a counter fell, and whether it ever came back to where it
// had been in a single step.
func falls(counts []float64) (n int, back bool) {
	for i := 1; i < len(counts); i++ {
		if counts[i] >= counts[i-1] {
			continue
		}
		n++
		back = back || i+1 < len(counts) && counts[i+1] >= counts[i-1] && counts[i-1]-counts[i] >= regained
	}
	return n, back
}

func values(counts []float64) string {
	text := ""
	for i, v := range counts {
		if i > 0 {
			text += ", "
		}
		text += number(v)
	}
	return text
}

// staleGauges finds gauges with a series for each process, of which dead ones stay.
func staleGauges(pods []Pod) Finding {
	var seen []string
	for _, pod := range pods {
		for _, f := range pod.last().sorted() {
			pids := map[string]bool{}
			for _, s := range f.series {
				if pid := s.labels.Get("pid"); pid != "" && f.typ == model.MetricTypeGauge {
					pids[pid] = true
				}
			}
			if len(pids) > 1 {
				seen = append(seen, fmt.Sprintf("%s: %s has %d values of pid", pod.Name, f.name, len(pids)))
			}
		}
	}
	if len(seen) == 0 {
		return Finding{}
	}
	return Finding{
		Code:     "pid-gauges",
		What:     "Gauges have a series for each worker.",
		Evidence: few(seen),
		Why:      "In the mode all, which is the default, the gauges of dead workers stay, and count in every sum.",
		Cure:     `Gauge(…, multiprocess_mode="livesum"), and mark_process_dead in gunicorn's child_exit.`,
	}
}
