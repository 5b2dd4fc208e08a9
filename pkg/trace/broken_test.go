package trace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// brokenOptions are those with which a broken file is read, where it needs some.
var brokenOptions = map[string]Options{
	"no-such-column.csv":                   {Values: []string{"rps"}},
	"no-such-time-column.csv":              {Time: "timestamp"},
	"the-time-as-a-value.csv":              {Values: []string{"time"}},
	"an-empty-line-among-counted-ones.txt": {Interval: time.Second},
	"an-interval-where-times-are.csv":      {Interval: time.Second},
	"values-of-events.csv":                 {Events: true, Values: []string{"size"}},
	"no-such-metric.om":                    {Values: []string{"http_requests_total"}},
}

// TestBrokenFiles reads every file of an archive and compares what is said of it
// with the end of the archive.
func TestBrokenFiles(t *testing.T) {
	const path = "testdata/broken.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := len(archive.Files) - 1
	var got strings.Builder
	for _, f := range archive.Files[:last] {
		set, err := Read(f.Name, bytes.NewReader(f.Data), brokenOptions[f.Name])
		if err == nil {
			t.Errorf("%s is read: %s", f.Name, describeSet(set))
			continue
		}
		if set != nil {
			t.Errorf("%s is read and refused", f.Name)
		}
		judgeProblem(t, err)
		fmt.Fprintln(&got, err)
	}
	if *update {
		archive.Files[last].Data = []byte(got.String())
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(archive.Files[last].Data), got.String()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// judgeProblem checks what is true of each Problem of a text.
func judgeProblem(t *testing.T, err error) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Errorf("%v is a %T", err, err)
		return
	}
	if p.File == "" || p.Cause == "" || strings.ContainsAny(p.Error(), "\n\r") {
		t.Errorf("%q does not name its file, has no cause or is more than one line", p.Error())
	}
}

func zipped(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestBrokenBytes(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("time,rps\n")
	for i := range 20000 {
		fmt.Fprintf(&rows, "%d,%d\n", 1714521600+15*i, i*i%997)
	}
	whole := zipped(t, rows.String())
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"gzip cut short", whole[:len(whole)/2], `the gzip data is cut short (hint: fetch the file again)`},
		{"gzip cut to its mark", whole[:4], `f: the gzip data is cut short (hint: fetch the file again)`},
		{"gzip whose checksum is wrong", flipped, `the gzip data is damaged (hint: fetch the file again)`},
		{"a zip archive", []byte("PK\x03\x04aaaa"), `f:1:1: the file is a zip archive (hint: unpack it)`},
		{"zstd", []byte("\x28\xb5\x2f\xfdaaaa"), `f:1:1: the file is compressed with zstd (hint: decompress it, or use gzip)`},
		{"zip in gzip", zipped(t, "PK\x03\x04aaaa"), `f:1:1: the file is a zip archive (hint: unpack it)`},
		{"UTF-16", []byte("\xff\xfet\x00i\x00"), `f:1:1: the text is UTF-16 (hint: save it as UTF-8)`},
		{"no text", []byte("ab\x00\x01"), `f:1:1: the file is not a text (hint: ` + readable + `)`},
		{"nothing", nil, `f: the file is empty`},
		{"nothing but lines", []byte("\n\n"), `f: the file is empty`},
		{"nothing in gzip", zipped(t, ""), `f: the file is empty`},
		{"a line without end", bytes.Repeat([]byte("1,"), 1<<20), `f:1: a line is longer than 1048576 bytes (hint: ` + readable + `)`},
		{"JSON cut short", []byte(`{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1`), `f:1:62: result[0].values[0]: the text ends in the middle, it is cut short (hint: fetch it again)`},
		{"JSON cut short in a number", []byte(`{"resultType":"matrix","result":[{"metric":{},"values":[[12`), `f:1:60: result[0].values[0]: the text ends in the middle, it is cut short (hint: fetch it again)`},
		{"JSON nested without end", []byte(`{"stats":` + strings.Repeat("[", 200)), strings.Repeat("[0]", 100) + `: the text is nested more than 100 deep (hint: ` + badJSON + `)`},
		{"a label in Latin-1", []byte("time,pod,rps\n1,caf\xe9,2\n"), `f:2:3: label pod="caf\xe9" is not UTF-8 (hint: save the file as UTF-8)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Read("f", bytes.NewReader(c.data), Options{})
			if err == nil || set != nil {
				t.Fatalf("set %v, error %v", set, err)
			}
			judgeProblem(t, err)
			if !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got  %s\nwant …%s", err, c.want)
			}
		})
	}
}

// A source that fails is no damaged text, and what it said is kept.
func TestReadKeepsTheErrorOfItsSource(t *testing.T) {
	gone := errors.New("the disk is gone")
	for _, text := range []string{"", "time,rps\n1,2\n", `{"resultType":"matrix","result":[`, "# TYPE up gauge\nup 1 2\n"} {
		_, err := Read("f", io.MultiReader(strings.NewReader(text), iotest.ErrReader(gone)), Options{})
		judgeProblem(t, err)
		if !errors.Is(err, gone) {
			t.Errorf("after %q: %v", text, err)
		}
	}
	if _, err := Open("testdata/none.csv", Options{}); !errors.Is(err, fs.ErrNotExist) || err.Error() != "testdata/none.csv: no such file or directory" {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestOptionsThatDoNotSuitTheFormat(t *testing.T) {
	const om = "up 1 2\n# EOF\n"
	for _, c := range []struct {
		options Options
		text    string
		want    string
	}{
		{Options{Time: "t"}, om, `f: the file is OpenMetrics, which has no time column to choose (hint: leave it out, or give a CSV file)`},
		{Options{Labels: []string{"t"}}, om, `f: the file is OpenMetrics, which has no label columns to choose (hint: leave it out, or give a CSV file)`},
		{Options{Events: true}, `{}`, `f: the file is Prometheus JSON, which holds samples and no events (hint: leave it out, or give a CSV file)`},
		{Options{Interval: 1}, `{}`, `f: the file is Prometheus JSON, which has times of its own and needs no interval (hint: leave it out, or give a CSV file)`},
		{Options{Interval: -1}, "1\n", `f: an interval of -1ns between rows (hint: give one above zero)`},
		{Options{TimeUnit: -1}, "1\n", `f: a time unit of -1ns (hint: give one above zero)`},
		{Options{Time: "time", Interval: 1}, "time,a\n1,2\n", `f:1:1: there is a time column and an interval between rows (hint: give one of the two)`},
		{Options{Labels: []string{"time"}}, "time,a\n1,2\n", `f:1:1: column "time" is the time and cannot be a label (hint: name another time column)`},
		{Options{Labels: []string{"a"}, Values: []string{"a"}}, "time,a\n1,2\n", `f:1:6: column "a" is a label and cannot be a value (hint: choose one of "time", "a")`},
		{Options{Events: true, Interval: 1}, "a\n1\n", `f:1:1: events need times (hint: name the time column, of "a")`},
	} {
		_, err := Read("f", strings.NewReader(c.text), c.options)
		if err == nil || err.Error() != c.want {
			t.Errorf("%+v\ngot  %v\nwant %s", c.options, err, c.want)
		}
	}
}
