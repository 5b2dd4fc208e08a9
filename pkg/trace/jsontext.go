package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A jsonText reads JSON from beginning to end without keeping it, and knows at each
// byte its line, its column and its path. encoding/json has none of the three, and
// would need the samples of a series as one piece.
type jsonText struct {
	name   string
	from   io.Reader
	buffer []byte
	at     int   // the next byte in the buffer
	before int64 // bytes of the text before the buffer
	line   int
	begins int64 // where the line begins in the text
	path   []step
	token  []byte
}

// A step of a path is a key, or an index where the key is empty.
type step struct {
	key   string
	index int
}

func newJSONText(name string, from io.Reader) *jsonText {
	return &jsonText{name: name, from: from, buffer: make([]byte, 0, 1<<16), line: 1}
}

// place is where the next byte is, without the path: that is made of a problem only.
func (j *jsonText) place() place {
	return place{line: j.line, column: int(j.before+int64(j.at)-j.begins) + 1}
}

func pathText(path []step) string {
	var b strings.Builder
	for i, s := range path {
		switch {
		case s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case i > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

func (j *jsonText) problem(cause, hint string) *Problem {
	return j.problemAt(j.place(), cause, hint)
}

// problemAt is a problem at a place, within the value that is being read.
func (j *jsonText) problemAt(at place, cause, hint string) *Problem {
	if at.path == "" {
		at.path = pathText(j.path)
	}
	return &Problem{File: j.name, Line: at.line, Column: at.column, Path: at.path, Cause: cause, Hint: hint}
}

// fill reads more and reports whether there is more.
func (j *jsonText) fill() (bool, error) {
	j.before += int64(len(j.buffer))
	j.at, j.buffer = 0, j.buffer[:0]
	for range 100 {
		n, err := j.from.Read(j.buffer[:cap(j.buffer)])
		j.buffer = j.buffer[:n]
		switch {
		case n > 0:
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, unreadable(j.name, j.place(), err)
		}
	}
	return false, unreadable(j.name, j.place(), io.ErrNoProgress)
}

// peek is the next byte, which it does not take.
func (j *jsonText) peek() (byte, error) {
	if j.at == len(j.buffer) {
		if more, err := j.fill(); err != nil {
			return 0, err
		} else if !more {
			return 0, j.problem("the text ends in the middle, it is cut short", "fetch it again")
		}
	}
	return j.buffer[j.at], nil
}

// next is the next byte that is no space; it does not take it.
func (j *jsonText) next() (byte, error) {
	for {
		c, err := j.peek()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			j.line++
			j.begins = j.before + int64(j.at) + 1
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
		j.at++
	}
}

// expect takes a byte that must come next.
func (j *jsonText) expect(want byte, what string) error {
	c, err := j.next()
	if err != nil {
		return err
	}
	if c != want {
		return j.unexpected(c, what)
	}
	j.at++
	return nil
}

const badJSON = "the text is not as Prometheus writes it: fetch it again"

func (j *jsonText) unexpected(c byte, what string) *Problem {
	return j.problem(fmt.Sprintf("%s is expected, not %q", what, rune(c)), badJSON)
}

// object reads one, and calls field before each value to read it.
func (j *jsonText) object(what string, field func(key string) error) error {
	return j.list('{', '}', what, func(int) error {
		if c, err := j.next(); err != nil {
			return err
		} else if c != '"' {
			return j.unexpected(c, "a key in quotes")
		}
		key, err := j.text()
		if err != nil {
			return err
		}
		if err := j.expect(':', "a colon"); err != nil {
			return err
		}
		j.path = append(j.path, step{key: key})
		if err := field(key); err != nil {
			return err
		}
		j.path = j.path[:len(j.path)-1]
		return nil
	})
}

// array reads one, and calls element before each value to read it.
func (j *jsonText) array(what string, element func(i int) error) error {
	return j.list('[', ']', what, func(i int) error {
		j.path = append(j.path, step{index: i})
		if err := element(i); err != nil {
			return err
		}
		j.path = j.path[:len(j.path)-1]
		return nil
	})
}

func (j *jsonText) list(opening, closing byte, what string, member func(i int) error) error {
	if err := j.expect(opening, what); err != nil {
		return err
	}
	for i := 0; ; i++ {
		c, err := j.next()
		if err != nil {
			return err
		}
		if c == closing && i == 0 {
			break
		}
		if err := member(i); err != nil {
			return err
		}
		if c, err = j.next(); err != nil {
			return err
		}
		if c == closing {
			break
		}
		if c != ',' {
			return j.unexpected(c, fmt.Sprintf("a comma or %q", rune(closing)))
		}
		j.at++
	}
	j.at++
	return nil
}

// bytes are those of a string, valid until the next token. Escapes stay.
func (j *jsonText) bytes() ([]byte, error) {
	if err := j.expect('"', "a text in quotes"); err != nil {
		return nil, err
	}
	if token, whole := j.short(); whole {
		return token, nil
	}
	j.token = j.token[:0]
	escaped := false
	for {
		c, err := j.peek()
		switch {
		case err != nil:
			return nil, err
		case c == '"' && !escaped:
			j.at++
			return j.token, nil
		case c < ' ':
			return nil, j.problem("a text in quotes goes over the end of its line", badJSON)
		case len(j.token) > longestLine:
			return nil, j.problem(fmt.Sprintf("a text in quotes is longer than %d bytes", longestLine), badJSON)
		}
		escaped = c == '\\' && !escaped
		j.token = append(j.token, c)
		j.at++
	}
}

// short is the rest of a string that lies in the buffer and has no escapes, as
// values do.
func (j *jsonText) short() ([]byte, bool) {
	for i, c := range j.buffer[j.at:] {
		if c == '"' {
			token := j.buffer[j.at : j.at+i]
			j.at += i + 1
			return token, true
		}
		if c == '\\' || c < ' ' {
			break
		}
	}
	return nil, false
}

// text is a string.
func (j *jsonText) text() (string, error) {
	at := j.place()
	token, err := j.bytes()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(token) {
		return "", j.problemAt(at, quoted(string(token))+" is not UTF-8", "save the file as UTF-8")
	}
	if bytes.IndexByte(token, '\\') < 0 {
		return string(token), nil
	}
	var text string
	if err := json.Unmarshal(append(append([]byte{'"'}, token...), '"'), &text); err != nil {
		return "", j.problemAt(at, "a text in quotes has an escape that does not exist", badJSON)
	}
	return text, nil
}

// word is a number or one of true, false and null, valid until the next token.
func (j *jsonText) word() ([]byte, error) {
	if _, err := j.next(); err != nil {
		return nil, err
	}
	j.token = j.token[:0]
	for {
		if j.at == len(j.buffer) {
			if more, err := j.fill(); err != nil || !more {
				return j.token, err
			}
		}
		switch c := j.buffer[j.at]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '+', c == '.':
			if len(j.token) == 1000 {
				return nil, j.problem("a number has more than 1000 digits", badJSON)
			}
			j.token = append(j.token, c)
			j.at++
		default:
			return j.token, nil
		}
	}
}

// skip reads a value that nobody asked for.
func (j *jsonText) skip() error {
	const deepest = 100
	if len(j.path) > deepest {
		return j.problem(fmt.Sprintf("the text is nested more than %d deep", deepest), badJSON)
	}
	at, err := j.start()
	if err != nil {
		return err
	}
	switch c, _ := j.next(); c {
	case '{':
		return j.object("", func(string) error { return j.skip() })
	case '[':
		return j.array("", func(int) error { return j.skip() })
	case '"':
		_, err := j.text()
		return err
	}
	word, err := j.word()
	if err != nil {
		return err
	}
	if !json.Valid(word) {
		return j.problemAt(at, fmt.Sprintf("a value is expected, not %s", quoted(string(word))), badJSON)
	}
	return nil
}

// start is where the next value begins.
func (j *jsonText) start() (place, error) {
	_, err := j.next()
	return j.place(), err
}

// end refuses what follows the value.
func (j *jsonText) end() error {
	for {
		if j.at == len(j.buffer) {
			if more, err := j.fill(); err != nil || !more {
				return err
			}
		}
		switch c := j.buffer[j.at]; c {
		case ' ', '\t', '\r', '\n':
			if c == '\n' {
				j.line++
				j.begins = j.before + int64(j.at) + 1
			}
			j.at++
		default:
			return j.problem("the text goes on after its end", "give one answer per file")
		}
	}
}

// appendJSONText writes a string as JSON.
func appendJSONText(into []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // a string has no reason to fail
		return strconv.AppendQuote(into, text)
	}
	return append(into, quoted...)
}
