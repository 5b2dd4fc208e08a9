package promapi

import (
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// A lexer reads JSON (RFC 8259) from a stream. It holds a window of the stream
// and the token at hand, never the whole text.
//
// encoding/json was tried: its tokens cost an allocation each, and its structs
// hold the text and accept duplicate keys, other cases of a key, broken UTF-8
// and missing members (BenchmarkDecode, BenchmarkDecodeEncodingJSON).
type lexer struct {
	stream io.Reader
	window [32 << 10]byte
	// window[next:end] is what has been read and not been taken.
	next, end int
	// begin is where the window begins in the stream.
	begin int64
	// failure is why the stream ended, io.EOF included.
	failure error

	key  []byte // of the member at hand
	text []byte // of the string or number at hand
}

const (
	// maxStringBytes bounds a string, label values included.
	maxStringBytes = 1 << 20
	// maxNumberBytes is room for any float64 that a program would print.
	maxNumberBytes = 400
	// maxDepth bounds what nests in a member that is skipped.
	maxDepth = 64
)

// offset is the place in the stream, for messages.
func (l *lexer) offset() int64 { return l.begin + int64(l.next) }

// fill reads more once the window is used up. At the end of the stream it is
// io.ErrUnexpectedEOF; a failure of the stream is handed on.
func (l *lexer) fill() error {
	l.begin += int64(l.end)
	l.next, l.end = 0, 0
	for l.failure == nil && l.end == 0 {
		l.end, l.failure = l.stream.Read(l.window[:])
	}
	if l.end > 0 {
		return nil
	}
	if errors.Is(l.failure, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return l.failure
}

// take returns the next byte, white space included.
func (l *lexer) take() (byte, error) {
	if l.next == l.end {
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
	c := l.window[l.next]
	l.next++
	return c, nil
}

// peek returns the next byte that is not white space and leaves it there.
func (l *lexer) peek() (byte, error) {
	for {
		for ; l.next < l.end; l.next++ {
			switch c := l.window[l.next]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, nil
			}
		}
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
}

// unexpected says that c stands where something else belongs.
func (l *lexer) unexpected(c byte, want string) error {
	return malformed("answer has %q at byte %d, want %s", c, l.offset(), want)
}

// expect takes the one byte that has to come next.
func (l *lexer) expect(want byte, name string) error {
	c, err := l.peek()
	if err != nil {
		return err
	}
	if c != want {
		return l.unexpected(c, name)
	}
	l.next++
	return nil
}

// finish takes white space to the end of the stream.
func (l *lexer) finish() error {
	c, err := l.peek()
	if err == nil {
		return l.unexpected(c, "the end")
	}
	if errors.Is(l.failure, io.EOF) {
		return nil
	}
	return err
}

// object takes an object. member takes each value; l.key is its key until then.
func (l *lexer) object(member func() error) error {
	if err := l.expect('{', "an object"); err != nil {
		return err
	}
	return l.list('}', func() (err error) {
		if l.key, err = l.string(l.key[:0]); err != nil {
			return err
		}
		if err := l.expect(':', "a colon"); err != nil {
			return err
		}
		return member()
	})
}

// array takes an array. element takes each value.
func (l *lexer) array(element func() error) error {
	if err := l.expect('[', "an array"); err != nil {
		return err
	}
	return l.list(']', element)
}

// list takes items between commas up to the closing byte.
func (l *lexer) list(closing byte, item func() error) error {
	c, err := l.peek()
	if err != nil {
		return err
	}
	if c == closing {
		l.next++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		c, err := l.peek()
		switch {
		case err != nil:
			return err
		case c == closing:
			l.next++
			return nil
		case c != ',':
			return l.unexpected(c, "a comma or the end of the list")
		}
		l.next++
	}
}

// string takes a string and appends it to buf.
func (l *lexer) string(buf []byte) ([]byte, error) {
	if err := l.expect('"', "a string"); err != nil {
		return buf, err
	}
	start := len(buf)
	for {
		n := plain(l.window[l.next:l.end])
		buf = append(buf, l.window[l.next:l.next+n]...)
		l.next += n
		if len(buf)-start > maxStringBytes {
			return buf, malformed("answer has a string of more than %d bytes", maxStringBytes)
		}
		c, err := l.take()
		switch {
		case err != nil:
			return buf, err
		case c == '"':
			if !utf8.Valid(buf[start:]) {
				return buf, malformed("answer has a string before byte %d that is not UTF-8", l.offset())
			}
			return buf, nil
		case c == '\\':
			if buf, err = l.escape(buf); err != nil {
				return buf, err
			}
		case c < ' ':
			return buf, malformed("answer has a control character in a string at byte %d", l.offset()-1)
		default:
			buf = append(buf, c) // the first of a new window
		}
	}
}

// plain counts the bytes up to the first that means something in a string.
func plain(b []byte) int {
	for i, c := range b {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(b)
}

// escapes maps what follows a backslash to what it stands for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape takes what follows a backslash.
func (l *lexer) escape(buf []byte) ([]byte, error) {
	c, err := l.take()
	if err != nil {
		return buf, err
	}
	if c != 'u' {
		if escapes[c] == 0 {
			return buf, malformed("answer has an unknown escape at byte %d", l.offset()-1)
		}
		return append(buf, escapes[c]), nil
	}
	r, err := l.hex()
	if err != nil {
		return buf, err
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(buf, r), nil
	}
	for _, want := range []byte(`\u`) {
		if c, err = l.take(); err != nil {
			return buf, err
		}
		if c != want {
			return buf, malformed("answer has half a character at byte %d", l.offset()-1)
		}
	}
	low, err := l.hex()
	if err != nil {
		return buf, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return buf, malformed("answer has half a character at byte %d", l.offset()-1)
	}
	return utf8.AppendRune(buf, r), nil
}

// hex takes four hexadecimal digits.
func (l *lexer) hex() (rune, error) {
	var r rune
	for range 4 {
		c, err := l.take()
		if err != nil {
			return 0, err
		}
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, malformed("answer has a broken escape at byte %d", l.offset()-1)
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

// number takes a number into l.text.
func (l *lexer) number() error {
	c, err := l.peek()
	if err != nil {
		return err
	}
	if c != '-' && (c < '0' || c > '9') {
		return l.unexpected(c, "a number")
	}
	l.text = l.text[:0]
	for {
		if l.next == l.end {
			if err := l.fill(); err != nil {
				return err // a number never ends an answer
			}
		}
		c := l.window[l.next]
		if !isNumeric(c) {
			break
		}
		l.text = append(l.text, c)
		l.next++
		if len(l.text) > maxNumberBytes {
			return malformed("answer has a number of more than %d digits", maxNumberBytes)
		}
	}
	if !isNumber(l.text) {
		return malformed("answer has %q before byte %d, which is no number", clip(string(l.text), 40), l.offset())
	}
	return nil
}

func isNumeric(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

// isNumber reports whether b is a number by JSON's grammar.
func isNumber(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	whole := digits(b)
	if whole == 0 || whole > 1 && b[0] == '0' {
		return false
	}
	return isFraction(b[whole:])
}

// isFraction reports whether b is what may follow the digits of a number.
func isFraction(b []byte) bool {
	if len(b) > 0 && b[0] == '.' {
		n := digits(b[1:])
		if n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		n := digits(b)
		return n > 0 && n == len(b)
	}
	return len(b) == 0
}

// digits counts the digits that b begins with.
func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

// null takes a null if there is one.
func (l *lexer) null() (bool, error) {
	c, err := l.peek()
	if err != nil || c != 'n' {
		return false, err
	}
	return true, l.literal("null")
}

func (l *lexer) literal(word string) error {
	for _, want := range []byte(word) {
		c, err := l.take()
		if err != nil {
			return err
		}
		if c != want {
			return malformed("answer has %q at byte %d, want %s", c, l.offset()-1, word)
		}
	}
	return nil
}

// skip takes a value of any kind.
func (l *lexer) skip(depth int) error {
	if depth == maxDepth {
		return malformed("answer nests deeper than %d levels", maxDepth)
	}
	c, err := l.peek()
	if err != nil {
		return err
	}
	inner := func() error { return l.skip(depth + 1) }
	switch c {
	case '{':
		return l.object(inner)
	case '[':
		return l.array(inner)
	case '"':
		l.text, err = l.string(l.text[:0])
		return err
	case 't':
		return l.literal("true")
	case 'f':
		return l.literal("false")
	case 'n':
		return l.literal("null")
	}
	return l.number()
}
