package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// A recording is all that the HPA controller read and did for one HPA with one
// Pods metric, sync by sync:
//
//	what                            from
//	the scale, as read and written  the audit log of kube-apiserver
//	the values of the metric        a tap between the aggregator and Pitot
//	the pods                        a watch of its own
//	the time, the proposal          the controller's log
//	the status and its conditions   the audit log
//
// A sync is from one read of the scale until the next.
type recording []recordedSync

// A recordedSync is what one sync read and did.
type recordedSync struct {
	// at is when the controller decided, until when it had written a new count or
	// said that there is none to write.
	at, until time.Time
	// seen is what the controller read. It is more than one where pods changed
	// while it read: see look.
	seen []hpa.Observation
	did  deed
	// wrote is the version of the cluster's store that its first write made.
	wrote int64
}

// A deed is what a sync did.
type deed struct {
	Proposal int32  `json:"proposal"`         // of the metrics together; none where they gave none or were not asked
	Wrote    int32  `json:"wrote"`            // spec.replicas of the scale, or none
	Reason   string `json:"reason,omitempty"` // of the new count

	// The status of the HPA after it, the conditions as "ScalingActive True ValidMetricFound".
	Current    int32    `json:"current"`
	Desired    int32    `json:"desired"`
	Conditions []string `json:"conditions"`
}

const none = -1

// near is how much sooner or later than the test's watch that of the controller
// may know of a change.
const near = 250 * time.Millisecond

// A recorder records one HPA.
type recorder struct {
	began time.Time
	audit *audit
	tap   *tap
	pods  *podWatch
	log   string // of the controller
}

// record begins to record the only HPA of a namespace, which is yet to come.
func (c *cluster) record(tap *tap, pods *podWatch) *recorder {
	return &recorder{began: time.Now(), audit: c.audit, tap: tap, pods: pods, log: filepath.Join(c.Logs, "kube-controller-manager.log")}
}

// recording returns all syncs that have ended.
func (r *recorder) recording(t *testing.T) recording {
	t.Helper()
	said, err := readSayings(r.log, r.began)
	if err != nil {
		t.Fatal(err)
	}
	var syncs recording
	var before deed
	pieces := cut(r.audit.steps(t, r.began), r.tap.all(), said)
	if len(pieces) == 0 {
		t.Fatal("the controller never looked at the HPA")
	}
	for _, p := range pieces[:len(pieces)-1] { // the last may be half a sync
		sync, err := r.sync(p, before)
		if err != nil {
			t.Fatalf("the sync at %s: %v", p.began.Format(time.StampMicro), err)
		}
		syncs = append(syncs, sync)
		before = sync.did
	}
	return syncs
}

// A piece is all that was noted of one sync.
type piece struct {
	began time.Time
	steps []event
	reads []read
	said  []saying
}

// cut cuts everything that was noted into syncs. One begins where the controller
// reads the scale, unless that is to write it once more after a conflict.
func cut(steps []event, reads []read, said []saying) (pieces []piece) {
	slices.SortFunc(steps, func(a, b event) int { return a.at.Compare(b.at) })
	conflict := false
	for _, step := range steps {
		again := conflict
		conflict = step.verb == "update" && step.code == http.StatusConflict
		switch {
		case step.verb == "get" && again:
			continue // nothing is decided on it
		case step.verb == "get":
			pieces = append(pieces, piece{began: step.at})
		}
		last := &pieces[len(pieces)-1]
		last.steps = append(last.steps, step)
	}
	for i := range pieces {
		within := func(at time.Time) bool {
			return !at.Before(pieces[i].began) && (i == len(pieces)-1 || at.Before(pieces[i+1].began))
		}
		for _, read := range reads {
			if within(read.at) {
				pieces[i].reads = append(pieces[i].reads, read)
			}
		}
		for _, saying := range said {
			if within(saying.at) {
				pieces[i].said = append(pieces[i].said, saying)
			}
		}
	}
	return pieces
}

// sync puts a sync together. What it did not write is as it was before.
func (r *recorder) sync(p piece, before deed) (recordedSync, error) {
	sync := recordedSync{did: before}
	sync.did.Proposal, sync.did.Wrote, sync.did.Reason = none, none, ""
	var seen hpa.Observation
	for _, step := range p.steps {
		err := errors.Join(sync.take(step, &seen), sync.noteVersion(step))
		if err != nil {
			return sync, fmt.Errorf("%s %s: %w", step.verb, step.path, err)
		}
	}
	// Without metrics the time decides nothing but the age of the conditions.
	sync.at, sync.until = p.began, p.began
	for _, read := range p.reads {
		sync.at, sync.until = read.at, read.at
	}
	for i, said := range p.said {
		if i == 0 {
			sync.at = said.at
		}
		sync.until = said.at
		switch said.what {
		case "Proposing desired replicas":
			sync.did.Proposal = said.replicas
		case "Successfully rescaled":
			sync.did.Reason = said.reason
		}
	}
	return sync, r.look(&sync, seen, p.reads)
}

