package promapi

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// This file is the slow, obvious decoder that FuzzDecode holds decode against:
// the whole body as a tree of encoding/json's tokens, then one look at a time.

// A node is a JSON value: *object, []node, string, json.Number, bool or nil.
type node any

type object struct {
	keys   []string
	values []node
}

// get returns the value of a key, and false if it comes twice.
func (o *object) get(key string) (value node, has, once bool) {
	once = true
	for i, k := range o.keys {
		if k == key {
			once = once && !has
			value, has = o.values[i], true
		}
	}
	return value, has, once
}

func tree(d *json.Decoder) node {
	token, err := d.Token()
	if err != nil {
		panic(err) // json.Valid has said otherwise
	}
	switch token {
	case json.Delim('{'):
		o := &object{}
		for d.More() {
			o.keys = append(o.keys, tree(d).(string))
			o.values = append(o.values, tree(d))
		}
		_, _ = d.Token()
		return o
	case json.Delim('['):
		list := []node{}
		for d.More() {
			list = append(list, tree(d))
		}
		_, _ = d.Token()
		return list
	}
	return token
}

// reference decodes a body, or says that it must not be believed. Beside an
// error it does not look at data.
func reference(body []byte) (answer, bool) {
	if !json.Valid(body) {
		return answer{}, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	top, ok := tree(d).(*object)
	if !ok {
		return answer{}, false
	}
	var a answer
	var hasAll [3]bool
	a.status, hasAll[0] = textOf(top, "status")
	a.errorType, hasAll[1] = textOf(top, "errorType")
	a.message, hasAll[2] = textOf(top, "error")
	if hasAll != [3]bool{true, true, true} {
		return answer{}, false
	}
	if a.vector.Warnings, ok = referenceWarnings(top); !ok {
		return answer{}, false
	}
	data, hasData, once := top.get("data")
	if !once {
		return answer{}, false
	}
	if a.status == statusFailure {
		return answer{status: a.status, errorType: a.errorType, message: a.message}, true
	}
	whole := hasData && data != nil && referenceData(data, &a)
	return a, a.status == statusSuccess && a.errorType == "" && a.message == "" && whole
}

// textOf returns a string, "" for null and for none, and false for all else.
func textOf(o *object, key string) (string, bool) {
	value, _, once := o.get(key)
	if value == nil {
		return "", once
	}
	text, ok := value.(string)
	return text, ok && once
}

func referenceWarnings(top *object) ([]string, bool) {
	value, _, once := top.get("warnings")
	if value == nil {
		return nil, once
	}
	list, ok := value.([]node)
	var texts []string
	for _, one := range list {
		text, isText := one.(string)
		ok = ok && isText
		texts = append(texts, text)
	}
	return texts, ok && once
}

func referenceData(data node, a *answer) bool {
	o, ok := data.(*object)
	if !ok {
		return false
	}
	resultType, ok := textOf(o, "resultType")
	result, _, once := o.get("result")
	list, isList := result.([]node)
	if !ok || !once || !isList {
		return false
	}
	switch resultType {
	case "scalar":
		v, ok := referenceValue(list, a)
		a.vector.Samples = []instant.Sample{{Value: v}}
		return ok
	case "vector":
		return referenceVector(list, a)
	}
	return false
}

func referenceVector(list []node, a *answer) bool {
	seen := map[string]bool{}
	for _, one := range list {
		o, ok := one.(*object)
		if !ok {
			return false
		}
		for _, key := range []string{"values", "histogram", "histograms"} {
			if _, has, _ := o.get(key); has {
				return false
			}
		}
		metric, _, onceMetric := o.get("metric")
		value, _, onceValue := o.get("value")
		pair, isPair := value.([]node)
		ls, isMetric := referenceMetric(metric)
		v, isValue := referenceValue(pair, a)
		if !onceMetric || !onceValue || !isPair || !isMetric || !isValue || seen[ls.String()] {
			return false
		}
		seen[ls.String()] = true
		a.vector.Samples = append(a.vector.Samples, instant.Sample{Labels: ls, Value: v})
	}
	return true
}

func referenceMetric(metric node) (labels.Labels, bool) {
	o, ok := metric.(*object)
	if !ok {
		return labels.EmptyLabels(), false
	}
	m := map[string]string{}
	for i, key := range o.keys {
		text, isText := o.values[i].(string)
		if _, twice := m[key]; twice || !isText || key == "" {
			return labels.EmptyLabels(), false
		}
		m[key] = text
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for name, value := range m {
		b.Set(name, value)
	}
	return b.Labels(), true
}

var decimal = regexp.MustCompile(`^([+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|[+-]?Inf)$`)

func referenceValue(pair []node, a *answer) (float64, bool) {
	if len(pair) != 2 {
		return 0, false
	}
	at, ok := pair[0].(json.Number)
	text, isText := pair[1].(string)
	if !ok || !isText || !decimal.MatchString(text) {
		return 0, false
	}
	seconds, err := at.Float64()
	if err != nil || math.Abs(seconds) > maxSeconds {
		return 0, false
	}
	when := time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	if a.timed && !when.Equal(a.vector.At) {
		return 0, false
	}
	a.vector.At, a.timed = when, true
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}
