package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// scrapeInterval is a second, so that windows of ten seconds hold ten samples.
const scrapeInterval = time.Second

// A prometheus is a server that scrapes the targets in its folder of files.
type prometheus struct {
	name    string
	port    int
	targets string // folder of file_sd files
	command trial.Command
	process *trial.Process
	cluster *cluster
}

// A target is an entry of a file_sd file.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels,omitempty"`
}

// startPrometheus starts a server, which is a backend of Pitot by its name.
func startPrometheus(c *cluster, name string) *prometheus {
	folder := c.Data("prometheus-" + name)
	p := &prometheus{name: name, port: trial.FreePort(), targets: filepath.Join(folder, "targets"), cluster: c}
	c.Check(os.MkdirAll(p.targets, 0o755))
	config := filepath.Join(folder, "prometheus.yml")
	text := trial.Must(render("prometheus.yaml", map[string]any{"Interval": scrapeInterval, "Targets": p.targets}))(c)
	c.Check(os.WriteFile(config, []byte(text), 0o644))
	p.command = trial.Command{
		Name: "prometheus-" + name,
		Path: filepath.Join(c.programs.prometheus, "prometheus"),
		Args: []string{
			"--config.file=" + config,
			"--storage.tsdb.path=" + filepath.Join(folder, "tsdb"),
			"--web.listen-address=" + trial.Loopback(p.port),
			// The file of targets changes with every pod.
			"--scrape.discovery-reload-interval=1s",
		},
		Grace: 10 * time.Second,
	}
	p.start()
	c.prometheus[name] = p
	return p
}

func (p *prometheus) url() string { return "http://" + trial.Loopback(p.port) }

// start starts the server, or starts it again on the same port and data.
func (p *prometheus) start() { p.process = p.cluster.Start(p.command) }

// stop ends the server with SIGTERM.
func (p *prometheus) stop() error { return p.process.Stop() }

// kill ends the server as a lost machine does.
func (p *prometheus) kill() { p.process.Kill() }

// ready says why the server does not answer queries yet.
func (p *prometheus) ready(ctx context.Context) error {
	response, err := get(ctx, p.url()+"/-/ready")
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// scrape replaces one file of targets. The server notices within seconds.
func (p *prometheus) scrape(file string, targets []target) error {
	text, err := json.MarshalIndent(targets, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(p.targets, file+".json")
	if err := os.WriteFile(name+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// get returns the answer of a request that succeeded; its body is to be closed.
func get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return response, nil
}
