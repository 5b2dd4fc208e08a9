//go:build integration

package app

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A trouble that somebody makes, and takes back.
type staged struct {
	name  string
	make  func(m *monitored)
	heal  func(m *monitored)
	fires []string // just these
}

var stage = []staged{
	{
		"a backend drops every connection",
		func(m *monitored) { m.fault("far", "drop") },
		func(m *monitored) { m.fault("far", "healthy") },
		[]string{"PitotBackendDown far"},
	},
	{
		"an exporter is stuck",
		func(m *monitored) { m.fault("far", "outdated") },
		func(m *monitored) { m.fault("far", "healthy") },
		[]string{"PitotValuesStale far_depth"},
	},
	{
		"a backend doubts its answers",
		func(m *monitored) { m.fault("far", "warned") },
		func(m *monitored) { m.fault("far", "healthy") },
		[]string{"PitotQueryFailing far far_depth"},
	},
	{
		"a query gives NaN",
		func(m *monitored) { m.fault("far", "not-a-number") },
		func(m *monitored) { m.fault("far", "healthy") },
		[]string{"PitotRuleFailing far_depth"},
	},
	{
		"a rule is broken",
		func(m *monitored) {
			write(m.t, m.config, m.configText("- {metric: new, type: External, query: 'up('}\n"))
		},
		func(m *monitored) { write(m.t, m.config, m.configText("")) },
		[]string{"PitotConfigReloadFailed"},
	},
	{
		"an HPA names a metric without a rule",
		func(m *monitored) { m.guess.Store(true) },
		func(m *monitored) { m.guess.Store(false) },
		[]string{"PitotMetricWithoutRule external"},
	},
	{
		"the cluster refuses to have a caBundle repaired",
		func(m *monitored) { m.spoil(true) },
		func(m *monitored) { m.spoil(false) },
		[]string{"PitotCABundleOutOfSync v1beta1.custom.metrics.k8s.io"},
	},
	{
		"kube-apiserver is away",
		func(m *monitored) { m.kube.goAway() },
		func(m *monitored) { m.kube.come(m.t) },
		[]string{"PitotAutoscalersOutdated", "PitotCABundleOutOfSync v1beta1.custom.metrics.k8s.io", "PitotPodsOutdated"},
	},
	{
		"a certificate is not renewed",
		func(m *monitored) {
			m.alone.stop()
			m.alone = m.serve(m.alone.address, m.certificate(90*24*time.Hour, 15*24*time.Hour)...)
		},
		func(m *monitored) {
			m.alone.stop()
			m.alone = m.serve(m.alone.address, m.certificate(90*24*time.Hour, 45*24*time.Hour)...)
		},
		[]string{"PitotCertificateExpiring leaf"},
	},
	{
		"an APIService is unavailable",
		func(m *monitored) { m.others.change(func(o *others) { o.unavailable = true }) },
		func(m *monitored) { m.others.change(func(o *others) { o.unavailable = false }) },
		[]string{"PitotAPIServiceUnavailable v1beta1.external.metrics.k8s.io"},
	},
	{
		"an HPA is at its maximum",
		func(m *monitored) { m.others.change(func(o *others) { o.desired = 10 }) },
		func(m *monitored) { m.others.change(func(o *others) { o.desired = 3 }) },
		[]string{"HPAAtMaximum web"},
	},
	{
		"an HPA gets no metric",
		func(m *monitored) { m.others.change(func(o *others) { o.active = false }) },
		func(m *monitored) { m.others.change(func(o *others) { o.active = true }) },
		[]string{"HPACannotScale web ScalingActive"},
	},
	{
		"an HPA goes up and down",
		func(m *monitored) { m.others.change(func(o *others) { o.flaps = true }) },
		func(m *monitored) { m.others.change(func(o *others) { o.flaps = false }) },
		[]string{"HPAFlapping web"},
	},
	{
		"a replica dies",
		func(m *monitored) { m.alone.stop() },
		func(m *monitored) { m.alone = m.serve(m.alone.address, m.certificate(time.Hour, 50*time.Minute)...) },
		[]string{"PitotReplicaDown"},
	},
}

