package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A story is a transcript of one or more replicas in a world on virtual time.
type story struct {
	t     *testing.T
	o     Options
	w     *world
	start time.Time
	names map[fingerprint]string // of authorities, in the order in which they came up
	lines []string
}

// tell runs f and compares what it told.
func tell(t *testing.T, want string, f func(*story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := testOptions()
		o.APIServices = o.APIServices[:1]
		s := &story{t: t, o: o, w: newWorld(o), start: time.Now(), names: map[fingerprint]string{}}
		f(s)
		if diff := cmp.Diff(strings.Trim(want, "\n"), strings.Join(s.lines, "\n")); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// replica starts one that runs to the end of the test.
func (s *story) replica(name string) *replica {
	r := s.w.start(s.t, s.o, name, 0)
	s.t.Cleanup(r.stop)
	return r
}

// name gives authorities letters, in the order in which they come up.
func (s *story) name(cert *x509.Certificate) string {
	id := fingerprintOf(cert)
	if s.names[id] == "" {
		s.names[id] = string(rune('A' + len(s.names)))
	}
	return s.names[id]
}

// at lets time pass, until then, and tells how things are for as long as they
// change.
func (s *story) at(then time.Duration, replicas ...*replica) {
	last := ""
	for ; time.Since(s.start) < then; time.Sleep(500 * time.Millisecond) {
		synctest.Wait()
		if now := s.state(replicas); now != last {
			s.lines = append(s.lines, fmt.Sprintf("%5.1fs  %s", time.Since(s.start).Seconds(), now))
			last = now
		}
	}
}

// about is at, for what depends on when replicas happen to look: it tells of
// states that last, and of times to the nearest 4 s.
func (s *story) about(then time.Duration, replicas ...*replica) {
	last := ""
	for ; time.Since(s.start) < then; time.Sleep(500 * time.Millisecond) {
		synctest.Wait()
		if s.state(replicas) == last {
			continue
		}
		changed := time.Since(s.start).Round(4 * time.Second)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		last = s.state(replicas)
		s.lines = append(s.lines, fmt.Sprintf("~%.0fs  %s", changed.Seconds(), last))
	}
}

func (s *story) say(what string) { s.lines = append(s.lines, what) }

// state is one line: the authorities of the Secret ("*" signs, "-" has no key),
// those of the bundle, and who signed each leaf.
func (s *story) state(replicas []*replica) string {
	s.w.mu.Lock()
	secret := "gone"
	if s.w.secret != nil {
		authorities, err := decodeSecret(s.w.secret.Data, s.o.Service)
		secret = s.authorities(authorities)
		if err != nil {
			secret += "?"
		}
	}
	s.w.mu.Unlock()
	words := []string{"secret " + secret, "bundle " + s.certs(parseBundle(s.w.bundle(s.o.APIServices[0])))}
	for _, r := range replicas {
		leaf := "-"
		if l := r.leaf(); l != nil {
			leaf = s.name(l.authority)
		}
		words = append(words, r.name+" "+leaf)
	}
	return strings.Join(words, "  ")
}

func (s *story) authorities(authorities []authority) (text string) {
	for _, a := range authorities {
		text += s.name(a.cert)
		switch {
		case a.key == nil:
			text += "-"
		case !a.active.IsZero():
			text += "*"
		}
	}
	return text
}

func (s *story) certs(certs []*x509.Certificate) (text string) {
	for _, cert := range certs {
		text += s.name(cert)
	}
	return text
}

func TestRotation(t *testing.T) {
	tell(t, `
~0s  secret A*  bundle A  one A  two A
~40s  secret A*B  bundle AB  one A  two A
~44s  secret A*B*  bundle AB  one B  two B
~64s  secret A-B*  bundle AB  one B  two B
~72s  secret B*  bundle B  one B  two B`,
		func(s *story) { s.about(79*time.Second, s.replica("one"), s.replica("two")) })
}

// A Secret that is emptied, spoilt or deleted for a while is what it was, from
// memory. Leaves stay.
func TestTheSecretHeals(t *testing.T) {
	faults := map[string]func(w *world, o Options){
		"emptied": func(w *world, _ Options) { w.editSecret(func(secret *corev1.Secret) { secret.Data = nil }) },
		"spoilt": func(w *world, _ Options) {
			w.editSecret(func(secret *corev1.Secret) { secret.Data[authoritiesKey] = []byte("?") })
		},
		"the bundle for others spoilt": func(w *world, _ Options) {
			w.editSecret(func(secret *corev1.Secret) { delete(secret.Data, bundleKey) })
		},
		"of another Service": func(w *world, o Options) {
			o.Service.Name = "other"
			a, err := newAuthority(o, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			content, err := encodeSecret([]authority{a})
			if err != nil {
				t.Fatal(err)
			}
			w.editSecret(func(secret *corev1.Secret) { secret.Data = content })
		},
		"deleted and installed again": func(w *world, o Options) {
			w.deleteSecret()
			time.Sleep(5 * time.Second)
			w.release(o)
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			tell(t, `
  0.0s  secret ?  bundle   one -  two -
  0.5s  secret A*  bundle A  one A  two A
then
 10.0s  secret A*  bundle A  one A  two A`,
				func(s *story) {
					one, two := s.replica("one"), s.replica("two")
					s.at(3*time.Second, one, two)
					fault(s.w, s.o)
					s.say("then")
					time.Sleep(10*time.Second - time.Since(s.start))
					s.at(11*time.Second, one, two)
				})
		})
	}
}

// A Secret that comes from elsewhere, such as a backup, with an authority that no
// bundle holds: that is distributed before anybody signs by it.
func TestAnotherAuthorityIsDistributedFirst(t *testing.T) {
	tell(t, `
  0.5s  secret A*  bundle A  one A
the secret is replaced
  3.0s  secret B*  bundle A  one A
  3.5s  secret B*  bundle AB  one A
later
  8.0s  secret B*  bundle AB  one B`,
		func(s *story) {
			one := s.replica("one")
			time.Sleep(500 * time.Millisecond)
			s.at(3*time.Second, one)
			b := mustAuthority(t, s.o, time.Now())
			b.active = b.created
			content := mustEncode(t, b)
			s.w.editSecret(func(secret *corev1.Secret) { secret.Data = content })
			s.say("the secret is replaced")
			s.at(4500*time.Millisecond, one)
			s.say("later")
			time.Sleep(8*time.Second - time.Since(s.start))
			s.at(9*time.Second, one)
		})
}

// A leaf that is served keeps its authority in the bundles, even if that is in
// the Secret no more and a tool has removed the bundle.
func TestTheAuthorityOfALeafStaysInTheBundle(t *testing.T) {
	tell(t, `
  0.5s  secret A*  bundle A  one A
the secret is replaced, and the bundle removed
  3.5s  secret B*  bundle AB  one A`,
		func(s *story) {
			one := s.replica("one")
			time.Sleep(500 * time.Millisecond)
			s.at(3*time.Second, one)
			b := mustAuthority(t, s.o, time.Now())
			b.active = b.created
			content := mustEncode(t, b)
			s.w.editSecret(func(secret *corev1.Secret) { secret.Data = content })
			s.w.setBundle(s.o.APIServices[0], nil)
			s.say("the secret is replaced, and the bundle removed")
			time.Sleep(500 * time.Millisecond)
			s.at(4500*time.Millisecond, one)
		})
}

// While the Secret cannot be read, others may be restoring it.
func TestWaitingForOthersBeginsAnewAfterAnOutage(t *testing.T) {
	o := testOptions()
	m := newMemory()
	m.bare = time.Second
	m, p := o.next(m, view{secret: secretView{unread: errors.New("away")}}, moment{Wall: noon, Up: time.Minute})
	if m.bare >= 0 || p.write {
		t.Errorf("waiting since %s, writes: %t", m.bare, p.write)
	}
}

// Who comes anew to a Secret without authority, while a bundle shows that there
// is one, waits for others to remember; then the new one waits for its bundle.
func TestNobodyRemembers(t *testing.T) {
	tell(t, `
  0.5s  secret A*  bundle A  one A
all stop, and the secret is emptied
  1.0s  secret ?  bundle A  two -
  3.5s  secret B  bundle AB  two -
  5.5s  secret B*  bundle AB  two B`,
		func(s *story) {
			one := s.replica("one")
			time.Sleep(500 * time.Millisecond)
			s.at(time.Second, one)
			one.stop()
			s.w.editSecret(func(secret *corev1.Secret) { secret.Data = nil })
			s.say("all stop, and the secret is emptied")
			s.at(10*time.Second, s.replica("two"))
		})
}

func TestAfterALongSleepThereIsANewAuthority(t *testing.T) {
	tell(t, `
  0.5s  secret A*  bundle A  one A
all stop
120.5s  secret B*  bundle B  two B`,
		func(s *story) {
			one := s.replica("one")
			time.Sleep(500 * time.Millisecond)
			s.at(time.Second, one)
			one.stop()
			s.say("all stop")
			time.Sleep(119 * time.Second)
			two := s.replica("two")
			time.Sleep(500 * time.Millisecond)
			s.at(130*time.Second, two)
		})
}

// A tool that puts a wrong bundle back every time is answered at a limited rate.
func TestRepairsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions()
		w := newWorld(o)
		one := w.start(t, o, "one", 0)
		defer one.stop()
		time.Sleep(5 * time.Second)
		w.wrote()
		name := o.APIServices[0]
		for range 100 { // for 5 s
			w.setBundle(name, []byte("wrong"))
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		patches := strings.Count(w.wrote(), "patch")
		if most := int(5*time.Second/o.repairGap()) + 2; patches < 5 || patches > most {
			t.Errorf("%d patches, want at most %d", patches, most)
		}
		if got := len(parseBundle(w.bundle(name))); got != 1 {
			t.Errorf("%d certificates in the bundle, want 1", got)
		}
	})
}

