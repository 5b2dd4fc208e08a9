// Package install tests the Helm chart on a real node: what a user of it does,
// from helm install to helm uninstall, with the image that is released.
package install
