package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/test/e2e/traffic"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

const (
	// caLife and leafLife make a year pass in a minute: all waits of Pitot scale
	// with the life of an authority.
	caLife   = time.Minute
	leafLife = 20 * time.Second
	// healing is how long Pitot may take to repair what somebody spoilt.
	healing = 20 * time.Second
	// maxReads are the reads in a second of 10,000 HPAs.
	maxReads = 667
)

// rotating is how long certificates rotate without anybody's doing, by the
// environment variable PITOT_TEST_ROTATION or two minutes.
func rotating(t *testing.T) time.Duration {
	return fromEnvironment(t, "PITOT_TEST_ROTATION", 2*time.Minute, time.ParseDuration)
}

// restarts is how often the replicas are replaced, by the environment variable
// PITOT_TEST_RESTARTS or five times.
func restarts(t *testing.T) int { return fromEnvironment(t, "PITOT_TEST_RESTARTS", 5, strconv.Atoi) }

func fromEnvironment[T any](t *testing.T, name string, otherwise T, parse func(string) (T, error)) T {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

// startReplicas starts two replicas of Pitot that make their certificates, behind
// a service, and waits until the aggregator can verify both.
func startReplicas(c *cluster, flags ...string) (replicas []*pitot, front *service) {
	c.farm = startFarm(c)
	c.Check(c.farm.setSeries(c.Ctx, "main", []series{{map[string]string{"__name__": "jobs", "namespace": "default"}, 30}}))
	c.grant()
	c.pitot = newPitot(c, pitotSetup{
		config: "pitot-certificates.yaml", values: map[string]any{"Farm": c.farm.url}, auto: true,
		flags: append([]string{"--certificates=auto", "--service=pitot/pitot", "--ca-secret=pitot/pitot-ca"}, flags...),
	})
	c.pitot.start()
	replicas = []*pitot{c.pitot, c.pitot.replica("pitot-1")} // they race for the first authority
	front = openService(c, replicas[0].port, replicas[1].port)
	c.register(front.port, nil)
	c.Eventually(c.T, probeTime, "the metric is served", func(ctx context.Context) error {
		_, err := c.client.Discovery().RESTClient().Get().RequestURI(queuePath).DoRaw(ctx)
		return err
	})
	c.Eventually(c.T, healing, "the replicas agree", c.verified(replicas...))
	return replicas, front
}

// TestCertificates reads metrics through the aggregator while certificates and
// authorities change, and while what they are kept in is spoilt. No read fails.
func TestCertificates(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	replicas, _ := startReplicas(c, "--ca-life="+caLife.String(), "--certificate-life="+leafLife.String())
	since := c.availableSince(t)

	t.Run("rotation", func(t *testing.T) {
		reads := trial.Must(traffic.Read(c.Ctx, c.admin, queuePath, 100, nil))(c)
		before := c.rotations(t, replicas)
		period := rotating(t)
		c.Throughout(t, period, "every replica can be verified", c.verified(replicas...))
		made := c.rotations(t, replicas)
		t.Logf("in %s the replicas made %v certificates", period, made)
		// A new authority joins at ⅔ of the life of the one before it, and a leaf is
		// renewed at ⅔ of its own.
		if got, want := made["ca"]-before["ca"], int(period/caLife); got < want {
			t.Errorf("%d new authorities, want at least %d", got, want)
		}
		if got, want := made["leaf"]-before["leaf"], len(replicas)*int(period/leafLife); got < want {
			t.Errorf("%d new leaves, want at least %d", got, want)
		}
		reads.Stop(t)
		t.Logf("load %s", loadAverage(t))
	})
	t.Run("what they are kept in is spoilt", func(t *testing.T) {
		reads := trial.Must(traffic.Read(c.Ctx, c.admin, queuePath, 100, nil))(c)
		for _, one := range []struct {
			what  string
			spoil func(context.Context) error
		}{
			{"the Secret is corrupted", func(ctx context.Context) error {
				return c.patchSecret(ctx, map[string][]byte{"ca.crt": []byte("garbage"), "authorities.json": []byte("{")})
			}},
			{"the Secret is emptied", c.emptySecret},
			{"the Secret is deleted and made again", c.remakeSecret},
		} {
			c.Check(one.spoil(c.Ctx))
			c.Eventually(t, healing, one.what+", and healed", c.verified(replicas...))
		}
		c.Check(c.emptySecret(c.Ctx))
		raced := append(replicas, c.pitot.replica("pitot-2"), c.pitot.replica("pitot-3"))
		c.Eventually(t, healing, "the Secret is emptied while two replicas start, and all agree", c.verified(raced...))
		for _, extra := range raced[2:] {
			c.Check(extra.Stop())
		}
		reads.Stop(t)
		t.Logf("load %s", loadAverage(t))
	})
	if now := c.availableSince(t); now != since {
		t.Errorf("the APIs were available since %s, and are since %s", since, now)
	}
	t.Run("the bundles are removed", func(t *testing.T) {
		c.Check(c.removeBundles(c.Ctx)) // nobody can verify anything until they are there again
		c.Eventually(t, healing, "they are there again", c.verified(replicas...))
	})
}

// TestRestarts reads metrics as fast as 10,000 HPAs do, through the aggregator,
// while replicas are replaced. No read fails.
func TestRestarts(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	replicas, front := startReplicas(c)
	since := c.availableSince(t)
	reads := trial.Must(traffic.Read(c.Ctx, c.admin, queuePath, maxReads, nil))(c)
	for i := range restarts(t) {
		for j, old := range replicas {
			replicas[j] = c.replace(t, front, old, fmt.Sprintf("pitot-%d-%d", i, j))
		}
	}
	reads.Stop(t)
	t.Logf("load %s", loadAverage(t))
	if now := c.availableSince(t); now != since {
		t.Errorf("the APIs were available since %s, and are since %s", since, now)
	}
}

const queuePath = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/jobs"

// replace does what a rolling update does to a replica: another one starts and
// becomes ready, and then the old one ends, which the Service learns meanwhile.
func (c *cluster) replace(t *testing.T, front *service, old *pitot, name string) *pitot {
	t.Helper()
	fresh := c.pitot.replica(name)
	c.Eventually(t, probeTime, name+" is ready", func(ctx context.Context) error {
		_, err := fresh.page(ctx, "/readyz")
		return err
	})
	front.add(fresh.port)
	ended := make(chan error, 1)
	go func() { ended <- old.Stop() }()
	c.Pass(t, 500*time.Millisecond) // what kube-proxy may take
	front.remove(old.port)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return fresh
}

// authorities reads the Secret that the replicas share.
func (c *cluster) authorities(ctx context.Context) (*corev1.Secret, error) {
	return c.client.CoreV1().Secrets("pitot").Get(ctx, "pitot-ca", metav1.GetOptions{})
}

// verified returns a check that the APIs are available, and that each replica can
// be verified by the bundle of each APIService and by that of the Secret.
func (c *cluster) verified(replicas ...*pitot) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := c.available(ctx); err != nil {
			return err
		}
		secret, err := c.authorities(ctx)
		if err != nil {
			return err
		}
		bundles := [][]byte{secret.Data["ca.crt"]}
		for _, gv := range groupVersions {
			object, err := c.dynamic.Resource(apiServices).Get(ctx, gv.Version+"."+gv.Group, metav1.GetOptions{})
			if err != nil {
				return err
			}
			text, _, _ := unstructured.NestedString(object.Object, "spec", "caBundle")
			bundle, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return err
			}
			bundles = append(bundles, bundle)
		}
		for _, replica := range replicas {
			for _, bundle := range bundles {
				if err := replica.shakeHands(ctx, bundle); err != nil {
					return fmt.Errorf("%s, by a bundle of %d certificates: %w", replica.name, bytes.Count(bundle, []byte("BEGIN CERTIFICATE")), err)
				}
			}
		}
		return nil
	}
}

