package app

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
)

// demoAutoscaler is the HPA of the demo's own shop.
//
//go:embed demo_hpa.yaml
var demoAutoscaler []byte

// A demoHPA decides on what the API serves, as an HPA would that has just
// started: it remembers nothing, so no window holds it.
type demoHPA struct {
	autoscaler manifest.Autoscaler
	signals    []demoSignal // of its metrics, in their order
	pods       []string
}

// A demoDecision is what an HPA would do now.
type demoDecision struct {
	Name      string   `json:"name"`
	From      int32    `json:"from"`
	To        int32    `json:"to"`
	Sentences []string `json:"sentences"`
}

// readDemoHPAs reads a manifest. All of its HPAs are taken to scale the pods.
func readDemoHPAs(name string, text []byte, namespace string, pods []string) ([]*demoHPA, error) {
	found, err := manifest.Read(name, bytes.NewReader(text))
	if err != nil {
		return nil, &exitError{code: exitFound, err: err}
	}
	if len(found) == 0 {
		return nil, usageError("%s has no HorizontalPodAutoscaler", name)
	}
	var all []*demoHPA
	for i := range found {
		h := &demoHPA{autoscaler: found[i], pods: pods}
		for m := range found[i].Spec.Metrics {
			signal, err := hpaSignal(&found[i].Spec.Metrics[m], found[i].Sources[m], namespace)
			if err != nil {
				return nil, usageError("%s: %s: metric %s: %w", name, found[i].Name, found[i].Spec.Metrics[m].Name, err)
			}
			h.signals = append(h.signals, signal)
		}
		all = append(all, h)
	}
	return all, nil
}

// hpaSignal is where an HPA reads a metric.
func hpaSignal(m *hpa.Metric, source manifest.Source, namespace string) (demoSignal, error) {
	selector := metav1.FormatLabelSelector(source.Selector)
	if source.Selector == nil {
		selector = ""
	}
	base := "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + namespace
	signal := demoSignal{metric: m.Name}
	query := url.Values{}
	switch m.Type {
	case hpa.Pods:
		signal.path = base + "/pods/*/" + m.Name
	case hpa.External:
		signal.external, signal.path = true, fmt.Sprintf("/apis/external.metrics.k8s.io/v1beta1/namespaces/%s/%s", namespace, m.Name)
		if selector != "" {
			query.Set("labelSelector", selector)
		}
	case hpa.Object:
		group, err := schema.ParseGroupVersion(source.Object.APIVersion)
		if err != nil {
			return demoSignal{}, err
		}
		mapping, err := provider.KnownKinds().RESTMapping(schema.GroupKind{Group: group.Group, Kind: source.Object.Kind})
		if err != nil {
			return demoSignal{}, err
		}
		if source.Object.Kind == "Namespace" {
			signal.path = base + "/metrics/" + m.Name
		} else {
			signal.path = fmt.Sprintf("%s/%s/%s/%s", base, mapping.Resource.GroupResource(), source.Object.Name, m.Name)
		}
	default:
		return demoSignal{}, fmt.Errorf("the demo has no %s metrics: it serves Pods, Object and External ones", m.Type)
	}
	if selector != "" && !signal.external {
		query.Set("metricLabelSelector", selector)
	}
	if len(query) > 0 {
		signal.path += "?" + query.Encode()
	}
	return signal, nil
}

// decide reads the metrics and steps.
func (h *demoHPA) decide(ctx context.Context, reader *apiReader, now time.Time) (demoDecision, error) {
	count := int32(len(h.pods))
	seen := &hpa.Observation{Replicas: count, StatusReplicas: count}
	for _, name := range h.pods {
		seen.Pods = append(seen.Pods, hpa.Pod{Name: name, Phase: hpa.PodRunning, Ready: hpa.True, ReadySince: now.Add(-time.Hour), Started: now.Add(-time.Hour)})
	}
	for i := range h.signals {
		reading, err := h.reading(&h.autoscaler.Spec.Metrics[i], reader.read(ctx, h.signals[i]))
		if err != nil {
			reading = hpa.Reading{Err: err}
		}
		seen.Readings = append(seen.Readings, reading)
	}
	decision, _, err := hpa.Explain(&h.autoscaler.Spec, hpa.State{}, seen, now)
	if err != nil {
		return demoDecision{}, err
	}
	return demoDecision{
		Name: h.autoscaler.Name, From: decision.From, To: decision.To,
		Sentences: strings.Split(strings.TrimSpace(decision.Describe()), "\n"),
	}, nil
}

// reading is what the HPA makes of the answers for a metric.
func (h *demoHPA) reading(m *hpa.Metric, answers []demoReading) (hpa.Reading, error) {
	var reading hpa.Reading
	if m.Type == hpa.Pods {
		reading.Pods = make([]hpa.Sample, len(h.pods))
	}
	for _, answer := range answers {
		if answer.Error != "" {
			return reading, errors.New(answer.Error)
		}
		value, err := resource.ParseQuantity(answer.Value)
		if err != nil {
			return reading, err
		}
		if m.Type != hpa.Pods {
			reading.Values = append(reading.Values, value.MilliValue())
			continue
		}
		if i := slices.Index(h.pods, strings.TrimPrefix(answer.Object, "Pod/")); i >= 0 {
			reading.Pods[i] = hpa.Sample{Present: true, Milli: value.MilliValue()}
		}
	}
	return reading, nil
}
