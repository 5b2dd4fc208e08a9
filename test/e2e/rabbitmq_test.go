package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const (
	celeryRabbitMQ = "celery-rabbitmq" // of examples/apps
	// reported is how long after a change a queue's length is served: RabbitMQ counts
	// its queues every 5 s. It is generous for a machine that does other things too.
	reported = 30 * time.Second
)

// TestRabbitMQ runs Celery on a real RabbitMQ, by the files of
// examples/apps/celery-rabbitmq as they are: the backlog is what was sent and is
// not done, wherever it is, the HPA scales on it, and a broker that is away is an
// error. It takes some four minutes, needs the Debian package rabbitmq-server, and
// runs in make test-long.
func TestRabbitMQ(t *testing.T) {
	if os.Getenv("PITOT_TEST_RABBITMQ") == "" {
		t.Skip("PITOT_TEST_RABBITMQ is not set")
	}
	if _, err := os.Stat(rabbitmqServer); err != nil {
		t.Fatal("the Debian package rabbitmq-server is missing; install it with `make deps-long`")
	}
	c := startCluster(t, built, oftenSync)
	startPrometheus(c, "main")
	broker := startRabbitMQ(c)
	broker.scrape(filepath.Join(examples, celeryRabbitMQ, "monitor.yaml"))
	// The broker's address is in a Secret, whose text is this in every container.
	applications := openApps(c, "a secret", broker.url())
	c.pitot = startPitot(c, pitotSetup{
		config: "rabbitmq.yaml", flags: []string{"--config=" + filepath.Join(examples, celeryRabbitMQ, "rules.yaml")},
	})
	shop := &taskShop{apps: applications, broker: broker}

	applications.deploy(t, shopNamespace, celeryRabbitMQ, withoutPods, "deployment.yaml")
	t.Run("a queue that nobody has declared is an error", shop.testUndeclared)
	t.Run("the backlog is what was sent", shop.testSent)
	t.Run("a broker that starts again has kept it", shop.testBrokerRestarts)
	t.Run("the backlog is what is not done", shop.testDone)
	t.Run("what workers have taken in advance counts, and comes back when they die", shop.testPrefetched)
	t.Run("the HPA scales up and down", shop.testScaling)
	t.Run("a broker that stops is an error", shop.testBrokerStops)
}

// shopNamespace is that of the manifests.
const shopNamespace = "shop"

// withoutPods makes a Deployment have no pods yet: of the workers until the test
// wants some, of the broker because startRabbitMQ plays it.
func withoutPods(object *unstructured.Unstructured) {
	_ = unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas")
}

// A taskShop sends tasks and knows how many.
type taskShop struct {
	apps   *apps
	broker *rabbitmq
	sent   int
}

// backlog is what the HPA reads.
func (s *taskShop) backlog(ctx context.Context) (float64, error) {
	return s.apps.cluster.rate(ctx, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/"+shopNamespace+
		"/metrics/queue_backlog?metricLabelSelector=queue%3Dcelery")
}

// is checks that the backlog is exactly what is wanted.
func (s *taskShop) is(want int) func(context.Context) error {
	return func(ctx context.Context) error {
		value, err := s.backlog(ctx)
		if err == nil && value != float64(want) {
			err = fmt.Errorf("the backlog is %g", value)
		}
		return err
	}
}

// holds checks where the broker has the tasks of the backlog.
func (s *taskShop) holds(ready, unacked int) func(context.Context) error {
	return func(ctx context.Context) error {
		gotReady, gotUnacked, err := s.broker.messages(ctx, "celery")
		if err == nil && (gotReady != ready || gotUnacked != unacked) {
			err = fmt.Errorf("%d are ready and %d unacknowledged", gotReady, gotUnacked)
		}
		return err
	}
}

// fails checks that there is no value.
func (s *taskShop) fails(ctx context.Context) error {
	if value, err := s.backlog(ctx); err == nil {
		return fmt.Errorf("the backlog is %g", value)
	}
	return ctx.Err()
}

// send sends tasks as the example's own program does.
func (s *taskShop) send(t *testing.T, task string, priority, number int) {
	t.Helper()
	command := exec.CommandContext(s.apps.cluster.Ctx, python, "send.py", task, "--priority", strconv.Itoa(priority), strconv.Itoa(number))
	command.Dir = filepath.Join(examples, celeryRabbitMQ)
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "BROKER="+s.broker.url())
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.sent += number
}

