package e2e

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pitot-autoscaling/pitot/test/e2e/manifest"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

const (
	// rabbitmqServer is the server's own script, beside Debian's wrapper of it, which
	// changes to the system's user and folders.
	rabbitmqServer = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	epmd           = "/usr/bin/epmd"
)

// A rabbitmq is a broker of one node with its plugin rabbitmq_prometheus, which
// counts the messages of each queue. All its ports are on loopback, and all its
// files in the folder of the run.
type rabbitmq struct {
	cluster *cluster
	amqp    string // address
	metrics string // address
	command trial.Command
	process *trial.Process
}

// startRabbitMQ starts a broker. It scrapes nothing yet.
func startRabbitMQ(c *cluster) *rabbitmq {
	metricsPort := trial.FreePort()
	r := &rabbitmq{cluster: c, amqp: trial.Loopback(trial.FreePort()), metrics: trial.Loopback(metricsPort)}
	folder := c.Data("rabbitmq")
	c.Check(os.MkdirAll(folder, 0o755))
	config, plugins := filepath.Join(folder, "rabbitmq.conf"), filepath.Join(folder, "enabled_plugins")
	text := trial.Must(render("rabbitmq.conf", map[string]any{"AMQP": r.amqp, "MetricsPort": metricsPort}))(c)
	c.Check(os.WriteFile(config, []byte(text), 0o644))
	c.Check(os.WriteFile(plugins, []byte("[rabbitmq_prometheus].\n"), 0o644))

	names := startNames(c)
	r.command = trial.Command{
		Name: "rabbitmq",
		Path: rabbitmqServer,
		Dir:  folder,
		Env: []string{
			"PATH=/usr/bin:/bin",
			"HOME=" + folder, // where Erlang makes its cookie
			"ERL_EPMD_ADDRESS=127.0.0.1",
			"ERL_EPMD_PORT=" + names,
			"ERL_FLAGS=-kernel inet_dist_use_interface {127,0,0,1}",
			// The script becomes the server, which so ends with the test in whatever way.
			"RUNNING_UNDER_SYSTEMD=true",
			"RABBITMQ_NODENAME=pitot-e2e@localhost",
			"RABBITMQ_DIST_PORT=" + strconv.Itoa(trial.FreePort()),
			"RABBITMQ_CONF_ENV_FILE=/dev/null",
			"RABBITMQ_CONFIG_FILE=" + config,
			"RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins,
			"RABBITMQ_MNESIA_BASE=" + folder,
			"RABBITMQ_LOG_BASE=" + folder,
			"RABBITMQ_LOGS=-", // standard output
		},
		Grace: 30 * time.Second,
	}
	r.start()
	return r
}

// startNames starts the name server of Erlang's nodes, which a node would start
// itself if there were none, and leave behind. It returns its port.
func startNames(c *cluster) string {
	port := strconv.Itoa(trial.FreePort())
	c.Start(trial.Command{Name: "epmd", Path: epmd, Args: []string{"-address", "127.0.0.1", "-port", port}})
	c.Eventually(c.T, 20*time.Second, "epmd answers", func(ctx context.Context) error {
		return exec.CommandContext(ctx, epmd, "-port", port, "-names").Run()
	})
	return port
}

// start starts the server, or starts it again on the same ports and data, and
// waits until it answers.
func (r *rabbitmq) start() {
	r.process = r.cluster.Start(r.command)
	r.cluster.Eventually(r.cluster.T, 2*time.Minute, "RabbitMQ answers", func(ctx context.Context) error {
		_, err := r.page(ctx)
		return err
	})
}

// stop ends the server, which keeps its queues for the next start.
func (r *rabbitmq) stop() error { return r.process.Stop() }

// url is the broker's as Celery wants it.
func (r *rabbitmq) url() string { return "amqp://guest:guest@" + r.amqp + "//" }

// pageURL is that of the page which has a line for each queue.
func (r *rabbitmq) pageURL() string {
	return "http://" + r.metrics + "/metrics/detailed?" + url.Values{"family": {"queue_coarse_metrics"}}.Encode()
}

func (r *rabbitmq) page(ctx context.Context) (string, error) {
	response, err := get(ctx, r.pageURL())
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// messages are those of a queue that wait in the broker, and those that workers
// have taken and not acknowledged, as the broker itself says.
func (r *rabbitmq) messages(ctx context.Context, queue string) (ready, unacked int, err error) {
	text, err := r.page(ctx)
	if err != nil {
		return 0, 0, err
	}
	count := func(metric string) int {
		name := fmt.Sprintf(`rabbitmq_detailed_queue_%s{vhost="/",queue=%q} `, metric, queue)
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(line, name); ok {
				var n int
				n, err = strconv.Atoi(strings.TrimSpace(value))
				return n
			}
		}
		err = fmt.Errorf("no %s", name)
		return 0
	}
	ready, unacked = count("messages_ready"), count("messages_unacked")
	return ready, unacked, err
}

// scrape lets Prometheus scrape the broker as the PodMonitor in a file says.
func (r *rabbitmq) scrape(file string) {
	c := r.cluster
	text := trial.Must(os.ReadFile(file))(c)
	objects := trial.Must(manifest.Decode(string(text)))(c)
	monitor := objects[0]
	endpoints, _, _ := unstructured.NestedSlice(monitor.Object, "spec", "podMetricsEndpoints")
	path, _, err := unstructured.NestedString(endpoints[0].(map[string]any), "path")
	c.Check(err)
	params, _, err := unstructured.NestedMap(endpoints[0].(map[string]any), "params")
	c.Check(err)
	labels := map[string]string{
		"namespace": monitor.GetNamespace(), "pod": "rabbitmq-0", "job": monitor.GetNamespace() + "/" + monitor.GetName(),
		"__metrics_path__": path,
	}
	for name, values := range params {
		labels["__param_"+name] = values.([]any)[0].(string)
	}
	c.Check(c.prometheus["main"].scrape("rabbitmq", []target{{Targets: []string{r.metrics}, Labels: labels}}))
}
