package app

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// The metrics of the configuration, on the server's /metrics.
var (
	reloadSuccessful = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: "pitot", Subsystem: "config", Name: "last_reload_successful",
		Help:           "Whether the configuration was loaded without any problem when it last changed (1) or not (0).",
		StabilityLevel: metrics.ALPHA,
	})
	reloadSuccessTime = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: "pitot", Subsystem: "config", Name: "last_reload_success_timestamp_seconds",
		Help:           "When the configuration was last loaded without any problem, in Unix time.",
		StabilityLevel: metrics.ALPHA,
	})
	configRules = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "pitot", Subsystem: "config", Name: "rules",
		Help:           "Rules of the configuration by state: good, kept (broken, and served as it was before) or broken (and not served).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"state"})
)

var registerConfigMetrics = sync.OnceFunc(func() {
	legacyregistry.MustRegister(reloadSuccessful, reloadSuccessTime, configRules)
})

// observeLoad publishes what a load came to.
func observeLoad(c *configuration) {
	registerConfigMetrics()
	successful := 0.0
	if len(c.problems) == 0 {
		successful = 1
		reloadSuccessTime.Set(float64(c.at.UnixMilli()) / 1000)
	}
	reloadSuccessful.Set(successful)
	// One broken rule whose kind cannot be read may stand for two that are kept.
	kept := len(c.served.Rules) - len(c.loaded.Rules)
	configRules.WithLabelValues("good").Set(float64(len(c.loaded.Rules)))
	configRules.WithLabelValues("kept").Set(float64(kept))
	configRules.WithLabelValues("broken").Set(float64(max(0, c.served.Broken()-kept)))
}
