package rule

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// What a backend's limits may be. Prometheus itself gives a query up after two
// minutes; an answer below a kilobyte holds no series, and no more than a
// gibibyte fits into memory several times.
const (
	minTimeout       = 100 * time.Millisecond
	maxTimeout       = 2 * time.Minute
	minScrape        = 100 * time.Millisecond
	maxScrape        = 10 * time.Minute
	maxDelay         = 10 * time.Minute
	minResponseBytes = 1 << 10
	maxResponseBytes = 1 << 30
)

func (v *validator) backends() {
	first := map[string]Position{}
	for i := range v.config.backends {
		b := &v.config.backends[i]
		s := subject{backend: b.name.Value}
		check := backendCheck{b, s.reporter()}
		check.identity(first)
		check.address()
		check.limits()
		check.credentials()
		check.transport()
		b.problems = append(b.problems, v.config.note(s, *check.Problems)...)
	}
}

// A backendCheck reports what is wrong with one backend.
type backendCheck struct {
	*backendConfig
	place.Reporter
}

var backendName = regexp.MustCompile(`^[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?$`)

func (c backendCheck) identity(first map[string]Position) {
	if !c.name.Given {
		c.Report(c.at, `field "name" is missing: every backend needs it`, "")
	}
	if !c.name.Valid {
		return
	}
	if !backendName.MatchString(c.name.Value) {
		c.Report(c.name.At, `field "name": a name has letters and digits, with "-", "_" and "." within`, "")
	}
	if earlier, repeated := first[c.name.Value]; repeated {
		c.Report(c.name.At, fmt.Sprintf("the name is already taken at %s", earlier), "")
		return
	}
	first[c.name.Value] = c.name.At
}

// address checks the URL, one problem at a time: each may hide the next.
func (c backendCheck) address() {
	if !c.url.Given {
		c.Report(c.at, `field "url" is missing: every backend needs it`, "")
	}
	if !c.url.Valid {
		return
	}
	if cause, hint := urlProblem(c.url.Value); cause != "" {
		c.Report(c.url.At, `field "url": `+cause, hint)
	}
}

// urlProblem returns why a text is no base address of Prometheus; the cause
// never repeats a password.
func urlProblem(text string) (cause, hint string) {
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "${") || strings.Contains(text, "{{"):
		return "the address has a placeholder, and Pitot replaces none", "have it replaced where the file is made"
	case !strings.Contains(text, "://"):
		return "the address has no scheme", fmt.Sprintf("did you mean %q?", "http://"+text)
	case err != nil:
		return "the address is not a URL", ""
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("the scheme %q is not supported", u.Scheme), "use http or https"
	case u.Hostname() == "":
		return "the address has no host", ""
	case u.User != nil:
		return "a user or password does not belong into the address", "use basicAuth, with the password in a file"
	case u.RawQuery != "" || u.ForceQuery:
		return "the address must not have a query (?)", ""
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "the address must not have a fragment (#)", ""
	}
	if base, found := strings.CutSuffix(strings.TrimSuffix(strings.TrimSuffix(text, "/"), "/query"), "/api/v1"); found {
		return "the address is that of the API, not of the server", fmt.Sprintf("did you mean %q?", base)
	}
	return "", ""
}

func (c backendCheck) limits() {
	if t := c.timeout.Value; c.timeout.Valid && (t < minTimeout || t > maxTimeout) {
		c.Report(c.timeout.At, fmt.Sprintf(`field "timeout": %s is not between %s and %s`, t, minTimeout, maxTimeout), "")
	}
	if i := c.scrapeInterval.Value; c.scrapeInterval.Valid && (i < minScrape || i > maxScrape) {
		c.Report(c.scrapeInterval.At, fmt.Sprintf(`field "scrapeInterval": %s is not between %s and %s`, i, minScrape, maxScrape), "")
	}
	if d := c.delay.Value; c.delay.Given && c.delay.Valid && (d < 0 || d > maxDelay) {
		c.Report(c.delay.At, fmt.Sprintf(`field "delay": %s is not between 0s and %s`, d, maxDelay), "")
	}
	if n := c.maxResponseBytes.Value; c.maxResponseBytes.Valid && (n < minResponseBytes || n > maxResponseBytes) {
		hint := ""
		if n > 0 && n < minResponseBytes {
			hint = fmt.Sprintf("did you mean %dMi?", n)
		}
		c.Report(c.maxResponseBytes.At, fmt.Sprintf(`field "maxResponseBytes": %d bytes is not between 1Ki and 1Gi`, n), hint)
	}
}

func (c backendCheck) credentials() {
	if c.basicAuth.given && c.bearerTokenFile.Given {
		at := c.bearerTokenFile.At
		if c.basicAuth.at.Line > at.Line {
			at = c.basicAuth.at
		}
		c.Report(at, "basicAuth and bearerTokenFile exclude each other", "")
	}
	if c.basicAuth.given {
		c.together(c.basicAuth.at, "basicAuth", []presence{
			{"username", c.basicAuth.username.At, c.basicAuth.username.Given},
			{"passwordFile", c.basicAuth.passwordFile.At, c.basicAuth.passwordFile.Given},
		})
	}
}

// transport checks the TLS files, and that TLS is used if it is configured.
func (c backendCheck) transport() {
	if !c.tls.given {
		return
	}
	if c.url.Valid && strings.HasPrefix(c.url.Value, "http://") {
		c.Report(c.tls.at, "tls does nothing for an http address", `did you mean "https"?`)
	}
	if c.tls.certFile.Given || c.tls.keyFile.Given {
		c.together(c.tls.at, "a client certificate", []presence{
			{"certFile", c.tls.certFile.At, c.tls.certFile.Given},
			{"keyFile", c.tls.keyFile.At, c.tls.keyFile.Given},
		})
	}
}

// together reports those of some fields that are missing.
func (c backendCheck) together(at Position, what string, all []presence) {
	for _, f := range slices.DeleteFunc(all, func(f presence) bool { return f.given }) {
		c.Report(at, fmt.Sprintf("field %q is missing: %s needs it", f.name, what), "")
	}
}
