package doctor

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The monitors of the Prometheus operator and their group.
const (
	OperatorGroup  = "monitoring.coreos.com"
	ServiceMonitor = "ServiceMonitor"
	PodMonitor     = "PodMonitor"
)

// noSeries finds why a metric has no series: the first thing on the way from the
// pod to Prometheus that is missing.
func (d *diagnosis) noSeries(a *autoscaler, m autoscalingv2.MetricSpec, said, query string) {
	if pods := d.scrapable(a, m); len(pods) > 0 && d.unscraped(a, pods, said) {
		return
	}
	d.found(NoSeries, a.name, said, query+"; run it in Prometheus without its aggregation, and look at the labels")
}

// scrapable are the pods that a monitor should be for. There are none where
// monitors are not what says who is scraped, or nobody knows.
func (d *diagnosis) scrapable(a *autoscaler, m autoscalingv2.MetricSpec) []*corev1.Pod {
	operated := d.has(OperatorGroup, ServiceMonitor) && d.has(OperatorGroup, PodMonitor) &&
		d.knows("servicemonitors."+OperatorGroup, "") && d.knows("podmonitors."+OperatorGroup, "") &&
		d.knows("services", a.Namespace) && d.knows("pods", a.Namespace)
	if !d.overPods(m) || !operated || a.workload == nil || a.workload.Selector == nil {
		return nil
	}
	pods := d.pods.of(a.workload)
	if slices.ContainsFunc(pods, annotated) {
		return nil
	}
	return pods
}

// annotated reports whether a pod asks to be scraped without a monitor.
func annotated(pod *corev1.Pod) bool { return pod.Annotations["prometheus.io/scrape"] == "true" }

// A miss is how far a monitor is from scraping a pod, the nearest first.
type miss int

const (
	hit miss = iota
	wrongPort
	wrongNamespace
	wrongLabels
	notMeant
)

// unscraped finds the monitor that comes nearest to the pods and why it misses
// them. It is false if one does not.
func (d *diagnosis) unscraped(a *autoscaler, pods []*corev1.Pod, said string) bool {
	pod := pods[0]
	services := d.servicesOf(pod)
	nearest, how, of := (*Monitor)(nil), notMeant, ""
	for i := range d.Monitors {
		monitor := &d.Monitors[i]
		if monitor.Kind == PodMonitor {
			if m := monitor.misses(a.target.Name, pod.Namespace, pod.Labels, podPorts(pod)); m < how {
				nearest, how, of = monitor, m, "pod "+pod.Name
			}
			continue
		}
		for _, service := range services {
			if m := monitor.misses(service.Name, service.Namespace, service.Labels, servicePorts(service)); m < how {
				nearest, how, of = monitor, m, "Service "+service.Name
			}
		}
	}
	if nearest == nil {
		d.found(NoMonitor, a.name, fmt.Sprintf("%s; no ServiceMonitor or PodMonitor is for the pods of %s", said, a.target),
			fmt.Sprintf("a PodMonitor in %s: {selector: {matchLabels: {%s}}, podMetricsEndpoints: [{port: …}]}", a.Namespace, yamlLabels(a.workload.Selector)))
		return true
	}
	name := nearest.Kind + " " + nearest.Namespace + "/" + nearest.Name
	switch how {
	case wrongLabels:
		d.found(MonitorMissed, a.name, fmt.Sprintf("%s; %s selects %q, and %s has the labels %q", said, name, nearest.Selector, of, labelsOf(of, pod, services)), "make the labels and the selector agree")
	case wrongNamespace:
		d.found(MonitorElse, a.name, fmt.Sprintf("%s; %s is not for namespace %s", said, name, pod.Namespace), fmt.Sprintf("in its spec: namespaceSelector: {matchNames: [%s]}", pod.Namespace))
	case wrongPort:
		d.found(NoSuchPort, a.name, fmt.Sprintf("%s; %s names port %s, and %s has %s", said, name, strings.Join(nearest.Ports, ", "), of, portsText(of, pod, services)), "the name of the port, on one side or the other")
	default:
		return d.ignored(a, nearest, name, said)
	}
	return true
}

