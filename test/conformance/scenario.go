package conformance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A scenario is a world drawn from a seed, and the steps that happen in it. Each
// step draws from the seed and its own number, so that it stays the same step
// when others are left out.
type scenario struct {
	seed  uint64
	steps []int
}

func newScenario(seed uint64, steps int) scenario {
	s := scenario{seed: seed}
	for i := range steps {
		s.steps = append(s.steps, i+1)
	}
	return s
}

// String is how a scenario is printed and replayed: "17:1,2,5-9".
func (s scenario) String() string {
	var spans []string
	for i := 0; i < len(s.steps); {
		j := i
		for j+1 < len(s.steps) && s.steps[j+1] == s.steps[j]+1 {
			j++
		}
		span := strconv.Itoa(s.steps[i])
		if j > i {
			span += "-" + strconv.Itoa(s.steps[j])
		}
		spans = append(spans, span)
		i = j + 1
	}
	return fmt.Sprintf("%d:%s", s.seed, strings.Join(spans, ","))
}

// parseScenario reads what String writes.
func parseScenario(text string) (scenario, error) {
	seed, spans, _ := strings.Cut(text, ":")
	var s scenario
	var err error
	if s.seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
		return scenario{}, fmt.Errorf("seed: %w", err)
	}
	for span := range strings.SplitSeq(spans, ",") {
		first, last, found := strings.Cut(span, "-")
		if !found {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return scenario{}, fmt.Errorf("step: %w", err)
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			return scenario{}, fmt.Errorf("step: %w", err)
		}
		for i := from; i <= to; i++ {
			s.steps = append(s.steps, i)
		}
	}
	return s, nil
}

// A failure is the first sync of a scenario at which the two sides differ.
type failure struct {
	at    int // index in scenario.steps
	text  string
	world string
}

// run compares the two sides step by step. It opens a bubble.
func (s scenario) run(t *testing.T, profile hpa.Profile) (tally, *failure) {
	t.Helper()
	var counts tally
	var found *failure
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := newWorld(rand.New(rand.NewPCG(s.seed, 0)), time.Now())
		p := pair{upstream: newUpstream(w), world: w, profile: profile}
		defer func() { p.upstream.stop() }()
		for i, step := range s.steps {
			if text := p.step(rand.New(rand.NewPCG(s.seed, uint64(step))), &counts); text != "" {
				found = &failure{at: i, text: text, world: p.describe()}
				return
			}
		}
	})
	return counts, found
}

// shrink leaves out steps as long as the two sides still differ.
func (s scenario) shrink(t *testing.T, profile hpa.Profile, f *failure) (scenario, *failure) {
	t.Helper()
	s.steps = s.steps[:f.at+1]
	for size := len(s.steps) / 2; size > 0; size /= 2 {
		for from := 0; from+size < len(s.steps); {
			shorter := scenario{seed: s.seed, steps: slices.Delete(slices.Clone(s.steps), from, from+size)}
			if _, again := shorter.run(t, profile); again != nil {
				shorter.steps = shorter.steps[:again.at+1]
				s, f = shorter, again
			} else {
				from += size
			}
		}
	}
	return s, f
}

// A pair is the two sides in one world.
type pair struct {
	upstream *upstream
	world    *world
	profile  hpa.Profile

	state    hpa.State
	metrics  []metricStatus
	decision hpa.Decision
	spec     hpa.Spec
	seen     hpa.Observation
}

// step lets time pass and something happen, syncs both sides and returns how
// they differ.
func (p *pair) step(rng *rand.Rand, counts *tally) string {
	time.Sleep(gap(rng))
	if chance(rng, 0.01) {
		p.upstream.restart()
		p.state = p.state.Restarted()
	}
	now := time.Now()
	p.world.step(rng, now)
	return p.sync(now, counts)
}

func (p *pair) sync(now time.Time, counts *tally) string {
	p.spec, p.seen = p.world.spec(p.profile), p.world.observation()
	theirs := p.upstream.sync()

	decision, state, err := hpa.Explain(&p.spec, p.state, &p.seen, now)
	if err != nil {
		return fmt.Sprintf("pkg/hpa refused the input: %v", err)
	}
	if text := p.withoutTrail(now, decision, state); text != "" {
		return text
	}
	p.decision = decision
	ours := pitotRecord(&decision, &state, p.metrics, p.world)
	if text := difference(theirs.record(), ours); text != "" {
		return text
	}
	counts.add(&decision, &state)
	p.state, p.metrics = state, ours.Metrics
	if decision.Outcome == hpa.Rescaled {
		p.world.replicas = decision.To
	}
	return ""
}

// withoutTrail makes sure that the trail changes nothing.
func (p *pair) withoutTrail(now time.Time, decision hpa.Decision, state hpa.State) string {
	plain, after, err := hpa.Step(&p.spec, p.state, &p.seen, now)
	decision.Trail = nil
	if err != nil || plain != decision || !reflect.DeepEqual(after, state) {
		return fmt.Sprintf("Step and Explain differ:\n%+v\n%+v\n%+v\n%+v\n%v", plain, decision, after, state, err)
	}
	return ""
}

// describe is what the last sync had to decide on, and what pkg/hpa says to it.
func (p *pair) describe() string {
	input, err := json.MarshalIndent(map[string]any{"spec": p.spec, "before": p.state, "seen": p.seen}, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(input) + "\n" + p.decision.Describe()
}

// A tally counts what a run has seen, to show that it has seen everything.
type tally struct {
	Steps    int
	Outcomes map[hpa.Outcome]int
	Reasons  map[string]int // condition and reason
	Rules    map[hpa.Rule]int
}

func (c *tally) add(d *hpa.Decision, state *hpa.State) {
	if c.Outcomes == nil {
		c.Outcomes, c.Reasons, c.Rules = map[hpa.Outcome]int{}, map[string]int{}, map[hpa.Rule]int{}
	}
	c.Steps++
	c.Outcomes[d.Outcome]++
	for _, condition := range state.Conditions {
		c.Reasons[string(condition.Type)+"/"+string(condition.Reason)]++
	}
	for _, m := range d.Trail.Metrics {
		c.Rules[m.Rule]++
	}
}

func (c *tally) merge(o tally) {
	if c.Outcomes == nil {
		c.Outcomes, c.Reasons, c.Rules = map[hpa.Outcome]int{}, map[string]int{}, map[hpa.Rule]int{}
	}
	c.Steps += o.Steps
	mergeCounts(c.Outcomes, o.Outcomes)
	mergeCounts(c.Reasons, o.Reasons)
	mergeCounts(c.Rules, o.Rules)
}

func mergeCounts[K comparable](into, from map[K]int) {
	for k, n := range from {
		into[k] += n
	}
}
