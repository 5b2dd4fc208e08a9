package promapi

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// An answer is a body of /api/v1/query.
type answer struct {
	status    string
	errorType string // with statusError
	message   string // with statusError
	vector    instant.Vector
	// timed says that the vector's At was in the body.
	timed bool
}

// The values of an answer's status.
const (
	statusSuccess = "success"
	statusFailure = "error"
)

// decode reads an answer to the end of the stream. Its errors are *Error, but
// for those of the stream itself, io.ErrUnexpectedEOF included.
//
// It is strict: members have the names and types of Prometheus' API, none comes
// twice, nothing follows. Unknown members are skipped, since servers add some.
func decode(stream io.Reader) (answer, error) {
	d := &decoder{lexer: lexer{stream: stream}, builder: labels.NewScratchBuilder(8), series: map[uint64]int{}}
	if err := d.object(d.topMember); err != nil {
		return answer{}, err
	}
	if err := d.finish(); err != nil {
		return answer{}, err
	}
	return d.answer()
}

// A decoder is the state of reading one answer.
type decoder struct {
	lexer
	top, inData, inSample members

	status, errorType, message string
	warnings                   []string

	resultType string
	result     shape
	samples    []instant.Sample
	value      float64 // of the sample at hand
	at         int64   // milliseconds since 1970, of all samples
	atText     []byte  // at as the first sample spells it
	timed      bool    // there is an at

	builder labels.ScratchBuilder
	bytes   []byte         // names and values of the metric at hand
	ends    []int          // where each of them ends
	labels  []labels.Label // the same, as text
	series  map[uint64]int // hash of labels → index of their sample
}

// members remembers which members of an object have come.
type members uint

const (
	hasStatus members = 1 << iota
	hasErrorType
	hasError
	hasWarnings
	hasData
	hasResultType
	hasResult
	hasMetric
	hasValue
)

func (m members) has(one members) bool { return m&one != 0 }

// once notes a member, or says that it came before.
func (m *members) once(one members, name string) error {
	if m.has(one) {
		return malformed("answer has %q twice", name)
	}
	*m |= one
	return nil
}

// A shape is what a result looks like. Its type may come only after it.
type shape int

const (
	emptyArray shape = iota
	arrayOfObjects
	pair
)

// topMember takes a member of the outermost object.
func (d *decoder) topMember() error {
	switch string(d.key) {
	case "status":
		return d.textMember(&d.top, hasStatus, "status", &d.status)
	case "errorType":
		return d.textMember(&d.top, hasErrorType, "errorType", &d.errorType)
	case "error":
		return d.textMember(&d.top, hasError, "error", &d.message)
	case "warnings":
		return d.warningsMember()
	case "data":
		if err := d.top.once(hasData, "data"); err != nil {
			return err
		}
		if none, err := d.null(); none || err != nil {
			return err
		}
		return d.object(d.dataMember)
	}
	return d.skip(0)
}

// textMember takes a string or a null into a variable.
func (d *decoder) textMember(seen *members, one members, name string, into *string) (err error) {
	if err := seen.once(one, name); err != nil {
		return err
	}
	if none, err := d.null(); none || err != nil {
		return err
	}
	d.text, err = d.string(d.text[:0])
	*into = string(d.text)
	return err
}

func (d *decoder) warningsMember() error {
	if err := d.top.once(hasWarnings, "warnings"); err != nil {
		return err
	}
	if none, err := d.null(); none || err != nil {
		return err
	}
	return d.array(func() (err error) {
		d.text, err = d.string(d.text[:0])
		d.warnings = append(d.warnings, string(d.text))
		return err
	})
}

// dataMember takes a member of the object "data".
func (d *decoder) dataMember() error {
	switch string(d.key) {
	case "resultType":
		return d.textMember(&d.inData, hasResultType, "resultType", &d.resultType)
	case "result":
		if err := d.inData.once(hasResult, "result"); err != nil {
			return err
		}
		if err := d.checkResultType(); err != nil {
			return err
		}
		return d.resultMember()
	}
	return d.skip(0)
}

