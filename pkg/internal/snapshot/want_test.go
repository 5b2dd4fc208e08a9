package snapshot

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheFirstReadOfAWantedKeyDoesNotWait(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(900*time.Millisecond, nil)
		start := time.Now()
		if err := s.Want(key); err != nil || time.Since(start) != 0 {
			t.Fatalf("%v after %s, want no error at once", err, time.Since(start))
		}
		time.Sleep(time.Second)
		start = time.Now()
		if got := mustRead(t, s); got != 1 || time.Since(start) != 0 {
			t.Errorf("read %g after %s, want the first answer at once", got, time.Since(start))
		}
	})
}

func TestAKeyLivesWhileItIsWanted(t *testing.T) {
	inStore(t, Options{Linger: time.Minute}, func(t *testing.T, s *Store, b *fakeBackend) {
		for range 20 {
			if err := s.Want(key); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}
		if n := b.queries(); n < 40 || n > 43 {
			t.Errorf("%d queries in 10m, want one per 15s", n)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(s.Keys()) != 0 {
			t.Error("a key is alive that nobody wants any more")
		}
	})
}

func TestWantedKeysHaveTheBoundsOfReads(t *testing.T) {
	inStore(t, Options{MaxKeys: 1}, func(t *testing.T, s *Store, _ *fakeBackend) {
		var unknown *UnknownBackendError
		if err := s.Want(Key{Backend: "gone", Query: "up"}); !errors.As(err, &unknown) {
			t.Errorf("at an unknown backend: %v", err)
		}
		if err := errors.Join(s.Want(key), s.Want(key)); err != nil {
			t.Error(err)
		}
		if err := s.Want(Key{Backend: "main", Query: "down"}); !errors.Is(err, ErrTooManyKeys) {
			t.Errorf("one too many: %v", err)
		}
		s.Close()
		if err := s.Want(Key{Backend: "main", Query: "closed"}); !errors.Is(err, ErrClosed) {
			t.Errorf("of a closed store: %v", err)
		}
	})
}
