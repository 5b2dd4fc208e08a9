package sim

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A deployment is the pods and the controller that creates and deletes them.
type deployment struct {
	fleet workload.Fleet
	pods  Pods
	begin time.Time
	step  time.Duration
	seed  uint64

	desired int32 // spec.replicas
	acts    []time.Duration
	born    int // how many pods there ever were
	stuck   time.Duration

	all     []pod     // in the order of their creation
	seen    []hpa.Pod // the same
	ids     []int     // the same
	scene   []ScenePod
	version int

	ready, active int
	due           time.Duration // of the earliest change; what is due earlier has happened
	counts        workload.Counts
}

// A pod is one pod. Its times are since the beginning of the run.
type pod struct {
	id      int
	name    string
	stage   stage
	created time.Duration
	runs    time.Duration // its containers, which is due or was
	ready   time.Duration // the same
	until   time.Duration // the end of its patience, when terminating
	usage   cpuUsage
}

// A stage is how far a pod is in its life.
type stage uint8

const (
	pending stage = iota
	running       // and not ready
	serving
	terminating
	deleted // before it served: gone at once
)

// longAgo is how long the pods of the beginning have been ready.
const longAgo = time.Hour

const never = time.Duration(math.MaxInt64)

func newDeployment(c *Config) deployment {
	d := deployment{
		fleet: c.Fleet, pods: c.Pods, begin: c.Begin, step: c.Step, seed: c.Seed,
		desired: c.Replicas, due: never, version: 1,
	}
	for range c.Replicas {
		d.add(pod{stage: serving, created: -longAgo - c.LeadIn, runs: -longAgo - c.LeadIn, ready: -longAgo - c.LeadIn})
	}
	d.changed()
	return d
}

// add gives a pod a number and a name. One that serves joins the fleet.
func (d *deployment) add(p pod) {
	d.born++
	p.id, p.name = d.born, fmt.Sprintf("web-%04d", d.born)
	if p.stage == serving {
		d.fleet.Join(p.id)
	}
	d.all = append(d.all, p)
}

// scale asks for another number of replicas. The controller acts on it later.
func (d *deployment) scale(replicas int32, act time.Duration) {
	if replicas == d.desired {
		return
	}
	d.desired = replicas
	d.acts = append(d.acts, act)
	d.due = min(d.due, act)
}

// settle lets everything happen that is due.
func (d *deployment) settle(now time.Duration) error {
	if now < d.due {
		return nil
	}
	acted, err := d.act(now)
	if err != nil {
		return err
	}
	started := d.start(now)
	ended := d.end(now)
	if acted || started || ended {
		d.changed()
	}
	d.due = d.earliest(now)
	return nil
}

// end removes terminating pods that have nothing left, or no more time.
func (d *deployment) end(now time.Duration) (changed bool) {
	before := len(d.all)
	d.all = slices.DeleteFunc(d.all, func(p pod) bool {
		switch {
		case p.stage == deleted:
			return true
		case p.stage != terminating || now < p.until && !d.empty(p.id):
			return false
		}
		d.fleet.Leave(p.id)
		return true
	})
	return len(d.all) < before
}

// nothing is how much of a request is none: a computed fleet serves fractions and
// never quite ends.
const nothing = 0.01

func (d *deployment) empty(id int) bool {
	d.fleet.Pod(id, &d.counts)
	return d.counts.InFlight < nothing
}

// act creates or deletes pods until there are as many as desired, if it is due.
// Terminating ones do not count, and never come back.
func (d *deployment) act(now time.Duration) (acted bool, err error) {
	late := slices.IndexFunc(d.acts, func(at time.Duration) bool { return at > now })
	if late < 0 {
		late = len(d.acts)
	}
	d.acts = slices.Delete(d.acts, 0, late)
	change := int(d.desired) - d.active
	switch {
	case late == 0 || change == 0:
		return false, nil
	case d.desired > mostPods:
		return false, fmt.Errorf("at %v: %d replicas: the simulator plays up to %d", now, d.desired, mostPods)
	}
	for range change {
		d.create(now)
	}
	if change < 0 {
		d.remove(-change, now)
	}
	return true, nil
}

