package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// lives tells the pods of a deployment at each second in which something changed.
func lives(t *testing.T, d *deployment, seconds int, do map[int]func()) string {
	t.Helper()
	var text strings.Builder
	last := ""
	for s := range seconds {
		if f := do[s]; f != nil {
			f()
		}
		if err := d.settle(time.Duration(s) * time.Second); err != nil {
			t.Fatal(err)
		}
		d.fleet.Advance(time.Second, 100)
		now := ""
		for i := range d.seen {
			p := &d.seen[i]
			state := string(p.Phase)
			if p.Terminating {
				state = "Terminating"
			} else if p.Ready == "True" {
				state = "Ready"
			}
			now += " " + strings.TrimPrefix(p.Name, "web-") + "=" + state
		}
		if now != last {
			fmt.Fprintf(&text, "%ds%s\n", s, now)
			last = now
		}
	}
	return strings.TrimSpace(text.String())
}

func newTestDeployment(replicas int32, pods Pods) deployment {
	return newDeployment(&Config{Fleet: newTub(10), Step: time.Second, Replicas: replicas, Pods: pods, Begin: noon})
}

func TestAPodStartsInStages(t *testing.T) {
	d := newTestDeployment(1, Pods{Startup: workload.Time{Mean: 10 * time.Second}, Pending: 4 * time.Second})
	got := lives(t, &d, 30, map[int]func(){3: func() { d.scale(2, 3*time.Second+200*time.Millisecond) }})
	want := strings.TrimSpace(`
0s 0001=Ready
4s 0001=Ready 0002=Pending
8s 0001=Ready 0002=Running
14s 0001=Ready 0002=Ready
`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

// The one that still waits for a node goes first, then the one that starts, then
// the youngest of those that are ready. A scale-up in between makes new pods.
func TestAScaleDownTakesTheLeastUseful(t *testing.T) {
	d := newTestDeployment(2, Pods{Startup: workload.Time{Mean: 6 * time.Second}, Pending: 3 * time.Second, Shutdown: 5 * time.Second})
	scale := func(n int32, s int) func() { return func() { d.scale(n, time.Duration(s)*time.Second) } }
	got := lives(t, &d, 40, map[int]func(){
		0: scale(3, 0), 7: scale(4, 7), 11: scale(5, 11), 12: scale(4, 12), 13: scale(1, 13), 15: scale(2, 15),
	})
	// The tub serves 10/s a pod of 100/s: a terminating pod never empties in its 5 s.
	want := strings.TrimSpace(`
0s 0001=Ready 0002=Ready 0003=Pending
3s 0001=Ready 0002=Ready 0003=Running
6s 0001=Ready 0002=Ready 0003=Ready
7s 0001=Ready 0002=Ready 0003=Ready 0004=Pending
10s 0001=Ready 0002=Ready 0003=Ready 0004=Running
11s 0001=Ready 0002=Ready 0003=Ready 0004=Running 0005=Pending
12s 0001=Ready 0002=Ready 0003=Ready 0004=Running
13s 0001=Ready 0002=Terminating 0003=Terminating
15s 0001=Ready 0002=Terminating 0003=Terminating 0006=Pending
18s 0001=Ready 0006=Running
21s 0001=Ready 0006=Ready
`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

// What a pod waits for counts more than when it will be ready.
func TestVictims(t *testing.T) {
	pods := []pod{
		{id: 1, stage: serving, ready: 10}, {id: 2, stage: serving, ready: 30}, {id: 3, stage: running, ready: 90},
		{id: 4, stage: pending, ready: 50}, {id: 5, stage: serving, ready: 10},
	}
	slices.SortFunc(pods, func(a, b pod) int { return victimFirst(&a, &b) })
	var got []int
	for _, p := range pods {
		got = append(got, p.id)
	}
	if want := []int{4, 3, 2, 5, 1}; !cmp.Equal(want, got) {
		t.Errorf("in the order %v, want %v", got, want)
	}
}

func TestATerminatingPodGoesWhenItIsEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		shutdown time.Duration
		want     int // seconds
	}{
		"at once without patience":       {0, 5},
		"when its time is up":            {3 * time.Second, 8},
		"when it has nothing left to do": {time.Hour, 20},
	} {
		d := newTestDeployment(2, Pods{Shutdown: c.shutdown})
		d.fleet.Advance(time.Second, 320) // 160 at each, of which it serves 10; from now on 10 more come in a second
		gone := 0
		for s := range 60 {
			now := time.Duration(s) * time.Second
			if s == 5 {
				d.scale(1, now)
			}
			if err := d.settle(now); err != nil {
				t.Fatal(err)
			}
			if len(d.all) == 1 && gone == 0 {
				gone = s
			}
			d.fleet.Advance(time.Second, 20)
		}
		if gone != c.want {
			t.Errorf("%s: gone after %d s, want %d", name, gone, c.want)
		}
	}
}

func TestStuckPodsStartAfterwards(t *testing.T) {
	d := newTestDeployment(1, Pods{Startup: workload.Time{Mean: 10 * time.Second}, Pending: 2 * time.Second})
	got := lives(t, &d, 60, map[int]func(){
		0: func() { d.scale(2, 0) },
		5: func() { d.stuck = 30 * time.Second; d.scale(3, 5*time.Second) },
	})
	want := strings.TrimSpace(`
0s 0001=Ready 0002=Pending
2s 0001=Ready 0002=Running
5s 0001=Ready 0002=Running 0003=Pending
10s 0001=Ready 0002=Ready 0003=Pending
32s 0001=Ready 0002=Ready 0003=Running
40s 0001=Ready 0002=Ready 0003=Ready
`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestPodsStartAsTheirDistributionSays(t *testing.T) {
	d := newTestDeployment(0, Pods{Startup: workload.Time{Mean: 20 * time.Second, SCV: 0.25}})
	d.scale(2000, 0)
	if err := d.settle(0); err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for i := range d.all {
		s := d.all[i].ready.Seconds()
		sum += s
		squares += s * s
	}
	mean := sum / 2000
	scv := squares/2000/(mean*mean) - 1
	if mean < 19 || mean > 21 || scv < 0.2 || scv > 0.3 {
		t.Errorf("startups have a mean of %v s and a squared coefficient of variation of %v", mean, scv)
	}
}

func TestTooManyPodsAreRefused(t *testing.T) {
	d := newTestDeployment(1, Pods{})
	d.scale(mostPods+1, 0)
	if err := d.settle(0); err == nil {
		t.Error("no error")
	}
}
