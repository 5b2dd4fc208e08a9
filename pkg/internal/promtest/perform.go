package promtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// A performance is the answer to one request, under way.
type performance struct {
	writer  http.ResponseWriter
	request *http.Request
	query   string
	fault   Fault
	at      time.Time
	chance  *rand.Rand
	// elsewhere is the host that a redirect leads to.
	elsewhere string
}

// perform answers with samples, or with what the Fault makes of them. It
// reports whether the client stayed to the end.
func (p *performance) perform(samples []instant.Sample) bool {
	if p.fault.Kind != Trickle && !p.pause(p.fault.Delay) {
		return false
	}
	switch kind := p.fault.Kind; kind {
	case Healthy, Trickle, Repeated:
		p.send(http.StatusOK, p.body(samples))
	case Outdated:
		if aboutTimes(p.query) {
			samples = outdated(samples)
		}
		p.send(http.StatusOK, p.body(samples))
	case NotANumber, Infinite, Negative, Overflow:
		if !aboutTimes(p.query) {
			samples = p.poisoned(kind, samples)
		}
		p.send(http.StatusOK, p.body(samples))
	case Empty:
		p.send(http.StatusOK, p.body(nil))
	case Absent:
		p.send(http.StatusOK, p.body(ofOthers(lies(samples))))
	case Ambiguous:
		p.send(http.StatusOK, p.body(p.doubled(samples)))
	case Drop:
		drop(p.writer)
	case Reset:
		p.reset(p.body(lies(samples)))
	case Hang:
		<-p.request.Context().Done()
	case Cut:
		p.cut(p.body(lies(samples)))
	case Status:
		p.fail(p.body(lies(samples)))
	case Redirect:
		p.redirect(p.body(lies(samples)))
	case Garbage:
		p.send(http.StatusOK, p.garbage(p.body(lies(samples))))
	case Mistyped:
		p.send(http.StatusOK, p.mistyped(lies(samples)))
	case Duplicate:
		p.send(http.StatusOK, p.duplicated(lies(samples)))
	case Warned:
		p.send(http.StatusOK, p.envelope(p.result(lies(samples)), `,"warnings":["a store is unreachable: the answer is partial"]`))
	case Huge:
		p.flood()
	case Bomb:
		p.bomb(p.body(lies(samples)))
	case stray:
		p.send(http.StatusOK, p.body(lies(samples)))
	default:
		panic("promtest: no such kind: " + strconv.Itoa(int(kind)))
	}
	return p.request.Context().Err() == nil
}

// aboutTimes reports whether a query asks when samples were taken.
func aboutTimes(query string) bool { return strings.Contains(query, "timestamp(") }

// pause reports whether the client is still there after d.
func (p *performance) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.request.Context().Done():
		return false
	}
}

// send writes a whole answer, compressed if the client accepts it and chance
// wants it.
func (p *performance) send(status int, body []byte) {
	body = p.encode(body)
	if p.chance.IntN(2) == 0 {
		p.writer.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	p.writer.WriteHeader(status)
	if p.fault.Kind == Trickle {
		p.trickle(body)
		return
	}
	_, _ = p.writer.Write(body)
}

// trickle writes a body in pieces.
func (p *performance) trickle(body []byte) {
	const pieces = 5
	for i := range pieces {
		if !p.pause(p.fault.Delay / pieces) {
			return
		}
		_, _ = p.writer.Write(body[len(body)*i/pieces : len(body)*(i+1)/pieces])
		p.flush()
	}
}

func (p *performance) flush() { _ = http.NewResponseController(p.writer).Flush() }

// encode sets the headers of a body and compresses it or not.
func (p *performance) encode(body []byte) []byte {
	p.writer.Header().Set("Content-Type", "application/json")
	if !strings.Contains(p.request.Header.Get("Accept-Encoding"), "gzip") || p.chance.IntN(2) == 0 {
		return body
	}
	p.writer.Header().Set("Content-Encoding", "gzip")
	var zipped bytes.Buffer
	z := zip(&zipped)
	defer zippers.Put(z)
	_, _ = z.Write(body)
	_ = z.Close()
	return zipped.Bytes()
}

// zippers are kept: making one costs more than all the rest of an answer.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return z
}}

