package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A redis is a server and its exporter, which reports the length of each of
// the queues as redis_key_size{key="…"}.
type redis struct {
	address string
}

// queues are the lists that the exporter watches.
var queues = []string{"orders", "mails"}

// startRedis starts both. The exporter is a target in the namespace of the queues' owner.
func startRedis(c *cluster) *redis {
	port, exporter := trial.FreePort(), trial.Loopback(trial.FreePort())
	c.Start(trial.Command{Name: "redis", Path: "/usr/bin/redis-server", Args: []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--dir", c.Folder,
	}})
	r := &redis{address: trial.Loopback(port)}
	c.Eventually(c.T, 20*time.Second, "Redis answers", func(ctx context.Context) error { return r.do(ctx, "PING") })
	keys := make([]string, len(queues))
	for i, queue := range queues {
		keys[i] = "db0=" + queue
	}
	c.Start(trial.Command{Name: "redis-exporter", Path: "/usr/bin/prometheus-redis-exporter", Args: []string{
		"-redis.addr=redis://" + r.address,
		"-web.listen-address=" + exporter,
		"-check-single-keys=" + strings.Join(keys, ","),
	}})
	c.Check(c.prometheus["main"].scrape("redis", []target{{
		Targets: []string{exporter}, Labels: map[string]string{"namespace": "queue"},
	}}))
	return r
}

// push puts n jobs into a queue.
func (r *redis) push(ctx context.Context, queue string, n int) error {
	arguments := []string{"LPUSH", queue}
	for i := range n {
		arguments = append(arguments, strconv.Itoa(i))
	}
	return r.do(ctx, arguments...)
}

// drain takes all jobs out of a queue.
func (r *redis) drain(ctx context.Context, queue string) error { return r.do(ctx, "DEL", queue) }

// do sends one command in Redis' protocol and reads its one-line answer.
func (r *redis) do(ctx context.Context, words ...string) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := connection.Write([]byte(request.String())); err != nil {
		return err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(answer, "-") {
		return fmt.Errorf("redis: %s: %s", words[0], strings.TrimSpace(answer[1:]))
	}
	return nil
}
