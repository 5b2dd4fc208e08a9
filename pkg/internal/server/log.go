package server

import (
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

// BridgeKlog sends what the Kubernetes libraries log through klog to log.
//
// Their errors stay errors, without the libraries' stacks. Everything else
// becomes a debug entry: what a library calls information is rarely news to the
// operator of Pitot, and klog hands on its warnings as information. Call it
// once, before New.
func BridgeKlog(log *zap.Logger) {
	log = log.WithOptions(zap.AddStacktrace(zap.FatalLevel))
	klog.SetLogger(zapr.NewLogger(log).V(1))
}
