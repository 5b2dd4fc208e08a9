package trace

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Grid is a demand: the rate per second in equal intervals.
type Grid struct {
	Begin time.Time
	Every time.Duration
	// Rates are per second: Rates[i] holds from i·Every until (i+1)·Every.
	Rates []float64
	// Notes say in whole sentences what was assumed and not recorded, for those who
	// read results of it.
	Notes []string
}

// GridOptions say what series mean as a demand, and what becomes of them.
type GridOptions struct {
	// Every is the interval; 0 is the series' own median one, to the whole second or
	// millisecond where it is within a fiftieth of that, and one second of events.
	Every time.Duration
	// Unit is what the values are; by default Events of series that were read so,
	// and otherwise Rate.
	Unit Unit
	// Gaps says what stands for what was not recorded; Refuse by default.
	Gaps Gaps
	// Scale multiplies the demand; 0 is 1.
	Scale float64
	// Speed is how many times as fast the time runs; 0 is 1. The rates stay: it is
	// the requests that become fewer. Who wants them all gives the same Scale.
	Speed float64
}

// A Unit is what the values of a demand are.
type Unit string

// The units.
const (
	Rate    Unit = "rate"    // per second, from the sample's time until the next one's
	Count   Unit = "count"   // requests from the sample's time until the next one's
	Events  Unit = "events"  // each sample is one request, whatever its value
	Counter Unit = "counter" // requests since some beginning: a counter of Prometheus, with its resets
)

// Gaps is what stands for a time that was not recorded.
type Gaps string

// What may stand for it.
const (
	Refuse      Gaps = "error"       // nothing: the demand is refused
	Hold        Gaps = "hold"        // the rate before the gap
	Zero        Gaps = "zero"        // no requests
	Interpolate Gaps = "interpolate" // the line from the rate before to the rate after
)

// mostIntervals is how long a Grid may be: a year of seconds three times.
const mostIntervals = 100_000_000

// Demand makes a grid of the sum of series. Requests are conserved: of counts, those
// of a sample are spread evenly over the time it tells of, and each interval gets
// its part; samples of one time are added. Rates are averaged over time, and two of
// one time are an error.
//
// A series that is absent adds nothing to the sum, which is noted. A gap within a
// series is one of the sum; gaps before its first and after its last value are left
// out. A Counter has no gaps, as its next value tells what came in between.
//
// It refuses values below zero and infinite ones.
func Demand(o GridOptions, series ...*Series) (Grid, error) {
	o, notes, err := o.complete(series)
	if err != nil {
		return Grid{}, err
	}
	d := &demand{options: o, notes: notes}
	if err := d.measure(series); err != nil {
		return Grid{}, err
	}
	for i, s := range series {
		d.add(s, d.wholes[i])
	}
	if err := d.judgeGaps(series); err != nil {
		return Grid{}, err
	}
	return d.grid()
}

