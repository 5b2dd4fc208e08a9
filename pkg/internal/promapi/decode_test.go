package promapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// recorded is an answer of Prometheus 3.
const recorded = `{"status":"success","data":{"resultType":"vector","result":[` +
	`{"metric":{"le":"0.1","namespace":"shop","pod":"web-0"},"value":[1767225600.25,"0.3333333333333333"]},` +
	`{"metric":{"le":"+Inf","namespace":"shop","pod":"web-0"},"value":[1767225600.25,"12"]},` +
	`{"metric":{"le":"0.1","namespace":"shop","pod":"web-\u00fc\n"},"value":[1767225600.25,"NaN"]}]},` +
	`"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (1:6)"]}` + "\n"

var recordedAt = time.UnixMilli(1767225600250).UTC()

func equal(t *testing.T, want, got instant.Vector) {
	t.Helper()
	options := cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), cmp.Comparer(labels.Equal)}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Errorf("vector (-want +got):\n%s", diff)
	}
}

func TestDecode(t *testing.T) {
	one := func(ls labels.Labels, v float64) []instant.Sample { return []instant.Sample{{Labels: ls, Value: v}} }
	pod := labels.FromStrings("pod", "a")
	at := time.Unix(1, 0).UTC()
	for _, tc := range []struct {
		name string
		body string
		want instant.Vector
	}{
		{"as Prometheus writes it", recorded, instant.Vector{At: recordedAt, Samples: []instant.Sample{
			{Labels: labels.FromStrings("le", "0.1", "namespace", "shop", "pod", "web-0"), Value: 0.3333333333333333},
			{Labels: labels.FromStrings("le", "+Inf", "namespace", "shop", "pod", "web-0"), Value: 12},
			{Labels: labels.FromStrings("le", "0.1", "namespace", "shop", "pod", "web-ü\n"), Value: math.NaN()},
		}}},
		{"an empty vector has no time", `{"status":"success","data":{"resultType":"vector","result":[]}}`, instant.Vector{}},
		{"a scalar", `{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}`, instant.Vector{At: at, Samples: one(labels.EmptyLabels(), 2.5)}},
		{"the type after the result", `{"data":{"result":[{"value":[1,"2"],"metric":{"pod":"a"}}],"resultType":"vector"},"status":"success"}`, instant.Vector{At: at, Samples: one(pod, 2)}},
		{"the type after a scalar", `{"data":{"result":[1,"2"],"resultType":"scalar"},"status":"success"}`, instant.Vector{At: at, Samples: one(labels.EmptyLabels(), 2)}},
		{"white space", " {\n\"status\" : \"success\" ,\t\"data\":{\"resultType\":\"vector\",\"result\":[ { \"metric\" : { \"pod\" : \"a\" } , \"value\" : [ 1 , \"2\" ] } ] } }\r\n", instant.Vector{At: at, Samples: one(pod, 2)}},
		{"no labels", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}`, instant.Vector{At: at, Samples: one(labels.EmptyLabels(), 2)}},
		{"labels out of order", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a","__name__":"x"},"value":[1,"2"]}]}}`, instant.Vector{At: at, Samples: one(labels.FromStrings("__name__", "x", "pod", "a"), 2)}},
		{"a label without a value is none", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a","zone":""},"value":[1,"2"]}]}}`, instant.Vector{At: at, Samples: one(pod, 2)}},
		{"warnings", `{"status":"success","warnings":["half of it"],"data":{"resultType":"vector","result":[]}}`, instant.Vector{Warnings: []string{"half of it"}}},
		{"nulls where nothing is meant", `{"status":"success","error":null,"errorType":null,"warnings":null,"data":{"resultType":"vector","result":[]}}`, instant.Vector{}},
		{"members of other servers", `{"status":"success","isPartial":false,"stats":{"a":[1,-2.5e3,true,null,{"b":"c"}],"d":{}},"data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"2"],"group":1}],"stats":{"seriesFetched":"1"}},"trace":[]}`, instant.Vector{At: at, Samples: one(pod, 2)}},
		{"escapes", `{"\u0073tatus":"success","data":{"resultType":"vector","result":[{"metric":{"po\u0064":"\ud83d\ude00\"\\\/\b\f\n\r\t\u00e9"},"value":[1,"\u0032"]}]}}`, instant.Vector{At: at, Samples: one(labels.FromStrings("pod", "😀\"\\/\b\f\n\r\té"), 2)}},
		{"infinity", `{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}`, instant.Vector{At: at, Samples: one(labels.EmptyLabels(), math.Inf(1))}},
		{"minus infinity", `{"status":"success","data":{"resultType":"scalar","result":[1,"-Inf"]}}`, instant.Vector{At: at, Samples: one(labels.EmptyLabels(), math.Inf(-1))}},
		{"a small number", `{"status":"success","data":{"resultType":"scalar","result":[1,"-5e-324"]}}`, instant.Vector{At: at, Samples: one(labels.EmptyLabels(), -5e-324)}},
		{"a time in other words", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"2"]},{"metric":{"pod":"b"},"value":[1.000,"2"]}]}}`, instant.Vector{At: at, Samples: []instant.Sample{{Labels: pod, Value: 2}, {Labels: labels.FromStrings("pod", "b"), Value: 2}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for way, body := range map[string]io.Reader{
				"at once":      strings.NewReader(tc.body),
				"byte by byte": iotest.OneByteReader(strings.NewReader(tc.body)),
				"with EOF":     iotest.DataErrReader(strings.NewReader(tc.body)),
			} {
				a, err := decode(body)
				if err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				equal(t, tc.want, a.vector)
				if want := !tc.want.At.IsZero(); a.timed != want {
					t.Errorf("%s: timed is %v, want %v", way, a.timed, want)
				}
			}
		})
	}
}

func TestDecodeTakesTheServersWordOnAnError(t *testing.T) {
	a, err := decode(strings.NewReader(`{"status":"error","errorType":"bad_data","error":"1:5: parse error","data":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s %s %s", a.status, a.errorType, a.message); got != "error bad_data 1:5: parse error" {
		t.Errorf("answer is %s", got)
	}
}

