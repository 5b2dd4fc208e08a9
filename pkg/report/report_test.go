package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-says +is; go test -update rewrites it)\n%s", file, diff)
	}
}

// A renderer is what all renderers are.
type renderer interface {
	sim.Handler
	Close() error
}

func closed(t testing.TB, r renderer) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

var assumptions = []Assumption{
	{"server", "sync, 4 workers, 80 ms", true},
	{"startup", "20 s", true},
	{"scrape interval", "15 s", false},
	{"<script>alert(1)</script>", "\x1b[31m\"&", false},
}

func renderers(w io.Writer) map[string]renderer {
	return map[string]renderer{
		"jsonl": NewJSONL(w),
		"json":  NewJSON(w),
		"csv":   NewCSV(w, short("").spec()),
		"text":  NewText(w, TextOptions{Width: 100, Assumptions: assumptions}),
		"html":  NewHTML(w, HTMLOptions{Title: "web", Assumptions: assumptions}),
	}
}

func TestReplayedLinesGiveTheSameBytesAsTheRun(t *testing.T) {
	for format := range renderers(io.Discard) {
		t.Run(format, func(t *testing.T) {
			var lines, live, replayed bytes.Buffer
			jsonl, first, second := NewJSONL(&lines), renderers(&live)[format], renderers(&replayed)[format]
			for _, f := range []*flight{short("web"), {name: "fixed", fixed: true, length: time.Hour, tick: time.Minute, peak: 120}} {
				f.play(t, Each{jsonl, first})
			}
			closed(t, jsonl)
			closed(t, first)
			if err := ReadMessages(&lines, second); err != nil {
				t.Fatal(err)
			}
			closed(t, second)
			if diff := cmp.Diff(live.String(), replayed.String()); diff != "" {
				t.Errorf("-live +replayed\n%s", diff)
			}
			if live.Len() == 0 {
				t.Error("nothing was written")
			}
		})
	}
}

// Every field of every message survives, also those that a run rarely sets.
func TestLinesKeepEveryField(t *testing.T) {
	for _, m := range []sim.Message{&sim.Begin{}, &sim.Tick{}, &sim.Sync{}, &sim.Happening{}, &sim.End{}} {
		n := 0
		fill(reflect.ValueOf(m).Elem(), &n)
		var lines bytes.Buffer
		jsonl := NewJSONL(&lines)
		if err := jsonl.Handle(m); err != nil {
			t.Fatal(err)
		}
		closed(t, jsonl)
		if err := ReadMessages(&lines, handler(func(got sim.Message) error {
			if diff := cmp.Diff(m, got, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("%T -told +read\n%s", m, diff)
			}
			return nil
		})); err != nil {
			t.Fatal(err)
		}
	}
}

type handler func(sim.Message) error

func (h handler) Handle(m sim.Message) error { return h(m) }

// fill sets every field to another value.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 8)
	case reflect.String:
		v.SetString("é<" + strings.Repeat("x", *n%5))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(dawn.Add(time.Duration(*n) * time.Millisecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic("a kind of field that the test does not know: " + v.Kind().String())
	}
}

func TestUnreadableLinesNameTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", "{\"kind\":\"tick\"}\n\nnope\n", "line 3: invalid character 'o' in literal null (expecting 'u')"},
		{"no kind", "{}\n", "line 1: kind is missing"},
		{"a kind from the future", `{"kind":"landing"}`, `line 1: kind "landing" is not known`},
		{"a version from the future", `{"kind":"begin","version":2}`, "line 1: version 2 of the messages is not known: this program reads version 1"},
		{"a time that is too long", `{"kind":"end","atSeconds":1e11}`, "line 1: 1e11 seconds are more than 292 years"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ReadMessages(strings.NewReader(c.text), Each{})
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func FuzzReadMessages(f *testing.F) {
	var lines bytes.Buffer
	jsonl := NewJSONL(&lines)
	short("web").play(f, jsonl)
	closed(f, jsonl)
	for line := range strings.Lines(lines.String()) {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"kind":"begin","version":1,"run":"a","lengthSeconds":30,"reportSeconds":15,"objective":{"quantile":0.95,"limitSeconds":0.5}}
{"kind":"tick","run":"a","atSeconds":15,"demand":1e300,"capacity":5,"ready":1,"p95Seconds":"+Inf","objectiveSeconds":0.7}
{"kind":"sync","run":"a","atSeconds":16,"reason":"TooManyReplicas","observed":[{"metric":"x","value":null,"target":1}]}
{"kind":"happening","run":"a","atSeconds":16,"event":"prometheusOutage","text":"<b>"}
{"kind":"end","run":"a","atSeconds":30,"summary":{"replicaHours":1,"p95Seconds":null,"reasons":{"TooManyReplicas":1}}}`))
	f.Add([]byte(`{"kind":"tick","atSeconds":-1,"demand":"+Inf","p95Seconds":null,"true":[null,1]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var once, twice bytes.Buffer
		first := NewJSONL(&once)
		if ReadMessages(bytes.NewReader(text), first) != nil {
			return
		}
		closed(t, first)
		second := NewJSONL(&twice)
		if err := ReadMessages(bytes.NewReader(once.Bytes()), second); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once.Bytes())
		}
		closed(t, second)
		if diff := cmp.Diff(once.String(), twice.String()); diff != "" {
			t.Errorf("-written +written again\n%s", diff)
		}
		// Whatever a file says, the renderers must not panic.
		for _, r := range renderers(io.Discard) {
			if ReadMessages(bytes.NewReader(text), r) == nil {
				_ = r.Close() // an error is a good answer to a run without an end
			}
		}
	})
}
