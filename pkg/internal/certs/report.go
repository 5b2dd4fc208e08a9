package certs

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Report says how the certificates of one replica stand, for people.
type Report struct {
	Secret      string             `json:"secret"`
	Authorities []AuthorityReport  `json:"authorities"`
	Leaf        *LeafReport        `json:"leaf"` // null before the first
	APIServices []APIServiceReport `json:"apiservices"`
	// Problems are what keeps things from being in order.
	Problems []string `json:"problems"`
}

// An AuthorityReport is one authority that the replicas share.
type AuthorityReport struct {
	ID string `json:"id"`
	// State is "waiting" to sign, "signing", or "retired".
	State string    `json:"state"`
	Ends  time.Time `json:"ends"`

	begins time.Time
}

// A LeafReport is the certificate that this replica serves.
type LeafReport struct {
	Authority string    `json:"authority"` // the ID of the one that signed it
	Ends      time.Time `json:"ends"`
	Renewal   time.Time `json:"renewal"`

	begins time.Time
}

// An APIServiceReport is one APIService whose caBundle is kept.
type APIServiceReport struct {
	Name string `json:"name"`
	// State is "in sync", "out of sync", "absent", "unknown", "not ours" or
	// "insecure".
	State string `json:"state"`
}

// report puts together how things stand.
func (o Options) report(m memory, v view, now moment, troubles []error) Report {
	r := Report{Secret: o.Secret.String(), Authorities: []AuthorityReport{}, APIServices: []APIServiceReport{}, Problems: []string{}}
	current := currentSigner(m.authorities, now.Wall)
	for _, a := range m.authorities {
		state := "retired"
		switch {
		case current != nil && current.cert.Equal(a.cert):
			state = "signing"
		case a.active.IsZero() && a.signs(now.Wall):
			state = "waiting"
		}
		r.Authorities = append(r.Authorities, AuthorityReport{ID: describe(a.cert), State: state, Ends: a.cert.NotAfter, begins: a.cert.NotBefore})
	}
	if l := m.leaf; l != nil {
		r.Leaf = &LeafReport{Authority: describe(l.authority), Ends: l.cert.NotAfter, Renewal: l.renew.UTC(), begins: l.cert.NotBefore}
	}
	for _, s := range v.services {
		r.APIServices = append(r.APIServices, APIServiceReport{Name: s.name, State: o.state(m, s)})
	}
	for _, err := range troubles {
		r.Problems = append(r.Problems, err.Error())
	}
	for _, s := range v.services {
		if hint := o.misled(s); hint != "" {
			r.Problems = append(r.Problems, hint)
		}
	}
	return r
}

func (o Options) state(m memory, s apiService) string {
	switch {
	case s.unread != nil:
		return "unknown"
	case s.absent:
		return "absent"
	case s.service != o.Service:
		return "not ours"
	case s.insecure:
		return "insecure"
	case len(s.bundle) > 0 && m.synced[s.name] == string(s.bundle):
		return "in sync"
	default:
		return "out of sync"
	}
}

// misled says why an APIService that exists is left alone.
func (o Options) misled(s apiService) string {
	switch {
	case s.unread != nil || s.absent:
		return ""
	case s.service != o.Service && s.service.Name == "":
		return fmt.Sprintf("apiservice %s is served by kube-apiserver itself: left alone", s.name)
	case s.service != o.Service:
		return fmt.Sprintf("apiservice %s belongs to %s: left alone (hint: only one metrics adapter can serve it)", s.name, s.service)
	case s.insecure:
		return fmt.Sprintf("apiservice %s has insecureSkipTLSVerify: nobody verifies the certificate (hint: remove the field)", s.name)
	default:
		return ""
	}
}

// troubles are what could not be read.
func (v view) troubles() (errs []error) {
	if v.secret.unread != nil {
		errs = append(errs, v.secret.unread)
	}
	for _, s := range v.services {
		if s.unread != nil {
			errs = append(errs, s.unread)
		}
	}
	return errs
}

func (v view) unread() bool { return len(v.troubles()) > 0 }

// cause says why there is no certificate yet.
func (r Report) cause() error {
	if len(r.Problems) == 0 {
		return ErrNotSigned
	}
	return fmt.Errorf("%w: %w", ErrNotSigned, errors.New(strings.Join(r.Problems, "; ")))
}
