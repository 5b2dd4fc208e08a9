package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// The groups of the APIs that HPAs read.
const (
	CustomGroup   = "custom.metrics.k8s.io"
	ExternalGroup = "external.metrics.k8s.io"
	ResourceGroup = "metrics.k8s.io"
)

// Versions are those of the metrics APIs, the newest first.
var Versions = map[string][]string{
	CustomGroup:   {"v1beta2", "v1beta1"},
	ExternalGroup: {"v1beta1"},
	ResourceGroup: {"v1beta1"},
}

var groups = []string{CustomGroup, ExternalGroup, ResourceGroup}

// groupOf is the API that a metric is read from.
func groupOf(metric autoscalingv2.MetricSpec) string {
	switch metric.Type {
	case autoscalingv2.PodsMetricSourceType, autoscalingv2.ObjectMetricSourceType:
		return CustomGroup
	case autoscalingv2.ExternalMetricSourceType:
		return ExternalGroup
	default:
		return ResourceGroup
	}
}

// version is the version of a group that the HPA controller reads: the newest
// that is available. It is "" if none is registered.
func (f *Facts) version(group string) string {
	registered := ""
	for _, version := range Versions[group] {
		for _, a := range f.APIServices {
			switch {
			case a.Group != group || a.Version != version:
			case a.Available == "True":
				return version
			case registered == "":
				registered = version
			}
		}
	}
	if registered == "" && !f.knows(apiServices, "") {
		return f.Served[group]
	}
	return registered
}

const apiServices = "apiservices.apiregistration.k8s.io"

// soon is how long before its end an authority should have a successor: two
// weeks, and less of one that lives shortly.
func soon(ca *x509.Certificate) time.Duration {
	return min(14*24*time.Hour, ca.NotAfter.Sub(ca.NotBefore)/5)
}

func (d *diagnosis) apis() {
	for _, group := range groups {
		var services []string
		available := false
		for _, a := range d.APIServices {
			if a.Group != group {
				continue
			}
			services = append(services, a.Service.String())
			available = available || a.Available == "True"
			d.api(a)
		}
		if d.version(group) == "" {
			d.noAPI(group)
			continue
		}
		if len(services) == 0 { // of which nothing more is known
			continue
		}
		d.down[group] = !available
		if slices.Sort(services); len(slices.Compact(services)) > 1 {
			d.found(SeveralServices, "api "+group, "its versions lead to "+strings.Join(slices.Compact(services), " and "),
				"one adapter for all versions: delete the APIServices of the other, or install it anew without them")
		}
	}
}

// noAPI finds a group that is not registered, if an HPA reads it.
func (d *diagnosis) noAPI(group string) {
	d.down[group] = true
	cure := "install Pitot with this API; the HPAs then need no change"
	if group == ResourceGroup {
		cure = "install metrics-server"
	}
	for i := range d.Autoscalers {
		for _, metric := range d.Autoscalers[i].Spec.Metrics {
			if d.chosen(&d.Autoscalers[i]) && groupOf(metric) == group {
				d.found(NobodyServes, nameOf(&d.Autoscalers[i]), "it reads "+group+", which nobody serves", cure)
			}
		}
	}
}

func (d *diagnosis) api(a APIService) {
	if a.Service.Name == "" {
		return // in kube-apiserver itself
	}
	if a.Available != "True" {
		d.unavailable(a)
	} else if a.InsecureSkipTLSVerify {
		d.found(InsecureTLS, a.name(), "insecureSkipTLSVerify: nobody verifies who answers as "+a.Service.String(),
			"remove insecureSkipTLSVerify, and set caBundle to the CA of the certificate (docs/certificates.md)")
	}
	if len(a.CABundle) > 0 {
		d.bundle(a)
	}
}

// unavailable says why, in the order in which kube-apiserver's availability
// controller looks (kube-aggregator, pkg/controllers/status/remote).
func (d *diagnosis) unavailable(a APIService) {
	blocks := "; until it is available again no namespace of the cluster can be deleted"
	namespace, service := a.Service.Namespace, a.Service.Name
	switch {
	case a.Reason == "ServiceNotFound":
		d.found(NoService, a.name(), fmt.Sprintf("it leads to Service %s, which does not exist%s", a.Service, blocks),
			"install what the Service belongs to again; if nobody needs the API, kubectl delete apiservice, with these names")
	case a.Reason == "EndpointsNotFound" || a.Reason == "MissingEndpoints" || a.Reason == "ServicePortError":
		d.found(NoEndpoints, a.name(), fmt.Sprintf("behind Service %s no pod is ready on its port (%s)%s", a.Service, a.Message, blocks),
			fmt.Sprintf("kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s; then look at the pods", namespace, service))
	case strings.Contains(a.Message, "x509") || strings.Contains(a.Message, "certificate"):
		what := "kube-apiserver cannot verify the certificate of Service " + a.Service.String()
		if len(a.CABundle) == 0 {
			what += ", and caBundle is empty"
		}
		d.found(NotVerified, a.name(), what+": "+a.Message+blocks, fmt.Sprintf("set caBundle to the CA that signed the certificate for %s.%s.svc (docs/certificates.md)", service, namespace))
	case a.Available == "":
		d.found(Unavailable, a.name(), "kube-apiserver has not looked at it yet", "wait some seconds")
	default:
		d.found(Unavailable, a.name(), fmt.Sprintf("kube-apiserver does not reach Service %s: %s: %s%s", a.Service, a.Reason, a.Message, blocks),
			"let the control plane reach the pods on that port: network policies, firewalls, and a proxy in between")
	}
}

func (d *diagnosis) bundle(a APIService) {
	var last *x509.Certificate
	for rest := a.CABundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && (last == nil || cert.NotAfter.After(last.NotAfter)) {
			last = cert
		}
	}
	const cure = "write the CA that signs now; with --certificates auto Pitot does so itself (docs/certificates.md)"
	switch {
	case last == nil:
		d.found(BadBundle, a.name(), "caBundle holds no certificate", cure)
	case last.NotAfter.Before(d.Now):
		d.found(BadBundle, a.name(), "every certificate of caBundle has ended, the last on "+last.NotAfter.UTC().Format(time.DateOnly), cure)
	case last.NotAfter.Before(d.Now.Add(soon(last))):
		d.found(BundleEnds, a.name(), "the last certificate of caBundle ends on "+last.NotAfter.UTC().Format(time.DateOnly), cure)
	}
}
