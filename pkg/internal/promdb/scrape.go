package promdb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
)

// A Target is a /metrics page to scrape.
type Target struct {
	URL string
	// Labels are attached to every series of the page, exactly as given: no job
	// or instance is added. Where the page has one of them itself, its own value
	// moves to exported_<name>, as with Prometheus' honor_labels: false.
	Labels labels.Labels
	// HonorLabels lets the page's own value of such a label stand, and with it what
	// the page says of other targets.
	HonorLabels bool
}

// ScrapeOptions say how to scrape. The zero value of each field means its default.
type ScrapeOptions struct {
	// Interval is the time between two scrapes of a target. Default 15s.
	Interval time.Duration
	// Timeout bounds one scrape. Default 10s, at most Interval.
	Timeout time.Duration
	// MaxPageBytes bounds a decompressed page. Default 64 MiB.
	MaxPageBytes int64
	// Client fetches the pages. Default: a client of the Scraper's own.
	Client *http.Client
	// Observe is told of every scrape, by several goroutines at once. Default: nobody is.
	Observe func(Scrape)
}

const (
	defaultInterval     = 15 * time.Second
	defaultTimeout      = 10 * time.Second
	defaultMaxPageBytes = 64 << 20
)

func (o ScrapeOptions) withDefaults() ScrapeOptions {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.Timeout = min(o.Timeout, o.Interval)
	if o.MaxPageBytes <= 0 {
		o.MaxPageBytes = defaultMaxPageBytes
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * o.Interval}}
	}
	if o.Observe == nil {
		o.Observe = func(Scrape) {}
	}
	return o
}

// A Scrape is the outcome of reading a page once.
type Scrape struct {
	Target Target
	// At is the time that the samples carry, unless the page dates them itself.
	At   time.Time
	Took time.Duration
	// Samples counts what the page holds, up to the mistake that Err names.
	Samples int
	// Err is why the target counts as down, nil if it is up.
	Err error
}

// A Scraper reads the pages of its targets into a DB.
type Scraper struct {
	db      *DB
	options ScrapeOptions
	targets []*target
}

// NewScraper checks the targets. It does not scrape yet.
func NewScraper(db *DB, o ScrapeOptions, targets ...Target) (*Scraper, error) {
	s := &Scraper{db: db, options: o.withDefaults()}
	for _, t := range targets {
		if err := t.check(); err != nil {
			return nil, err
		}
		s.targets = append(s.targets, &target{Target: t, scraper: s})
	}
	return s, nil
}

func (t Target) check() error {
	u, err := url.Parse(t.URL)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("target %q: not an http or https address", u.Redacted())
	}
	return t.Labels.Validate(func(l labels.Label) error {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) || !model.UTF8Validation.IsValidLabelName(l.Name) {
			return fmt.Errorf("target %s: label %q cannot be attached to series", u.Redacted(), l.Name)
		}
		return nil
	})
}

// Scrape reads every page once, now and side by side, and returns the outcomes
// in the order of the targets. It must not run beside Run.
func (s *Scraper) Scrape(ctx context.Context) []Scrape {
	outcomes := make([]Scrape, len(s.targets))
	var group sync.WaitGroup
	for i, t := range s.targets {
		group.Go(func() { outcomes[i] = t.scrape(ctx, time.Now()) })
	}
	group.Wait()
	return outcomes
}

// Run scrapes every target once per interval until ctx is done, and then ends
// their series with staleness markers: whoever stops scraping has said that the
// targets are gone. (Prometheus waits two intervals for them to come back.)
//
// Each target has its own place within the interval, which depends on the
// target alone, so that scrapes spread and keep their places after a restart.
func (s *Scraper) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, t := range s.targets {
		group.Go(func() { t.run(ctx) })
	}
	group.Wait()
	s.options.Client.CloseIdleConnections()
}

// A target is a Target being scraped.
type target struct {
	Target
	scraper *Scraper
	// live holds the series of the last scrape that a marker has to end when
	// they vanish; the key is their labels' bytes.
	live map[string]labels.Labels
	// last is the time of the last scrape, in milliseconds since 1970.
	last int64
}

func (t *target) run(ctx context.Context) {
	interval := t.scraper.options.Interval
	planned := nextScrape(time.Now(), interval, t.hash())
	timer := time.NewTimer(time.Until(planned))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			t.end(time.Now())
			return
		case <-timer.C:
		}
		t.scrape(ctx, scrapeTime(time.Now(), planned, interval))
		for now := time.Now(); !planned.After(now); {
			planned = planned.Add(interval)
		}
		timer.Reset(time.Until(planned))
	}
}