// A wrong bundle is repaired as soon as it is seen, whatever it is.
func TestDriftIsRepairedAtOnce(t *testing.T) {
	drifts := map[string]func(right []byte) []byte{
		"no bundle":            func([]byte) []byte { return nil },
		"not a bundle":         func([]byte) []byte { return []byte("wrong") },
		"text beside":          func(right []byte) []byte { return append([]byte("# ours\n"), right...) },
		"twice":                func(right []byte) []byte { return slices.Concat(right, right) },
		"a stranger beside it": func(right []byte) []byte { return append(strangersCA(t), right...) },
	}
	for name, drift := range drifts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := testOptions()
				w := newWorld(o)
				defer w.start(t, o, "one", 0).stop()
				time.Sleep(5 * time.Second)
				right := w.bundle(o.APIServices[1])
				w.setBundle(o.APIServices[1], drift(right))
				time.Sleep(200 * time.Millisecond)
				if diff := cmp.Diff(string(right), string(w.bundle(o.APIServices[1]))); diff != "" {
					t.Errorf("after 200 ms -want +got\n%s", diff)
				}
			})
		})
	}
}

func strangersCA(t *testing.T) []byte {
	o := testOptions()
	o.Service.Name = "stranger"
	a, err := newAuthority(o, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return encodeCert(a.cert)
}

// What is not ours stays as it is, and the report says why.
func TestOthersAPIServicesAreLeftAlone(t *testing.T) {
	edits := []struct {
		name    string
		edit    func(w *world, name string)
		state   string
		problem string
	}{
		{
			"absent", func(w *world, name string) { delete(w.services, name) }, "absent", "",
		}, {
			"another adapter's", func(w *world, name string) { set(w, name, "keda", "spec", "service", "namespace") }, "not ours",
			"apiservice v1beta1.external.metrics.k8s.io belongs to keda/pitot: left alone (hint: only one metrics adapter can serve it)",
		}, {
			"local", func(w *world, name string) {
				unstructured.RemoveNestedField(w.services[name].Object, "spec", "service")
			}, "not ours", "apiservice v1beta1.external.metrics.k8s.io is served by kube-apiserver itself: left alone",
		}, {
			"insecure", func(w *world, name string) { set(w, name, true, "spec", "insecureSkipTLSVerify") }, "insecure",
			"apiservice v1beta1.external.metrics.k8s.io has insecureSkipTLSVerify: nobody verifies the certificate (hint: remove the field)",
		},
	}
	for _, c := range edits {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := testOptions()
				w := newWorld(o)
				c.edit(w, o.APIServices[2])
				one := w.start(t, o, "one", 0)
				defer one.stop()
				time.Sleep(100 * time.Second) // an authority and its successor
				report := one.keeper.Report()
				if got := report.APIServices[2].State; got != c.state {
					t.Errorf("state %q, want %q", got, c.state)
				}
				if got := strings.Join(report.Problems, "; "); got != c.problem {
					t.Errorf("problems %q, want %q", got, c.problem)
				}
				if writes := w.wrote(); strings.Contains(writes, o.APIServices[2]) || !strings.Contains(writes, o.APIServices[0]) {
					t.Errorf("wrote %s", writes)
				}
				if err := one.keeper.Ready(); err != nil {
					t.Errorf("not ready: %v", err)
				}
			})
		})
	}
}

