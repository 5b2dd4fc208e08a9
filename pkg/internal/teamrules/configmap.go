package teamrules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A configMap is one ConfigMap and what became of it.
type configMap struct {
	name    types.NamespacedName
	uid     types.UID
	version string
	created time.Time
	content rule.ConfigMap

	loadedAt time.Time
	loaded   *rule.Set // what is right in it
	set      *rule.Set // and what is kept of earlier loads; nil: it was not loaded yet
	problems rule.Problems
	lost     rule.Problems // what other ConfigMaps of the namespace deny it
	ignored  bool          // it is one too many
	served   []*rule.Rule
	said     notice // the last one
}

// older orders ConfigMaps by who came first. Equal ones do not exist: no two of a
// namespace have one name.
func older(a, b *configMap) int {
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.name.Name, b.name.Name))
}

// load loads the content as it is now.
func (m *configMap) load(team rule.Team, now time.Time) {
	last := m.set
	if last == nil {
		last = &rule.Set{}
	}
	m.loaded, m.problems = rule.LoadTeam(team, m.content)
	m.set, m.loadedAt, m.ignored = team.Keep(m.loaded, last), now, false
}

// ignore is load for one ConfigMap too many.
func (m *configMap) ignore() {
	m.loaded, m.set, m.ignored = &rule.Set{}, &rule.Set{}, true
	m.problems = rule.Problems{{Problem: place.Problem{Position: m.content.Position,
		Cause: fmt.Sprintf("the namespace has more than %d ConfigMaps with rules, and this is none of the oldest: it is not read", rule.MaxTeamConfigMaps)}}}
}

// rulesIn are the rules of the ConfigMap that are in a set.
func (m *configMap) rulesIn(all *rule.Set) []*rule.Rule {
	return slices.DeleteFunc(slices.Clone(m.set.Rules), func(r *rule.Rule) bool { return !slices.Contains(all.Rules, r) })
}

// status is what is shown of it.
func (m *configMap) status() Status {
	s := Status{Namespace: m.name.Namespace, Name: m.name.Name, LoadedAt: m.loadedAt, Rules: m.served, Problems: slices.Concat(m.problems, m.lost)}
	for _, r := range m.served {
		if !slices.Contains(m.loaded.Rules, r) {
			s.Kept = append(s.Kept, r)
		}
	}
	return s
}

// A notice is what a team is told of a ConfigMap.
type notice struct {
	uid          types.UID
	reason, text string
}

// The reasons of events.
const (
	RulesLoaded = "RulesLoaded"
	RuleBroken  = "RuleBroken"
)

func (n notice) warning() bool { return n.reason == RuleBroken }

// What fits into the note of an event, and how many problems it names.
const (
	maxNote     = 1000
	maxProblems = 3
)

// notice says what became of the ConfigMap. It depends on nothing that one replica
// knows and another does not.
func (m *configMap) notice(operator *rule.Set) notice {
	n := notice{uid: m.uid, reason: RulesLoaded}
	problems := slices.Concat(m.problems, m.lost)
	if len(problems) > 0 {
		n.reason, n.text = RuleBroken, m.complaint(problems)
		return n
	}
	var names []string
	for _, r := range m.served {
		names = append(names, fmt.Sprintf("%s (%s)", r.Metric, r.Of))
	}
	n.text = fmt.Sprintf("%s of namespace %q: %s", count(len(names), "rule"), m.name.Namespace, strings.Join(names, ", "))
	if hidden := hidden(m.served, operator); len(hidden) > 0 {
		n.text += fmt.Sprintf("; here they stand for the operator's rules of the same names: %s", strings.Join(hidden, ", "))
	}
	n.text = shortened(n.text)
	return n
}

// complaint names the first problems. The event stands beside the ConfigMap, so
// places do not repeat its name.
func (m *configMap) complaint(problems rule.Problems) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; the other rules are served, and one that was right before is served as it was. ", count(len(problems), "problem"))
	for i, p := range problems {
		if i == maxProblems {
			fmt.Fprintf(&b, " | and %d more: pitot rules -n %s", len(problems)-i, m.name.Namespace)
			break
		}
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(strings.ReplaceAll(p.Error(), m.content.String()+"/", ""))
	}
	return shortened(b.String())
}

// hidden are the metrics of the operator that rules of a team stand for.
func hidden(rules []*rule.Rule, operator *rule.Set) []string {
	var names []string
	for _, r := range rules {
		if _, known := operator.Custom(r.Metric, r.Of); known {
			names = append(names, r.Metric)
		}
	}
	return names
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shortened cuts a text where an event would not take it.
func shortened(text string) string {
	if len(text) <= maxNote {
		return text
	}
	return strings.ToValidUTF8(text[:maxNote-len("…")], "") + "…"
}

// mirrored is the Watcher as the copy of the ConfigMaps of one source: a
// mirror.Copy.
type mirrored struct {
	*Watcher
	namespace string // "" of all
}

// Set notes a ConfigMap that is new or has changed.
func (c mirrored) Set(o *corev1.ConfigMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(o)
	c.awake()
}

func (c mirrored) set(o *corev1.ConfigMap) {
	name := mirror.NameOf(o)
	m := c.maps[name]
	if m == nil || m.uid != o.UID {
		m = &configMap{name: name, uid: o.UID, created: o.CreationTimestamp.Time}
		c.maps[name] = m
	} else if m.version == o.ResourceVersion {
		return
	}
	m.version = o.ResourceVersion
	m.content = rule.NewConfigMap(o.Namespace, o.Name, o.Data)
	c.dirty[name] = true
}

// Delete forgets a ConfigMap with its rules.
func (c mirrored) Delete(o *corev1.ConfigMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(mirror.NameOf(o))
	c.awake()
}

func (c mirrored) forget(name types.NamespacedName) {
	delete(c.maps, name)
	c.events.forget(name)
	c.dirty[name] = true
}

// Replace notes all ConfigMaps that there are. Those that did not change are not
// loaded again, so what is kept for them stays.
func (c mirrored) Replace(objects map[types.NamespacedName]*corev1.ConfigMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.maps {
		if _, exists := objects[name]; !exists && (c.namespace == "" || c.namespace == name.Namespace) {
			c.forget(name)
		}
	}
	for _, o := range objects {
		c.set(o)
	}
	c.awake()
}

// tooLong is more text than is read: what stands for it in the copy.
var tooLong = map[string]string{"too-long.yaml": strings.Repeat("#", rule.MaxTeamBytes+1)}

// slim keeps the rules of a ConfigMap.
func slim(o *corev1.ConfigMap) *corev1.ConfigMap {
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: o.Namespace, Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion, CreationTimestamp: o.CreationTimestamp,
	}, Data: map[string]string{}}
	bytes := 0
	for _, f := range rule.NewConfigMap(o.Namespace, o.Name, o.Data).Files {
		bytes += len(f.Text)
		kept.Data[f.Name[strings.LastIndexByte(f.Name, '/')+1:]] = string(f.Text)
	}
	if bytes > rule.MaxTeamBytes {
		kept.Data = tooLong
	}
	return kept
}
