package reading

import (
	"errors"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// aged gives the samples of a vector their ages, in their order.
func aged(v instant.Vector, ages ...time.Duration) instant.Vector {
	for i := range v.Samples {
		v.Samples[i].Age = ages[i]
	}
	return v
}

func TestASampleMustBeYoung(t *testing.T) {
	const stale = "exporter does not answer, or is scraped more rarely than the backend's scrapeInterval says (maxSampleAge of the rule)"
	answer := func(age time.Duration) instant.Vector {
		return aged(vector(t, `
			{namespace="shop", pod="a", service="web", le="+Inf"} 1
			{namespace="shop", pod="b", service="api", le="+Inf"} 1`), age, 10*time.Second)
	}
	view := View{Elapsed: 20 * time.Second}
	members := Members{Live: []string{"a", "b"}}
	departed := Members{Live: []string{"b"}, Departed: []string{"a"}}
	read := map[string]func(instant.Vector) Reading{
		"a pod": func(v instant.Vector) Reading {
			return Pod(podsRule(t, ""), v.Group("namespace", "pod"), view, instant.Object{Namespace: "shop", Name: "a"})
		},
		"an object": func(v instant.Vector) Reading {
			return Labelled(serviceRule(t, "onEmpty: zero"), v.Group("namespace", "service"), view, web)
		},
		"a sum over pods": func(v instant.Vector) Reading {
			return Workload(aggregateRule(t, rule.Sum, "onEmpty: zero"), v.Group("namespace", "pod"), view, web, members)
		},
		"a quantile over pods": func(v instant.Vector) Reading {
			return Workload(quantileRule(t, "onIdle: zero"), v.Group("namespace", "pod"), view, web, members)
		},
		"external series": func(v instant.Vector) Reading {
			r := externalRule(t, "onEmpty: zero, onNaN: drop")
			return Total(r, Series(r, v.Samples, view, "shop"), "shop")
		},
	}
	for what, read := range read {
		t.Run(what, func(t *testing.T) {
			if got := read(answer(40 * time.Second)); got.State == Stale {
				t.Errorf("at the bound: %s", show(got))
			}
			got := read(answer(41 * time.Second))
			if got.State != Stale || got.Cause == "" {
				t.Errorf("beyond the bound: %s", show(got))
			}
		})
	}
	t.Run("the cause names age, bound and cure", func(t *testing.T) {
		want := `stale: pod shop/a: the newest sample is 1m1s old, and 1m0s is the bound: its ` + stale
		if got := show(read["a sum over pods"](answer(41 * time.Second))); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	})
	t.Run("what a departed pod counted is not asked its age", func(t *testing.T) {
		got := show(Workload(aggregateRule(t, rule.Sum, ""), answer(time.Hour).Group("namespace", "pod"), view, web, departed))
		if want := "value 2000m"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("the rule has its own bound", func(t *testing.T) {
		got := show(Pod(podsRule(t, "maxSampleAge: 2h"), answer(time.Hour).Group("namespace", "pod"), view, instant.Object{Namespace: "shop", Name: "a"}))
		if want := "value 1000m"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestZeroMustBeProved(t *testing.T) {
	const when = `zeroWhen: "max by (namespace) (redis_up) == 1"`
	proof := vector(t, `{namespace="shop"} 1`).Samples
	foreign := vector(t, `{namespace="bank"} 1`).Samples
	everywhere := vector(t, `{} 1`).Samples
	services := vector(t, `{namespace="shop", service="api"} 3`)
	const unproved = `, and nothing proves that this is zero: max by (namespace) (redis_up) == 1 does not hold (zeroWhen)`
	external := func(more string, view View, answer instant.Vector) Reading {
		r := externalRule(t, when+more)
		return Total(r, Series(r, answer.Samples, view, "shop"), "shop")
	}
	for _, c := range []struct {
		name string
		got  Reading
		want string
	}{
		{"proved in the namespace", external("", View{Proof: proof}, instant.Vector{}), "idle 0m"},
		{"proved everywhere", external("", View{Proof: everywhere}, instant.Vector{}), "idle 0m"},
		{"clamped as any value", external(", clampMin: 2", View{Proof: proof}, instant.Vector{}), "idle 2000m"},
		{"proved elsewhere", external("", View{Proof: foreign}, instant.Vector{}), `empty: no matching series in namespace "shop"` + unproved},
		{"not proved", external("", View{}, instant.Vector{}), `empty: no matching series in namespace "shop"` + unproved},
		{"the proof has no answer", external("", View{ProofErr: errors.New("timeout")}, instant.Vector{}),
			`empty: no matching series in namespace "shop"; whether that is zero cannot be asked: timeout`},
		{"a value needs no proof", external("", View{}, services), "value 3000m"},
		{"a value is not zero for a proof", external("", View{Proof: proof}, services), "value 3000m"},
		{"a NaN that is dropped is no zero", external(", onNaN: drop", View{Proof: proof}, vector(t, `{namespace="shop", queue="a"} NaN`)),
			`empty: each of the 1 matching series in namespace "shop" is NaN` + emptyHint},
		{"an object", Labelled(serviceRule(t, when), services.Group("namespace", "service"), View{Proof: proof}, web), "idle 0m"},
		{"an object that the proof names", Labelled(serviceRule(t, `zeroWhen: "max by (service) (up) == 1"`), nil,
			View{Proof: vector(t, `{service="web"} 1`).Samples}, web), "idle 0m"},
		{"an object that the proof does not name", Labelled(serviceRule(t, `zeroWhen: "max by (service) (up) == 1"`), nil,
			View{Proof: vector(t, `{service="api"} 1`).Samples}, web),
			`empty: no series with namespace="shop" and service="web", and nothing proves that this is zero: max by (service) (up) == 1 does not hold (zeroWhen)`},
		{"a workload", Workload(aggregateRule(t, rule.Sum, when), nil, View{Proof: proof}, web, Members{Live: []string{"a"}}), "idle 0m"},
		{"a workload without pods", Workload(aggregateRule(t, rule.Sum, when), nil, View{Proof: proof}, web, Members{}), "empty: deployments.apps shop/web has no live pod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(c.got); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}