func set(w *world, name string, value any, path ...string) {
	if err := unstructured.SetNestedField(w.services[name].Object, value, path...); err != nil {
		panic(err)
	}
}

// A cluster that refuses or hangs is reported with the cure, and used as soon as
// it does not.
func TestFaults(t *testing.T) {
	forbidden := func(verb, object string) func(string, string, string) error {
		return func(_, v, o string) error {
			if v == verb && o == object {
				return apierrors.NewForbidden(secretResource, o, errors.New("no"))
			}
			return nil
		}
	}
	faults := []struct {
		name    string
		fail    func(replica, verb, object string) error
		problem string
	}{
		{"the secret may not be read", forbidden("get", "pitot-ca"), "(hint: grant get, list, watch and update on this secret)"},
		{"the secret may not be written", forbidden("update", "pitot-ca"), "(hint: grant get, list, watch and update on this secret)"},
		{
			"an APIService may not be read", forbidden("get", "v1beta1.custom.metrics.k8s.io"),
			"get apiservice v1beta1.custom.metrics.k8s.io: secrets \"v1beta1.custom.metrics.k8s.io\" is forbidden: no (hint: grant get, list, watch and patch on this apiservice)",
		},
		{"nothing answers", func(string, string, string) error { return context.DeadlineExceeded }, "get secret monitoring/pitot-ca: context deadline exceeded"},
	}
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := testOptions()
				w := newWorld(o)
				w.fail = c.fail
				one := w.start(t, o, "one", 0)
				defer one.stop()
				time.Sleep(10 * time.Second)
				if err := one.keeper.Ready(); !errors.Is(err, ErrNotSigned) || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("ready: %v\nwant %s", err, c.problem)
				}
				if cert, key := one.keeper.CurrentCertKeyContent(); len(cert) == 0 || len(key) == 0 {
					t.Error("there is nothing to serve to probes")
				}
				w.mu.Lock()
				w.fail = func(string, string, string) error { return nil }
				w.mu.Unlock()
				time.Sleep(3 * time.Second)
				if err := one.keeper.Ready(); err != nil {
					t.Errorf("then: %v", err)
				}
				if problems := one.keeper.Report().Problems; len(problems) > 0 {
					t.Errorf("then: %q", problems)
				}
			})
		})
	}
}