// shakeHands opens a connection and verifies the replica by a bundle.
func (p *pitot) shakeHands(ctx context.Context, bundle []byte) error {
	roots := x509.NewCertPool()
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		roots.AddCert(certificate)
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{RootCAs: roots, ServerName: serviceHost}}
	conn, err := dialer.DialContext(ctx, "tcp", trial.Loopback(p.port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// rotations counts the certificates that replicas have made, by kind.
func (c *cluster) rotations(t *testing.T, replicas []*pitot) map[string]int {
	t.Helper()
	sum := map[string]int{}
	for _, replica := range replicas {
		page, err := replica.page(c.Ctx, "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(string(page)))
		if err != nil {
			t.Fatal(err)
		}
		for _, metric := range families["pitot_certificate_rotations_total"].GetMetric() {
			sum[metric.GetLabel()[0].GetValue()] += int(metric.GetCounter().GetValue())
		}
	}
	return sum
}

// patchSecret replaces all that is in the Secret.
func (c *cluster) patchSecret(ctx context.Context, data map[string][]byte) error {
	secret, err := c.authorities(ctx)
	if err != nil {
		return err
	}
	secret.Data = data
	_, err = c.client.CoreV1().Secrets("pitot").Update(ctx, secret, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return c.patchSecret(ctx, data)
	}
	return err
}

func (c *cluster) emptySecret(ctx context.Context) error { return c.patchSecret(ctx, nil) }

// remakeSecret does what somebody does who deletes it and applies the manifest again.
func (c *cluster) remakeSecret(ctx context.Context) error {
	secrets := c.client.CoreV1().Secrets("pitot")
	err := secrets.Delete(ctx, "pitot-ca", metav1.DeleteOptions{})
	_, again := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pitot-ca"}}, metav1.CreateOptions{})
	return errors.Join(err, again)
}

// removeBundles does what kubectl replace does.
func (c *cluster) removeBundles(ctx context.Context) error {
	var problems []error
	for _, gv := range groupVersions {
		_, err := c.dynamic.Resource(apiServices).Patch(ctx, gv.Version+"."+gv.Group, types.MergePatchType,
			[]byte(`{"spec": {"caBundle": null}}`), metav1.PatchOptions{})
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