// patchWorkers changes the workers' Deployment by a JSON patch.
func (s *taskShop) patchWorkers(t *testing.T, patch string) {
	t.Helper()
	c := s.apps.cluster
	if _, err := c.client.AppsV1().Deployments(shopNamespace).Patch(c.Ctx, "worker", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// toReplicas is the operation of a JSON patch.
func toReplicas(n int) string {
	return fmt.Sprintf(`{"op": "replace", "path": "/spec/replicas", "value": %d}`, n)
}

func (s *taskShop) testUndeclared(t *testing.T) {
	c := s.apps.cluster
	c.Throughout(t, 5*time.Second, "there is no value", s.fails)
	// The page itself is what the preset wants.
	c.run(t, "detect", s.broker.pageURL())
}

func (s *taskShop) testSent(t *testing.T) {
	c := s.apps.cluster
	s.send(t, "mail", 9, 30)
	s.send(t, "thumbnail", 5, 14)
	s.send(t, "export", 0, 4)
	c.Eventually(t, reported, "the backlog is all that was sent", s.is(48))
	c.Throughout(t, 6*time.Second, "it stays that", s.is(48))
	c.Eventually(t, reported, "all wait in the broker", s.holds(48, 0))
}

func (s *taskShop) testBrokerRestarts(t *testing.T) {
	c := s.apps.cluster
	if err := s.broker.stop(); err != nil {
		t.Fatal(err)
	}
	c.Eventually(t, reported, "there is no value", s.fails)
	c.Throughout(t, 5*time.Second, "there is no value", s.fails)
	s.broker.start()
	// From no value to the right one, with no other in between.
	c.Eventually(t, reported, "the backlog is back", func(ctx context.Context) error {
		value, err := s.backlog(ctx)
		if err == nil && value != 48 {
			t.Fatalf("the backlog is %g where 48 tasks wait", value)
		}
		return err
	})
}

// Mails are urgent, thumbnails less so. Of the exports two run and two wait, each
// for 12 s.
func (s *taskShop) testDone(t *testing.T) {
	c := s.apps.cluster
	s.patchWorkers(t, "["+toReplicas(1)+"]")
	for _, rest := range []int{4, 2} {
		c.Eventually(t, time.Minute, fmt.Sprintf("%d exports are not done", rest), s.is(rest))
		if done := s.apps.succeeded(t, shopNamespace); done != s.sent-rest {
			t.Errorf("the backlog is %d where the worker has done %d of %d", rest, done, s.sent)
		}
		if err := s.holds(rest-2, 2)(c.Ctx); err != nil {
			t.Errorf("with %d exports left: %v", rest, err)
		}
		c.Throughout(t, 2*time.Second, "while they take their time", s.is(rest))
	}
	c.Eventually(t, time.Minute, "an empty queue is zero", s.is(0))
	if done := s.apps.succeeded(t, shopNamespace); done != s.sent {
		t.Errorf("the backlog is 0 where the worker has done %d of %d", done, s.sent)
	}
}

// With Celery's usual prefetch of four tasks for each process a worker of two takes
// eight, of which it works on two. The backlog is the same, and also when the
// worker is killed, whose tasks become ready again.
func (s *taskShop) testPrefetched(t *testing.T) {
	c := s.apps.cluster
	s.patchWorkers(t, "["+toReplicas(0)+"]")
	s.send(t, "export", 0, 10)
	c.Eventually(t, reported, "the backlog is what was sent", s.is(10))
	const argument = "/spec/template/spec/containers/0/command/-"
	s.patchWorkers(t, `[{"op": "add", "path": "`+argument+`", "value": "--prefetch-multiplier=4"}, `+toReplicas(1)+`]`)
	c.Eventually(t, reported, "the worker has taken eight", s.holds(2, 8))
	c.Throughout(t, 3*time.Second, "all count", s.is(10))

	done := s.apps.succeeded(t, shopNamespace)
	s.patchWorkers(t, "["+toReplicas(0)+"]")
	c.Eventually(t, reported, "all wait in the broker", s.holds(10, 0))
	if s.apps.succeeded(t, shopNamespace) != done {
		t.Fatal("the worker lived longer than an export takes")
	}
	c.Throughout(t, 3*time.Second, "all count", s.is(10))
	s.patchWorkers(t, `[{"op": "remove", "path": "/spec/template/spec/containers/0/command/5"}]`)
}

// 118 tasks are for four workers of 30 each. When all are done one stays.
func (s *taskShop) testScaling(t *testing.T) {
	c := s.apps.cluster
	s.apps.deploy(t, shopNamespace, celeryRabbitMQ, sooner, "hpa.yaml")
	s.patchWorkers(t, "["+toReplicas(1)+"]")
	c.awaitScalingActive(t, shopNamespace, "worker", 20*time.Second, corev1.ConditionTrue)
	s.send(t, "thumbnail", 5, 108)
	c.awaitReplicas(t, shopNamespace, "worker", 4)
	c.Eventually(t, 2*time.Minute, "all are done", s.is(0))
	if done := s.apps.succeeded(t, shopNamespace); done != s.sent {
		t.Errorf("the backlog is 0 where the workers have done %d of %d", done, s.sent)
	}
	c.awaitReplicas(t, shopNamespace, "worker", 1)
}

// sooner lets an HPA scale down within a minute, where the example takes ten.
func sooner(object *unstructured.Unstructured) {
	if object.GetKind() != "HorizontalPodAutoscaler" {
		return
	}
	_ = unstructured.SetNestedMap(object.Object, map[string]any{"stabilizationWindowSeconds": int64(45)}, "spec", "behavior", "scaleDown")
}

// Five tasks wait when the broker goes: that they cannot be counted is no zero, and
// the HPA changes nothing.
func (s *taskShop) testBrokerStops(t *testing.T) {
	c := s.apps.cluster
	s.send(t, "export", 0, 5)
	c.Eventually(t, reported, "the backlog is what was sent", s.is(5))
	s.broker.process.Kill()
	c.Eventually(t, reported, "there is no value", s.fails)
	c.Throughout(t, 5*time.Second, "there is no value", s.fails)
	c.awaitScalingActive(t, shopNamespace, "worker", time.Minute, corev1.ConditionFalse)
}