// spoil removes the caBundle and keeps Pitot from putting it back, or lets it.
func (m *monitored) spoil(refuse bool) {
	m.cluster.mu.Lock()
	defer m.cluster.mu.Unlock()
	m.cluster.refuses = refuse
	if refuse {
		delete(m.cluster.service.Object["spec"].(map[string]any), "caBundle")
		m.cluster.service.SetResourceVersion(m.cluster.next())
	}
}

// TestAlertsFireForTheirCauseAndForNothingElse makes one trouble after the other.
// Each time just its alerts fire, and when it is over none.
func TestAlertsFireForTheirCauseAndForNothingElse(t *testing.T) {
	m := monitor(t)
	within(t, "the first scrape of every replica", func() bool { return m.replicas() == 2 })
	if err := m.awaitFiring(nil); err != nil {
		t.Fatal(err)
	}
	// What no trouble has made must stay quiet for longer than any alert waits.
	m.staysQuiet(20 * time.Second)
	if bad := m.broken(); len(bad) > 0 {
		t.Fatalf("alerts that cannot be evaluated: %q", bad)
	}
	covered := map[string]bool{}
	for _, s := range stage {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			s.make(m)
			err := m.awaitFiring(s.fires)
			t.Logf("fires after %s", time.Since(began).Round(time.Second))
			s.heal(m)
			if err := errors.Join(err, m.awaitFiring(nil)); err != nil {
				t.Fatal(err)
			}
			t.Logf("quiet again after %s", time.Since(began).Round(time.Second))
		})
		for _, name := range s.fires {
			covered[firstWord(name)] = true
		}
	}
	checkDashboard(t, m)
	m.keepsItsKeys(t)
	t.Run("all replicas die", func(t *testing.T) {
		m.alone.stop()
		m.inCluster.stop()
		if err := m.awaitFiring([]string{"PitotDown", "PitotReplicaDown"}); err != nil {
			t.Error(err)
		}
	})
	covered["PitotDown"] = true
	for _, file := range alertFiles {
		for _, group := range readAlerts(t, file).Groups {
			for _, alert := range group.Rules {
				if !covered[alert.Alert] {
					t.Errorf("nothing makes %s fire", alert.Alert)
				}
			}
		}
	}
}

// keepsItsKeys looks for the keys of the authority in what the replica that made
// them tells, at the debug level and after all that went wrong.
func (m *monitored) keepsItsKeys(t *testing.T) {
	m.cluster.mu.Lock()
	data := m.cluster.secret.Data
	m.cluster.mu.Unlock()
	said := map[string]string{"log": m.inCluster.stderr.String()}
	for _, page := range []string{"/metrics", "/statusz", "/statusz?format=json", "/readyz?verbose"} {
		_, said[page] = get(t, "https://"+m.inCluster.address+page)
	}
	var authorities []struct{ Key string }
	if err := json.Unmarshal(data["authorities.json"], &authorities); err != nil || len(authorities) == 0 {
		t.Fatalf("no authority in the Secret: %v", err)
	}
	for _, authority := range authorities {
		block, _ := pem.Decode([]byte(authority.Key))
		if block == nil {
			t.Fatal("no key in the Secret")
		}
		// A part of it, whatever the lines that it is broken into.
		part := base64.StdEncoding.EncodeToString(block.Bytes)[:40]
		for where, text := range said {
			if strings.Contains(text, part) {
				t.Errorf("%s tells the key of the authority", where)
			}
		}
	}
}

func firstWord(text string) string {
	var word string
	_, _ = fmt.Sscan(text, &word)
	return word
}

// replicas is how many Prometheus has scraped.
func (m *monitored) replicas() int { return len(m.query("pitot_build_info")) }

func (m *monitored) staysQuiet(length time.Duration) {
	m.t.Helper()
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if firing := m.firing(); len(firing) > 0 {
			m.t.Fatalf("%q without a cause", firing)
		}
	}
}

// awaitFiring returns when just these alerts fire. No others may on the way, but
// those that have fired before.
func (m *monitored) awaitFiring(want []string) error {
	m.t.Helper()
	before := m.firing()
	var firing []string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		firing = m.firing()
		if slices.Equal(firing, want) {
			return nil
		}
		for _, name := range firing {
			if !slices.Contains(want, name) && !slices.Contains(before, name) {
				return fmt.Errorf("%q fires, and should not", name)
			}
		}
	}
	return fmt.Errorf("after two minutes (-want +firing)\n%s", cmp.Diff(want, firing))
}
