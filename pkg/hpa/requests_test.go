package hpa

import "testing"

func TestRequestsOfPods(t *testing.T) {
	both := &Template{Containers: []Container{
		{Name: "app", Requests: Requests{CPU: 500, "memory": 64}},
		{Name: "sidecar", Requests: Requests{CPU: 100}},
	}}
	whole := &Template{Containers: both.Containers, PodLevel: Requests{CPU: 900}}
	old, _ := Kubernetes(33)
	newest, _ := Kubernetes(Newest)
	for _, c := range []struct {
		name                string
		profile             Profile
		template            *Template
		resource, container string
		milli               int64
		err                 string
	}{
		{"all containers add up", newest, both, CPU, "", 600, ""},
		{"one without a request spoils the sum", newest, both, "memory", "", 0, "pod web-1: no request for memory in container sidecar"},
		{"a container by name", newest, both, CPU, "sidecar", 100, ""},
		{"a named container without a request", newest, both, "memory", "sidecar", 0, "pod web-1: no request for memory in container sidecar"},
		{"a container that is not there", newest, both, CPU, "proxy", 0, "pod web-1: no container proxy"},
		{"which used to request nothing", old, both, CPU, "proxy", 0, ""},
		{"the pod's own requests come first", newest, whole, CPU, "", 900, ""},
		{"also where they lack the resource", newest, whole, "memory", "", 0, "pod web-1: no request for memory at the level of the pod"},
		{"but not before a named container's", newest, whole, CPU, "app", 500, ""},
		{"and not before 1.34", old, whole, CPU, "", 600, ""},
		{"nothing is known", newest, nil, CPU, "", 0, "pod web-1: its requests are not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := requester{resource: c.resource, container: c.container, profile: &c.profile}
			for range 2 { // the second answer is remembered
				milli, err := q.of(&Pod{Name: "web-1", Template: c.template})
				if text(err) != c.err || milli != c.milli {
					t.Errorf("got %d, %v, want %d, %s", milli, err, c.milli, c.err)
				}
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
