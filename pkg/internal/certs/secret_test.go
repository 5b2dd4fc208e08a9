package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustAuthority(t testing.TB, o Options, now time.Time) authority {
	t.Helper()
	a, err := newAuthority(o, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustEncode(t testing.TB, authorities ...authority) map[string][]byte {
	t.Helper()
	data, err := encodeSecret(authorities)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestASecretIsReadAsItWasWritten(t *testing.T) {
	o := testOptions()
	old, young := mustAuthority(t, o, noon), mustAuthority(t, o, noon.Add(40*time.Second))
	old.active, old.key = old.created, nil
	data := mustEncode(t, old, young)
	got, err := decodeSecret(data, o.Service)
	if err != nil {
		t.Fatal(err)
	}
	if !sameAuthorities([]authority{old, young}, got) || !got[1].created.Equal(young.created) {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff(string(encodeBundle([]*x509.Certificate{old.cert, young.cert})), string(data[bundleKey])); diff != "" {
		t.Errorf("the bundle for others (-want +got)\n%s", diff)
	}
}

func TestWhatIsWrongInASecret(t *testing.T) {
	o := testOptions()
	good, other := mustAuthority(t, o, noon), mustAuthority(t, o, noon)
	edit := func(change func(s *sharedAuthority)) map[string][]byte {
		data := mustEncode(t, good)
		var shared []sharedAuthority
		if err := json.Unmarshal(data[authoritiesKey], &shared); err != nil {
			t.Fatal(err)
		}
		change(&shared[0])
		text, err := json.Marshal(shared)
		if err != nil {
			t.Fatal(err)
		}
		data[authoritiesKey] = text
		return data
	}
	elsewhere := o
	elsewhere.Service.Namespace = "elsewhere"
	leafCert, err := good.sign(o, noon, 0)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := encodeKey(other.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		data  map[string][]byte
		flaw  string
		found int
	}{
		{"nothing", nil, "authorities.json is empty", 0},
		{"no JSON", map[string][]byte{authoritiesKey: []byte("?")}, "authorities.json: invalid character", 0},
		{"none", map[string][]byte{authoritiesKey: []byte("[]")}, "an authority is missing", 0},
		{"too many", map[string][]byte{authoritiesKey: []byte("[" + strings.Repeat("{},", 16) + "{}]")}, "17 authorities are more than anybody needs", 0},
		{"no certificate", edit(func(s *sharedAuthority) { s.Certificate = "x" }), "authority 0: not a certificate in PEM", 0},
		{"a leaf", edit(func(s *sharedAuthority) { s.Certificate = string(leafCert.certPEM) }), "not for the Service monitoring/pitot", 0},
		{"for another Service", mustEncode(t, mustAuthority(t, elsewhere, noon)), "not for the Service monitoring/pitot", 0},
		{"no key in PEM", edit(func(s *sharedAuthority) { s.Key = "x" }), "not an EC private key", 0},
		{"another's key", edit(func(s *sharedAuthority) { s.Key = string(otherKey) }), "the key is not that of the certificate", 0},
		{"made after its end", edit(func(s *sharedAuthority) { s.Created = noon.Add(time.Hour) }), "created outside of its life", 0},
		{"an unknown field", map[string][]byte{
			authoritiesKey: bytes.Replace(mustEncode(t, good)[authoritiesKey], []byte(`"created"`), []byte(`"x":1,"created"`), 1),
		}, "authorities.json is not as it was written", 1},
		{"no bundle for others", map[string][]byte{authoritiesKey: mustEncode(t, good)[authoritiesKey]}, "ca.crt is not as it was written", 1},
		{"one authority twice", mustEncode(t, good, good), "authorities.json is not as it was written", 1},
		{"out of order", mustEncode(t, mustAuthority(t, o, noon.Add(time.Second)), good), "authorities.json is not as it was written", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, flaw := decodeSecret(c.data, o.Service)
			if flaw == nil || !strings.Contains(flaw.Error(), c.flaw) {
				t.Errorf("flaw %v, want %s", flaw, c.flaw)
			}
			if len(found) != c.found {
				t.Errorf("%d authorities, want %d", len(found), c.found)
			}
		})
	}
}

// An authority can sign for its own Service, and for no other.
func TestAnAuthorityIsBoundToItsService(t *testing.T) {
	o := testOptions()
	a := mustAuthority(t, o, noon)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	elsewhere := o
	elsewhere.Service.Name = "kubernetes"
	for _, c := range []struct {
		name string
		o    Options
		host string
		good bool
	}{
		{"its own", o, "pitot.monitoring.svc", true},
		{"its own, with the usual domain", o, "pitot.monitoring.svc.cluster.local", true},
		{"another", elsewhere, "kubernetes.monitoring.svc", false},
	} {
		l, err := a.sign(c.o, noon, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.host, CurrentTime: noon})
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// No content of a Secret makes a replica panic, and what is read from it can be
// written and read again.
func FuzzDecodeSecret(f *testing.F) {
	o := testOptions()
	data := mustEncode(f, mustAuthority(f, o, noon))
	f.Add(data[authoritiesKey], data[bundleKey])
	f.Add([]byte("[]"), []byte{})
	f.Add([]byte(`[{"certificate":"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"}]`), []byte("x"))
	f.Fuzz(func(t *testing.T, text, bundle []byte) {
		found, _ := decodeSecret(map[string][]byte{authoritiesKey: text, bundleKey: bundle}, o.Service)
		if len(found) == 0 {
			return
		}
		again, err := decodeSecret(mustEncode(t, found...), o.Service)
		if err != nil || !sameAuthorities(found, again) {
			t.Errorf("%v, then %v: %v", found, again, err)
		}
	})
}

// Whatever stands in a bundle, what is made of it is read as it was meant.
func FuzzBundle(f *testing.F) {
	o := testOptions()
	a := mustAuthority(f, o, noon)
	f.Add(encodeCert(a.cert))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	m := newMemory()
	m.authorities = []authority{a}
	f.Fuzz(func(t *testing.T, holds []byte) {
		now := moment{Wall: noon}
		want := o.bundle(m, holds, now)
		if again := o.bundle(m, want, now); !bytes.Equal(want, again) {
			t.Errorf("%q, then %q", want, again)
		}
	})
}
