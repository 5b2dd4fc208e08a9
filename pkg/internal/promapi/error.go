package promapi

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Kind says what sort of trouble a query had. It can serve as a metric's label.
type Kind string

// The kinds of errors.
const (
	// Unreachable: no connection, or one that broke.
	Unreachable Kind = "unreachable"
	// Timeout: no answer in time, or the server gave up in time.
	// It is context.DeadlineExceeded.
	Timeout Kind = "timeout"
	// Canceled: the query's context ended. It is context.Canceled.
	Canceled Kind = "canceled"
	// Redirect: the server is elsewhere; nothing was sent there.
	Redirect Kind = "redirect"
	// Auth: 401 or 403, or credentials or certificates of ours that cannot be read.
	Auth Kind = "auth"
	// Status: any other answer that is not a success, such as 429, 500 or 503.
	Status Kind = "status"
	// BadQuery: the server is well and the expression is at fault: it does not
	// parse, it cannot be executed, or its answer is not a vector or a scalar.
	BadQuery Kind = "bad-query"
	// Malformed: the answer is not what Prometheus' API defines, or is cut short.
	Malformed Kind = "malformed"
	// TooLarge: the answer exceeds Config.MaxResponseBytes.
	TooLarge Kind = "too-large"
)

// An Error is why a query has no answer. Its text is one line of at most 256
// bytes and holds neither credentials nor the body of an answer, beyond the
// server's own message about the query.
type Error struct {
	Kind   Kind
	Server string // the base address
	Status int    // the HTTP status, 0 if none came
	// Type is the errorType of Prometheus' API, such as "bad_data", "" if none came.
	Type    string
	Message string
	// RetryAfter is how long the server asks to be left alone, 0 if it does not.
	RetryAfter time.Duration

	cause error
}

const maxMessage = 256

func (e *Error) Error() string {
	return clip("prometheus "+e.Server+": "+e.Message, maxMessage)
}

// Unwrap returns what lies behind the error, nil if that is the answer itself.
func (e *Error) Unwrap() error { return e.cause }

// Answered reports whether the server is well, and the query or its answer is at
// fault.
func (e *Error) Answered() bool {
	return e.Kind == BadQuery || e.Kind == Malformed || e.Kind == TooLarge
}

// Pause is RetryAfter.
func (e *Error) Pause() time.Duration { return e.RetryAfter }

func malformed(format string, args ...any) *Error {
	return &Error{Kind: Malformed, Message: fmt.Sprintf(format, args...)}
}

func badQuery(format string, args ...any) *Error {
	return &Error{Kind: BadQuery, Message: fmt.Sprintf(format, args...)}
}

// clip makes text one line of at most n bytes.
func clip(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= n {
		return text
	}
	const more = "…"
	cut := n - len(more)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + more
}

// explain turns whatever ended a query into an *Error.
func explain(ctx context.Context, err error, begun time.Time) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := &Error{cause: err}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Kind, e.Message, e.cause = Canceled, "query was called off", context.Canceled
	case isTimeout(ctx, err):
		e.Kind, e.Message, e.cause = Timeout, "no answer after "+time.Since(begun).Round(time.Millisecond).String(), context.DeadlineExceeded
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Kind, e.Message = Malformed, "answer is cut short"
	case isGzipError(err):
		e.Kind, e.Message = Malformed, "answer is not the gzip that it claims to be"
	default:
		e.Kind, e.Message = Unreachable, reason(err)
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			e.Kind, e.Message = Auth, fmt.Sprintf("cannot read credentials: %s: %s", file.Err, file.Path)
		}
	}
	return e
}

func isTimeout(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	netError, ok := errors.AsType[net.Error](err)
	return ok && netError.Timeout()
}

func isGzipError(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum)
}

// reason says why a server is unreachable, as a user would.
func reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err + " " + dns.Name
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if errors.Is(err, io.EOF) {
		return "connection closed without an answer"
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error() // without net/http's words about method and address
	}
	return err.Error()
}

// maxErrorBody bounds what is read of an answer that is no success.
const maxErrorBody = 16 << 10

// statusError tells an answer whose status is not 200. The body counts only if
// it is Prometheus' own account.
func statusError(response *http.Response) *Error {
	if body, err := decompressed(response, maxErrorBody); err == nil {
		if a, err := decode(body); err == nil && a.status == statusFailure {
			return apiError(response, a)
		}
	}
	e := newStatusError(response)
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		e.Kind, e.Message = Redirect, redirectMessage(response)
	case response.StatusCode == http.StatusMethodNotAllowed:
		e.Message += " to POST; whatever stands before the server has to let POST /api/v1/query through"
	}
	return e
}

func newStatusError(response *http.Response) *Error {
	e := &Error{
		Kind:       Status,
		Status:     response.StatusCode,
		Message:    strings.TrimSpace(fmt.Sprintf("answers %d %s", response.StatusCode, http.StatusText(response.StatusCode))),
		RetryAfter: retryAfter(response.Header),
	}
	if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden {
		e.Kind = Auth
	}
	return e
}

// redirectMessage names where a redirect leads, without the parts of an address
// that can hold secrets.
func redirectMessage(response *http.Response) string {
	message := fmt.Sprintf("answers %d, a redirect, which is not followed", response.StatusCode)
	if to, err := response.Location(); err == nil {
		message += "; it leads to " + to.Scheme + "://" + to.Host
	}
	return message
}

// apiError tells an error in the words of Prometheus' API.
func apiError(response *http.Response, a answer) *Error {
	e := newStatusError(response)
	e.Type = a.errorType
	e.Message = "answers an error and does not say which"
	if a.errorType != "" || a.message != "" {
		e.Message = clip(a.errorType+": "+a.message, maxMessage)
	}
	if e.Kind == Auth {
		return e
	}
	switch a.errorType {
	case "bad_data", "execution":
		e.Kind = BadQuery
	case "timeout":
		e.Kind, e.cause = Timeout, context.DeadlineExceeded
	}
	return e
}

// retryAfter reads the header of that name: seconds, or a date to be seen from
// the answer's own.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, min(seconds, 24*60*60))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return max(0, min(until.Sub(from), 24*time.Hour))
}