// take takes what the audit log says of a step.
func (s *recordedSync) take(step event, seen *hpa.Observation) error {
	failed := fmt.Errorf("status %d", step.code)
	switch {
	case step.resource == "deployments/scale" && step.verb == "get":
		var scale autoscalingv1.Scale
		if step.code != http.StatusOK {
			seen.ScaleReadErr = failed
			return nil
		}
		err := json.Unmarshal(step.response, &scale)
		seen.Replicas, seen.StatusReplicas = scale.Spec.Replicas, scale.Status.Replicas
		return err
	case step.resource == "deployments/scale":
		var scale autoscalingv1.Scale
		seen.ScaleWriteErr = nil
		if step.code != http.StatusOK {
			seen.ScaleWriteErr = failed
			return nil
		}
		err := json.Unmarshal(step.request, &scale)
		s.did.Wrote = scale.Spec.Replicas
		return err
	case step.code != http.StatusOK:
		return failed // nothing was decided on it, but the next sync would be
	default:
		var hpa autoscalingv2.HorizontalPodAutoscaler
		err := json.Unmarshal(step.request, &hpa)
		s.did.Current, s.did.Desired, s.did.Conditions = hpa.Status.CurrentReplicas, hpa.Status.DesiredReplicas, nil
		for _, one := range hpa.Status.Conditions {
			s.did.Conditions = append(s.did.Conditions, fmt.Sprintf("%s %s %s", one.Type, one.Status, one.Reason))
		}
		return err
	}
}

// noteVersion notes the version of the store that the first write made, to the
// scale or to the status.
func (s *recordedSync) noteVersion(step event) (err error) {
	if step.verb == "get" || step.code != http.StatusOK || s.wrote != 0 {
		return nil
	}
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(step.response, &object); err != nil {
		return err
	}
	s.wrote, err = strconv.ParseInt(object.ResourceVersion, 10, 64)
	return err
}

// look adds to what was seen the pods and their values. The controller listed
// the pods after it had the values, before it said what it proposed, and before
// it wrote anything. Its informer is told of changes in the same order as the
// test's watch, but sooner or later: where pods changed near to that time, each
// state in between may be what it saw.
func (r *recorder) look(sync *recordedSync, seen hpa.Observation, reads []read) error {
	if len(reads) == 0 {
		// The metric was not asked for: the spec's bounds decide.
		seen.Readings = make([]hpa.Reading, 1)
		sync.seen = []hpa.Observation{seen}
		return nil
	}
	if len(reads) > 1 {
		return fmt.Errorf("%d reads of one metric", len(reads))
	}
	values, failure, err := reads[0].values()
	if err != nil {
		return err
	}
	first, last := r.pods.before(reads[0].at.Add(-near)), r.pods.before(sync.at.Add(near))
	if sync.wrote != 0 {
		last = min(last, r.pods.until(sync.wrote))
	}
	for n := first; n <= last; n++ {
		seen.Pods = r.pods.after(n)
		seen.Readings = []hpa.Reading{reading(values, failure, seen.Pods)}
		sync.seen = append(sync.seen, seen)
	}
	return nil
}

// values are the milli values of pods by name, or why there are none.
func (r read) values() (values map[string]int64, failure, err error) {
	if r.code != http.StatusOK {
		var status metav1.Status
		err := json.Unmarshal(r.body, &status)
		return nil, errors.New(status.Message), err
	}
	var list struct{ Items []item }
	if err := json.Unmarshal(r.body, &list); err != nil {
		return nil, nil, err
	}
	values = map[string]int64{}
	for _, item := range list.Items {
		values[item.DescribedObject.Name] = item.Value.MilliValue()
	}
	return values, nil, nil
}

// reading puts values to their pods. Those of others come last, by name.
func reading(values map[string]int64, failure error, pods []hpa.Pod) hpa.Reading {
	if failure != nil {
		return hpa.Reading{Err: failure}
	}
	reading := hpa.Reading{Pods: make([]hpa.Sample, len(pods))}
	listed := map[string]bool{}
	for i, pod := range pods {
		listed[pod.Name] = true
		if milli, ok := values[pod.Name]; ok {
			reading.Pods[i] = hpa.Sample{Present: true, Milli: milli}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !listed[name] {
			reading.Unlisted = append(reading.Unlisted, hpa.Sample{Present: true, Milli: values[name]})
		}
	}
	return reading
}

// A saying is a line that the HPA controller logged about a decision.
type saying struct {
	at       time.Time
	what     string
	replicas int32
	reason   string
}

var (
	sayingLine     = regexp.MustCompile(`^I(\d{4} [\d:.]{15}) +\d+ horizontal\.go:\d+\] "(Proposing desired replicas|Decided not to scale|Successfully rescaled)" `)
	sayingReplicas = regexp.MustCompile(` desiredReplicas=(\d+)`)
	sayingReason   = regexp.MustCompile(` reason="([^"]*)"`)
)

// readSayings reads the controller's log. Its times have no year.
func readSayings(file string, since time.Time) (said []saying, err error) {
	log, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		match := sayingLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		at, err := time.ParseInLocation("0102 15:04:05.000000", match[1], time.Local)
		if err != nil {
			return nil, err
		}
		replicas, err := strconv.ParseInt(field(sayingReplicas, line), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, line)
		}
		said = append(said, saying{
			at: at.AddDate(since.Year(), 0, 0), what: match[2], replicas: int32(replicas), reason: field(sayingReason, line),
		})
	}
	return said, lines.Err()
}

// field is what a line has in the parentheses of a pattern, if anything.
func field(pattern *regexp.Regexp, line string) string {
	if match := pattern.FindStringSubmatch(line); match != nil {
		return match[1]
	}
	return ""
}

// write writes the syncs as sim.ReadRecorded reads them, each with what the
// controller did, under "did".
func (r recording) write(t *testing.T, file string, seen []sim.Recorded) {
	t.Helper()
	var text bytes.Buffer
	for i, sync := range r {
		line, err := json.Marshal(seen[i])
		if err != nil {
			t.Fatal(err)
		}
		did, err := json.Marshal(sync.did)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s,\"did\":%s}\n", bytes.TrimSuffix(line, []byte("}")), did)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
