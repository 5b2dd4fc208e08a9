package e2e

import (
	"net/http"
	"time"

	"github.com/pitot-autoscaling/pitot/test/e2e/traffic"
)

// maxLoad bounds a load's requests per second: the machine is shared.
const maxLoad = 100

// startLoad sends requests to the app's processes in turn, whichever answer at
// the time. It stops by Stop, or with the cluster.
func (c *cluster) startLoad(namespace, app, path string, perSecond float64) *traffic.Stream {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxLoad, IdleConnTimeout: 10 * time.Second}}
	return traffic.Load(c.Ctx, client, min(perSecond, maxLoad), func(turn int) string {
		addresses := c.shop.addresses(namespace, app)
		if len(addresses) == 0 {
			return ""
		}
		return "http://" + addresses[turn%len(addresses)] + path
	})
}
