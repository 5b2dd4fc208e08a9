package promtest_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
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
func (e *episode) fits(t *testing.T, i int, a promtest.Answer, o observation) bool {
	if !a.Fault.Kind.True() && o.err != nil {
		return true
	}
	want := e.want(t, i, a.Arrived)
	if a.Fault.Kind.Blank() {
		want = e.reads[i].evaluate(t, e.nothing, a.Arrived)
	}
	if !a.Fault.Kind.True() && !want.none(e.reads[i]) {
		return false // all its values are wrong
	}
	return maps.Equal(want, o.got) && (want == nil || dated(o.at, a))
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
func (e *episode) usable(i int, o observation) (usable []promtest.Answer, must bool) {
	slack := time.Duration(0)
	if e.store.Concurrency < int64(len(e.reads)) {
		slack = e.store.Backends["main"].Timeout // a query may have waited before it was sent
	}
	var newest *promtest.Answer
	for _, a := range e.server.Answers(e.asked[i].query) {
		switch age := o.ended.Sub(a.Arrived); {
		case !a.Fault.Kind.WellFormed(), a.Done.IsZero(), a.Done.After(o.ended), age > e.store.MaxAge:
		case !a.Done.Before(o.began) || e.asked[i].windowed:
			usable = append(usable, a)
		default:
			newest = &a
			must = age <= e.store.MaxAge-slack && !a.Arrived.Before(o.born)
		}
	}
	if newest != nil {
		usable = append(usable, *newest)
	}
	return usable, must
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

func (e *episode) explain(t *testing.T, i int, usable []promtest.Answer) string {
	var b strings.Builder
	for _, a := range usable {
		fmt.Fprintf(&b, "\n  %s answer, asked %s, answered %s, dated %s: %v", a.Fault.Kind, clock(a.Arrived), clock(a.Done), clock(a.At), e.want(t, i, a.Arrived))
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
