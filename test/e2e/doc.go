// Package e2e tests Pitot in a cluster: a real etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler, kwok in the place of kubelets,
// real Prometheus servers, real Python processes behind the pods and a real
// Redis queue. Everything listens on 127.0.0.1 and ends with the test.
//
// The pieces, each in its own file:
//
//	plane.go       the control plane, and kwok
//	manifest.go    YAML from testdata, applied as kubectl would
//	prometheus.go  Prometheus servers and the files that name their targets
//	shop.go        one Python process for every pod of the shop
//	page.go        a metrics page with counters of known rates
//	redis.go       Redis and its exporter
//	load.go        requests to the shop
//	apps.go        the applications of examples/apps, run by their manifests
//	customers.go   requests to them, counted
//	farm.go        Prometheus servers that fail on command
//	pitot.go       Pitot itself, registered with the aggregator
//	service.go     one address for two of it
//	audit.go       kube-apiserver's record of every read of a metric
//	tap.go         the HPA controller's answers from Pitot
//	podwatch.go    the pods of a namespace at every time
//	recording.go   what the HPA controller read and did, sync by sync
//	cluster.go     all of them together, and waiting
//
// What another test of a cluster needs too is in packages of its own: child
// processes and waiting (trial), certificates (pki), the control plane (plane),
// manifests (manifest), requests at an even rate (traffic) and programs to build
// (testbin). Package node has a real node, and package install the tests on it.
//
// A pod here is a real object that a real controller made; only its containers
// are not run by a kubelet. README.md says how to run one test and where the
// logs are.
package e2e
