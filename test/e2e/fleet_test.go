package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fleetSize is the number of HPAs on one rule.
const fleetSize = 100

// queriesPerRefresh are those for the values and for the times of their samples.
const queriesPerRefresh = 2

// A hundred HPAs on one rule cost Prometheus two queries per refresh, and each of
// them reads its own pod's value.
func testFleet(t *testing.T, c *cluster) {
	const refreshes = 12
	services := make([]string, fleetSize)
	for i := range services {
		services[i] = fmt.Sprintf("service-%03d", i)
	}
	c.apply(t, "fleet.yaml", map[string]any{"Services": services})
	c.setFleetRates(t, services, 1)
	c.awaitFleet(t, services, 1)

	// From here on: every HPA reads, and at the end reads a number that was not
	// there at the beginning.
	fleet := c.prometheus["fleet"]
	before, readBefore, began := c.queries(t, fleet), c.reads(t), time.Now()
	c.setFleetRates(t, services, 2)
	c.awaitFleet(t, services, 2)
	c.Eventually(t, 2*refreshes*refreshInterval, fmt.Sprintf("%d refreshes", refreshes), func(context.Context) error {
		if asked := c.queries(t, fleet) - before; asked < refreshes*queriesPerRefresh {
			return fmt.Errorf("%g queries", asked)
		}
		return nil
	})
	asked, elapsed := c.queries(t, fleet)-before, time.Since(began)
	// A refresh comes up to a twentieth early, and one may fall on either end.
	most := queriesPerRefresh * math.Floor(elapsed.Seconds()/(0.95*refreshInterval.Seconds())+1)
	read := c.reads(t) - readBefore
	t.Logf("%d HPAs: %g reads in %s, %g queries", fleetSize, read, elapsed.Round(time.Millisecond), asked)
	if least := fleetSize * elapsed.Seconds() / oftenSync.Seconds() / 2; read < least {
		t.Errorf("%d HPAs made %g reads in %s, want one each per %s: at least %.0f", fleetSize, read, elapsed, oftenSync, least)
	}
	if asked > most {
		t.Errorf("Prometheus answered %g queries in %s, want %d per refresh of %s: at most %.0f", asked, elapsed, queriesPerRefresh, refreshInterval, most)
	}
}

// queries is how many instant queries a Prometheus has answered, by its own count.
func (c *cluster) queries(t *testing.T, p *prometheus) float64 {
	t.Helper()
	page, err := get(c.Ctx, p.url()+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.Body.Close() }()
	return sum(t, page.Body, "prometheus_http_requests_total", "handler", "/api/v1/query")
}

// reads is how many reads of custom metrics Pitot has answered with a value, by
// its own count. The other tests make a few of them.
func (c *cluster) reads(t *testing.T) float64 {
	t.Helper()
	page, err := c.pitot.page(c.Ctx, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return sum(t, bytes.NewReader(page), "apiserver_request_total", "group", "custom.metrics.k8s.io", "code", "200")
}

// sum adds up the counters of a metrics page that have the labels, given as
// names and values in turn.
func sum(t *testing.T, page io.Reader, name string, labels ...string) (total float64) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range families[name].GetMetric() {
		has := map[string]string{}
		for _, label := range metric.GetLabel() {
			has[label.GetName()] = label.GetValue()
		}
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && has[labels[i]] == labels[i+1]
		}
		if matches {
			total += metric.GetCounter().GetValue()
		}
	}
	return total
}

// setFleetRates lets the pod of service i have factor*(i+1) requests per second.
func (c *cluster) setFleetRates(t *testing.T, services []string, factor float64) {
	t.Helper()
	c.Eventually(t, time.Minute, fmt.Sprintf("%d services have a pod", len(services)), func(ctx context.Context) error {
		pods, err := c.client.CoreV1().Pods("fleet").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(pods.Items) != len(services) {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		for _, pod := range pods.Items {
			c.page.set("fleet", pod.Name, factor*float64(serviceNumber(pod.Labels["app"])+1))
		}
		return nil
	})
}

func serviceNumber(name string) (i int) {
	_, _ = fmt.Sscanf(name, "service-%d", &i)
	return i
}

// awaitFleet waits until every HPA shows its own service's rate, to 2 percent.
func (c *cluster) awaitFleet(t *testing.T, services []string, factor float64) {
	t.Helper()
	c.Eventually(t, time.Minute, fmt.Sprintf("%d HPAs read %g times their rates", len(services), factor), func(ctx context.Context) error {
		hpas, err := c.client.AutoscalingV2().HorizontalPodAutoscalers("fleet").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var wrong []error
		for i := range hpas.Items {
			hpa := &hpas.Items[i]
			want := factor * float64(serviceNumber(hpa.Name)+1)
			got, err := current(hpa, "fleet_requests_per_second")
			if err == nil && math.Abs(got/want-1) > 0.02 {
				err = fmt.Errorf("HPA %s reads %g, want %g", hpa.Name, got, want)
			}
			if err != nil {
				_, why := scalingActive(hpa)
				wrong = append(wrong, fmt.Errorf("%w; %s", err, why))
			}
		}
		if len(hpas.Items) != len(services) {
			return fmt.Errorf("%d HPAs", len(hpas.Items))
		}
		if len(wrong) > 3 {
			wrong = append(wrong[:3], fmt.Errorf("and %d more", len(wrong)-3))
		}
		return errors.Join(wrong...)
	})
}
