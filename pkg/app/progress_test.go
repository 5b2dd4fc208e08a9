package app

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

func TestProgressIsForLongRunsOnATerminal(t *testing.T) {
	play := func(env Env, pause time.Duration) {
		h := progressOf(env, "web", 3*time.Hour)
		for hour := range 3 {
			time.Sleep(pause)
			if err := h.Handle(&sim.Tick{At: time.Duration(hour+1) * time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Handle(&sim.End{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name     string
		terminal bool
		pause    time.Duration
		want     string
	}{
		{"a long run", true, time.Second, "\r\x1b[Kweb: 1h of 3h\r\x1b[Kweb: 2h of 3h\r\x1b[Kweb: 3h of 3h\r\x1b[K"},
		{"a run that is over soon", true, time.Millisecond, ""},
		{"no terminal", false, time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var said strings.Builder
			play(Env{Stderr: &said, ErrTerminal: c.terminal}, c.pause)
			if diff := cmp.Diff(c.want, said.String()); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.name, diff)
			}
		})
	}
}
