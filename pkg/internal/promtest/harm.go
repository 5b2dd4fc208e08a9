package promtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// lies are samples whose every value is wrong.
func lies(samples []instant.Sample) []instant.Sample {
	return mapped(samples, func(v float64) float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 7
		}
		return 2*v + 1
	})
}

func mapped(samples []instant.Sample, value func(float64) float64) []instant.Sample {
	changed := make([]instant.Sample, len(samples))
	for i, s := range samples {
		changed[i] = instant.Sample{Labels: s.Labels, Value: value(s.Value)}
	}
	return changed
}

// poisoned are samples whose every value is of one unusable sort.
func (p *performance) poisoned(kind Kind, samples []instant.Sample) []instant.Sample {
	if v := p.fault.Value; v != 0 {
		return mapped(samples, func(float64) float64 { return v })
	}
	values := map[Kind][]float64{
		NotANumber: {math.NaN()},
		Infinite:   {math.Inf(1), math.Inf(-1)},
		Negative:   {-1, -0.001, -1e-300, -1e300, math.MinInt64},
		Overflow:   {1.000001e9, 1e15, 9.3e18, math.MaxInt64, math.MaxFloat64},
	}[kind]
	return mapped(samples, func(float64) float64 { return values[p.chance.IntN(len(values))] })
}

// outdated are the times of samples, long ago.
func outdated(times []instant.Sample) []instant.Sample {
	const age = 10 * time.Minute
	return mapped(times, func(v float64) float64 { return v - age.Seconds() })
}

// ofOthers are the samples as those of other namespaces.
func ofOthers(samples []instant.Sample) []instant.Sample {
	others := slices.Clone(samples)
	for i, s := range others {
		others[i].Labels = labels.NewBuilder(s.Labels).Set("namespace", "not-"+s.Labels.Get("namespace")).Labels()
	}
	return others
}

// doubled are the samples, each a second time with one more label.
func (p *performance) doubled(samples []instant.Sample) []instant.Sample {
	both := append([]instant.Sample(nil), samples...)
	for _, s := range lies(samples) {
		s.Labels = labels.NewBuilder(s.Labels).Set("replica", "b").Labels()
		both = append(both, s)
	}
	return both
}

// body is a success.
func (p *performance) body(samples []instant.Sample) []byte {
	extra := []string{"", `,"infos":["PromQL info: metric might not be a counter"]`, `,"warnings":[]`, `,"warnings":null`, `,"isPartial":false,"trace":{"a":[1,null,true]}`}
	return p.envelope(p.result(samples), extra[p.chance.IntN(len(extra))])
}

func (p *performance) envelope(result, extra string) []byte {
	data := []string{`"resultType":"vector"`, `"result":` + result, `"stats":{"samples":12}`}
	data = data[:2+p.chance.IntN(2)]
	p.chance.Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
	return []byte(`{"status":"success","data":{` + strings.Join(data, ",") + `}` + extra + `}`)
}