// create makes a pod. How long it takes to start depends on the seed and its
// number only, so that runs of one seed meet the same pods.
func (d *deployment) create(now time.Duration) {
	p := pod{stage: pending, created: now}
	chance := rand.New(rand.NewPCG(d.seed, uint64(d.born+1)))
	startup := time.Duration(d.pods.Startup.Draw(chance) * float64(time.Second))
	starts := max(now, d.stuck)
	p.runs, p.ready = starts+min(d.pods.Pending, startup), starts+startup
	d.add(p)
}

// remove deletes the pods that a ReplicaSet would: pending ones, then unready
// ones, then those that became ready last (getPodsToDelete of its controller;
// its logarithmic rounding of ages and the ranks by node are left out).
func (d *deployment) remove(n int, now time.Duration) {
	var active []int
	for i := range d.all {
		if d.all[i].stage != terminating {
			active = append(active, i)
		}
	}
	slices.SortFunc(active, func(i, j int) int { return victimFirst(&d.all[i], &d.all[j]) })
	for _, i := range active[:n] {
		p := &d.all[i]
		if p.stage != serving {
			p.stage = deleted
			continue
		}
		d.fleet.Drain(p.id)
		p.stage, p.until = terminating, now+d.pods.Shutdown
	}
}

func victimFirst(a, b *pod) int {
	return cmp.Or(
		cmp.Compare(a.stage, b.stage),
		cmp.Compare(b.ready, a.ready),
		cmp.Compare(b.id, a.id),
	)
}

// start moves pods on that have come so far.
func (d *deployment) start(now time.Duration) (changed bool) {
	for i := range d.all {
		p := &d.all[i]
		if p.stage == pending && p.runs <= now {
			p.stage, p.runs, changed = running, now, true
		}
		if p.stage == running && p.ready <= now {
			p.stage, p.ready, changed = serving, now, true
			d.fleet.Join(p.id)
		}
	}
	return changed
}

// earliest is when something is due next. Terminating pods are looked at in every
// step.
func (d *deployment) earliest(now time.Duration) time.Duration {
	due := never
	if len(d.acts) > 0 {
		due = d.acts[0]
	}
	for i := range d.all {
		switch p := &d.all[i]; p.stage {
		case pending:
			due = min(due, p.runs)
		case running:
			due = min(due, p.ready)
		case terminating:
			due = min(due, now+d.step)
		}
	}
	return due
}

// changed renews what others see of the pods. The slices of before stay as they
// are for those who kept them.
func (d *deployment) changed() {
	d.seen, d.ids, d.scene = make([]hpa.Pod, 0, len(d.all)), make([]int, 0, len(d.all)), make([]ScenePod, 0, len(d.all))
	d.ready, d.active = 0, 0
	for i := range d.all {
		p := &d.all[i]
		d.ids = append(d.ids, p.id)
		d.seen = append(d.seen, d.observed(p))
		if p.stage != terminating {
			d.active++
		}
		if p.stage == serving {
			d.ready++
		}
		if p.stage >= serving {
			d.scene = append(d.scene, ScenePod{ID: p.id, Name: p.name, Since: d.begin.Add(p.ready), Terminating: p.stage == terminating})
		}
	}
	d.version++
}

// observed is what the HPA sees of a pod.
func (d *deployment) observed(p *pod) hpa.Pod {
	seen := hpa.Pod{
		Name: p.name, Phase: hpa.PodRunning, Ready: hpa.True, Terminating: p.stage == terminating,
		Started: d.begin.Add(p.created), ReadySince: d.begin.Add(p.ready), Template: d.pods.Template,
	}
	if p.stage < serving {
		seen.Ready, seen.ReadySince = hpa.False, seen.Started
	}
	if p.stage == pending {
		seen.Phase = hpa.PodPending
	}
	return seen
}