// checkResultType refuses a type as soon as it is known.
func (d *decoder) checkResultType() error {
	if !d.inData.has(hasResultType) {
		return nil // it may come after the result
	}
	switch d.resultType {
	case "vector", "scalar":
		return nil
	case "matrix", "string":
		return badQuery("the expression answers with a %s; an instant vector or a scalar is needed", d.resultType)
	}
	return malformed("answer has a result of the type %s", clip(strconv.Quote(d.resultType), 40))
}

// resultMember takes a result: [{…}, …] of a vector, or [time, "value"] of a scalar.
func (d *decoder) resultMember() error {
	return d.array(func() error {
		c, err := d.peek()
		switch {
		case err != nil:
			return err
		case c == '{' && d.result != pair:
			d.result = arrayOfObjects
			return d.sample()
		case d.result == emptyArray:
			d.result = pair
			return d.timeAndValue()
		}
		return d.unexpected(c, "the end of the result or a sample")
	})
}

// sample takes an object of a vector.
func (d *decoder) sample() error {
	d.inSample = 0
	if err := d.object(d.sampleMember); err != nil {
		return err
	}
	if !d.inSample.has(hasMetric) || !d.inSample.has(hasValue) {
		return malformed("answer has a sample without metric or value before byte %d", d.offset())
	}
	s := instant.Sample{Labels: d.builder.Labels(), Value: d.value}
	if !d.isNew(s.Labels) {
		return malformed("answer has the series %s twice", s.Labels)
	}
	d.samples = append(d.samples, s)
	return nil
}

func (d *decoder) sampleMember() error {
	switch string(d.key) {
	case "metric":
		if err := d.inSample.once(hasMetric, "metric"); err != nil {
			return err
		}
		return d.metric()
	case "value":
		if err := d.inSample.once(hasValue, "value"); err != nil {
			return err
		}
		return d.valueMember()
	case "values":
		return badQuery("the expression answers with a range of values; an instant vector or a scalar is needed")
	case "histogram", "histograms":
		return badQuery("the expression answers with native histograms; numbers are needed")
	}
	return d.skip(0)
}

// metric takes a label set into the builder.
func (d *decoder) metric() error {
	d.bytes, d.ends = d.bytes[:0], d.ends[:0]
	if err := d.object(d.labelMember); err != nil {
		return err
	}
	text := string(d.bytes) // one copy, of which all names and values are parts
	d.labels = d.labels[:0]
	for i, begin := 0, 0; i < len(d.ends); i += 2 {
		d.labels = append(d.labels, labels.Label{Name: text[begin:d.ends[i]], Value: text[d.ends[i]:d.ends[i+1]]})
		begin = d.ends[i+1]
	}
	// Prometheus sends labels in order; others need not.
	if !slices.IsSortedFunc(d.labels, byName) {
		slices.SortFunc(d.labels, byName)
	}
	d.builder.Reset()
	for i, l := range d.labels {
		if i > 0 && l.Name == d.labels[i-1].Name {
			return malformed("answer has the label %s twice in a metric", clip(strconv.Quote(l.Name), 80))
		}
		// In PromQL a label without a value is a label that is not there.
		if l.Value != "" {
			d.builder.Add(l.Name, l.Value)
		}
	}
	return nil
}

func byName(a, b labels.Label) int { return strings.Compare(a.Name, b.Name) }

// labelMember takes a label.
func (d *decoder) labelMember() (err error) {
	if len(d.key) == 0 {
		return malformed("answer has a label without a name before byte %d", d.offset())
	}
	d.bytes = append(d.bytes, d.key...)
	d.ends = append(d.ends, len(d.bytes))
	d.bytes, err = d.string(d.bytes)
	d.ends = append(d.ends, len(d.bytes))
	return err
}

