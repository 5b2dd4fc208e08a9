package charts

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// watched is what Pitot lists and watches in all namespaces: the pods and their
// owners (pkg/internal/pods), and what HPAs want (pkg/internal/demand).
var watched = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"list", "watch"}},
}

// checkRights holds the rights of Pitot's account against what its arguments make it do.
func checkRights(t *testing.T, all []object) {
	t.Helper()
	deployment := one[*appsv1.Deployment](t, all)
	pitot, account := pitotOf(deployment), deployment.Spec.Template.Spec.ServiceAccountName
	if len(of[*rbacv1.ClusterRole](all)) == 0 { // rbac.create=false
		equal(t, "bindings without roles", len(of[*rbacv1.ClusterRoleBinding](all))+len(of[*rbacv1.RoleBinding](all)), 0)
		return
	}
	for _, o := range of[*corev1.ServiceAccount](all) {
		if _, hook := o.Annotations["helm.sh/hook"]; !hook && o.Name != account {
			t.Errorf("the pods are %s, and the ServiceAccount is %s", account, o.Name)
		}
	}

	clusterWide, inNamespace := slices.Clone(watched), []rbacv1.PolicyRule(nil)
	if names := arguments(pitot, "--apiservice"); len(names) > 0 {
		clusterWide = append(clusterWide, rbacv1.PolicyRule{
			APIGroups: []string{"apiregistration.k8s.io"}, Resources: []string{"apiservices"},
			ResourceNames: names, Verbs: []string{"get", "list", "watch", "patch"},
		})
	}
	for _, secret := range arguments(pitot, "--ca-secret") {
		inNamespace = append(inNamespace, rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"secrets"},
			ResourceNames: []string{strings.TrimPrefix(secret, "$(NAMESPACE)/")}, Verbs: []string{"get", "list", "watch", "update"},
		})
	}
	granted := rightsOf(t, all, account)
	namespaces := arguments(pitot, "--team-rules-namespace")
	for _, namespace := range namespaces {
		equal(t, "rights in the namespace of a team", granted[namespace], teamRights)
		delete(granted, namespace)
	}
	if slices.Contains(pitot.Args, "--team-rules") && len(namespaces) == 0 {
		clusterWide = append(clusterWide, teamRights...)
	}
	equal(t, "rights in all namespaces", granted[""], clusterWide)
	equal(t, "rights in the namespace of the release", granted[deployment.Namespace], inNamespace)
	delete(granted, "")
	delete(granted, deployment.Namespace)
	if len(granted) > 0 {
		t.Errorf("rights elsewhere: %v", granted)
	}
	checkReaders(t, all, account)
}

// teamRights are those to read the rules of teams and to tell them what is wrong with them.
var teamRights = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
}

// builtIn are the roles of Kubernetes' own that Pitot's account has: to ask who a
// caller is and what it may do, and to recognise the kube-apiserver.
var builtIn = []string{"system:auth-delegator", "extension-apiserver-authentication-reader"}

// rightsOf returns the rules that an account is bound to, by namespace; "" is all
// of them. Roles that are built in have to be bound, and are left out.
func rightsOf(t *testing.T, all []object, account string) map[string][]rbacv1.PolicyRule {
	t.Helper()
	roles := map[string][]rbacv1.PolicyRule{}
	for _, o := range of[*rbacv1.ClusterRole](all) {
		roles["ClusterRole "+o.Name] = o.Rules
	}
	for _, o := range of[*rbacv1.Role](all) {
		roles["Role "+o.Name] = o.Rules
	}
	rights := map[string][]rbacv1.PolicyRule{}
	var found []string
	bind := func(namespace string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		if !slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return s.Kind == "ServiceAccount" && s.Name == account }) {
			return
		}
		if slices.Contains(builtIn, ref.Name) {
			found = append(found, ref.Name)
			return
		}
		rules, ok := roles[ref.Kind+" "+ref.Name]
		if !ok {
			t.Errorf("a binding to the %s %s, which does not exist", ref.Kind, ref.Name)
		}
		rights[namespace] = append(rights[namespace], rules...)
	}
	for _, o := range of[*rbacv1.ClusterRoleBinding](all) {
		bind("", o.RoleRef, o.Subjects)
	}
	for _, o := range of[*rbacv1.RoleBinding](all) {
		bind(o.Namespace, o.RoleRef, o.Subjects)
	}
	equal(t, "built-in roles of Pitot's account", found, builtIn)
	return rights
}

// checkReaders checks that whoever reads metrics may do that and nothing else.
func checkReaders(t *testing.T, all []object, account string) {
	t.Helper()
	groups := map[string]bool{}
	for _, o := range of[*apiregistration.APIService](all) {
		groups[o.Spec.Group] = true
	}
	for _, role := range of[*rbacv1.ClusterRole](all) {
		switch kind := role.Name[strings.LastIndex(role.Name, ":")+1:]; kind {
		case "reader":
			rule := role.Rules[0]
			equal(t, "verbs of readers", rule.Verbs, []string{"get", "list"})
			for group := range groups {
				if len(role.Rules) != 1 || !slices.Contains(rule.APIGroups, group) {
					t.Errorf("readers may not read %s: %v", group, role.Rules)
				}
			}
		case "scraper":
			equal(t, "rights of scrapers", role.Rules, []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}})
		}
	}
	for _, o := range of[*rbacv1.ClusterRoleBinding](all) {
		forOthers := strings.HasSuffix(o.Name, ":reader") || strings.HasSuffix(o.Name, ":scraper")
		if forOthers && slices.ContainsFunc(o.Subjects, func(s rbacv1.Subject) bool { return s.Name == account }) {
			t.Errorf("%s is bound to Pitot itself", o.Name)
		}
	}
}
