package cluster

import (
	"context"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// apiServices reads the registrations of the metrics APIs.
func (r *reading) apiServices(ctx context.Context) {
	for group, versions := range doctor.Versions {
		for _, version := range versions {
			object, err := r.objects.Resource(apiServices).Get(ctx, version+"."+group, metav1.GetOptions{})
			if err != nil {
				r.gap(apiServices.GroupResource().String(), "", err)
				continue
			}
			r.facts.APIServices = append(r.facts.APIServices, doctor.NewAPIService(object))
		}
	}
}

// installation finds Pitot behind the metrics APIs.
func (r *reading) installation(ctx context.Context) {
	for _, a := range r.facts.APIServices {
		if a.Service.Name == "" || a.Group == doctor.ResourceGroup {
			continue
		}
		if deployment := r.behind(ctx, a.Service); deployment != nil {
			r.install(ctx, deployment)
			return
		}
	}
}

// behind finds Pitot's Deployment behind a Service. Where that does not select
// pods, it is the one that has Pitot's name.
func (r *reading) behind(ctx context.Context, name types.NamespacedName) *appsv1.Deployment {
	selector := labels.Nothing()
	service, err := r.typed.CoreV1().Services(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	if err == nil && len(service.Spec.Selector) > 0 {
		selector = labels.SelectorFromSet(service.Spec.Selector)
	}
	deployments, err := r.typed.AppsV1().Deployments(name.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		r.gap("Pitot in "+name.Namespace, "", err)
		return nil
	}
	for i := range deployments.Items {
		deployment := &deployments.Items[i]
		selected := selector.Matches(labels.Set(deployment.Spec.Template.Labels))
		if isPitot(deployment) && (selected || selector.String() == labels.Nothing().String()) {
			return deployment
		}
	}
	return nil
}

// isPitot goes by the name that the chart gives, and by the program.
func isPitot(deployment *appsv1.Deployment) bool {
	if deployment.Labels["app.kubernetes.io/name"] == "pitot" {
		return true
	}
	return slices.ContainsFunc(deployment.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
		image, _, _ := strings.Cut(path.Base(c.Image), ":")
		return image == "pitot" || len(c.Command) > 0 && path.Base(c.Command[0]) == "pitot"
	})
}

func (r *reading) install(ctx context.Context, deployment *appsv1.Deployment) {
	pitot := &doctor.Installation{Deployment: *deployment}
	r.facts.Pitot = pitot
	namespace := deployment.Namespace
	budgets, err := r.typed.PolicyV1().PodDisruptionBudgets(namespace).List(ctx, metav1.ListOptions{})
	if pitot.BudgetsUnknown = err != nil; err != nil {
		r.gap("poddisruptionbudgets.policy", namespace, err)
	} else {
		pitot.Budgets = budgets.Items
	}
	pods, err := r.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(deployment.Spec.Selector)})
	if pitot.PodsUnknown = err != nil; err != nil {
		r.gap("pods of Pitot", namespace, err)
	} else {
		pitot.Pods = pods.Items
	}
	r.configuration(ctx, pitot)
}

// configuration reads the ConfigMaps that Pitot has its configuration from.
func (r *reading) configuration(ctx context.Context, pitot *doctor.Installation) {
	var files []rule.File
	for _, name := range pitot.ConfigMaps() {
		found, err := r.typed.CoreV1().ConfigMaps(pitot.Deployment.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			r.gap("Pitot's configuration", pitot.Deployment.Namespace, err)
			return
		}
		for key, text := range found.Data {
			if strings.HasSuffix(key, ".yaml") || strings.HasSuffix(key, ".yml") {
				files = append(files, rule.File{Name: found.Namespace + "/" + name + "/" + key, Text: []byte(text)})
			}
		}
	}
	if len(files) > 0 {
		r.facts.Config, r.facts.ConfigProblems = rule.LoadPartial(files...)
	}
}

// rights asks what the HPA controller and Pitot may do.
func (r *reading) rights(ctx context.Context) {
	r.facts.ControllerGrants = r.grants(ctx, doctor.HPAController, r.facts.ControllerRights())
	r.exactly(ctx, r.facts.ControllerGrants)
	if pitot := r.facts.Pitot; pitot != nil {
		r.facts.PitotGrants = r.grants(ctx, pitot.Account(), pitot.PitotRights())
	}
}

// exactly asks again for what was refused: who may not read all metrics of a
// group may still read those that HPAs name.
func (r *reading) exactly(ctx context.Context, grants []doctor.Grant) {
	for i := range grants {
		if grants[i].Allowed {
			continue
		}
		var exact []doctor.Right
		for _, q := range r.facts.Questions() {
			if q.Group == grants[i].Group && !slices.Contains(exact, q.Right) {
				exact = append(exact, q.Right)
			}
		}
		answers := r.grants(ctx, doctor.HPAController, exact)
		grants[i].Allowed = len(answers) > 0 && !slices.ContainsFunc(answers, func(g doctor.Grant) bool { return !g.Allowed })
	}
}

func (r *reading) grants(ctx context.Context, account types.NamespacedName, rights []doctor.Right) []doctor.Grant {
	answers := make([]*doctor.Grant, len(rights))
	r.each("rights", len(rights), func(i int) {
		allowed, err := r.allowed(ctx, account, rights[i])
		if err != nil {
			r.gap("rights of service accounts", "", err)
			return
		}
		answers[i] = &doctor.Grant{Right: rights[i], Account: account.String(), Allowed: allowed}
	})
	var grants []doctor.Grant
	for _, answer := range answers {
		if answer != nil {
			grants = append(grants, *answer)
		}
	}
	return grants
}

func (r *reading) allowed(ctx context.Context, account types.NamespacedName, right doctor.Right) (bool, error) {
	review, err := r.typed.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   "system:serviceaccount:" + account.Namespace + ":" + account.Name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + account.Namespace, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.Verb, Group: right.Group, Version: "*", Resource: right.Resource, Subresource: right.Subresource,
			Namespace: right.Namespace, Name: right.Name,
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// controller looks for the pod of kube-controller-manager, which clusters that
// others run do not show.
func (r *reading) controller(ctx context.Context) {
	pods, err := r.typed.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: "component=kube-controller-manager"})
	switch {
	case apierrors.IsForbidden(err):
		r.missing(r.facts.ControllerGap("you have no right to list the pods of kube-system"))
	case err != nil:
		r.missing(r.facts.ControllerGap(err.Error()))
	case len(pods.Items) == 0:
		r.missing(r.facts.ControllerGap("kube-system shows no pod of it"))
	default:
		pod := &pods.Items[0]
		var words []string
		for _, container := range pod.Spec.Containers {
			words = append(words, slices.Concat(container.Command, container.Args)...)
		}
		r.facts.Controller = doctor.ReadController(pod.Namespace+"/"+pod.Name, words)
	}
}