// in wraps a sample into an answer.
func in(samples string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[` + samples + `]}}`
}

// badBodies are answers that must not be believed.
var badBodies = []struct {
	name string
	body string
	says string
	kind Kind // "" means Malformed
}{
	{name: "nothing", body: ``, says: "cut short"},
	{name: "white space", body: " \n", says: "cut short"},
	{name: "null", body: `null`, says: "want an object"},
	{name: "an array", body: `[]`, says: "want an object"},
	{name: "HTML", body: `<html>`, says: "want an object"},
	{name: "an empty object", body: `{}`, says: "status"},
	{name: "no status", body: `{"data":{"resultType":"vector","result":[]}}`, says: "status"},
	{name: "another status", body: `{"status":"ok","data":{"resultType":"vector","result":[]}}`, says: `status "ok"`},
	{name: "a status that is a number", body: `{"status":200}`, says: "want a string"},
	{name: "a status of another case", body: `{"Status":"success","data":{"resultType":"vector","result":[]}}`, says: "status"},
	{name: "a trailing document", body: in(``) + `{"status":"error"}`, says: "want the end"},
	{name: "trailing text", body: in(``) + `x`, says: "want the end"},
	{name: "a trailing NUL", body: in(``) + "\x00", says: "want the end"},
	{name: "a byte order mark", body: "\ufeff" + in(``), says: "want an object"},
	{name: "status twice", body: `{"status":"error","status":"success","data":{"resultType":"vector","result":[]}}`, says: `"status" twice`},
	{name: "data twice", body: `{"status":"success","data":{},"data":{"resultType":"vector","result":[]}}`, says: `"data" twice`},
	{name: "result twice", body: `{"status":"success","data":{"resultType":"vector","result":[],"result":[]}}`, says: `"result" twice`},
	{name: "resultType twice", body: `{"status":"success","data":{"resultType":"vector","result":[],"resultType":"vector"}}`, says: `"resultType" twice`},
	{name: "warnings twice", body: `{"status":"success","warnings":["a"],"warnings":[],"data":{"resultType":"vector","result":[]}}`, says: `"warnings" twice`},
	{name: "a success with an error", body: `{"status":"success","error":"half","data":{"resultType":"vector","result":[]}}`, says: "success with an error"},
	{name: "a success with an error type", body: `{"status":"success","errorType":"x","data":{"resultType":"vector","result":[]}}`, says: "success with an error"},
	{name: "no data", body: `{"status":"success"}`, says: "no result"},
	{name: "data that is null", body: `{"status":"success","data":null}`, says: "no result"},
	{name: "data that is a list", body: `{"status":"success","data":[]}`, says: "want an object"},
	{name: "no result", body: `{"status":"success","data":{"resultType":"vector"}}`, says: "no result"},
	{name: "no result type", body: `{"status":"success","data":{"result":[]}}`, says: "no result"},
	{name: "a result that is null", body: `{"status":"success","data":{"resultType":"vector","result":null}}`, says: "want an array"},
	{name: "a result that is an object", body: `{"status":"success","data":{"resultType":"vector","result":{}}}`, says: "want an array"},
	{name: "a result type that is null", body: `{"status":"success","data":{"resultType":null,"result":[]}}`, says: `type ""`},
	{name: "an unknown result type", body: `{"status":"success","data":{"resultType":"tensor","result":[]}}`, says: `type "tensor"`},
	{name: "a matrix", body: `{"status":"success","data":{"resultType":"matrix","result":[]}}`, says: "answers with a matrix", kind: BadQuery},
	{name: "a matrix, said late", body: `{"status":"success","data":{"result":[{"metric":{},"values":[[1,"2"]]}],"resultType":"matrix"}}`, says: "range of values", kind: BadQuery},
	{name: "an empty matrix, said late", body: `{"status":"success","data":{"result":[],"resultType":"matrix"}}`, says: "answers with a matrix", kind: BadQuery},
	{name: "a string", body: `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`, says: "answers with a string", kind: BadQuery},
	{name: "a native histogram", body: in(`{"metric":{},"histogram":[1,{"count":"1"}]}`), says: "native histograms", kind: BadQuery},
	{name: "a scalar called a vector", body: `{"status":"success","data":{"resultType":"vector","result":[1,"2"]}}`, says: "not the vector"},
	{name: "a vector called a scalar", body: `{"status":"success","data":{"resultType":"scalar","result":[{"metric":{},"value":[1,"2"]}]}}`, says: "not the scalar"},
	{name: "an empty scalar", body: `{"status":"success","data":{"resultType":"scalar","result":[]}}`, says: "not the scalar"},
	{name: "half a scalar", body: `{"status":"success","data":{"resultType":"scalar","result":[1]}}`, says: "want a comma"},
	{name: "a scalar and a half", body: `{"status":"success","data":{"resultType":"scalar","result":[1,"2",3]}}`, says: "want the end of the result"},
	{name: "a scalar and a sample", body: `{"status":"success","data":{"resultType":"scalar","result":[1,"2",{"metric":{},"value":[1,"2"]}]}}`, says: "want the end of the result"},
	{name: "a sample and a scalar", body: in(`{"metric":{},"value":[1,"2"]},1,"2"`), says: "want the end of the result"},
	{name: "a sample that is null", body: in(`null`), says: "want a number"},
	{name: "a sample without metric", body: in(`{"value":[1,"2"]}`), says: "without metric or value"},
	{name: "a sample without value", body: in(`{"metric":{}}`), says: "without metric or value"},
	{name: "a metric twice", body: in(`{"metric":{},"metric":{},"value":[1,"2"]}`), says: `"metric" twice`},
	{name: "a value twice", body: in(`{"metric":{},"value":[1,"2"],"value":[1,"3"]}`), says: `"value" twice`},
	{name: "a metric that is null", body: in(`{"metric":null,"value":[1,"2"]}`), says: "want an object"},
	{name: "a label twice", body: in(`{"metric":{"pod":"a","x":"y","pod":"b"},"value":[1,"2"]}`), says: `label "pod" twice`},
	{name: "a label twice in other words", body: in(`{"metric":{"pod":"a","p\u006fd":"b"},"value":[1,"2"]}`), says: `label "pod" twice`},
	{name: "a label without a name", body: in(`{"metric":{"":"a"},"value":[1,"2"]}`), says: "without a name"},
	{name: "a label that is a number", body: in(`{"metric":{"pod":1},"value":[1,"2"]}`), says: "want a string"},
	{name: "a label that is null", body: in(`{"metric":{"pod":null},"value":[1,"2"]}`), says: "want a string"},
	{name: "a series twice", body: in(`{"metric":{"pod":"a"},"value":[1,"2"]},{"metric":{"pod":"a"},"value":[1,"2"]}`), says: "twice"},
	{name: "a series twice, by an empty label", body: in(`{"metric":{"pod":"a"},"value":[1,"2"]},{"metric":{"pod":"a","x":""},"value":[1,"3"]}`), says: "twice"},
	{name: "a series twice, in another order", body: in(`{"metric":{"a":"1","b":"2"},"value":[1,"2"]},{"metric":{"b":"2","a":"1"},"value":[1,"2"]}`), says: "twice"},
	{name: "two times", body: in(`{"metric":{"pod":"a"},"value":[1,"2"]},{"metric":{"pod":"b"},"value":[1.001,"2"]}`), says: "different times"},
	{name: "a value that is a number", body: in(`{"metric":{},"value":[1,2]}`), says: "want a string"},
	{name: "a value that is null", body: in(`{"metric":{},"value":[1,null]}`), says: "want a string"},
	{name: "a value that is an object", body: in(`{"metric":{},"value":{}}`), says: "want a time and a value"},
	{name: "a time that is a string", body: in(`{"metric":{},"value":["1","2"]}`), says: "want a number"},
	{name: "a time out of range", body: in(`{"metric":{},"value":[1e15,"2"]}`), says: "out of range"},
	{name: "a time beyond floats", body: in(`{"metric":{},"value":[1e999,"2"]}`), says: "out of range"},
	{name: "an empty value", body: in(`{"metric":{},"value":[]}`), says: "want a number"},
	{name: "half a value", body: in(`{"metric":{},"value":[1]}`), says: "want a comma"},
	{name: "a value and a half", body: in(`{"metric":{},"value":[1,"2",3]}`), says: "want the end of time and value"},
	{name: "a value without digits", body: in(`{"metric":{},"value":[1,""]}`), says: "no number"},
	{name: "a value in words", body: in(`{"metric":{},"value":[1,"two"]}`), says: `value "two"`},
	{name: "a value with a space", body: in(`{"metric":{},"value":[1," 2"]}`), says: "no number"},
	{name: "a hexadecimal value", body: in(`{"metric":{},"value":[1,"0x1p-2"]}`), says: "no number"},
	{name: "a value with underscores", body: in(`{"metric":{},"value":[1,"1_000"]}`), says: "no number"},
	{name: "a value of two signs", body: in(`{"metric":{},"value":[1,"+-2"]}`), says: "no number"},
	{name: "a value beyond floats", body: in(`{"metric":{},"value":[1,"1e999"]}`), says: "no number"},
	{name: "infinity at length", body: in(`{"metric":{},"value":[1,"infinity"]}`), says: "no number"},
	{name: "another nan", body: in(`{"metric":{},"value":[1,"nan"]}`), says: "no number"},
	{name: "a number with a leading zero", body: in(`{"metric":{},"value":[01,"2"]}`), says: "no number"},
	{name: "a number without a fraction", body: in(`{"metric":{},"value":[1.,"2"]}`), says: "no number"},
	{name: "a number of minuses", body: in(`{"metric":{},"value":[--1,"2"]}`), says: "no number"},
	{name: "a number with half an exponent", body: in(`{"metric":{},"value":[1e,"2"]}`), says: "no number"},
	{name: "an endless number", body: in(`{"metric":{},"value":[` + strings.Repeat("1", 1000) + `,"2"]}`), says: "digits"},
	{name: "a comma too many", body: in(`{"metric":{},"value":[1,"2"]},`), says: "or a sample"},
	{name: "a comma too few", body: in(`{"metric":{} "value":[1,"2"]}`), says: "want a comma"},
	{name: "a member without a colon", body: `{"status" "success"}`, says: "want a colon"},
	{name: "a key that is no string", body: `{status:"success"}`, says: "want a string"},
	{name: "single quotes", body: `{'status':'success'}`, says: "want a string"},
	{name: "half a surrogate", body: in(`{"metric":{"pod":"\ud83d"},"value":[1,"2"]}`), says: "half a character"},
	{name: "surrogates the wrong way round", body: in(`{"metric":{"pod":"\ude00\ud83d"},"value":[1,"2"]}`), says: "half a character"},
	{name: "an unknown escape", body: in(`{"metric":{"pod":"\x41"},"value":[1,"2"]}`), says: "unknown escape"},
	{name: "a broken escape", body: in(`{"metric":{"pod":"\u00g0"},"value":[1,"2"]}`), says: "broken escape"},
	{name: "a newline in a string", body: in("{\"metric\":{\"pod\":\"a\nb\"},\"value\":[1,\"2\"]}"), says: "control character"},
	{name: "bytes that are not UTF-8", body: in("{\"metric\":{\"pod\":\"\xff\"},\"value\":[1,\"2\"]}"), says: "not UTF-8"},
	{name: "a very long label", body: in(`{"metric":{"pod":"` + strings.Repeat("a", maxStringBytes+1) + `"},"value":[1,"2"]}`), says: "string of more than"},
	{name: "a very long key", body: `{"` + strings.Repeat("a", maxStringBytes+1) + `":1}`, says: "string of more than"},
	{name: "warnings that are text", body: `{"status":"success","warnings":"x","data":{"resultType":"vector","result":[]}}`, says: "want an array"},
	{name: "warnings that are numbers", body: `{"status":"success","warnings":[1],"data":{"resultType":"vector","result":[]}}`, says: "want a string"},
	{name: "a skipped member of wrong spelling", body: `{"x":nul,"status":"success"}`, says: "want null"},
	{name: "a skipped member of deep nesting", body: `{"x":` + strings.Repeat("[", 100_000), says: "nests deeper"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range badBodies {
		t.Run(tc.name, func(t *testing.T) {
			a, err := decode(strings.NewReader(tc.body))
			if err == nil {
				t.Fatalf("believed: %v", a)
			}
			e := explain(t.Context(), err, time.Time{})
			if tc.kind == "" {
				tc.kind = Malformed
			}
			if e.Kind != tc.kind || !strings.Contains(e.Message, tc.says) {
				t.Errorf("%s %q, want %s and %q", e.Kind, e.Message, tc.kind, tc.says)
			}
			if len(e.Error()) > maxMessage || !utf8.ValidString(e.Error()) {
				t.Errorf("%d bytes: %q", len(e.Error()), e.Error())
			}
			if len(a.vector.Samples) > 0 {
				t.Errorf("part of the answer came with the error: %v", a.vector)
			}
		})
	}
}

func TestDecodeRefusesEveryBeginningOfAnAnswer(t *testing.T) {
	whole := strings.TrimRight(recorded, "\n")
	for n := range len(whole) {
		if a, err := decode(strings.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at byte %d: %v, %v", n, a, err)
		}
	}
}

func TestDecodeHandsOnWhatBreaksTheStream(t *testing.T) {
	broken := errors.New("broken")
	for n := range len(recorded) {
		_, err := decode(io.MultiReader(strings.NewReader(recorded[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("broken at byte %d: %v", n, err)
		}
	}
}

// Label sets whose hashes are equal are not the same series.
func TestEqualHashesAreNotEqualSeries(t *testing.T) {
	a, b, c := labels.FromStrings("pod", "a"), labels.FromStrings("pod", "b"), labels.FromStrings("pod", "c")
	d := &decoder{
		samples: []instant.Sample{{Labels: a}, {Labels: b}},
		series:  map[uint64]int{c.Hash(): 0, c.Hash() + 1: 1},
	}
	if !d.isNew(c) {
		t.Error("c is taken for a or b")
	}
	d.samples = append(d.samples, instant.Sample{Labels: c})
	if d.isNew(c) {
		t.Error("c is new twice")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(recorded))
	for _, tc := range badBodies {
		if len(tc.body) < 1000 {
			f.Add([]byte(tc.body))
		}
	}
	f.Add([]byte(`{"status":"success","data":{"result":[1,"2"],"resultType":"scalar"},"warnings":["\ud83d\ude00"],"x":[{"y":[true,false,null,-1.5e-3]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decode(iotest.HalfReader(strings.NewReader(string(body))))
		want, ok := reference(body)
		switch {
		case err == nil && !ok:
			t.Fatalf("believed %q: %v", body, got)
		case err == nil:
			if got.status == statusSuccess {
				equal(t, want.vector, got.vector)
			}
			if got.status != want.status || got.errorType != want.errorType || got.message != want.message || got.timed != want.timed {
				t.Errorf("%+v, want %+v", got, want)
			}
		case ok && want.status == statusSuccess && !beyondReference(body):
			t.Fatalf("refused %q: %v", body, err)
		}
	})
}

// beyondReference reports whether the decoder may be stricter than the
// reference: on text that encoding/json repairs, and on sizes.
func beyondReference(body []byte) bool {
	return !utf8.Valid(body) || strings.Contains(string(body), `\u`) || len(body) > 1000 || strings.Count(string(body), "[")+strings.Count(string(body), "{") > maxDepth
}

// recording is an answer as encoding/json sees it.
type recording struct {
	Status string `json:"status"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Metric map[string]string  `json:"metric"`
			Value  [2]json.RawMessage `json:"value"`
		} `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

// A body of the size that 10,000 pods with 11 buckets have.
func largeBody(series int) string {
	var b strings.Builder
	b.WriteString(`{"status":"success","data":{"resultType":"vector","result":[`)
	for i := range series {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"metric":{"le":"%d.5","namespace":"shop","pod":"web-7d9f8c6b5d-%05d"},"value":[1767225600.25,"%.16g"]}`, i%11, i/11, float64(i)/7)
	}
	b.WriteString(`]}}`)
	return b.String()
}

const benchmarkSeries = 110_000

func perSeries(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchmarkSeries, "ns/series")
}

func BenchmarkDecode(b *testing.B) {
	body := largeBody(benchmarkSeries)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := decode(strings.NewReader(body))
		if err != nil || len(a.vector.Samples) != benchmarkSeries {
			b.Fatal(len(a.vector.Samples), err)
		}
	}
	perSeries(b)
}

// The baseline: encoding/json into structs, and from there into the same Vector.
func BenchmarkDecodeEncodingJSON(b *testing.B) {
	body := largeBody(benchmarkSeries)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var r recording
		if err := json.NewDecoder(strings.NewReader(body)).Decode(&r); err != nil {
			b.Fatal(err)
		}
		var v instant.Vector
		for _, s := range r.Data.Result {
			var text string
			if err := json.Unmarshal(s.Value[1], &text); err != nil {
				b.Fatal(err)
			}
			value, err := parseValue([]byte(text))
			if err != nil {
				b.Fatal(err)
			}
			v.Samples = append(v.Samples, instant.Sample{Labels: labels.FromMap(s.Metric), Value: value})
		}
		if len(v.Samples) != benchmarkSeries {
			b.Fatal(len(v.Samples))
		}
	}
	perSeries(b)
}
