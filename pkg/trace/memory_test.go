//go:build !race

package trace

import (
	"bufio"
	"io"
	"runtime"
	"testing"
)

// A heapMeter passes a text on, and measures at times what is alive on the heap.
type heapMeter struct {
	from        io.Reader
	since       int
	base, worst uint64
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (h *heapMeter) measure() {
	h.worst = max(h.worst, live()-h.base)
	h.since = 0
}

func (h *heapMeter) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	if h.since += n; h.since > 8<<20 {
		h.measure()
	}
	return n, err
}

// TestAMonthOfAHundredSeriesFitsInto200MB reads 17.3 million samples in each
// format, with the jitter of real scrapes: on an even grid they need less.
func TestAMonthOfAHundredSeriesFitsInto200MB(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 17 million samples three times")
	}
	for _, m := range months {
		t.Run(m.name, func(t *testing.T) {
			out, in := io.Pipe()
			go func() {
				w := bufio.NewWriterSize(in, 1<<16)
				m.write(w, monthRows, 1)
				in.CloseWithError(w.Flush())
			}()
			meter := &heapMeter{from: out, base: live()}
			set, err := Read("month", meter, Options{})
			if err != nil {
				t.Fatal(err)
			}
			meter.measure()
			samples := 0
			for _, s := range set.Series {
				samples += s.Len()
			}
			t.Logf("%d samples: %.1f MB of live heap at the peak, %.2f bytes for a sample", samples, float64(meter.worst)/1e6, float64(meter.worst)/float64(samples))
			if samples != monthSeries*monthRows || meter.worst > 200e6 {
				t.Errorf("%d samples in %d bytes", samples, meter.worst)
			}
		})
	}
}
