package promtest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
)

// newFarm returns the address of a Farm.
func newFarm(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	farm := promtest.NewFarm(strings.Replace(server.Listener.Addr().String(), "127.0.0.1", "localhost", 1))
	server.Config.Handler = farm
	server.Start()
	t.Cleanup(func() { server.Close(); farm.Close() })
	return server.URL
}

// send makes a request of a Farm and returns the body of its answer.
func send(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

func put(t *testing.T, url, body string) {
	t.Helper()
	if status, answer := send(t, http.MethodPut, url, body); status != http.StatusOK {
		t.Fatalf("PUT %s: %d %s", url, status, answer)
	}
}

// query is what a strict client makes of an expression.
func query(t *testing.T, url, expr string) string {
	t.Helper()
	client := newClient(t, promapi.Config{URL: url, Timeout: 30 * time.Second})
	v, err := client.Query(t.Context(), expr, time.Time{})
	if err != nil {
		return err.Error()
	}
	lines := append([]string{}, v.Warnings...)
	for _, s := range v.Samples {
		lines = append(lines, fmt.Sprintf("%s %.3f", s.Labels, s.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

func TestAFarmIsScriptedOverHTTP(t *testing.T) {
	farm := newFarm(t)
	put(t, farm+"/a/series", `[
		{"labels": {"__name__": "load", "namespace": "shop", "pod": "x"}, "value": 20},
		{"labels": {"__name__": "load", "namespace": "shop", "pod": "y"}, "value": 30},
		{"labels": {"__name__": "hits_total", "namespace": "shop"}, "value": 7}]`)
	for _, test := range []struct{ name, fault, expr, want string }{
		{"none", `{"kind": "healthy"}`, "load", `{__name__="load", namespace="shop", pod="x"} 20.000; {__name__="load", namespace="shop", pod="y"} 30.000`},
		{"PromQL is evaluated", `{"kind": "healthy"}`, "sum(load)", "{} 50.000"},
		{"a counter has its rate", `{"kind": "healthy"}`, "sum(rate(hits_total[15s]))", "{} 7.000"},
		{"samples are as young as the answer", `{"kind": "healthy"}`, "time() - max(timestamp(load))", "{} 0.000"},
		{"samples are old", `{"kind": "outdated"}`, "max(timestamp(load)) - time()", "{} -600.000"},
		{"though their values are as ever", `{"kind": "outdated"}`, "sum(load)", "{} 50.000"},
		{"a value by name", `{"kind": "negative", "value": "-0.001"}`, "sum(load)", "{} -0.001"},
		{"an infinite one", `{"kind": "infinite", "value": "-Inf"}`, "sum(load)", "{} -Inf"},
		{"the time of a bad value is true", `{"kind": "infinite"}`, "max(timestamp(load)) - time()", "{} 0.000"},
		{"no series", `{"kind": "empty"}`, "sum(load)", ""},
		{"another's series", `{"kind": "absent"}`, `sum by (namespace) (load)`, `{namespace="not-shop"} 101.000`},
	} {
		t.Run(test.name, func(t *testing.T) {
			put(t, farm+"/a/fault", test.fault)
			if got := query(t, farm+"/a", test.expr); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	t.Run("a status by name", func(t *testing.T) {
		for _, code := range []string{"429", "500", "503", "302"} {
			put(t, farm+"/a/fault", `{"kind": "status", "code": `+code+`}`)
			if got := query(t, farm+"/a", "load"); !strings.Contains(got, code) {
				t.Errorf("%s: %s", code, got)
			}
		}
	})
	t.Run("one backend's fault is not another's", func(t *testing.T) {
		put(t, farm+"/b/series", `[{"labels": {"__name__": "load"}, "value": 1}]`)
		if got, want := query(t, farm+"/b", "load"), `{__name__="load"} 1.000`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, asked := send(t, http.MethodGet, farm+"/b/asked", ""); asked != `{"load":1}` {
			t.Errorf("asked %s", asked)
		}
	})
}

func TestARepeatedAnswerIsAsOldAsItWas(t *testing.T) {
	farm := newFarm(t)
	series := func(value string) string { return `[{"labels": {"__name__": "load"}, "value": ` + value + `}]` }
	put(t, farm+"/a/series", series("1"))
	client := newClient(t, promapi.Config{URL: farm + "/a"})
	before, err := client.Query(t.Context(), "load", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, farm+"/a/series", series("2"))
	put(t, farm+"/a/fault", `{"kind": "repeated"}`)
	for range 3 {
		again, err := client.Query(t.Context(), "load", time.Time{})
		if err != nil || !again.At.Equal(before.At) || again.Samples[0].Value != 1 {
			t.Errorf("got %v, %v, want %v", again, err, before)
		}
	}
	put(t, farm+"/a/fault", `{"kind": "healthy"}`)
	after, err := client.Query(t.Context(), "load", time.Time{})
	if err != nil || !after.At.After(before.At) || after.Samples[0].Value != 2 {
		t.Errorf("got %v, %v, want a new answer", after, err)
	}
}

func TestARedirectLeadsToAnotherNameOfTheFarm(t *testing.T) {
	farm := newFarm(t)
	put(t, farm+"/a/series", `[{"labels": {"__name__": "load"}, "value": 20}]`)
	put(t, farm+"/a/fault", `{"kind": "redirect", "code": 302}`)
	if _, answer := send(t, http.MethodGet, farm+"/a/api/v1/query?query=load", ""); !strings.Contains(answer, `"20"`) && !strings.Contains(answer, `"41"`) {
		t.Errorf("a client that follows gets no wrong number: %s", answer)
	}
	if got := query(t, farm+"/a", "load"); !strings.Contains(got, "302") {
		t.Errorf("a client that does not gets %s", got)
	}
}

func TestAFarmRefusesWhatItCannotPlay(t *testing.T) {
	farm := newFarm(t)
	for _, test := range []struct{ path, body, want string }{
		{"/a/fault", `{"kind": "tired"}`, `no fault is called "tired"`},
		{"/a/fault", `{"kind": "hang", "until": "noon"}`, "until"},
		{"/a/fault", `{"kind": "hang", "delay": "long"}`, "long"},
		{"/a/fault", `{"kind": "negative", "value": "few"}`, "few"},
		{"/a/series", `[{"labels": {"pod": "x"}, "value": 1}]`, "__name__"},
	} {
		if status, answer := send(t, http.MethodPut, farm+test.path, test.body); status != http.StatusBadRequest || !strings.Contains(answer, test.want) {
			t.Errorf("PUT %s %s: %d %s, want 400 that names %s", test.path, test.body, status, answer, test.want)
		}
	}
	if status, _ := send(t, http.MethodGet, farm+"/nobody/api/v1/query", ""); status != http.StatusNotFound {
		t.Errorf("a backend that nobody opened: %d, want 404", status)
	}
}