// A replica that watches in vain looks regularly.
func TestWithoutWatchesChangesAreSeenAWhileLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions()
		w := newWorld(o)
		w.fail = func(_, verb, object string) error {
			if verb == "list" || verb == "watch" {
				return apierrors.NewForbidden(secretResource, object, errors.New("no"))
			}
			return nil
		}
		defer w.start(t, o, "one", 0).stop()
		time.Sleep(5 * time.Second)
		w.setBundle(o.APIServices[0], nil)
		time.Sleep(o.poll() + 200*time.Millisecond)
		if len(w.bundle(o.APIServices[0])) == 0 {
			t.Error("not repaired")
		}
	})
}

// At rest nothing is written, however often tools apply what stands.
func TestNothingIsWrittenAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions()
		o.CALife, o.LeafLife = DefaultCALife, DefaultLeafLife
		w := newWorld(o)
		for _, name := range []string{"one", "two", "three"} {
			defer w.start(t, o, name, 0).stop()
		}
		time.Sleep(time.Hour)
		if got, want := strings.Count(w.wrote(), ","), len(o.APIServices); got != want {
			t.Errorf("%d writes, want %d", got+1, want+1)
		}
		for range 100 {
			w.setBundle(o.APIServices[0], w.bundle(o.APIServices[0]))
			w.editSecret(func(*corev1.Secret) {})
			time.Sleep(15 * time.Second)
		}
		if writes := w.wrote(); writes != "" {
			t.Errorf("wrote %s", writes)
		}
	})
}