// nextScrape returns the first time after now that lies at the hash's place
// within an interval. Intervals count from 1970.
func nextScrape(now time.Time, interval time.Duration, hash uint64) time.Time {
	place := int64(hash % uint64(interval))
	begun := now.UnixNano() - now.UnixNano()%int64(interval)
	next := time.Unix(0, begun+place)
	if !next.After(now) {
		next = next.Add(interval)
	}
	return next
}

// scrapeTolerance is how late a timer may fire for its scrape to be dated as
// planned: even distances make even rates.
const scrapeTolerance = 2 * time.Millisecond

func scrapeTime(now, planned time.Time, interval time.Duration) time.Time {
	if now.Sub(planned) <= min(scrapeTolerance, interval/100) {
		return planned
	}
	return now
}

func (t *target) hash() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, t.URL+t.Labels.String()) // a hash takes everything
	return h.Sum64()
}

// scrape reads the page and appends it, dated at, unless ctx ended meanwhile:
// that says nothing about the target.
func (t *target) scrape(ctx context.Context, at time.Time) Scrape {
	start := time.Now()
	body, contentType, err := t.fetch(ctx)
	outcome := Scrape{Target: t.Target, At: at, Err: err}
	if ctx.Err() != nil {
		outcome.Err = ctx.Err()
		return outcome
	}
	var p page
	if err == nil {
		p, outcome.Err = parsePage(body, contentType, t.Target, timestamp.FromTime(at))
	}
	outcome.Samples = p.total
	outcome.Took = time.Since(start)
	if outcome.Err != nil {
		p = page{} // a page that is half understood is a page that is not there
	}
	t.commit(p, outcome)
	t.scraper.options.Observe(outcome)
	return outcome
}

// commit appends the page, the ends of the series that are not on it any more,
// and the report on the scrape.
func (t *target) commit(p page, outcome Scrape) {
	now := timestamp.FromTime(outcome.At)
	live := make(map[string]labels.Labels, len(p.samples))
	var key []byte
	for _, s := range p.samples {
		if !s.dated {
			key = s.labels.Bytes(key)
			live[string(key)] = s.labels
		}
	}
	batch := make([]sample, 0, len(p.samples)+len(reportNames))
	for _, s := range p.samples {
		batch = append(batch, s.sample)
	}
	for k, ls := range t.live {
		if _, ok := live[k]; !ok {
			batch = append(batch, sample{labels: ls, t: now, v: StaleMarker()})
		}
	}
	up := 0.0
	if outcome.Err == nil {
		up = 1
	}
	for i, v := range []float64{up, outcome.Took.Seconds(), float64(outcome.Samples)} {
		batch = append(batch, sample{labels: t.reportLabels(reportNames[i]), t: now, v: v})
	}
	t.scraper.db.appendScrape(batch, p.families)
	t.live, t.last = live, now
}

// end marks all series of the target as stale, its reports included, and after
// the last scrape even if that is of this very millisecond.
func (t *target) end(at time.Time) {
	if t.live == nil {
		return // never scraped
	}
	now := max(timestamp.FromTime(at), t.last+1)
	var batch []sample
	for _, ls := range t.live {
		batch = append(batch, sample{labels: ls, t: now, v: StaleMarker()})
	}
	for _, name := range reportNames {
		batch = append(batch, sample{labels: t.reportLabels(name), t: now, v: StaleMarker()})
	}
	t.scraper.db.appendScrape(batch, nil)
	t.live = nil
}

// reportNames are the series that a scrape adds about itself.
var reportNames = []string{"up", "scrape_duration_seconds", "scrape_samples_scraped"}

func (t *target) reportLabels(name string) labels.Labels {
	b := labels.NewBuilder(t.Labels)
	b.Set(model.MetricNameLabel, name)
	return b.Labels()
}

// appendScrape makes a scrape visible at once. Samples that are not newer than
// their series' last one are left out, as in Prometheus: the same series twice
// on a page, or a page that repeats its own timestamps.
func (db *DB) appendScrape(batch []sample, families map[string]Family) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, s := range batch {
		_ = db.store.append(s) // parsePage has checked the labels: only ErrOutOfOrder is left
	}
	db.store.describe(families)
}

// accept asks for the formats in the order in which Prometheus prefers them.
const accept = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
	"text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"

var errPageTooLarge = errors.New("page is too large")

// fetch reads the page. The transport asks for gzip and undoes it.
func (t *target) fetch(ctx context.Context) (body []byte, contentType string, err error) {
	o := t.scraper.options
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("User-Agent", "pitot")
	request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(o.Timeout.Seconds(), 'f', -1, 64))
	response, err := o.Client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("server returned HTTP status %s", response.Status)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, o.MaxPageBytes+1))
	if err != nil {
		return nil, "", err
	}
	if int64(len(body)) > o.MaxPageBytes {
		return nil, "", fmt.Errorf("%w: more than %d bytes", errPageTooLarge, o.MaxPageBytes)
	}
	return body, response.Header.Get("Content-Type"), nil
}
