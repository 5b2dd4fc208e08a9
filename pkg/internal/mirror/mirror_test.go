package mirror

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// TestMain removes the process-wide handlers of unexpected errors: one of them
// sleeps by the wall clock, which to the clock of a synctest bubble is decades.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	goleak.VerifyTestMain(m)
}

// A fakeCluster is an API server that holds Services.
type fakeCluster struct {
	mu       sync.Mutex
	err      error // of every call
	services []corev1.Service
	events   *watch.FakeWatcher
	asked    metav1.ListOptions // last
	lists    int
}

// IsWatchListSemanticsUnSupported tells reflectors to list before they watch.
func (c *fakeCluster) IsWatchListSemanticsUnSupported() bool { return true }

func (c *fakeCluster) List(_ context.Context, options metav1.ListOptions) (*corev1.ServiceList, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = options
	c.lists++
	if c.err != nil {
		return nil, c.err
	}
	return &corev1.ServiceList{Items: c.services}, nil
}

func (c *fakeCluster) Watch(context.Context, metav1.ListOptions) (watch.Interface, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	c.events = watch.NewFake()
	return c.events, nil
}

// fail makes every call fail from now on and ends the watch: with nil they
// succeed again.
func (c *fakeCluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	if c.events != nil {
		c.events.Stop()
	}
}

func service(name string) corev1.Service {
	return corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, ResourceVersion: "1"}}
}

// A notebook notes what it is told, such as "set web".
type notebook struct {
	mu    sync.Mutex
	notes []string
}

func (n *notebook) note(words string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, words)
}

func (n *notebook) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	notes := strings.Join(n.notes, ", ")
	n.notes = nil
	return notes
}

func (n *notebook) Set(o *corev1.Service)    { n.note("set " + o.Name) }
func (n *notebook) Delete(o *corev1.Service) { n.note("delete " + o.Name) }

func (n *notebook) Replace(objects map[types.NamespacedName]*corev1.Service) {
	words := "replace"
	for _, name := range []string{"web", "api", "db"} {
		if o := objects[types.NamespacedName{Namespace: "shop", Name: name}]; o != nil {
			words += " " + o.Name
		}
	}
	n.note(words)
}

func mirrored(c *fakeCluster, n *notebook) *Source[*corev1.Service] {
	return &Source[*corev1.Service]{
		Resource: schema.GroupResource{Resource: "services"}, Client: c, Calls: CallsOf(c),
		FieldSelector: "metadata.name!=x", LabelSelector: "app",
		Slim: func(o *corev1.Service) *corev1.Service { return o },
		Copy: n,
	}
}

// inCluster runs f with a Source of a cluster, when it has nothing to do.
func inCluster(t *testing.T, c *fakeCluster, f func(t *testing.T, s *Source[*corev1.Service], n *notebook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{}
		s := mirrored(c, n)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		f(t, s, n)
		cancel()
		<-done
	})
}

func wantNotes(t *testing.T, n *notebook, what, want string) {
	t.Helper()
	synctest.Wait()
	if got := n.take(); got != want {
		t.Errorf("%s: the copy is told %q, want %q", what, got, want)
	}
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("%s: %v\nwant %s", what, err, want)
	}
}

func TestTheCopyFollowsTheCluster(t *testing.T) {
	c := &fakeCluster{services: []corev1.Service{service("web"), service("api")}}
	inCluster(t, c, func(t *testing.T, s *Source[*corev1.Service], n *notebook) {
		wantNotes(t, n, "the first list", "replace web api")
		if err := errors.Join(s.Ready(), s.Err()); err != nil {
			t.Error(err)
		}
		if c.asked.FieldSelector != "metadata.name!=x" || c.asked.LabelSelector != "app" {
			t.Errorf("asked with %+v", c.asked)
		}
		db := service("db")
		c.events.Add(&db)
		wantNotes(t, n, "one came", "set db")
		c.events.Modify(&db)
		wantNotes(t, n, "one changed", "set db")
		c.events.Delete(&db)
		wantNotes(t, n, "one is gone", "delete db")
	})
}

func TestNotListedYet(t *testing.T) {
	s := mirrored(&fakeCluster{}, &notebook{})
	wantError(t, "ready", s.Ready(), "services: not listed yet")
	if err := s.Err(); err != nil {
		t.Errorf("nothing failed, and yet: %v", err)
	}
}

// However long the cluster was away, the copy is there a moment after it comes.
func TestAClusterThatWasAway(t *testing.T) {
	const refused = `list services: Get "https://10.0.0.1/api": connection refused`
	c := &fakeCluster{
		services: []corev1.Service{service("web")},
		err:      &url.Error{Op: "Get", URL: "https://10.0.0.1/api", Err: errors.New("connection refused")},
	}
	inCluster(t, c, func(t *testing.T, s *Source[*corev1.Service], n *notebook) {
		time.Sleep(time.Hour)
		wantError(t, "while it is away", s.Ready(), refused)
		c.fail(nil)
		time.Sleep(patience)
		wantNotes(t, n, "when it came", "replace web")
		if err := errors.Join(s.Ready(), s.Err()); err != nil {
			t.Errorf("%s after it came: %v", patience, err)
		}
	})
}

func TestARefusalIsNotRepeatedAllTheTime(t *testing.T) {
	const forbidden = `list services: services is forbidden: no right to list (hint: grant list and watch on services in all namespaces)`
	c := &fakeCluster{err: apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "", errors.New("no right to list"))}
	inCluster(t, c, func(t *testing.T, s *Source[*corev1.Service], n *notebook) {
		time.Sleep(time.Hour)
		wantError(t, "ready", s.Ready(), forbidden)
		wantError(t, "err", s.Err(), forbidden)
		synctest.Wait()
		if c.lists > 200 {
			t.Errorf("%d lists in an hour, want a try now and then", c.lists)
		}
		c.fail(nil)
		time.Sleep(2 * time.Minute) // longer than any backoff
		wantNotes(t, n, "after the grant", "replace")
	})
}

// What was listed stays ready when the cluster goes, and says why it is old.
func TestAClusterThatGoes(t *testing.T) {
	c := &fakeCluster{services: []corev1.Service{service("web")}}
	inCluster(t, c, func(t *testing.T, s *Source[*corev1.Service], n *notebook) {
		wantNotes(t, n, "at first", "replace web")
		c.fail(&url.Error{Op: "Get", URL: "https://10.0.0.1/api", Err: errors.New("connection refused")})
		time.Sleep(time.Minute)
		if err := s.Ready(); err != nil {
			t.Errorf("ready: %v", err)
		}
		if err := s.Err(); err == nil {
			t.Error("no error says that the copy is old")
		}
		wantNotes(t, n, "while it is away", "")
	})
}

func TestOtherObjectsAreErrors(t *testing.T) {
	n := &notebook{}
	s := mirrored(&fakeCluster{}, n)
	stranger := &corev1.Pod{}
	_, err := s.Transformer()(stranger)
	for what, err := range map[string]error{
		"add": s.Add(stranger), "update": s.Update(stranger), "delete": s.Delete(stranger),
		"replace": s.Replace([]any{stranger}, ""), "transform": err,
	} {
		wantError(t, what, err, "*v1.Pod in a watch of services")
	}
	if notes := n.take(); notes != "" {
		t.Errorf("the copy was told %q", notes)
	}
}
