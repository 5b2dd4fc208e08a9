package sim

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// outfit gives a run of its own what aRun has.
func outfit(c *Config) error {
	c.Fleet = newTub(150)
	var err error
	c.Pipeline, err = NewSignals(map[string]Signal{"rps": {Kind: Rate, Window: time.Minute}}, SignalOptions{Seed: c.Seed})
	return err
}

func TestVariationsDifferInWhatNobodyChooses(t *testing.T) {
	c := aRun(t, demand(200, 600, 600, 200))
	all, err := Variations(c, 5, outfit)
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Seed != c.Seed || all[0].Cluster.Phase != c.Cluster.Phase {
		t.Error("the first is not the one that was given")
	}
	texts, seeds := map[string]bool{}, map[uint64]bool{}
	for i, one := range all {
		if p := one.Cluster; p.Phase < 0 || p.Phase >= 15*time.Second || p.SyncLatency < 15*time.Millisecond || p.SyncLatency > 45*time.Millisecond {
			t.Errorf("variation %d: %+v", i, p)
		}
		texts[told(t, one)] = true
		seeds[one.Seed] = true
	}
	if len(texts) != 5 || len(seeds) != 5 {
		t.Errorf("%d of 5 variations differ, in %d seeds", len(texts), len(seeds))
	}
	again, err := Variations(c, 5, outfit)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range again {
		end, err := Run(t.Context(), one, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s := end.Summary; s.Arrived != 96000 {
			t.Errorf("%v requests arrived", s.Arrived)
		}
	}
	broken := errors.New("no fleet today")
	if _, err := Variations(c, 2, func(*Config) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestBaselines(t *testing.T) {
	c := aRun(t, demand(200, 730, 600))
	c.Spec.Behavior = nil
	edited := perPod(1, 20, 50)
	edited.Behavior.ScaleUp.SelectPolicy = hpa.Disabled
	c.Events = []Event{{Kind: Restart}, {Kind: Edit, Spec: edited}, {Kind: ManualScale}, {Kind: StuckPods, For: time.Second}}
	c.Need = hundredEach
	all, err := Baselines(c, outfit)
	if err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
	fixed, byDefault := all[0], all[1]
	if fixed.Name != FixedReplicas || fixed.Spec != nil || fixed.Replicas != 8 || len(fixed.Events) != 1 {
		t.Errorf("%+v", fixed)
	}
	if byDefault.Name != DefaultedBehavior || !cmp.Equal(byDefault.Spec.Behavior, DefaultBehavior()) ||
		!cmp.Equal(byDefault.Events[1].Spec.Behavior, DefaultBehavior()) {
		t.Errorf("%+v", byDefault)
	}
	if c.Spec.Behavior != nil || edited.Behavior.ScaleUp.SelectPolicy != hpa.Disabled || len(c.Events) != 4 {
		t.Error("what was given has changed")
	}
	for _, one := range all {
		if _, err := Run(t.Context(), one, nil); err != nil {
			t.Errorf("%s: %v", one.Name, err)
		}
	}
	c.Need = nil
	if all, _ = Baselines(c, outfit); all[0].Replicas != 10 {
		t.Errorf("without the need: %d replicas, want the maximum", all[0].Replicas)
	}
	c.Spec, c.Events = nil, nil
	c.Replicas = 3
	if all, _ = Baselines(c, outfit); len(all) != 1 || all[0].Replicas != 3 {
		t.Errorf("without an HPA: %d, %+v", len(all), all[0])
	}
}

func TestAReplayDecidesWhatTheRunDecided(t *testing.T) {
	c := restless(t, 5)
	c.Events = c.Events[:2]                             // an HPA that stays, and a controller too
	c.Spec.Behavior.ScaleDown.StabilizationWindow = nil // what it remembers matters
	r := newRunOf(t, c)
	var syncs []Recorded
	var want []Replayed
	r.handler = handlerFunc(func(m Message) error {
		if s, ok := m.(*Sync); ok {
			seen := r.hpa.seen
			seen.Readings = append([]hpa.Reading(nil), seen.Readings...)
			for i := range seen.Readings {
				seen.Readings[i].Pods = append([]hpa.Sample(nil), seen.Readings[i].Pods...)
			}
			syncs = append(syncs, Recorded{At: s.Time, Observation: seen})
			want = append(want, Replayed{s.Decision, r.hpa.state})
		}
		return nil
	})
	for r.at < r.length {
		if err := r.advance(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	if err := WriteRecorded(&text, syncs); err != nil {
		t.Fatal(err)
	}
	back, err := ReadRecorded(&text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Replay(c.Spec, hpa.State{}, back)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error("-want +got\n", diff)
	}
	failed := 0
	for _, one := range got {
		if one.Decision.Failed {
			failed++
		}
	}
	if failed == 0 || len(got) < 40 {
		t.Errorf("%d of %d syncs failed: the errors were lost", failed, len(got))
	}
}

func newRunOf(t *testing.T, c *Config) *run {
	t.Helper()
	full := c.withDefaults()
	if err := full.check(); err != nil {
		t.Fatal(err)
	}
	return newRun(&full, nil)
}

func TestErrorsOfRecordedSyncsSurvive(t *testing.T) {
	one := Recorded{At: noon, Observation: hpa.Observation{
		ScaleReadErr: errors.New("no scale"), ScaleWriteErr: errors.New("conflict"),
		Readings: []hpa.Reading{{Values: []int64{5}}, {Err: errors.New("refused")}, {Err: errors.New("")}},
	}}
	var text bytes.Buffer
	if err := WriteRecorded(&text, []Recorded{one}); err != nil {
		t.Fatal(err)
	}
	all, err := ReadRecorded(&text)
	if err != nil {
		t.Fatal(err)
	}
	got := all[0].Observation
	if got.ScaleReadErr.Error() != "no scale" || got.ScaleWriteErr.Error() != "conflict" ||
		got.Readings[0].Err != nil || got.Readings[1].Err.Error() != "refused" || got.Readings[2].Err == nil {
		t.Errorf("%+v", got)
	}
}

func TestDamagedRecordsYieldNothing(t *testing.T) {
	const good = `{"at":"2026-03-01T12:00:00Z","observation":{"replicas":2}}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"half a line":     {good + `{"at":"2026-03`, "sync 2: unexpected EOF"},
		"no time":         {`{"observation":{}}`, "sync 1 has no time"},
		"too early":       {`{"at":"2026-03-01T12:00:00Z","wrote":"2026-03-01T11:59:59Z"}`, "sync 1 wrote before it was"},
		"the same time":   {good + good, "sync 2 is not after the one before it"},
		"too many errors": {`{"at":"2026-03-01T12:00:00Z","observation":{},"errors":{"readings":["x"]}}`, "sync 1: errors of 1 readings, of which there are 0"},
	} {
		all, err := ReadRecorded(strings.NewReader(c.text))
		if err == nil || err.Error() != c.want || all != nil {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
	if _, err := Replay(perPod(1, 2, 1), hpa.State{}, []Recorded{{At: noon}}); err == nil || !strings.Contains(err.Error(), "sync 1 at 2026-03-01T12:00:00Z: 0 readings for 1 metrics") {
		t.Errorf("a replay of what cannot be: %v", err)
	}
}

func FuzzReadRecorded(f *testing.F) {
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","observation":{"replicas":2,"readings":[{"values":[5]}]},"errors":{"readings":["x"]}}`))
	f.Add([]byte("{}\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ReadRecorded(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteRecorded(&again, all); err != nil {
			return // a year that JSON cannot write
		}
		back, err := ReadRecorded(&again)
		if err != nil || len(back) != len(all) {
			t.Fatalf("%d records became %d: %v", len(all), len(back), err)
		}
		_, _ = Replay(perPod(1, 4, 10), hpa.State{}, all) // it may refuse, and does not panic
	})
}
