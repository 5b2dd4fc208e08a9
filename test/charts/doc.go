// Package charts tests the Helm chart in charts/pitot and the manifests in deploy,
// rendered as Helm and kustomize render them. It needs no cluster.
//
//	go test .            # check
//	go test . -update    # write deploy/, docs/helm-values.md, testdata/defaults.yaml and the differences anew
//
// Each file of testdata/values is a set of values that somebody could install
// with. Beside it stands what it changes in comparison with testdata/defaults.yaml,
// to be read after each -update. A first line such as
//
//	# helm install metrics --namespace observability
//
// gives the release another name and namespace than pitot in monitoring.
//
// Each file of testdata/refused is a set of values that is refused, with the
// message in its first lines.
//
// # Limitations
//
// What the cluster makes of the objects is for test/e2e to say.
package charts
