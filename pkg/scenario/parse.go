package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// ParseExpectation reads an expectation:
//
//	figure at 5m == 8
//	figure between 10m and 20m >= 4
//	max(figure) <= 20, min(figure) >= 2
//	figure < 500ms for 99% of time
//	figure <= 3, figure <= 12/h, figure < 0.1%
//	reason at 5m == ScaleDownStabilized
//	never: FailedGetPodsMetric, always: ValidMetricFound
//
// An error names the column and says what would be right there.
func ParseExpectation(text string) (Expectation, error) {
	e, refusal := parseExpectation(text)
	if refusal == nil {
		return e, nil
	}
	return Expectation{}, refuse(text, &place.Refusal{Cause: fmt.Sprintf("column %d: %s", refusal.Column, refusal.Cause), Hint: refusal.Hint})
}

func parseExpectation(text string) (e Expectation, refusal *place.Refusal) {
	p := expectationParser{text: text}
	// Refusals leave the parser as panics of this one type, so that the grammar
	// below reads as it is.
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *place.Refusal:
			e, refusal = Expectation{}, r
		default:
			panic(r)
		}
	}()
	e = p.expectation()
	p.end()
	return e, nil
}

// An expectationParser is at a place in a text.
type expectationParser struct {
	text string
	at   int // bytes
}

// A token is a word, a number with its unit, or a sign.
type token struct {
	text string
	at   int
}

// fail ends the parse at a token.
func (p *expectationParser) fail(t token, cause, hint string) {
	panic(&place.Refusal{Cause: cause, Hint: hint, Column: utf8.RuneCountInString(p.text[:t.at]) + 1})
}

// peek is the next token; its text is empty at the end.
func (p *expectationParser) peek() token {
	at := p.at
	for at < len(p.text) && p.text[at] == ' ' {
		at++
	}
	end := at
	for end < len(p.text) && wordPart(p.text[end]) {
		end++
	}
	if end == at && at < len(p.text) {
		end = at + p.sign(at)
	}
	return token{text: p.text[at:end], at: at}
}

// sign is the length of what is no word.
func (p *expectationParser) sign(at int) int {
	for _, op := range ops {
		if strings.HasPrefix(p.text[at:], string(op)) {
			return len(op)
		}
	}
	_, size := utf8.DecodeRuneInString(p.text[at:])
	return size
}

// wordPart reports whether a byte belongs to words and numbers: a percent sign
// and what a rate is per stand behind numbers.
func wordPart(c byte) bool {
	return c == '_' || c == '.' || c == '%' || c == '/' ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *expectationParser) next() token {
	t := p.peek()
	p.at = t.at + len(t.text)
	return t
}

// take moves on if the next token is this one.
func (p *expectationParser) take(text string) bool {
	if p.peek().text != text {
		return false
	}
	p.next()
	return true
}

// expect moves over this token.
func (p *expectationParser) expect(text, example string) {
	if t := p.next(); t.text != text {
		p.fail(t, fmt.Sprintf("%s where %q should be", named(t), text), "write it as in "+example)
	}
}

func named(t token) string {
	if t.text == "" {
		return "the end"
	}
	return strconv.Quote(t.text)
}

func (p *expectationParser) end() {
	if t := p.peek(); t.text != "" {
		p.fail(t, fmt.Sprintf("%q is too much", t.text), "")
	}
}

func (p *expectationParser) expectation() Expectation {
	switch t := p.peek(); t.text {
	case "never", "always":
		p.next()
		p.expect(":", "never: FailedGetPodsMetric")
		return Expectation{Form: Form(t.text), Reason: p.reason()}
	case "reason":
		p.next()
		p.expect("at", "reason at 5m == ScaleDownStabilized")
		e := Expectation{Form: ReasonAt, From: p.duration()}
		e.Op = p.equality()
		e.Reason = p.reason()
		return e
	case "max", "min":
		p.next()
		p.expect("(", "max(replicas) <= 20")
		e := Expectation{Form: Form(t.text)}
		traits := p.figure(&e, func(t trait) bool { return t.timed })
		p.expect(")", "max(replicas) <= 20")
		p.compare(&e, traits)
		return e
	}
	return p.ofFigure()
}

// ofFigure is an expectation that begins with a figure.
func (p *expectationParser) ofFigure() Expectation {
	var e Expectation
	begin := p.peek()
	traits := p.figure(&e, func(trait) bool { return true })
	switch t := p.peek(); {
	case p.take("at"):
		e.Form, e.From = At, p.duration()
	case p.take("between"):
		e.Form, e.From = Between, p.duration()
		p.expect("and", "replicas between 10m and 20m >= 4")
		until := p.peek()
		if e.Until = p.duration(); e.Until < e.From {
			p.fail(until, fmt.Sprintf("%s is before %s", duration(e.Until), duration(e.From)), "")
		}
	case !slices.Contains(ops, Op(t.text)):
		p.fail(t, fmt.Sprintf("%s where at, between or a comparison should be", named(t)), "write it as in "+exampleOf(traits))
	}
	p.compare(&e, traits)
	if e.Form == "" {
		e.Form = Whole
		p.share(&e)
	}
	p.fits(begin, &e, traits)
	return e
}

// share reads "for 99% of time", if it is there.
func (p *expectationParser) share(e *Expectation) {
	if !p.take("for") {
		return
	}
	const example = "p95 < 500ms for 99% of time"
	t := p.next()
	digits, percent := strings.CutSuffix(t.text, "%")
	share, ok := number(digits)
	if !percent || !ok || share <= 0 || share > 100 {
		p.fail(t, named(t)+" is not a percentage", "write it as in "+example)
	}
	p.expect("of", example)
	p.expect("time", example)
	e.Form, e.Share = For, share
}

