package demand

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// keyCounter is a store that keeps nothing alive.
type keyCounter map[snapshot.Key]bool

func (c keyCounter) Want(key snapshot.Key) error {
	c[key] = true
	return nil
}

// BenchmarkPeriod is what is done for 10,000 HPAs every ten seconds, where all
// name the same two metrics and where each has a selector of its own.
func BenchmarkPeriod(b *testing.B) {
	for name, queue := range map[string]func(i int) string{
		"equal":     func(int) string { return "queue=emails" },
		"different": func(i int) string { return fmt.Sprintf("stage=s%d", i) },
	} {
		b.Run(name, func(b *testing.B) {
			set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(rules)})
			if err != nil {
				b.Fatal(err)
			}
			keys := keyCounter{}
			w := New(Options{Client: newCluster(), Keys: provider.New(set, provider.Reader{}, provider.KnownKinds()), Store: keys})
			before := heap()
			for i := range 10_000 {
				mirrored{w}.Set(hpa(fmt.Sprintf("team-%d/web-%d", i%100, i), ofObject("v1", "Service", "load", ""), external("ready", queue(i))))
			}
			held := heap() - before
			for b.Loop() {
				w.wantAll()
			}
			b.ReportMetric(float64(held)/10_000, "B/HPA")
			b.ReportMetric(float64(len(keys)), "keys")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
