package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// A farm is a process of many Prometheus servers that fail on command, each
// below a path of its own: pkg/internal/promtest.
type farm struct{ url string }

// A fault is what happens to every answer of a server, in the words of
// promtest.Farm. Without a kind it is none.
type fault struct {
	Kind  string `json:"kind"`
	Value string `json:"value,omitempty"`
	Code  int    `json:"code,omitempty"`
	Delay string `json:"delay,omitempty"`
}

var healthy = fault{Kind: "healthy"}

// A series keeps its value; one whose name ends in _total grows by it per second.
type series struct {
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

func startFarm(c *cluster) *farm {
	address := trial.Loopback(trial.FreePort())
	c.Start(trial.Command{Name: "promtest", Path: c.promtest, Args: []string{"-listen=" + address}})
	f := &farm{url: "http://" + address}
	c.Eventually(c.T, probeTime, "promtest answers", func(ctx context.Context) error {
		return f.setSeries(ctx, "probe", nil)
	})
	return f
}

// backend is the address of a server.
func (f *farm) backend(name string) string { return f.url + "/" + name }

// setSeries replaces all that a server knows.
func (f *farm) setSeries(ctx context.Context, name string, all []series) error {
	if all == nil {
		all = []series{}
	}
	return f.put(ctx, name+"/series", all)
}

// setFault decides what happens to a server's answers from now on.
func (f *farm) setFault(ctx context.Context, name string, fault fault) error {
	return f.put(ctx, name+"/fault", fault)
}

func (f *farm) put(ctx context.Context, path string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, f.url+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("PUT %s %s: %s", path, body, response.Status)
	}
	return nil
}

// asked is how many requests a server has had for each query.
func (f *farm) asked(ctx context.Context, name string) (map[string]int, error) {
	response, err := get(ctx, f.backend(name)+"/asked")
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	counts := map[string]int{}
	return counts, json.NewDecoder(response.Body).Decode(&counts)
}