// ignored finds a monitor that no Prometheus takes up.
func (d *diagnosis) ignored(a *autoscaler, monitor *Monitor, name, said string) bool {
	if len(d.Scrapers) == 0 || !d.knows("prometheuses."+OperatorGroup, "") || !d.knows("namespaces", "") {
		return false
	}
	var wants []string
	for _, s := range d.Scrapers {
		if s.takes(monitor, d.NamespaceLabels[monitor.Namespace]) {
			return false
		}
		want := "nothing"
		if selector := s.Monitors[monitor.Kind]; selector != nil {
			want = fmt.Sprintf("%q", selector)
		}
		wants = append(wants, fmt.Sprintf("Prometheus %s/%s selects %s", s.Namespace, s.Name, want))
	}
	d.found(MonitorIgnored, a.name, fmt.Sprintf("%s; no Prometheus takes up %s with the labels %q in namespace %s: %s", said, name, monitor.Labels, monitor.Namespace, strings.Join(wants, ", ")),
		"the labels that it selects, on the monitor and its namespace")
	return true
}

func (s Scraper) takes(m *Monitor, namespace labels.Set) bool {
	selector, namespaces := s.Monitors[m.Kind], s.Namespaces[m.Kind]
	if selector == nil || !selector.Matches(m.Labels) {
		return false
	}
	if namespaces == nil {
		return s.Namespace == m.Namespace
	}
	return namespaces.Matches(namespace)
}

// misses compares a monitor with an object that has labels and ports.
func (m *Monitor) misses(name, namespace string, set labels.Set, ports []string) miss {
	switch {
	case !m.Selector.Matches(set) && (m.Name == name || m.nearly(set)) && m.in(namespace):
		return wrongLabels
	case !m.Selector.Matches(set):
		return notMeant
	case !m.in(namespace):
		return wrongNamespace
	case !slices.ContainsFunc(m.Ports, func(port string) bool { return port == "" || slices.Contains(ports, port) }):
		return wrongPort
	default:
		return hit
	}
}

// nearly reports whether a part of the selector matches.
func (m *Monitor) nearly(set labels.Set) bool {
	requirements, _ := m.Selector.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Matches(set) })
}

func (m *Monitor) in(namespace string) bool {
	if m.AnyNamespace || len(m.Namespaces) == 0 && m.Namespace == namespace {
		return true
	}
	return slices.Contains(m.Namespaces, namespace)
}

func (d *diagnosis) servicesOf(pod *corev1.Pod) (services []*corev1.Service) {
	for i := range d.Services {
		s := &d.Services[i]
		if s.Namespace == pod.Namespace && len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			services = append(services, s)
		}
	}
	return services
}

func podPorts(pod *corev1.Pod) (names []string) {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			names = append(names, port.Name)
		}
	}
	return names
}

func servicePorts(service *corev1.Service) (names []string) {
	for _, port := range service.Spec.Ports {
		names = append(names, port.Name)
	}
	return names
}

// labelsOf and portsText are of the pod or the Service that a monitor missed.
func labelsOf(of string, pod *corev1.Pod, services []*corev1.Service) labels.Set {
	for _, s := range services {
		if of == "Service "+s.Name {
			return s.Labels
		}
	}
	return pod.Labels
}

func portsText(of string, pod *corev1.Pod, services []*corev1.Service) string {
	names := podPorts(pod)
	for _, s := range services {
		if of == "Service "+s.Name {
			names = servicePorts(s)
		}
	}
	if names = slices.DeleteFunc(names, func(name string) bool { return name == "" }); len(names) == 0 {
		return "none with a name"
	}
	return strings.Join(names, ", ")
}

// yamlLabels writes what a selector demands, as far as it demands equality.
func yamlLabels(selector labels.Selector) string {
	var pairs []string
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if values := r.ValuesUnsorted(); len(values) == 1 {
			pairs = append(pairs, r.Key()+": "+values[0])
		}
	}
	return strings.Join(pairs, ", ")
}
