package server

import (
	"maps"
	"net/http"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapi "k8s.io/apiserver/pkg/endpoints"
	"k8s.io/apiserver/pkg/endpoints/discovery"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
	openapicommon "k8s.io/kube-openapi/pkg/common"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	customv1beta1 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	customv1beta2 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"k8s.io/metrics/pkg/apis/external_metrics"
	externalv1beta1 "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver/installer"
	openapicore "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/core"
	openapicustom "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/custommetrics"
	openapiexternal "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	externalstorage "sigs.k8s.io/custom-metrics-apiserver/pkg/registry/external_metrics"
)

// apis are the two API groups under the names they are served by.
type apis struct {
	custom   []schema.GroupVersion // the preferred version first
	external []schema.GroupVersion
	scheme   *runtime.Scheme
	codecs   serializer.CodecFactory
}

// newAPIs builds the scheme of both groups. The types, the conversions and the
// wire formats are Kubernetes'; only the groups' names are free, which is why
// the ready-made installation of k8s.io/metrics cannot be used.
func newAPIs(customGroup, externalGroup string) (*apis, error) {
	scheme := runtime.NewScheme()
	a := &apis{
		custom:   []schema.GroupVersion{{Group: customGroup, Version: "v1beta2"}, {Group: customGroup, Version: "v1beta1"}},
		external: []schema.GroupVersion{{Group: externalGroup, Version: "v1beta1"}},
		scheme:   scheme,
		codecs:   serializer.NewCodecFactory(scheme),
	}
	internal := func(group string) schema.GroupVersion {
		return schema.GroupVersion{Group: group, Version: runtime.APIVersionInternal}
	}
	scheme.AddKnownTypes(internal(customGroup),
		&custom_metrics.MetricValue{}, &custom_metrics.MetricValueList{}, &custom_metrics.MetricListOptions{})
	scheme.AddKnownTypes(a.custom[0],
		&customv1beta2.MetricValue{}, &customv1beta2.MetricValueList{}, &customv1beta2.MetricListOptions{})
	scheme.AddKnownTypes(a.custom[1],
		&customv1beta1.MetricValue{}, &customv1beta1.MetricValueList{}, &customv1beta1.MetricListOptions{})
	scheme.AddKnownTypes(internal(externalGroup),
		&external_metrics.ExternalMetricValue{}, &external_metrics.ExternalMetricValueList{})
	scheme.AddKnownTypes(a.external[0],
		&externalv1beta1.ExternalMetricValue{}, &externalv1beta1.ExternalMetricValueList{})
	for _, gv := range append(a.custom, a.external...) {
		metav1.AddToGroupVersion(scheme, gv)
	}
	// Discovery and errors are v1 objects without a group.
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})

	builder := runtime.NewSchemeBuilder(
		customv1beta1.RegisterConversions, customv1beta2.RegisterConversions,
		externalv1beta1.RegisterConversions, installer.RegisterConversions)
	return a, builder.AddToScheme(scheme)
}

func (a *apis) installCustom(s *genericserver.GenericAPIServer, live *liveDiscovery, p provider.CustomMetricsProvider) error {
	var versions []*installer.MetricsAPIGroupVersion
	for _, gv := range a.custom {
		versions = append(versions, &installer.MetricsAPIGroupVersion{
			DynamicStorage:  newCustomStorage(p),
			APIGroupVersion: a.version(gv, runtime.NewParameterCodec(a.scheme)),
			ResourceLister:  provider.NewCustomMetricResourceLister(p),
			Handlers:        &installer.CMHandlers{},
		})
	}
	return install(s, live, versions)
}

func (a *apis) installExternal(s *genericserver.GenericAPIServer, live *liveDiscovery, p provider.ExternalMetricsProvider) error {
	var versions []*installer.MetricsAPIGroupVersion
	for _, gv := range a.external {
		versions = append(versions, &installer.MetricsAPIGroupVersion{
			DynamicStorage:  externalstorage.NewREST(p),
			APIGroupVersion: a.version(gv, metav1.ParameterCodec),
			ResourceLister:  provider.NewExternalMetricResourceLister(p),
			Handlers:        &installer.EMHandlers{},
		})
	}
	return install(s, live, versions)
}