// complete fills in what is left out, and refuses what cannot be.
func (o GridOptions) complete(series []*Series) (GridOptions, []string, error) {
	var notes []string
	if len(series) == 0 {
		return o, nil, fmt.Errorf("no series to make a demand of")
	}
	if o.Unit == "" {
		o.Unit = Rate
		if series[0].events {
			o.Unit = Events
		} else {
			notes = append(notes, fmt.Sprintf("The values of %s are taken for requests per second: no unit was given.", names(series)))
		}
	}
	if o.Gaps == "" {
		o.Gaps = Refuse
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	switch {
	case !slices.Contains([]Unit{Rate, Count, Events, Counter}, o.Unit):
		return o, nil, fmt.Errorf("unit %q: the units are rate, count, events and counter", o.Unit)
	case !slices.Contains([]Gaps{Refuse, Hold, Zero, Interpolate}, o.Gaps):
		return o, nil, fmt.Errorf("gaps %q: the choices are error, hold, zero and interpolate", o.Gaps)
	case !(o.Scale > 0) || math.IsInf(o.Scale, 0):
		return o, nil, fmt.Errorf("scale %v: it must be above zero", o.Scale)
	case !(o.Speed > 0) || math.IsInf(o.Speed, 0):
		return o, nil, fmt.Errorf("speed %v: it must be above zero", o.Speed)
	case o.Every < 0:
		return o, nil, fmt.Errorf("an interval of %s: it must be above zero", o.Every)
	}
	for i, s := range series {
		if err := o.fits(s, series[:i]); err != nil {
			return o, nil, err
		}
	}
	return o, notes, nil
}

// fits refuses a series that cannot be of the unit.
func (o GridOptions) fits(s *Series, before []*Series) error {
	switch {
	case slices.Contains(before, s):
		return s.problem("the series is chosen twice", "choose each once")
	case s.events && (o.Unit == Rate || o.Unit == Counter):
		return s.problem(fmt.Sprintf("the rows were read as events, which are no %s", o.Unit), "give the unit events")
	case o.Unit == Rate && strings.HasSuffix(s.Name, "_total"):
		return s.problem("a name that ends in _total is that of a counter, and no rate", "give the unit counter, or count if the values are those of single intervals")
	case o.Unit == Rate && s.repeats > 0:
		return s.problemAt(s.repeated, "the time of this sample is there already, and a rate cannot be two", "if the values are counts, give the unit count: it adds them")
	case o.Unit != Events:
		return nil
	}
	for _, other := range before {
		if s.Name != other.Name && slices.Equal(s.Labels, other.Labels) {
			return s.problem(fmt.Sprintf("it and %s are columns of the same rows, which would be counted twice", other), "read the file as events, or choose one column")
		}
	}
	return nil
}

func (s *Series) problem(cause, hint string) *Problem { return s.problemAt(place{}, cause, hint) }

func (s *Series) problemAt(at place, cause, hint string) *Problem {
	return &Problem{File: s.file, Line: at.line, Column: at.column, Path: at.path, Cause: fmt.Sprintf("series %s: %s", s, cause), Hint: hint}
}

func names(series []*Series) string {
	if len(series) > 3 {
		return fmt.Sprintf("%d series", len(series))
	}
	all := make([]string, len(series))
	for i, s := range series {
		all[i] = s.String()
	}
	return strings.Join(all, ", ")
}

// subject is what a sentence about the sum of series is about.
func subject(series []*Series) string {
	if len(series) == 1 {
		return series[0].String()
	}
	return "the sum of " + names(series)
}

// A demand is a Grid in the making.
type demand struct {
	options GridOptions
	every   int64 // the interval before Speed
	begin   int64
	end     int64
	rates   []float64
	notes   []string

	wholes   []span // of each series, from the first value until the last one ends to tell
	recorded []span // when any of the series tells something
	gaps     []span
	absences []string
}

// measure finds the interval, the beginning and the end.
func (d *demand) measure(series []*Series) error {
	var longest int64
	for _, s := range series {
		longest = max(longest, s.interval)
	}
	d.every = d.interval(longest)
	var spans []span
	d.begin, d.end = math.MaxInt64, math.MinInt64
	for _, s := range series {
		whole, err := s.check(d.options.Unit)
		if err != nil {
			return err
		}
		if d.stretches(s) {
			whole.to = whole.from + d.every
		}
		d.noteEnds(s, whole)
		d.wholes = append(d.wholes, whole)
		d.begin, d.end = min(d.begin, whole.from), max(d.end, whole.to)
		if d.options.Unit == Counter || d.stretches(s) {
			spans = append(spans, whole)
		} else {
			spans = append(spans, s.spans...)
		}
	}
	d.recorded = union(spans)
	if d.every == 0 {
		return series[0].problem("it has one time only, and no interval", "give the interval")
	}
	if (d.end-d.begin)/d.every >= mostIntervals {
		return series[0].problem(fmt.Sprintf("%s in intervals of %s are more than %d intervals", time.Duration(d.end-d.begin), time.Duration(d.every), mostIntervals), "give a longer interval")
	}
	d.rates = make([]float64, d.intervals())
	return nil
}

// intervals is how many there are: of events as many as hold the last, otherwise
// without a sliver at the end.
func (d *demand) intervals() int {
	if d.options.Unit == Events {
		return int((d.end-d.begin)/d.every) + 1
	}
	return max(1, int(math.Ceil(float64(d.end-d.begin)/float64(d.every)-sliver)))
}

// stretches reports whether a series has only one time, and so no interval of its
// own: it tells of one of the grid.
func (d *demand) stretches(s *Series) bool {
	return s.interval == 0 && (d.options.Unit == Rate || d.options.Unit == Count)
}

// noteEnds says which gaps are before the first value and after the last.
func (d *demand) noteEnds(s *Series, whole span) {
	if d.options.Unit != Rate && d.options.Unit != Count {
		return
	}
	if before := whole.from - s.spans[0].from; before > 0 {
		d.notes = append(d.notes, fmt.Sprintf("%s begins with a gap of %s, which is left out.", s, length(before)))
	}
	if after := s.spans[len(s.spans)-1].to - whole.to; after > 1 {
		d.notes = append(d.notes, fmt.Sprintf("%s ends with a gap of %s, which is left out.", s, length(after)))
	}
}

// sliver is the part of an interval that is not worth one of its own at the end.
const sliver = 0.05

// interval is the one of the grid.
func (d *demand) interval(median int64) int64 {
	if d.options.Every > 0 {
		return int64(d.options.Every)
	}
	if d.options.Unit == Events {
		d.notes = append(d.notes, "Events are counted in intervals of a second: no interval was given.")
		return int64(time.Second)
	}
	for _, unit := range []time.Duration{time.Second, time.Millisecond} {
		round := time.Duration(median).Round(unit)
		if off := time.Duration(median) - round; round > 0 && off.Abs() <= round/50 {
			return int64(round)
		}
	}
	return median
}

// add adds a series to the rates.
func (d *demand) add(s *Series, whole span) {
	var absent int64
	for p := range s.pieces(d.options.Unit) {
		if d.stretches(s) {
			p = d.stretched(p)
		}
		switch {
		case d.options.Unit == Events:
			d.rates[d.index(p.from)] += 1 / seconds(d.every)
		case !p.gap:
			d.spread(p, func(span) float64 { return p.rate })
		case !p.explicit && 2*overlap(p.span, d.recorded) > p.to-p.from:
			absent += p.to - p.from
		default:
			d.gaps = append(d.gaps, p.span)
			d.fill(p)
		}
	}
	if d.options.Unit != Events {
		d.noteAbsence(s, whole, absent)
	}
}

// stretched is the only piece of a series that stretches.
func (d *demand) stretched(p piece) piece {
	p.to = p.from + d.every
	if d.options.Unit == Count {
		p.rate /= seconds(d.every)
	}
	return p
}

// fill puts into a gap what the options say.
func (d *demand) fill(p piece) {
	switch d.options.Gaps {
	case Hold:
		d.spread(p, func(span) float64 { return p.rate })
	case Interpolate:
		d.spread(p, func(part span) float64 {
			middle := float64(part.from-p.from) + float64(part.to-part.from)/2
			return p.rate + (p.after-p.rate)*middle/float64(p.to-p.from)
		})
	}
}

// index is the interval of a time. What is beyond the last one is in it.
func (d *demand) index(t int64) int { return min(int((t-d.begin)/d.every), len(d.rates)-1) }

// spread adds a piece to the intervals that it overlaps, at the rate of each part.
// The part of an interval is computed first, so that a piece of just one interval
// gives it exactly its rate.
func (d *demand) spread(p piece, rate func(part span) float64) {
	for from := p.from; from < p.to; {
		i := d.index(from)
		to := p.to
		if i < len(d.rates)-1 {
			to = min(to, d.begin+int64(i+1)*d.every)
		}
		d.rates[i] += rate(span{from, to}) * (float64(to-from) / float64(d.every))
		from = to
	}
}

// noteAbsence remembers for how long a series added nothing, because others were
// recorded and it was not.
func (d *demand) noteAbsence(s *Series, whole span, within int64) {
	absent := within + overlap(span{d.begin, whole.from}, d.recorded) + overlap(span{whole.to, d.end}, d.recorded)
	if absent > d.every/2 {
		d.absences = append(d.absences, fmt.Sprintf("%s for %s", s, length(absent)))
	}
}

// judgeGaps refuses gaps, or notes what stands for them.
func (d *demand) judgeGaps(series []*Series) error {
	if d.options.Unit == Events {
		return nil
	}
	gaps := union(slices.Clone(d.gaps))
	nobody := d.nobody(gaps)
	if len(nobody) > 0 {
		gaps = union(append(gaps, nobody...))
	}
	if len(gaps) == 0 {
		return nil
	}
	var all int64
	for _, g := range gaps {
		all += g.to - g.from
	}
	first := fmt.Sprintf("%s from %s", length(gaps[0].to-gaps[0].from), instant(gaps[0].from).Format(time.RFC3339Nano))
	what := fmt.Sprintf("%s of %s in all; the first is %s", plural(len(gaps), "gap"), length(all), first)
	switch {
	case d.options.Gaps == Refuse:
		return &Problem{File: series[0].file, Cause: fmt.Sprintf("%s has %s", subject(series), what), Hint: "choose what stands for them: hold (the rate before), zero, or interpolate"}
	case d.options.Gaps != Zero && len(nobody) > 0:
		return &Problem{File: series[0].file, Cause: fmt.Sprintf("nothing was recorded for %s from %s, and no series is there before and after", length(nobody[0].to-nobody[0].from), instant(nobody[0].from).Format(time.RFC3339Nano)), Hint: "choose zero for the gaps, or cut the file there"}
	}
	d.notes = append(d.notes, fmt.Sprintf("%s is assumed for what was not recorded: %s has %s.", assumed[d.options.Gaps], subject(series), what))
	return nil
}

// assumed begins a note on what a policy put in.
var assumed = map[Gaps]string{
	Hold:        "The rate before each gap",
	Zero:        "A rate of zero",
	Interpolate: "A straight line",
}

// nobody is when no series tells anything, beyond the gaps within series: where one
// ends, and later another begins. What is shorter than half an interval is the
// jitter of the two.
func (d *demand) nobody(gaps []span) []span {
	told := union(append(slices.Clone(d.recorded), gaps...))
	return slices.DeleteFunc(between(span{d.begin, d.end}, told), func(s span) bool { return s.to-s.from <= d.every/2 })
}

// grid is the result.
func (d *demand) grid() (Grid, error) {
	part := float64(d.end-d.begin-int64(len(d.rates)-1)*d.every) / float64(d.every)
	if d.options.Unit == Rate {
		d.rates[len(d.rates)-1] /= part
	}
	if part < 1-sliver && d.options.Unit != Events {
		d.notes = append(d.notes, fmt.Sprintf("The last interval of %s was recorded for %s only.", length(d.every), length(int64(part*float64(d.every)))))
	}
	if len(d.absences) > 0 {
		const most = 5
		shown := d.absences[:min(len(d.absences), most)]
		d.notes = append(d.notes, fmt.Sprintf("%s absent for a part of the time and added nothing there: %s%s.", plural(len(d.absences), "series"), strings.Join(shown, ", "), ellipsis(len(d.absences) > most)))
	}
	if d.options.Scale != 1 {
		for i := range d.rates {
			d.rates[i] *= d.options.Scale
		}
		d.notes = append(d.notes, fmt.Sprintf("The demand is scaled by %v.", d.options.Scale))
	}
	for i, rate := range d.rates {
		if math.IsInf(rate, 0) || math.IsNaN(rate) {
			return Grid{}, fmt.Errorf("the sum of the demand at %s is not finite", instant(d.begin+int64(i)*d.every).Format(time.RFC3339Nano))
		}
	}
	every := time.Duration(float64(d.every) / d.options.Speed)
	if d.options.Speed != 1 {
		d.notes = append(d.notes, fmt.Sprintf("The time runs %v times as fast as it was recorded.", d.options.Speed))
	}
	if every <= 0 {
		return Grid{}, fmt.Errorf("speed %v: nothing is left of an interval of %s", d.options.Speed, time.Duration(d.every))
	}
	return Grid{Begin: instant(d.begin), Every: every, Rates: d.rates, Notes: d.notes}, nil
}

func ellipsis(more bool) string {
	if more {
		return ", and others"
	}
	return ""
}

func plural(n int, what string) string {
	switch {
	case what == "series" && n == 1:
		return "1 series was"
	case what == "series":
		return fmt.Sprintf("%d series were", n)
	case n == 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// length is a duration for people: to the millisecond.
func length(ns int64) string {
	if d := time.Duration(ns); d > time.Second {
		return d.Round(time.Millisecond).String()
	}
	return time.Duration(ns).String()
}