// fits refuses a form or a unit that the figure does not have.
func (p *expectationParser) fits(begin token, e *Expectation, has trait) {
	switch {
	case e.Form == Whole && !has.whole:
		p.fail(begin, fmt.Sprintf("%s has no value of the whole run", e.Figure), fmt.Sprintf("say when, as in max(%[1]s), min(%[1]s), %[1]s at 5m, or ... for 95%% of time", e.Figure))
	case e.Form != Whole && !has.timed:
		p.fail(begin, fmt.Sprintf("%s has only a value of the whole run", e.Figure), "write it as in "+exampleOf(has))
	}
}

// exampleOf is an expectation of a figure.
func exampleOf(t trait) string {
	switch {
	case t.timed && t.latency:
		return string(t.figure) + " < 500ms for 99% of time"
	case t.timed:
		return string(t.figure) + " at 5m == 8"
	case t.latency:
		return string(t.figure) + " <= 90s"
	case t.events:
		return string(t.figure) + " <= 12/h"
	case t.part:
		return string(t.figure) + " < 0.1%"
	default:
		return string(t.figure) + " <= 10"
	}
}

// figure reads one that has what is asked for.
func (p *expectationParser) figure(e *Expectation, has func(trait) bool) trait {
	t := p.next()
	found, ok := traitOf(Figure(t.text))
	if !ok || !has(found) {
		names := figureNames(has)
		hint := place.DidYouMean(t.text, names)
		if hint == "" {
			hint = "there are " + listed(names)
		}
		cause := named(t) + " is not a figure"
		if ok {
			cause = fmt.Sprintf("%s has only a value of the whole run", t.text)
		}
		p.fail(t, cause, hint)
	}
	e.Figure = found.figure
	return found
}

// compare reads the comparison and the limit.
func (p *expectationParser) compare(e *Expectation, has trait) {
	t := p.next()
	if !slices.Contains(ops, Op(t.text)) {
		p.fail(t, fmt.Sprintf("%s where a comparison should be", named(t)), "there are "+comparisons())
	}
	e.Op = Op(t.text)
	e.Limit = p.limit(e, has)
}

func comparisons() string {
	return "<, <=, >, >=, == and !="
}

// equality is a comparison of words.
func (p *expectationParser) equality() Op {
	t := p.next()
	if op := Op(t.text); op != Equal && op != Different {
		p.fail(t, fmt.Sprintf("%s where == or != should be", named(t)), "")
	}
	return Op(t.text)
}

// longest is a duration that seconds of 64 bits tell to the nanosecond.
const longest = 7 * 24 * time.Hour

// limit reads a value in a unit that the figure has.
func (p *expectationParser) limit(e *Expectation, has trait) Limit {
	t := p.next()
	if has.latency {
		d, err := time.ParseDuration(t.text)
		if err != nil || d < 0 || d > longest {
			p.fail(t, named(t)+" is not a duration of at most a week", "write it as in "+exampleOf(has))
		}
		return Limit{Value: d.Seconds(), Unit: Seconds}
	}
	if digits, percent := strings.CutSuffix(t.text, "%"); percent {
		v, ok := number(digits)
		switch {
		case !has.part:
			p.fail(t, fmt.Sprintf("%s is not a part of anything", e.Figure), "write a number")
		case !ok:
			p.fail(t, named(t)+" is not a percentage", "write it as in "+exampleOf(has))
		}
		return Limit{Value: v, Unit: Percent}
	}
	if digits, per, rate := strings.Cut(t.text, "/"); rate {
		return p.rate(t, e, has, digits, per)
	}
	v, ok := number(t.text)
	if !ok {
		p.fail(t, named(t)+" is not a number", "write it as in "+exampleOf(has))
	}
	return Limit{Value: v, Unit: Count}
}

func (p *expectationParser) rate(t token, e *Expectation, has trait, digits, per string) Limit {
	v, ok := number(digits)
	limit := Limit{Value: v, Unit: PerTime}
	for _, known := range pers {
		if known.name == per {
			limit.Per = known.time
		}
	}
	switch {
	case !has.events:
		p.fail(t, fmt.Sprintf("%s is not counted per time", e.Figure), "write a number")
	case !ok || limit.Per == 0:
		p.fail(t, named(t)+" is not a rate", "write it as in "+exampleOf(has)+"; there are /m, /h and /d")
	case e.Op != AtMost && e.Op != Below:
		p.fail(t, "a rate can only be an upper limit", "write it as in "+exampleOf(has))
	}
	return limit
}

func (p *expectationParser) duration() time.Duration {
	t := p.next()
	d, err := time.ParseDuration(t.text)
	if err != nil || d < 0 {
		p.fail(t, named(t)+" is not a time since the beginning", "write it as in 5m or 1h30m")
	}
	return d
}

func (p *expectationParser) reason() hpa.Reason {
	t := p.next()
	if slices.Contains(reasons, hpa.Reason(t.text)) {
		return hpa.Reason(t.text)
	}
	hint := place.DidYouMean(t.text, reasonNames())
	if hint == "" {
		hint = "there are " + listed(reasonNames())
	}
	p.fail(t, named(t)+" is not a reason", hint)
	return ""
}

// number reads a plain decimal number that prints as it was meant.
func number(text string) (float64, bool) {
	if text == "" || len(text) > 15 || strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsInf(v, 0)
}
