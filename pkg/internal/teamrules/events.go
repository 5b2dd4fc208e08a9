package teamrules

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// How often events are written: about one ConfigMap, of all of them, and again
// where nothing changed. An API server forgets an event an hour after the last
// write.
const (
	writePause   = 10 * time.Second
	writesAtOnce = 5 // in a pause of the Watcher
	writesOfTeam = 2 // of them, in one namespace
	writeAgain   = 30 * time.Minute
	refusedPause = time.Minute
	writeTimeout = 5 * time.Second
)

// reporter is who writes.
const reporter = "pitot"

// An eventWriter tells teams what became of their ConfigMaps.
type eventWriter struct {
	events client.EventsGetter
	log    *zap.Logger

	mu      sync.Mutex
	subject map[types.NamespacedName]*subject
	refused bool // the last write
}

// A subject is a ConfigMap that something is to be said about.
type subject struct {
	notice
	written notice    // the last one that was written
	tried   time.Time // when something was last to be written; zero: never
	refused bool      // then
}

// next is when the notice is to be written, for the first time or again.
func (s *subject) next() time.Time {
	switch {
	case s.tried.IsZero():
		return s.tried
	case s.refused:
		return s.tried.Add(refusedPause)
	case s.notice != s.written:
		return s.tried.Add(writePause)
	default:
		return s.tried.Add(writeAgain)
	}
}

func newEventWriter(events client.EventsGetter, log *zap.Logger) *eventWriter {
	return &eventWriter{events: events, log: log, subject: make(map[types.NamespacedName]*subject)}
}

// want has a notice written: soon if it is news, and again and again.
func (w *eventWriter) want(name types.NamespacedName, n notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.subject[name]
	if s == nil {
		s = &subject{}
		w.subject[name] = s
	}
	s.notice = n
}

func (w *eventWriter) forget(name types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.subject, name)
}

// run writes until ctx is done.
func (w *eventWriter) run(ctx context.Context) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, name := range w.due(time.Now()) {
			w.write(ctx, name)
		}
	}
}

// due are the ConfigMaps to write about now, those first that have waited longest.
// A team with many does not keep the others waiting.
func (w *eventWriter) due(now time.Time) []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []types.NamespacedName
	for name, s := range w.subject {
		if !now.Before(s.next()) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int {
		if before := w.subject[a].next().Compare(w.subject[b].next()); before != 0 {
			return before
		}
		return strings.Compare(a.String(), b.String())
	})
	ofTeam := map[string]int{}
	names = slices.DeleteFunc(names, func(name types.NamespacedName) bool {
		ofTeam[name.Namespace]++
		return ofTeam[name.Namespace] > writesOfTeam
	})
	return names[:min(len(names), writesAtOnce)]
}

// write writes the event of a ConfigMap.
func (w *eventWriter) write(ctx context.Context, name types.NamespacedName) {
	w.mu.Lock()
	s := w.subject[name]
	if s == nil {
		w.mu.Unlock()
		return
	}
	n := s.notice
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := w.put(ctx, event(name, n, time.Now()))

	w.mu.Lock()
	defer w.mu.Unlock()
	s.tried, s.refused = time.Now(), err != nil
	if err == nil {
		s.written = n
	}
	if s.refused != w.refused {
		w.refused = s.refused
		if s.refused {
			w.log.Warn("events cannot be written: teams do not see there what became of their rules", zap.Error(err))
		}
	}
}

// put makes the event exist and be new.
func (w *eventWriter) put(ctx context.Context, e *corev1.Event) error {
	events := w.events.Events(e.Namespace)
	_, err := events.Create(ctx, e, metav1.CreateOptions{})
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err):
		return nil // the namespace goes, and the ConfigMap with it
	case !apierrors.IsAlreadyExists(err):
		return err
	}
	seen, err := json.Marshal(map[string]any{"lastTimestamp": e.LastTimestamp})
	if err != nil {
		return err
	}
	_, err = events.Patch(ctx, e.Name, types.MergePatchType, seen, metav1.PatchOptions{})
	return err
}

// event is a notice as an object. All replicas give it one name, as long as they
// say the same.
func event(name types.NamespacedName, n notice, now time.Time) *corev1.Event {
	kind := corev1.EventTypeNormal
	if n.warning() {
		kind = corev1.EventTypeWarning
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s\n%s\n%s", n.uid, n.reason, n.text)
	const room = 253 - 17 // of a name: a dot and the hash
	prefix := strings.TrimRight(name.Name[:min(len(name.Name), room)], ".-")
	at := metav1.NewTime(now)
	return &corev1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: name.Namespace, Name: fmt.Sprintf("%s.%016x", prefix, hash.Sum64())},
		InvolvedObject:      corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: name.Namespace, Name: name.Name, UID: n.uid},
		Reason:              n.reason,
		Message:             n.text,
		Type:                kind,
		Source:              corev1.EventSource{Component: reporter},
		ReportingController: reporter,
		FirstTimestamp:      at,
		LastTimestamp:       at,
		Count:               1,
	}
}
