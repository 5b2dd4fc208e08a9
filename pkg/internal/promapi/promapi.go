// Package promapi asks a Prometheus-compatible server for instant queries over HTTP.
//
//	client, err := promapi.New(promapi.Config{URL: "http://prometheus.monitoring:9090"})
//	vector, err := client.Query(ctx, `sum by (namespace, pod) (rate(http_requests_total[2m]))`, time.Time{})
//
// An answer is read as a stream, checked while it is read and never held as
// text. Query returns either all of it or an *Error that says what kind of
// trouble there was, short enough for an event or a status message.
//
// Credentials and certificates come from prometheus/common/config and are read
// anew from their files. They reach one server only: redirects are refused.
//
// # Limitations
//
// Only POST /api/v1/query is used. Answers are instant vectors of floats or
// scalars; range vectors, strings and native histograms are errors.
package promapi

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// Config says where a server is and how to talk to it.
type Config struct {
	// URL is the base address. A path prefix is kept; user, password, query and
	// fragment are refused, since errors quote the address.
	URL string
	// HTTP holds authentication, TLS and proxy settings. Its FollowRedirects is
	// ignored: redirects are never followed.
	HTTP config.HTTPClientConfig
	// Timeout bounds one query, connection included. Default 10s. A deadline of
	// the query's context that comes earlier wins.
	Timeout time.Duration
	// MaxResponseBytes bounds the decompressed body of one answer. Default 64 MiB.
	MaxResponseBytes int64
	// UserAgent is sent as such. Default "pitot".
	UserAgent string
	// Dial opens connections. Default: the network. A test that plays the server
	// in memory sets it, and with it runs on virtual time.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxResponseBytes <= 0 {
		c.MaxResponseBytes = 64 << 20
	}
	if c.UserAgent == "" {
		c.UserAgent = "pitot"
	}
	c.HTTP.FollowRedirects = false
	return c
}

// A Client asks one server. It is safe for concurrent use and keeps connections
// open between queries.
type Client struct {
	server   string // the base address, as errors quote it
	endpoint string
	http     *http.Client
	timeout  time.Duration
	maxBytes int64
}

// New checks the configuration, reads the certificates that it names and does
// not connect yet.
func New(c Config) (*Client, error) {
	c = c.withDefaults()
	base, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	server := strings.TrimRight(base.String(), "/")
	if err := c.HTTP.Validate(); err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", server, err)
	}
	options := []config.HTTPClientOption{config.WithUserAgent(c.UserAgent)}
	if c.Dial != nil {
		options = append(options, config.WithDialContextFunc(c.Dial))
	}
	client, err := config.NewClientFromConfig(c.HTTP, "pitot", options...)
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", server, err)
	}
	return &Client{
		server:   server,
		endpoint: base.JoinPath("api/v1/query").String(),
		http:     client,
		timeout:  c.Timeout,
		maxBytes: c.MaxResponseBytes,
	}, nil
}

// parseURL reads a base address. Its errors do not quote what may be a secret.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("prometheus: the address is not a URL")
	case u.User != nil:
		return nil, errors.New("prometheus: the address holds a user; use basic auth with a password file")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("prometheus: %q is not an http or https address", clip(text, maxMessage))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("prometheus: the address holds a query or a fragment")
	}
	return u, nil
}

// Close drops idle connections. Queries under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Query evaluates an instant query at the given time, or, for a zero at, at the
// server's own present. The time is sent and reported in milliseconds.
//
// It returns no sample, rather than a zero, for a series that does not exist.
// The Vector's At is the evaluation time in the answer. An answer without
// samples carries none: At is then the at that was asked for, else the answer's
// Date, else this machine's clock.
//
// Every error is an *Error. A deadline that passed, ctx's or the Config's, is
// context.DeadlineExceeded; an end of ctx is context.Canceled.
func (c *Client) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	begun := time.Now()
	v, err := c.query(ctx, expr, at)
	if err != nil {
		e := explain(ctx, err, begun)
		e.Server = c.server
		return instant.Vector{}, e
	}
	return v, nil
}

func (c *Client) query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	request, err := c.request(ctx, expr, at)
	if err != nil {
		return instant.Vector{}, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return instant.Vector{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return instant.Vector{}, statusError(response)
	}
	body, err := decompressed(response, c.maxBytes)
	if err != nil {
		return instant.Vector{}, err
	}
	a, err := decode(body)
	if err != nil {
		return instant.Vector{}, err
	}
	if a.status != statusSuccess {
		return instant.Vector{}, apiError(response, a)
	}
	if !a.timed {
		a.vector.At = emptyAt(at, response.Header)
	}
	return a.vector, nil
}

func (c *Client) request(ctx context.Context, expr string, at time.Time) (*http.Request, error) {
	form := url.Values{"query": {expr}}
	if !at.IsZero() {
		form.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	}
	if deadline, ok := ctx.Deadline(); ok {
		timeout := serverTimeout(time.Until(deadline))
		if timeout <= 0 {
			return nil, context.DeadlineExceeded
		}
		form.Set("timeout", strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Encoding", "gzip")
	// A query changes nothing. Present but empty, this header tells net/http so,
	// which may then try again where a kept connection turns out to be closed;
	// it is not sent.
	request.Header["Idempotency-Key"] = []string{}
	return request, nil
}

// serverTimeout leaves the server a little less time than we have, so that its
// own account of a slow query arrives.
func serverTimeout(left time.Duration) time.Duration {
	margin := min(max(left/20, 10*time.Millisecond), 500*time.Millisecond, left/2)
	return (left - margin).Truncate(time.Microsecond)
}

// emptyAt is the evaluation time of an answer that does not say it.
func emptyAt(asked time.Time, header http.Header) time.Time {
	if !asked.IsZero() {
		return time.UnixMilli(asked.UnixMilli()).UTC()
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		return date.UTC()
	}
	return time.UnixMilli(time.Now().UnixMilli()).UTC()
}

// decompressed returns the body as a stream of at most limit bytes; reading
// more is errTooLarge.
func decompressed(response *http.Response, limit int64) (io.Reader, error) {
	var body io.Reader = response.Body
	switch encoding := response.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(body)
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF // no body at all
		}
		if err != nil {
			return nil, err
		}
		body = unzipped
	default:
		return nil, malformed("answer has the Content-Encoding %q, which was not asked for", clip(encoding, 40))
	}
	return &limited{body: body, left: limit, limit: limit}, nil
}

// A limited stream breaks where it exceeds its limit, unlike io.LimitedReader,
// which ends there as if that were all.
type limited struct {
	body        io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		p = p[:l.left+1] // one byte more tells a body that is too large
	}
	n, err := l.body.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, &Error{Kind: TooLarge, Message: fmt.Sprintf("answer is larger than %d bytes", l.limit)}
	}
	return n, err
}
