// Pitot serves the Kubernetes custom and external metrics APIs from Prometheus.
package main

import (
	"context"
	"os"

	"github.com/pitot-autoscaling/pitot/pkg/app"
)

func main() {
	os.Exit(app.Main(context.Background(), app.OSEnv(), os.Args[1:]))
}
