package server

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	genericserver "k8s.io/apiserver/pkg/server"
)

// secure says who may ask: everybody when standalone, whom the cluster names
// otherwise.
func (o *Options) secure(config *genericserver.Config) error {
	if o.Standalone {
		config.Authentication.Authenticator = authenticator.RequestFunc(everybody)
		config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
		return nil
	}
	if err := o.authenticate(config); err != nil {
		return err
	}
	return o.authorize(config)
}

// everybody takes each request for the same user. Not for an anonymous one: the
// generic server closes the HTTP/2 connection after each anonymous request.
func everybody(*http.Request) (*authenticator.Response, bool, error) {
	return &authenticator.Response{User: &user.DefaultInfo{Name: "standalone", Groups: []string{user.AllAuthenticated}}}, true, nil
}

// authorize makes config ask the cluster whether a request is allowed.
func (o *Options) authorize(config *genericserver.Config) error {
	opts := *o.Authorization
	if opts.RemoteKubeConfigFile == "" {
		opts.RemoteKubeConfigFile = o.Kubeconfig
	}
	if err := opts.ApplyTo(&config.Authorization); err != nil {
		return fmt.Errorf("authorization: %w", err)
	}
	config.Authorization.Authorizer = coarseFirst(config.Authorization.Authorizer, o.CustomGroup, o.ExternalGroup)
	return nil
}

// coarseFirst asks cluster whether a reader of metrics may read every metric
// of the API group, and only if not, whether it may read this one.
//
// The first question is the same for all metrics, so that its cached answer
// serves a HorizontalPodAutoscaler controller of any size: it asks for thousands
// of paths, each with its own selectors, and every distinct question would be a
// call to the kube-apiserver once a minute. Kubernetes' rules only ever add up,
// hence who may read all may read one. (An authorization webhook that takes one
// namespace away from an account that may read all is not heard.)
//
// The second question leaves the selectors out, again to ask less often:
// no built-in rule looks at the selectors of metrics.
func coarseFirst(cluster authorizer.Authorizer, groups ...string) authorizer.Authorizer {
	metrics := make(map[string]bool)
	for _, group := range groups {
		metrics[group] = true
	}
	return authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if !a.IsResourceRequest() || !a.IsReadOnly() || !metrics[a.GetAPIGroup()] {
			return cluster.Authorize(ctx, a)
		}
		decision, reason, err := cluster.Authorize(ctx, authorizer.AttributesRecord{
			User:            a.GetUser(),
			Verb:            a.GetVerb(),
			APIGroup:        a.GetAPIGroup(),
			APIVersion:      "*",
			Resource:        "*",
			ResourceRequest: true,
		})
		if decision == authorizer.DecisionAllow || err != nil {
			return decision, reason, err
		}
		return cluster.Authorize(ctx, authorizer.AttributesRecord{
			User:            a.GetUser(),
			Verb:            a.GetVerb(),
			Namespace:       a.GetNamespace(),
			APIGroup:        a.GetAPIGroup(),
			APIVersion:      a.GetAPIVersion(),
			Resource:        a.GetResource(),
			Subresource:     a.GetSubresource(),
			Name:            a.GetName(),
			ResourceRequest: true,
			Path:            a.GetPath(),
		})
	})
}
