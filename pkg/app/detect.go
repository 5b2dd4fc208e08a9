package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pitot-autoscaling/pitot/pkg/detect"
)

const (
	// maxPageBytes bounds one page; Prometheus' own servers are set to less.
	maxPageBytes = 64 << 20
	pageTimeout  = 10 * time.Second
	// acceptPage asks for the formats that can be read, as Prometheus does.
	acceptPage = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
)

// detection is what the flags of "pitot detect" say.
type detection struct {
	objective      string
	writing        detect.Writing
	rulesTo, hpaTo string
	samples        int
	every          time.Duration
	samePod        bool
	output         *format
}

// A detected is what "pitot detect -o json" prints.
type detected struct {
	detect.Report
	RulesYAML string `json:"rules_yaml"`
	HPAYAML   string `json:"hpa_yaml"`
}

func newDetect(env Env) *cobra.Command {
	var d detection
	cmd := &cobra.Command{
		Use:   "detect FILE|URL|-...",
		Short: "What a /metrics page is of, which presets fit, and what is wrong with it",
		Long: `Detect reads /metrics pages, names the library that wrote them and the presets
that fit, says what is wrong, and writes rules and an HPA. Pages are files, URLs or
"-" for standard input: each of another pod of one application. It needs no cluster
and no Prometheus.

A URL is read --samples times, each time over a new connection: when several
workers answer in turn, their counters go back and forth. With --same-pod the pages
given are such reads of one pod, oldest first.

The exit code is 3 if anything is wrong.`,
		Example: `  curl -s localhost:8000/metrics | pitot detect -
  pitot detect http://localhost:8000/metrics --objective p95=500ms
  pitot detect web-1.prom web-2.prom --name web --namespace shop --rules rules.yaml --hpa hpa.yaml`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	d.output = outputFlag(flags)
	flags.StringVar(&d.objective, "objective", "", "latency that users are promised, as in p95=500ms")
	flags.StringVar(&d.writing.Name, "name", "web", "the Deployment that the HPA scales")
	flags.StringVar(&d.writing.Namespace, "namespace", "default", "the Deployment's namespace")
	flags.StringToStringVar(&d.writing.With, "with", nil, "a parameter of a preset, as in slots=8")
	flags.StringVar(&d.rulesTo, "rules", "", "write the rules to this file")
	flags.StringVar(&d.hpaTo, "hpa", "", "write the HPA to this file")
	flags.IntVar(&d.samples, "samples", 10, "how often to read each URL")
	flags.DurationVar(&d.every, "every", 200*time.Millisecond, "how long to wait between two reads of a URL")
	flags.BoolVar(&d.samePod, "same-pod", false, "the pages are reads of one pod, oldest first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return d.run(cmd.Context(), env, args) }
	return cmd
}

func (d *detection) run(ctx context.Context, env Env, args []string) error {
	if err := d.check(); err != nil {
		return err
	}
	pods, err := d.read(ctx, env, args)
	if err != nil {
		return err
	}
	result := detected{Report: detect.Examine(pods, d.writing.Objective)}
	if wrong := d.writing.Problems(result.Presets); len(wrong) > 0 {
		return usageError("--with: %s", strings.Join(wrong, "; "))
	}
	result.RulesYAML, result.HPAYAML = d.writing.Rules(result.Presets), d.writing.HPA(result.Presets)
	if err := d.write(result); err != nil {
		return err
	}
	if *d.output == formatJSON {
		err = writeJSON(env.Stdout, result)
	} else {
		_, err = io.WriteString(env.Stdout, d.page(result))
	}
	if err == nil && len(result.Findings) > 0 {
		err = &exitError{code: exitFound}
	}
	return err
}

// check says what is wrong with the flags, before anything is read.
func (d *detection) check() error {
	if d.objective != "" {
		objective, err := detect.ParseObjective(d.objective)
		if err != nil {
			return usageError("--objective: %w", err)
		}
		d.writing.Objective = objective
	}
	if wrong := validation.IsDNS1123Subdomain(d.writing.Name); len(wrong) > 0 {
		return usageError("--name %q: %s", d.writing.Name, wrong[0])
	}
	if wrong := validation.IsDNS1123Label(d.writing.Namespace); len(wrong) > 0 {
		return usageError("--namespace %q: %s", d.writing.Namespace, wrong[0])
	}
	if d.samples < 1 || d.every < 0 {
		return usageError("--samples has to be 1 at least, and --every not below 0")
	}
	return nil
}

// read reads the pages: each argument is a pod, or with --same-pod all are one.
func (d *detection) read(ctx context.Context, env Env, args []string) ([]detect.Pod, error) {
	var pods []detect.Pod
	for i, arg := range args {
		if arg == "-" && slices.Contains(args[:i], "-") {
			return nil, usageError("standard input can be read once")
		}
		pages, err := d.readPages(ctx, env, arg)
		if err != nil {
			return nil, err
		}
		if d.samePod && len(pods) > 0 {
			pods[0].Reads = append(pods[0].Reads, pages...)
			continue
		}
		pods = append(pods, detect.Pod{Name: podName(arg), Reads: pages})
	}
	return pods, nil
}

func podName(arg string) string {
	if arg == "-" {
		return "standard input"
	}
	return arg
}

// isURL reports whether an argument is read over HTTP.
func isURL(arg string) bool {
	u, err := url.Parse(arg)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (d *detection) readPages(ctx context.Context, env Env, arg string) ([]*detect.Page, error) {
	if isURL(arg) {
		return d.readURL(ctx, arg)
	}
	text, err := readPageFile(env, arg)
	if err != nil {
		return nil, err
	}
	page, err := detect.ReadPage(text, "")
	if err != nil {
		return nil, noPage(podName(arg), err)
	}
	return []*detect.Page{page}, nil
}

func readPageFile(env Env, arg string) ([]byte, error) {
	source := env.Stdin
	if arg != "-" {
		file, err := os.Open(arg)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // it was only read
		source = file
	}
	return readBounded(source, podName(arg))
}

func readBounded(source io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(source, maxPageBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxPageBytes {
		return nil, fmt.Errorf("%s: the page is larger than %d MiB", name, maxPageBytes>>20)
	}
	return text, nil
}

func noPage(name string, err error) error {
	return fmt.Errorf("%s: this is no /metrics page: %w", name, err)
}

// readURL reads a page several times. Connections are not kept: behind one, the
// same worker would answer each time.
func (d *detection) readURL(ctx context.Context, address string) ([]*detect.Page, error) {
	client := &http.Client{Timeout: pageTimeout, Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}
	var pages []*detect.Page
	for i := range d.samples {
		if i > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(d.every):
			}
		}
		page, err := fetchPage(ctx, client, address)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

func fetchPage(ctx context.Context, client *http.Client, address string) (*detect.Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", acceptPage)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	text, err := readBounded(response.Body, address)
	if err != nil {
		return nil, err
	}
	page, err := detect.ReadPage(text, response.Header.Get("Content-Type"))
	if err != nil {
		return nil, noPage(address, err)
	}
	return page, nil
}

// write writes the files that the flags name.
func (d *detection) write(result detected) error {
	for _, file := range []struct{ name, text, what string }{
		{d.rulesTo, result.RulesYAML, "rules"}, {d.hpaTo, result.HPAYAML, "an HPA"},
	} {
		if file.name == "" {
			continue
		}
		if file.text == "" {
			return fmt.Errorf("%s: there is no preset to write %s from", file.name, file.what)
		}
		if err := os.WriteFile(file.name, []byte(file.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
