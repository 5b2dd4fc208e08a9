package doctor

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A Right is to do something with a resource.
type Right struct {
	Verb, Group, Resource, Subresource string
	Namespace, Name                    string // "" for all
}

func (r Right) String() string {
	resource := r.Resource
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	if r.Group != "" {
		resource += "." + r.Group
	}
	text := r.Verb + " " + resource
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		text += " in " + r.Namespace
	}
	return text
}

// A Grant is the cluster's answer for a right of somebody.
type Grant struct {
	Right
	Account string // "NAMESPACE/NAME" of a service account
	Allowed bool
}

// HPAController is the account that the HPA controller acts by, unless
// kube-controller-manager runs without --use-service-account-credentials.
var HPAController = types.NamespacedName{Namespace: "kube-system", Name: "horizontal-pod-autoscaler"}

// ControllerRights are what the HPA controller needs for the APIs that are
// registered.
func (f *Facts) ControllerRights() (rights []Right) {
	for _, group := range []string{CustomGroup, ExternalGroup} {
		verb := map[string]string{CustomGroup: "get", ExternalGroup: "list"}[group]
		if f.version(group) != "" {
			rights = append(rights, Right{Verb: verb, Group: group, Resource: "*"})
		}
	}
	return rights
}

// Rights of Pitot that have a code of their own.
var (
	askWho  = Right{Verb: "create", Group: "authentication.k8s.io", Resource: "tokenreviews"}
	askMay  = Right{Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}
	frontCA = Right{Verb: "get", Resource: "configmaps", Namespace: "kube-system", Name: "extension-apiserver-authentication"}
)

// PitotRights are what Pitot's service account needs.
func (i *Installation) PitotRights() []Right {
	rights := []Right{askWho, askMay, frontCA}
	for _, r := range []Right{
		{Resource: "pods"},
		{Group: "apps", Resource: "replicasets"},
		{Group: "batch", Resource: "jobs"},
		{Group: "discovery.k8s.io", Resource: "endpointslices"},
		{Group: "autoscaling", Resource: "horizontalpodautoscalers"},
	} {
		for _, verb := range []string{"list", "watch"} {
			r.Verb = verb
			rights = append(rights, r)
		}
	}
	secret := i.flag("ca-secret")
	if i.flag("certificates") != "auto" || secret == "" {
		return rights
	}
	namespace, name, _ := strings.Cut(secret, "/")
	for _, verb := range []string{"get", "update"} {
		rights = append(rights, Right{Verb: verb, Resource: "secrets", Namespace: namespace, Name: name})
	}
	return rights
}

// Account is the service account of Pitot.
func (i *Installation) Account() types.NamespacedName {
	account := types.NamespacedName{Namespace: i.Deployment.Namespace, Name: "default"}
	if name := i.Deployment.Spec.Template.Spec.ServiceAccountName; name != "" {
		account.Name = name
	}
	return account
}

// flag is the value of a flag of Pitot's container, "" where it is not set.
func (i *Installation) flag(name string) string {
	for _, container := range i.Deployment.Spec.Template.Spec.Containers {
		words := slices.Concat(container.Command, container.Args)
		for n, word := range words {
			if value, ok := strings.CutPrefix(word, "--"+name+"="); ok {
				return i.expand(container, value)
			}
			if word == "--"+name && n+1 < len(words) {
				return i.expand(container, words[n+1])
			}
		}
	}
	return ""
}

// expand puts the container's variables into a word, as the kubelet does.
func (i *Installation) expand(container corev1.Container, word string) string {
	for _, env := range container.Env {
		value := env.Value
		if env.ValueFrom != nil && env.ValueFrom.FieldRef != nil && env.ValueFrom.FieldRef.FieldPath == "metadata.namespace" {
			value = i.Deployment.Namespace
		}
		word = strings.ReplaceAll(word, "$("+env.Name+")", value)
	}
	return word
}

// ConfigMaps are those that Pitot reads its configuration from, by where they
// are mounted.
func (i *Installation) ConfigMaps() (names []string) {
	pod := i.Deployment.Spec.Template.Spec
	config := i.flag("config")
	for _, container := range pod.Containers {
		for _, mount := range container.VolumeMounts {
			for _, volume := range pod.Volumes {
				if volume.Name == mount.Name && volume.ConfigMap != nil && strings.HasPrefix(config, mount.MountPath) {
					names = append(names, volume.ConfigMap.Name)
				}
			}
		}
	}
	return names
}

func (d *diagnosis) rights() {
	for _, g := range d.ControllerGrants {
		if g.Allowed {
			continue
		}
		d.down[g.Group] = true
		d.found(ControllerMayNot, "api "+g.Group, fmt.Sprintf("the HPA controller (service account %s) may not %s: every metric of this API is refused", g.Account, g.Right),
			fmt.Sprintf(`kubectl create clusterrole hpa-metrics-%[1]s --verb=get,list --resource="*.%[2]s"; kubectl create clusterrolebinding hpa-metrics-%[1]s --clusterrole=hpa-metrics-%[1]s --serviceaccount=%[3]s`,
				strings.TrimSuffix(g.Group, ".metrics.k8s.io"), g.Group, strings.Replace(g.Account, "/", ":", 1)))
	}
	if d.Pitot != nil {
		d.pitotRights()
	}
}

// pitotRights finds the rights that Pitot lacks, once for each resource.
func (d *diagnosis) pitotRights() {
	verbs := map[Right][]string{}
	var lacking []Right
	account := d.Pitot.Account().String()
	flag := "--serviceaccount=" + strings.Replace(account, "/", ":", 1)
	for _, g := range d.PitotGrants {
		switch {
		case g.Allowed:
		case g.Right == askWho || g.Right == askMay:
			d.found(NoDelegation, d.Pitot.name(), "its service account "+account+" may not ask the cluster who a caller is and what it may read",
				"kubectl create clusterrolebinding pitot-auth-delegator --clusterrole=system:auth-delegator "+flag)
		case g.Right == frontCA:
			d.found(NoAggregatorCA, d.Pitot.name(), fmt.Sprintf("its service account %s may not %s: it does not recognise kube-apiserver", account, g.Right),
				"kubectl -n kube-system create rolebinding pitot-auth-reader --role=extension-apiserver-authentication-reader "+flag)
		default:
			right := g.Right
			right.Verb = ""
			if verbs[right] == nil {
				lacking = append(lacking, right)
			}
			verbs[right] = append(verbs[right], g.Verb)
		}
	}
	for _, right := range lacking {
		all := strings.Join(verbs[right], ", ")
		d.found(PitotMayNot, d.Pitot.name(), fmt.Sprintf("its service account %s may not %s%s", account, all, right),
			fmt.Sprintf("in a role of that account: {apiGroups: [%q], resources: [%s], verbs: [%s]}", right.Group, right.Resource, all))
	}
}
