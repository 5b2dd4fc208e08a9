package trace

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Options say how to read a file where it does not say so itself. The zero Options
// suit most files.
type Options struct {
	// Values are the columns of a CSV file that hold values, or the metrics of other
	// files; empty is all. Columns are given by their name, or by their number from
	// 1 where none has such a name.
	Values []string

	// Time is the column of a CSV file that holds the time. By default it is the
	// first with dates, or one whose name says so: time, timestamp, ts, date, period.
	Time string
	// TimeUnit is what times that are numbers count since 1970. By default the
	// column's name says it, as in timestamp_ms; else they are seconds, or
	// milliseconds where the first is above 100,000,000,000.
	TimeUnit time.Duration
	// Labels are the columns of a CSV file that tell series apart; by default those
	// with text, and none with Events.
	Labels []string
	// Events counts the rows of a CSV file: each is one request, and its values do
	// not matter. The rows need no order.
	Events bool

	// Interval is the time between the rows of a CSV file without times, and Begin
	// the time of the first; 1970 by default.
	Interval time.Duration
	Begin    time.Time
}

// Open reads a file. See Read.
func Open(path string, o Options) (*Set, error) {
	file, err := os.Open(path)
	if err != nil {
		cause := err
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			cause = pathErr.Err
		}
		return nil, &Problem{File: path, Cause: cause.Error(), Err: err}
	}
	defer func() { _ = file.Close() }() // it was only read: there is nothing to lose
	return Read(path, file, o)
}

// Read reads a whole text, whose format and compression it recognises. The name
// stands in errors, which are Problems: a text in which anything is wrong yields no
// Set at all.
func Read(name string, r io.Reader, o Options) (*Set, error) {
	text, err := unpack(name, r)
	if err != nil {
		return nil, err
	}
	head, err := text.Peek(headLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(name, place{}, err)
	}
	if bytes.HasPrefix(head, utf8Mark) {
		if _, err := text.Discard(len(utf8Mark)); err != nil {
			return nil, unreadable(name, place{}, err)
		}
		head = head[len(utf8Mark):]
	}
	format, refusal := recognise(head)
	if refusal != nil {
		refusal.File = name
		return nil, refusal
	}
	if problem := o.suits(name, format); problem != nil {
		return nil, problem
	}
	switch format {
	case JSON:
		return readJSON(name, text, o)
	case OpenMetrics:
		return readOpenMetrics(name, text, o)
	}
	return readCSV(name, text, o)
}

// suits refuses options that the format has no use for: the reader would not get
// what was asked for.
func (o Options) suits(name string, format Format) error {
	refuse := func(what string) error {
		return &Problem{File: name, Cause: fmt.Sprintf("the file is %s, %s", format, what), Hint: "leave it out, or give a CSV file"}
	}
	switch {
	case format == CSV && o.Interval < 0:
		return &Problem{File: name, Cause: fmt.Sprintf("an interval of %s between rows", o.Interval), Hint: "give one above zero"}
	case format == CSV && o.Interval > 0 && !o.Begin.IsZero() && !inRange(o.Begin):
		return &Problem{File: name, Cause: fmt.Sprintf("the begin, %s, %s", o.Begin, outOfRange)}
	case format == CSV && o.TimeUnit < 0:
		return &Problem{File: name, Cause: fmt.Sprintf("a time unit of %s", o.TimeUnit), Hint: "give one above zero"}
	case format == CSV:
		return nil
	case o.Time != "" || o.TimeUnit != 0:
		return refuse("which has no time column to choose")
	case len(o.Labels) > 0:
		return refuse("which has no label columns to choose")
	case o.Events:
		return refuse("which holds samples and no events")
	case o.Interval != 0 || !o.Begin.IsZero():
		return refuse("which has times of its own and needs no interval")
	}
	return nil
}

// The head is what a format is recognised by. A line of OpenMetrics must fit in
// the buffer, too.
const (
	headLen   = 4096
	bufferLen = 1 << 20
)

var (
	gzipMark = []byte{0x1f, 0x8b}
	utf8Mark = []byte("\ufeff")
)

// unpack decompresses what is compressed with gzip.
func unpack(name string, r io.Reader) (*bufio.Reader, error) {
	packed := bufio.NewReaderSize(r, 1<<16)
	head, err := packed.Peek(len(gzipMark))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(name, place{}, err)
	}
	if !bytes.Equal(head, gzipMark) {
		return bufio.NewReaderSize(packed, bufferLen), nil
	}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return nil, unreadable(name, place{}, err)
	}
	return bufio.NewReaderSize(unzipped, bufferLen), nil
}

// unreadable is a Problem of reading and not of the text.
func unreadable(name string, at place, err error) *Problem {
	p := &Problem{File: name, Line: at.line, Column: at.column, Path: at.path, Cause: "reading it: " + err.Error(), Err: err}
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		p.Cause, p.Hint = "the gzip data is cut short", "fetch the file again"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		p.Cause, p.Hint = "the gzip data is damaged", "fetch the file again"
	}
	return p
}

const readable = "what is read: CSV with a time column, one number per line, the JSON of Prometheus' query_range, and OpenMetrics with timestamps"

// strangers are formats that are known and not read.
var strangers = []struct{ mark, cause, hint string }{
	{"PK\x03\x04", "the file is a zip archive", "unpack it"},
	{"\x28\xb5\x2f\xfd", "the file is compressed with zstd", "decompress it, or use gzip"},
	{"BZh", "the file is compressed with bzip2", "decompress it, or use gzip"},
	{"\xfd7zXZ\x00", "the file is compressed with xz", "decompress it, or use gzip"},
	{"PAR1", "the file is Parquet", "write it as CSV"},
	{"\xff\xfe", "the text is UTF-16", "save it as UTF-8"},
	{"\xfe\xff", "the text is UTF-16", "save it as UTF-8"},
	{"<", "the file is HTML or XML", readable},
	{"|", "the file is a table in Markdown", "write it as CSV"},
}

// recognise tells a format by the first bytes of a text.
func recognise(head []byte) (Format, *Problem) {
	start := bytes.TrimLeft(head, " \t\r\n")
	line := 1 + bytes.Count(head[:len(head)-len(start)], []byte("\n"))
	if len(start) == 0 {
		return "", &Problem{Cause: "the file is empty"}
	}
	for _, s := range strangers {
		if bytes.HasPrefix(start, []byte(s.mark)) {
			return "", &Problem{Line: line, Column: 1, Cause: s.cause, Hint: s.hint}
		}
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return "", &Problem{Line: line, Column: 1, Cause: "the file is not a text", Hint: readable}
	}
	if start[0] == '{' || start[0] == '[' {
		return JSON, nil
	}
	first, _, _ := bytes.Cut(start, []byte("\n"))
	if looksLikeOpenMetrics(string(first)) {
		return OpenMetrics, nil
	}
	return CSV, nil
}

// missingName is the first of the wanted names that is not among those that exist.
func missingName(wanted, existing []string) (string, bool) {
	for _, name := range wanted {
		if !slices.Contains(existing, name) {
			return name, true
		}
	}
	return "", false
}
