package promtest_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
)

// An observation is what a read came to.
type observation struct {
	began, ended time.Time
	born         time.Time
	got          items
	at           time.Time
	err          error
}

// judge holds a read against what it may have come to.
func (e *episode) judge(t *testing.T, i int, o observation, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if took := o.ended.Sub(o.began); took > 2*time.Second {
		t.Errorf("%s took %s", e.reads[i], took)
	}
	e.tally.note(o, n)
	if o.err == nil && e.asked[i].proof != "" && o.got.none(e.reads[i]) {
		e.tally.proved++
	}
	if o.err != nil {
		if problem := notATypedError(o.err); problem != "" {
			t.Errorf("%s: %s: %v", e.reads[i], problem, o.err)
		}
	}
	usable, must := e.usable(i, o)
	for _, a := range usable {
		if e.fits(t, i, a, o) {
			return
		}
	}
	if o.err != nil && !must {
		return
	}
	t.Errorf("%s\n read at %s: %v of %s, %v\n could have used: %s", e.reads[i], clock(o.ended), o.got, clock(o.at), o.err, e.explain(t, i, usable))
}

// fits reports whether a read came to what an answer says.
func (e *episode) fits(t *testing.T, i int, a reply, o observation) bool {
	if !a.true() && o.err != nil {
		return true
	}
	want := e.want(t, i, a.Evaluated)
	if a.Fault.Kind.Blank() {
		want = e.reads[i].evaluate(t, e.nothing, a.Evaluated)
	}
	if !a.Fault.Kind.True() && !want.none(e.reads[i]) {
		return false // all its values are wrong
	}
	if e.asked[i].proof != "" && a.proof == nil && want.none(e.reads[i]) && o.err != nil {
		return true // nobody has proved it
	}
	switch e.age(t, i, a, o) {
	case tooOld:
		want = nil
	case mayBeTooOld:
		if o.err != nil {
			return true
		}
	}
	return maps.Equal(want, o.got) && (want == nil || dated(o.at, a.Answer))
}

// A reply is an answer with those that were asked beside it.
type reply struct {
	promtest.Answer                  // the values
	times           *promtest.Answer // nil: not asked, or without an answer
	proof           *promtest.Answer
}

// true reports whether the reply must come to the truth.
func (a reply) true() bool {
	return a.Fault.Kind.True() && (a.times == nil || a.times.Fault.Kind.True()) && (a.proof == nil || a.proof.Fault.Kind.True())
}

// done is when all of it was there.
func (a reply) done() time.Time {
	if a.times != nil {
		return a.times.Done
	}
	return a.Done
}

// whole puts what was asked beside an answer to it: each reply that the store may
// have made of the answer by a time. sure says that it has made one of them:
// questions of other keys for the same instant cannot be told from its own.
func (e *episode) whole(i int, a promtest.Answer, by time.Time) (replies []reply, sure bool) {
	asked := e.asked[i]
	if !a.Fault.Kind.WellFormed() || a.Done.IsZero() || a.Done.After(by) {
		return nil, false
	}
	var proof *promtest.Answer
	if asked.proof != "" {
		for _, other := range beside(e.server.Answers(asked.proof), a) {
			if other.Fault.Kind.WellFormed() {
				proof = &other
			}
		}
	}
	if a.Fault.Kind == promtest.Empty {
		return []reply{{Answer: a, proof: proof}}, true
	}
	candidates := beside(e.server.Answers(asked.times), a)
	sure = len(candidates) > 0
	for _, times := range candidates {
		kind := times.Fault.Kind
		// Times of others, or of nobody, are no answer to values that have no window.
		sameSeries := kind != promtest.Empty && (kind == promtest.Absent) == (a.Fault.Kind == promtest.Absent)
		if times.Done.IsZero() || times.Done.After(by) || !kind.WellFormed() || !asked.optional && !sameSeries {
			sure = false
			continue
		}
		replies = append(replies, reply{Answer: a, times: &times, proof: proof})
	}
	return replies, sure
}

// beside are the answers for the time of another.
func beside(answers []promtest.Answer, a promtest.Answer) (all []promtest.Answer) {
	for _, other := range answers {
		if other.At.UnixMilli() == a.At.UnixMilli() {
			all = append(all, other)
		}
	}
	return all
}

// Whether samples are beyond the bound of their age.
const (
	young = iota
	mayBeTooOld
	tooOld
)

// age tells how old the samples behind an answer were when it was read.
func (e *episode) age(t *testing.T, i int, a reply, o observation) int {
	if e.reads[i].sampled == "" {
		return young
	}
	vector, err := e.db.Query(t.Context(), e.reads[i].sampled, a.Evaluated)
	if err != nil {
		t.Fatal(err)
	}
	if len(vector.Samples) == 0 {
		return young
	}
	const bound = time.Minute
	age := a.Evaluated.Sub(time.UnixMilli(int64(vector.Samples[0].Value * 1000)))
	switch {
	case age+o.began.Sub(a.Arrived) > bound:
		return tooOld
	case age+o.ended.Sub(a.Arrived)+e.store.Backends["main"].Timeout > bound:
		return mayBeTooOld
	default:
		return young
	}
}

