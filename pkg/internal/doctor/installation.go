package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func (d *diagnosis) installation() {
	if d.Pitot == nil {
		return
	}
	d.replicas()
	if !d.Pitot.BudgetsUnknown {
		d.budget()
	}
	if !d.Pitot.PodsUnknown {
		d.versions()
	}
}

// wanted is how many replicas the Deployment is to have.
func (i *Installation) wanted() int32 {
	if n := i.Deployment.Spec.Replicas; n != nil {
		return *n
	}
	return 1
}

func (d *diagnosis) replicas() {
	deployment := &d.Pitot.Deployment
	wanted, ready := d.Pitot.wanted(), deployment.Status.ReadyReplicas
	look := fmt.Sprintf("kubectl -n %[1]s describe pods -l %[2]s; kubectl -n %[1]s logs deployment/%[3]s",
		deployment.Namespace, metav1.FormatLabelSelector(deployment.Spec.Selector), deployment.Name)
	switch {
	case ready == 0:
		d.found(NoReplica, d.Pitot.name(), fmt.Sprintf("none of its %d replicas is ready", wanted), look)
	case ready < wanted:
		d.found(FewReplicas, d.Pitot.name(), fmt.Sprintf("%d of its %d replicas are ready", ready, wanted), look)
	}
	if wanted == 1 {
		d.found(OneReplica, d.Pitot.name(), "it has one replica: while that restarts, no metric is served",
			fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=2", deployment.Namespace, deployment.Name))
	}
}

// budget judges the disruption budgets of two replicas and more.
func (d *diagnosis) budget() {
	if d.Pitot.wanted() < 2 {
		return
	}
	deployment := &d.Pitot.Deployment
	covered := false
	for _, budget := range d.Pitot.Budgets {
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(deployment.Spec.Template.Labels)) {
			continue
		}
		covered = true
		// The controller has counted, and all that are wanted are healthy.
		status := budget.Status
		if status.ExpectedPods > 0 && status.CurrentHealthy >= status.ExpectedPods && status.DisruptionsAllowed == 0 {
			d.found(BudgetBlocks, "poddisruptionbudget "+budget.Namespace+"/"+budget.Name, "it permits no eviction although all replicas are healthy",
				`in its spec: maxUnavailable: 1, instead of minAvailable`)
		}
	}
	if !covered {
		d.found(NoBudget, d.Pitot.name(), "no PodDisruptionBudget is for its pods",
			fmt.Sprintf("kubectl -n %s create poddisruptionbudget %s --selector=%s --max-unavailable=1",
				deployment.Namespace, deployment.Name, metav1.FormatLabelSelector(deployment.Spec.Selector)))
	}
}

func (d *diagnosis) versions() {
	var images []string
	for _, pod := range d.Pitot.Pods {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
			images = append(images, imagesOf(pod.Spec.Containers))
		}
	}
	slices.Sort(images)
	if images = slices.Compact(images); len(images) > 1 {
		deployment := &d.Pitot.Deployment
		d.found(SeveralVersions, d.Pitot.name(), "its replicas run "+strings.Join(images, " and "),
			fmt.Sprintf("kubectl -n %s rollout status deployment %s", deployment.Namespace, deployment.Name))
	}
}

func imagesOf(containers []corev1.Container) string {
	var images []string
	for _, c := range containers {
		images = append(images, c.Image)
	}
	return strings.Join(images, ",")
}

// configuration finds mistakes and backends that do not answer.
func (d *diagnosis) configuration() {
	for _, problem := range d.ConfigProblems {
		d.found(BrokenConfig, "configuration "+problem.File, problem.Error(), "correct the line; pitot check names all mistakes")
	}
	for _, b := range d.Backends {
		if b.Err != nil {
			d.backend(b.Name, b.Err.Error())
		}
	}
}

// backend finds one that does not answer, once however many metrics need it.
func (d *diagnosis) backend(name, why string) {
	object := "backend " + name
	if d.sick[object] {
		return
	}
	where := name
	if d.Config != nil {
		if b, ok := d.Config.Backend(name); ok {
			where = b.URL
		}
	}
	d.found(BackendFails, object, why, "look at "+where+": is it up, is the URL right, may Pitot reach it? HPAs keep their replicas meanwhile")
}

var (
	backendName = regexp.MustCompile(`backend "([^"]+)": (.*)`)
	// lastAnswer is what makes two failures of one backend differ.
	lastAnswer = regexp.MustCompile(` \((?:last good answer .* ago|no good answer yet)\)$`)
)

// backendOf finds the backend that a message of Pitot names.
func backendOf(message string) (name, why string, ok bool) {
	found := backendName.FindStringSubmatch(message)
	if found == nil {
		return "", "", false
	}
	return found[1], lastAnswer.ReplaceAllString(found[2], ""), true
}
