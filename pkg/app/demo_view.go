package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A demoSignal is a metric and the path that reads it for a whole namespace.
type demoSignal struct {
	metric   string
	external bool
	path     string
}

// signalsOf lists what can be read of set in a namespace.
func signalsOf(set *rule.Set, namespace string) []demoSignal {
	var signals []demoSignal
	for _, r := range set.Rules {
		s := demoSignal{metric: r.Metric}
		switch {
		case r.Type == rule.TypeExternal:
			s.external = true
			s.path = fmt.Sprintf("/apis/external.metrics.k8s.io/v1beta1/namespaces/%s/%s", namespace, r.Metric)
		case r.Of == (rule.GroupResource{Resource: "namespaces"}):
			s.path = fmt.Sprintf("/apis/custom.metrics.k8s.io/v1beta2/namespaces/%s/metrics/%s", namespace, r.Metric)
		default:
			s.path = fmt.Sprintf("/apis/custom.metrics.k8s.io/v1beta2/namespaces/%s/%s/*/%s", namespace, r.Of, r.Metric)
		}
		signals = append(signals, s)
	}
	return signals
}

// A demoReading is one value that the API served, or why it served none.
type demoReading struct {
	Metric     string  `json:"metric"`
	Object     string  `json:"object,omitempty"` // "Pod/web-1", `queue="emails"`
	Value      string  `json:"value,omitempty"`  // as an HPA reads it, such as "12345m"
	Number     float64 `json:"number"`           // the same as a number; meaningless with Error
	AgeSeconds float64 `json:"age_seconds"`      // since the query was evaluated; meaningless with Error
	Error      string  `json:"error,omitempty"`
}

// An apiReader reads signals from the API server over HTTPS, as an HPA would.
type apiReader struct {
	base   string
	client *http.Client
}

func newAPIReader(base string, ca []byte) (*apiReader, error) {
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(ca) {
		return nil, errors.New("the API server's certificate does not parse")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	return &apiReader{base: base, client: &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

func (r *apiReader) readAll(ctx context.Context, signals []demoSignal) []demoReading {
	var readings []demoReading
	for _, s := range signals {
		readings = append(readings, r.read(ctx, s)...)
	}
	return readings
}

// read returns at least one reading: its error, if there is nothing else.
func (r *apiReader) read(ctx context.Context, s demoSignal) []demoReading {
	body, err := r.get(ctx, s.path)
	if err != nil {
		return []demoReading{{Metric: s.metric, Error: err.Error()}}
	}
	decode := decodeCustom
	if s.external {
		decode = decodeExternal
	}
	readings, err := decode(body, time.Now())
	if err != nil {
		return []demoReading{{Metric: s.metric, Error: err.Error()}}
	}
	return readings
}

// get returns the body, or the message of the Status as an error.
func (r *apiReader) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode == http.StatusOK {
		return body, err
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Message != "" {
		return nil, errors.New(status.Message)
	}
	return nil, errors.New(answer.Status)
}

func decodeCustom(body []byte, now time.Time) ([]demoReading, error) {
	var list custommetrics.MetricValueList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	var readings []demoReading
	for _, item := range list.Items {
		readings = append(readings, demoReading{
			Metric:     item.Metric.Name,
			Object:     item.DescribedObject.Kind + "/" + item.DescribedObject.Name,
			Value:      item.Value.String(),
			Number:     item.Value.AsApproximateFloat64(),
			AgeSeconds: age(now, item.Timestamp),
		})
	}
	return readings, nil
}

func decodeExternal(body []byte, now time.Time) ([]demoReading, error) {
	var list externalmetrics.ExternalMetricValueList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	var readings []demoReading
	for _, item := range list.Items {
		readings = append(readings, demoReading{
			Metric:     item.MetricName,
			Object:     seriesName(item.MetricLabels),
			Value:      item.Value.String(),
			Number:     item.Value.AsApproximateFloat64(),
			AgeSeconds: age(now, item.Timestamp),
		})
	}
	return readings, nil
}

// age counts whole seconds: the API's timestamps have no fraction.
func age(now time.Time, at metav1.Time) float64 {
	return max(0, now.Sub(at.Time).Truncate(time.Second).Seconds())
}

// A display shows readings as lines of JSON, or as a table that a terminal
// redraws in place.
type display struct {
	env    Env
	output format
	drawn  int // lines that the terminal shows of the last table
}

func newDisplay(env Env, output format) *display { return &display{env: env, output: output} }

// begin prints how to read the same from another terminal. With JSON it goes to
// standard error: standard output is for the lines alone.
func (d *display) begin(url, ca string, signals []demoSignal) {
	w := d.env.Stdout
	if d.output == formatJSON {
		w = d.env.Stderr
	}
	fmt.Fprintf(w, "Pitot answers on %s. Read the same from another terminal, while this runs:\n\n", url)
	for _, s := range signals {
		fmt.Fprintf(w, "  curl -s --cacert %s '%s%s'\n", ca, url, s.path)
	}
	fmt.Fprintln(w)
}

func (d *display) refresh(now time.Time, readings []demoReading, decisions []demoDecision) error {
	if d.output == formatJSON {
		return writeJSON(d.env.Stdout, struct {
			Time      time.Time      `json:"time"`
			Readings  []demoReading  `json:"readings"`
			Decisions []demoDecision `json:"decisions,omitempty"`
		}{now.UTC().Truncate(time.Millisecond), readings, decisions})
	}
	var text strings.Builder
	if d.env.Terminal && d.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA\x1b[J", d.drawn) // up, and erase below
	}
	table := drawTable(now, readings, d.env.Terminal) + drawDecisions(decisions, d.env.Terminal)
	text.WriteString(table)
	d.drawn = strings.Count(table, "\n")
	_, err := io.WriteString(d.env.Stdout, text.String())
	return err
}

// widestCause keeps a line of the table from wrapping on a terminal, where it
// could not be redrawn in place.
const widestCause = 48

func drawTable(now time.Time, readings []demoReading, terminal bool) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\tOBJECT\tVALUE\tAGE\n", now.Format("15:04:05"))
	for _, r := range readings {
		if r.Error != "" {
			cause := strings.TrimPrefix(r.Error, fmt.Sprintf("metric %q: ", r.Metric))
			if runes := []rune(cause); terminal && len(runes) > widestCause {
				cause = string(runes[:widestCause-1]) + "…"
			}
			fmt.Fprintf(table, "%s\t-\t-\t%s\n", r.Metric, cause)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%gs\n", r.Metric, r.Object, plain(r.Number), r.AgeSeconds)
	}
	_ = table.Flush() // a strings.Builder takes everything
	text.WriteString("\n")
	return text.String()
}

// widestSentence keeps a sentence from wrapping.
const widestSentence = 78

func drawDecisions(decisions []demoDecision, terminal bool) string {
	var text strings.Builder
	for _, decision := range decisions {
		fmt.Fprintf(&text, "HPA %s would set %d replicas:\n", decision.Name, decision.To)
		for _, sentence := range decision.Sentences {
			if runes := []rune(sentence); terminal && len(runes) > widestSentence {
				sentence = string(runes[:widestSentence-1]) + "…"
			}
			fmt.Fprintf(&text, "  %s\n", sentence)
		}
		text.WriteString("\n")
	}
	return text.String()
}
