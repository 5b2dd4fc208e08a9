package server

import (
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	genericserver "k8s.io/apiserver/pkg/server"
)

// secure says who may ask: everybody when standalone, whom the cluster names
// otherwise.
func (o *Options) secure(config *genericserver.Config) error {
	if o.Standalone {
		config.Authentication.Authenticator = anonymous.NewAuthenticator(nil)
		config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
		return nil
	}
	return o.delegate(config)
}

func (o *Options) delegate(config *genericserver.Config) error {
	authentication, authorization := *o.Authentication, *o.Authorization
	if authentication.RemoteKubeConfigFile == "" {
		authentication.RemoteKubeConfigFile = o.Kubeconfig
	}
	if authorization.RemoteKubeConfigFile == "" {
		authorization.RemoteKubeConfigFile = o.Kubeconfig
	}
	authentication.TolerateInClusterLookupFailure = true
	if err := authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return err
	}
	return authorization.ApplyTo(&config.Authorization)
}