// zip compresses what is written to w. It comes from zippers.
func zip(w io.Writer) *gzip.Writer {
	z := zippers.Get().(*gzip.Writer)
	z.Reset(w)
	return z
}

// drop ends the connection without an answer.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// reset writes part of an answer and resets the connection.
func (p *performance) reset(body []byte) {
	conn, _, err := http.NewResponseController(p.writer).Hijack()
	if err != nil {
		return
	}
	whole := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	_, _ = conn.Write(whole[:p.chance.IntN(len(whole))])
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cut ends a body early, in one of three ways: its length tells, its last chunk
// is missing, or nothing but its own grammar tells.
func (p *performance) cut(body []byte) {
	body = p.encode(body)
	part := body[:p.chance.IntN(len(body))]
	switch p.chance.IntN(3) {
	case 0:
		p.writer.Header().Set("Content-Length", strconv.Itoa(len(body)))
	case 1:
	case 2:
		_, _ = p.writer.Write(part)
		return
	}
	_, _ = p.writer.Write(part)
	p.flush()
	panic(http.ErrAbortHandler)
}

// fail answers with a status that is no success.
func (p *performance) fail(looksFine []byte) {
	status := p.code(400, 401, 403, 404, 405, 422, 429, 500, 501, 502, 503, 504)
	if p.chance.IntN(2) == 0 {
		p.writer.Header().Set("Retry-After", strconv.Itoa(p.chance.IntN(120)))
	}
	bodies := [][]byte{
		[]byte(`{"status":"error","errorType":"internal","error":"out of luck"}`),
		[]byte("<html><body><h1>502 Bad Gateway</h1></body></html>"),
		nil,
		looksFine,
	}
	p.send(status, bodies[p.chance.IntN(len(bodies))])
}

// code is the Fault's, or one of these.
func (p *performance) code(codes ...int) int {
	one := codes[p.chance.IntN(len(codes))]
	if p.fault.Code != 0 {
		return p.fault.Code
	}
	return one
}

// refuse answers as Prometheus does when it cannot evaluate an expression.
func (p *performance) refuse(err error) {
	text, _ := json.Marshal(err.Error())
	p.send(http.StatusBadRequest, fmt.Appendf(nil, `{"status":"error","errorType":"bad_data","error":%s}`, text))
}

func (p *performance) redirect(looksFine []byte) {
	query := url.Values{"query": {p.query}}.Encode() // a POST that follows becomes a GET
	p.writer.Header().Set("Location", "http://"+p.elsewhere+p.request.URL.Path+"?"+query)
	p.send(p.code(301, 302, 303, 307, 308), looksFine)
}

// flood writes series after series until the client goes, or a gigabyte.
func (p *performance) flood() {
	body := bufio.NewWriterSize(p.writer, 1<<15)
	_, err := body.WriteString(`{"status":"success","data":{"resultType":"vector","result":[`)
	for i := 0; err == nil && i < 1<<24; i++ {
		_, err = fmt.Fprintf(body, `{"metric":{"namespace":"shop","pod":"web-%d"},"value":[1,"1"]},`, i)
	}
}

// bomb is a gigabyte of blanks within an answer or behind it, compressed.
func (p *performance) bomb(body []byte) {
	p.writer.Header().Set("Content-Encoding", "gzip")
	z := zip(p.writer)
	defer zippers.Put(z)
	if p.chance.IntN(2) == 0 {
		body = body[:1]
	}
	_, _ = z.Write(body)
	blanks := bytes.Repeat([]byte(" "), 1<<16)
	for sent := 0; sent < 1<<30; sent += len(blanks) {
		if _, err := z.Write(blanks); err != nil || p.request.Context().Err() != nil {
			return
		}
	}
	_ = z.Close()
}