// result is the JSON of samples, in an order of chance.
func (p *performance) result(samples []instant.Sample) string {
	parts := make([]string, len(samples))
	for i, j := range p.chance.Perm(len(samples)) {
		parts[i] = p.sample(samples[j])
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (p *performance) sample(s instant.Sample) string {
	return fmt.Sprintf(`{"metric":%s,"value":[%s,%q]}`, labelsOf(s.Labels), p.time(), strconv.FormatFloat(s.Value, 'f', -1, 64))
}

func (p *performance) time() string {
	return strconv.FormatFloat(float64(p.at.UnixMilli())/1000, 'f', -1, 64)
}

func labelsOf(ls labels.Labels) string {
	text, _ := json.Marshal(ls.Map())
	return string(text)
}

// garbage is anything but JSON.
func (p *performance) garbage(body []byte) []byte {
	at := p.chance.IntN(len(body))
	texts := [][]byte{
		nil,
		[]byte("<html><body>Please log in</body></html>"),
		[]byte("up 1\n"),
		body[:at],
		append(bytes.Clone(body), body...),
		append(bytes.Clone(body), '}'),
		append([]byte(")]}'\n"), body...),
		bytes.ReplaceAll(body, []byte(`"`), []byte(`'`)),
		bytes.ReplaceAll(body, []byte(`:`), []byte(`=`)),
		bytes.Replace(body, []byte(`"success"`), []byte(`success`), 1),
		bytes.Replace(body, []byte(`"success"`), []byte("\"succ\xffess\""), 1),
		bytes.Replace(body, []byte(`{`), []byte(`{,`), 1),
		bytes.Replace(body, []byte(`"data"`), []byte("\"da\nta\""), 1),
	}
	return texts[p.chance.IntN(len(texts))]
}

// mistyped is JSON that the API does not define as an answer with a vector.
func (p *performance) mistyped(samples []instant.Sample) []byte {
	result := p.result(samples)
	whole := func(status, resultType, result string) string {
		return fmt.Sprintf(`{"status":%s,"data":{"resultType":%s,"result":%s}}`, status, resultType, result)
	}
	vector := func(result string) string { return whole(`"success"`, `"vector"`, result) }
	one := func(metric, value string) string {
		return vector(fmt.Sprintf(`[{"metric":%s,"value":%s}]`, metric, value))
	}
	metric, value := labelsOf(labels.FromStrings("namespace", "shop", "pod", "web-1")), fmt.Sprintf(`[%s,"7"]`, p.time())
	if len(samples) > 0 {
		metric = labelsOf(samples[0].Labels)
	}
	statuses := []string{
		whole(`"error"`, `"vector"`, result), whole(`"Success"`, `"vector"`, result), whole(`null`, `"vector"`, result), whole(`true`, `"vector"`, result),
		fmt.Sprintf(`{"data":{"resultType":"vector","result":%s}}`, result),
		fmt.Sprintf(`{"status":"success","status":"success","data":{"resultType":"vector","result":%s}}`, result),
		fmt.Sprintf(`{"status":"success","errorType":"execution","error":"boom","data":{"resultType":"vector","result":%s}}`, result),
		fmt.Sprintf(`{"status":"success","warnings":"partial","data":{"resultType":"vector","result":%s}}`, result),
	}
	envelopes := []string{
		`null`, `{}`, `[]`, `"success"`, `17`, `{"status":"success"}`, `{"status":"success","data":null}`,
		`{"status":"success","data":{}}`, `{"status":"success","data":` + result + `}`,
		fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[],"result":%s}}`, result),
	}
	results := []string{
		whole(`"success"`, `"matrix"`, result), whole(`"success"`, `"string"`, result), whole(`"success"`, `"scalar"`, result),
		whole(`"success"`, `"table"`, result), whole(`"success"`, `null`, result), whole(`"success"`, `7`, result),
		vector(`null`), vector(`{}`), vector(`"7"`), vector(`7`), vector(value), vector(`[` + value + `]`), vector(`[null]`),
	}
	members := []string{
		vector(`[{"metric":` + metric + `}]`), vector(`[{"value":` + value + `}]`),
		vector(fmt.Sprintf(`[{"metric":%s,"values":[%s]}]`, metric, value)),
		vector(fmt.Sprintf(`[{"metric":%s,"value":%s,"value":%s}]`, metric, value, value)),
		vector(fmt.Sprintf(`[{"metric":%s,"value":%s},{"metric":{"other":"time"},"value":[12,"7"]}]`, metric, value)),
		one(`null`, value), one(`[]`, value), one(`"x"`, value), one(`{"namespace":"shop","pod":7}`, value),
		one(`{"namespace":"shop","namespace":"shop","pod":"web-1"}`, value), one(`{"":"x"}`, value),
	}
	values := []string{
		one(metric, `7`), one(metric, `"7"`), one(metric, `null`), one(metric, `[]`), one(metric, `{}`),
		one(metric, `["7"]`), one(metric, `[7]`), one(metric, `[1,2]`), one(metric, `["1","2"]`), one(metric, `[null,"7"]`),
		one(metric, `[`+p.time()+`,"7","7"]`), one(metric, `[1e300,"7"]`),
	}
	for _, number := range []string{"", " 7", "7 ", "0x7", "7_0", "seven", "nan", "infinity", "1e", "--7", "7,5", "1e999"} {
		values = append(values, one(metric, fmt.Sprintf(`[%s,%q]`, p.time(), number)))
	}
	groups := [][]string{statuses, envelopes, results, members, values}
	texts := groups[p.chance.IntN(len(groups))]
	return []byte(texts[p.chance.IntN(len(texts))])
}

// duplicated has one series twice.
func (p *performance) duplicated(samples []instant.Sample) []byte {
	if len(samples) == 0 {
		samples = []instant.Sample{{Labels: labels.FromStrings("namespace", "shop", "pod", "web-1"), Value: 7}}
	}
	again := samples[p.chance.IntN(len(samples))]
	again.Value++
	return p.envelope(p.result(append(samples, again)), "")
}
