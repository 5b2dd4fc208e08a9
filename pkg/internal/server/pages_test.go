package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
)

func TestTheClusterDecidesWhoMaySeeAPage(t *testing.T) {
	k, opts := newKubeAPI(t, func(spec authorizationv1.SubjectAccessReviewSpec) bool {
		path := spec.NonResourceAttributes
		return spec.User == "alice" && path != nil && path.Path == "/statusz" && path.Verb == "get"
	})
	srv, err := New(opts, Deps{Custom: echo{}, Pages: map[string]http.Handler{
		"/statusz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all is well") }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, srv)
	anyone := newCaller(t, srv, nil, nil)
	eventually(t, "ready", func() bool { code, _ := anyone.get(t, "/readyz"); return code == 200 })

	if code, body := anyone.get(t, "/statusz"); code != http.StatusForbidden || strings.Contains(body, "well") {
		t.Errorf("nobody: status %d: %s", code, body)
	}
	if code, body := k.throughFrontProxy(t, srv, "bob").get(t, "/statusz"); code != http.StatusForbidden || strings.Contains(body, "well") {
		t.Errorf("bob: status %d: %s", code, body)
	}
	if code, body := k.throughFrontProxy(t, srv, "alice").get(t, "/statusz"); code != http.StatusOK || body != "all is well" {
		t.Errorf("alice: status %d: %s", code, body)
	}
}