// dated reports whether at is the time of an answer. One without samples tells
// the second only.
func dated(at time.Time, a promtest.Answer) bool {
	if a.Fault.Kind == promtest.Empty {
		return at.Unix() == a.At.Unix()
	}
	return at.UnixMilli() == a.At.UnixMilli()
}

// none reports whether items are the zero that a read comes to for no series,
// which no fault of the values can change.
func (m items) none(r truthRead) bool {
	for _, v := range m {
		if v != 0 {
			return false
		}
	}
	return r.orZero && len(m) == 1
}

// usable returns the answers that a read may have used, and whether it must
// have used one of them. The newest that had come in before the read counts,
// and those that came in during it. Of a query with a window older ones do too:
// after an outage the store waits until its window is full again.
func (e *episode) usable(i int, o observation) (usable []reply, must bool) {
	slack := time.Duration(0)
	if e.store.Concurrency < int64(len(e.reads)) {
		slack = e.store.Backends["main"].Timeout // a query may have waited before it was sent
	}
	var newest []reply
	for _, a := range e.server.Answers(e.asked[i].query) {
		age := o.ended.Sub(a.Arrived)
		replies, sure := e.whole(i, a, o.ended)
		switch {
		case len(replies) == 0 || age > e.store.MaxAge:
		case e.asked[i].windowed || slices.ContainsFunc(replies, func(r reply) bool { return !r.done().Before(o.began) }):
			usable = append(usable, replies...)
		case sure:
			newest = replies
			must = age <= e.store.MaxAge-slack && !a.Arrived.Before(o.born)
		default:
			newest = append(newest, replies...)
		}
	}
	// A proof can fail or be late by itself, and what it is asked for is not told
	// apart by keys: such a read need not have used an answer.
	return append(usable, newest...), must && e.asked[i].proof == ""
}

// want is what a read should come to with the truth at a time.
func (e *episode) want(t *testing.T, i int, at time.Time) items {
	key := wantKey{read: i, at: at}
	want, known := e.wanted[key]
	if !known {
		want = e.reads[i].evaluate(t, e.db, at)
		e.wanted[key] = want
	}
	return want
}

// evaluate is nil where no number may be served.
func (r truthRead) evaluate(t *testing.T, db *promdb.DB, at time.Time) items {
	vector, err := db.Query(t.Context(), r.want, at)
	if err != nil {
		t.Fatalf("%s: %v", r.want, err)
	}
	want, seen := items{}, map[string]bool{}
	for _, s := range vector.Samples {
		value := s.Value
		if r.idle != "" && r.isIdle(t, db, at) {
			value = 0
		}
		item := r.item(s.Labels)
		switch {
		case seen[item]:
			return nil // two series where one is meant
		case math.IsNaN(value) && r.object == "*":
			// one object without a number among others
		case math.IsNaN(value), value < 0, value > ceiling:
			return nil
		default:
			want[item] = int64(math.Round(value * 1000))
		}
		seen[item] = true
	}
	if len(want) == 0 {
		return nil
	}
	return want
}

func (r truthRead) isIdle(t *testing.T, db *promdb.DB, at time.Time) bool {
	vector, err := db.Query(t.Context(), r.idle, at)
	if err != nil {
		t.Fatalf("%s: %v", r.idle, err)
	}
	return len(vector.Samples) == 1 && vector.Samples[0].Value == 0
}

func (r truthRead) item(series promlabels.Labels) string {
	if r.by == "*" {
		return series.String()
	}
	return series.Get(r.by)
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") }

func (e *episode) explain(t *testing.T, i int, usable []reply) string {
	var b strings.Builder
	for _, a := range usable {
		fmt.Fprintf(&b, "\n  %s answer, asked %s, answered %s, dated %s: %v", a.Fault.Kind, clock(a.Arrived), clock(a.done()), clock(a.At), e.want(t, i, a.Evaluated))
		for what, other := range map[string]*promtest.Answer{"times": a.times, "proof": a.proof} {
			if other != nil {
				fmt.Fprintf(&b, "\n    %s: %s answer, asked %s, answered %s", what, other.Fault.Kind, clock(other.Arrived), clock(other.Done))
			}
		}
	}
	return b.String()
}

// notATypedError says what is wrong with the form of an error.
func notATypedError(err error) string {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		return "not a Status"
	}
	s := known.Status()
	switch {
	case s.Details == nil || len(s.Details.Causes) == 0:
		return "a Status without a cause"
	case s.Details.RetryAfterSeconds != 0:
		return "a Status that asks for a retry"
	case s.Code != http.StatusNotFound && s.Code != http.StatusUnprocessableEntity && s.Code != http.StatusServiceUnavailable:
		return "an unexpected code"
	}
	return ""
}