// isNew reports whether no sample has these labels, and notes that one has. Sets
// whose hashes are equal take neighbouring places.
func (d *decoder) isNew(ls labels.Labels) bool {
	for place := ls.Hash(); ; place++ {
		i, taken := d.series[place]
		if !taken {
			d.series[place] = len(d.samples)
			return true
		}
		if labels.Equal(d.samples[i].Labels, ls) {
			return false
		}
	}
}

// valueMember takes [time, "value"].
func (d *decoder) valueMember() error {
	if err := d.expect('[', "a time and a value"); err != nil {
		return err
	}
	if err := d.timeAndValue(); err != nil {
		return err
	}
	return d.expect(']', "the end of time and value")
}

// timeAndValue takes a time, a comma and a value.
func (d *decoder) timeAndValue() (err error) {
	if err := d.number(); err != nil {
		return err
	}
	if err := d.time(); err != nil {
		return err
	}
	if err := d.expect(',', "a comma and a value"); err != nil {
		return err
	}
	if d.text, err = d.string(d.text[:0]); err != nil {
		return err
	}
	d.value, err = parseValue(d.text)
	return err
}

// time reads the number at hand, seconds since 1970. All samples have to agree.
func (d *decoder) time() error {
	if d.timed && bytes.Equal(d.text, d.atText) {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(d.text), 64)
	if err != nil || math.Abs(seconds) > maxSeconds {
		return malformed("answer has the time %s, which is out of range", clip(string(d.text), 40))
	}
	at := int64(math.Round(seconds * 1000))
	if d.timed && at != d.at {
		return malformed("answer has samples of different times, %d ms and %d ms", d.at, at)
	}
	d.at, d.timed, d.atText = at, true, append(d.atText[:0], d.text...)
	return nil
}

// maxSeconds is the year 9999, up to which times can be written as text.
const maxSeconds = 253_402_300_799

// parseValue reads a value as Prometheus writes it: a decimal number, NaN,
// +Inf, Inf or -Inf. What strconv takes beyond that, such as 0x1p-2, is refused.
func parseValue(b []byte) (float64, error) {
	switch string(b) {
	case "NaN":
		return math.NaN(), nil
	case "+Inf", "Inf":
		return math.Inf(1), nil
	case "-Inf":
		return math.Inf(-1), nil
	}
	number := b
	if len(number) > 0 && number[0] == '+' {
		number = number[1:]
	}
	if isNumber(number) && (len(b) == len(number) || number[0] != '-') {
		if v, err := strconv.ParseFloat(string(b), 64); err == nil {
			return v, nil
		}
	}
	return 0, malformed("answer has the value %s, which is no number", clip(strconv.Quote(string(b)), 40))
}

// answer checks what only the whole shows.
func (d *decoder) answer() (answer, error) {
	switch d.status {
	case statusFailure:
		return answer{status: d.status, errorType: d.errorType, message: d.message}, nil
	case statusSuccess:
	default:
		return answer{}, malformed("answer has the status %s", clip(strconv.Quote(d.status), 40))
	}
	if d.errorType != "" || d.message != "" {
		return answer{}, malformed("answer is a success with an error: %s", clip(d.errorType+": "+d.message, 80))
	}
	if !d.inData.has(hasResultType) || !d.inData.has(hasResult) {
		return answer{}, malformed("answer has no result or no type of it")
	}
	if err := d.checkResultType(); err != nil {
		return answer{}, err
	}
	switch {
	case d.resultType == "scalar" && d.result == pair:
		d.samples = []instant.Sample{{Value: d.value}}
	case d.resultType == "vector" && d.result != pair:
	default:
		return answer{}, malformed("answer has a result that is not the %s that it claims to be", d.resultType)
	}
	a := answer{status: d.status, timed: d.timed, vector: instant.Vector{Samples: d.samples, Warnings: d.warnings}}
	if d.timed {
		a.vector.At = time.UnixMilli(d.at).UTC()
	}
	return a, nil
}