func (a *apis) version(gv schema.GroupVersion, parameters runtime.ParameterCodec) *genericapi.APIGroupVersion {
	return &genericapi.APIGroupVersion{
		Root:            genericserver.APIGroupPrefix,
		GroupVersion:    gv,
		ParameterCodec:  parameters,
		Serializer:      a.codecs,
		Creater:         a.scheme,
		Convertor:       a.scheme,
		UnsafeConvertor: runtime.UnsafeObjectConvertor(a.scheme),
		Typer:           a.scheme,
		Namer:           runtime.Namer(meta.NewAccessor()),
	}
}

// install serves one group in the given versions, the preferred one first, and
// announces all of them.
func install(s *genericserver.GenericAPIServer, live *liveDiscovery, versions []*installer.MetricsAPIGroupVersion) error {
	group := metav1.APIGroup{Name: versions[0].GroupVersion.Group}
	for i, v := range versions {
		if err := v.InstallREST(s.Handler.GoRestfulContainer); err != nil {
			return err
		}
		group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{
			GroupVersion: v.GroupVersion.String(),
			Version:      v.GroupVersion.Version,
		})
		if err := live.add(v.GroupVersion, v.ResourceLister, len(versions)-i); err != nil {
			return err
		}
	}
	group.PreferredVersion = group.Versions[0]
	s.DiscoveryGroupManager.AddGroup(group)
	s.Handler.GoRestfulContainer.Add(discovery.NewAPIGroupHandler(s.Serializer, group).WebService())
	return nil
}

// liveDiscovery is aggregated discovery, the one document at /apis, that asks
// the resource listers anew for each request. The generic server would publish
// what it was told once, and the library's handlers do not tell it at all: the
// cluster would then show these groups as empty.
type liveDiscovery struct {
	aggregated.ResourceManager
	versions []liveVersion // complete before the first request
}

type liveVersion struct {
	schema.GroupVersion
	lister discovery.APIResourceLister
}

func (d *liveDiscovery) add(gv schema.GroupVersion, lister discovery.APIResourceLister, priority int) error {
	v := liveVersion{gv, lister}
	d.versions = append(d.versions, v)
	if err := d.refresh(v); err != nil {
		return err
	}
	d.SetGroupVersionPriority(metav1.GroupVersion(gv), 100, priority)
	return nil
}

// refresh publishes what v lists now. If that cannot be expressed, the last
// document stands.
func (d *liveDiscovery) refresh(v liveVersion) error {
	list := v.lister.ListAPIResources()
	for i := range list {
		list[i].Group, list[i].Version = v.Group, v.Version
	}
	resources, err := genericapi.ConvertGroupVersionIntoToDiscovery(list)
	if err != nil {
		return err
	}
	d.AddGroupVersion(v.Group, apidiscovery.APIVersionDiscovery{
		Version:   v.Version,
		Freshness: apidiscovery.DiscoveryFreshnessCurrent,
		Resources: resources,
	})
	return nil
}

// ServeHTTP answers GET /apis for clients that accept the aggregated form.
func (d *liveDiscovery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, v := range d.versions {
		if err := d.refresh(v); err != nil {
			klog.ErrorS(err, "Discovery keeps its last list", "groupVersion", v.GroupVersion)
		}
	}
	d.ResourceManager.ServeHTTP(w, r)
}

// openAPI describes both groups, in OpenAPI 2 and 3.
func (a *apis) openAPI() (*openapicommon.Config, *openapicommon.OpenAPIV3Config) {
	definitions := func(ref openapicommon.ReferenceCallback) map[string]openapicommon.OpenAPIDefinition {
		all := openapicore.GetOpenAPIDefinitions(ref)
		maps.Copy(all, openapicustom.GetOpenAPIDefinitions(ref))
		maps.Copy(all, openapiexternal.GetOpenAPIDefinitions(ref))
		return all
	}
	namer := openapinamer.NewDefinitionNamer(a.scheme)
	v2 := genericserver.DefaultOpenAPIConfig(definitions, namer)
	v3 := genericserver.DefaultOpenAPIV3Config(definitions, namer)
	v2.Info.Title, v3.Info.Title = "Pitot", "Pitot"
	return v2, v3
}
