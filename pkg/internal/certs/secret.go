package certs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// The keys of the Secret that are ours. Others are left as they are.
const (
	// authoritiesKey holds what the replicas share.
	authoritiesKey = "authorities.json"
	// bundleKey is for others, such as a Prometheus that scrapes the server: the
	// certificates of all authorities. It is written and never read here.
	bundleKey = "ca.crt"
)

// maxAuthorities bounds what is believed of a Secret: a rotation needs two.
const maxAuthorities = 16

var errNoAuthority = errors.New("an authority is missing")

// A sharedAuthority is an authority in the Secret.
type sharedAuthority struct {
	Certificate string     `json:"certificate"`
	Key         string     `json:"key,omitempty"`
	Created     time.Time  `json:"created"`
	Active      *time.Time `json:"active,omitempty"`
}

// encodeSecret returns what authorities look like in a Secret.
func encodeSecret(authorities []authority) (map[string][]byte, error) {
	shared := make([]sharedAuthority, 0, len(authorities))
	var bundle []byte
	for _, a := range authorities {
		s := sharedAuthority{Certificate: string(encodeCert(a.cert)), Created: a.created}
		if !a.active.IsZero() {
			s.Active = &a.active
		}
		if a.key != nil {
			key, err := encodeKey(a.key)
			if err != nil {
				return nil, err
			}
			s.Key = string(key)
		}
		shared = append(shared, s)
		bundle = append(bundle, s.Certificate...)
	}
	text, err := json.Marshal(shared)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{authoritiesKey: text, bundleKey: bundle}, nil
}

// decodeSecret returns the authorities for the Service that a Secret holds, by
// the time they were created. The error says what else there is, or why there
// are none: content that is not exactly what encodeSecret makes of the result.
func decodeSecret(data map[string][]byte, service types.NamespacedName) ([]authority, error) {
	text := data[authoritiesKey]
	if len(text) == 0 {
		return nil, fmt.Errorf("%s is empty", authoritiesKey)
	}
	var shared []sharedAuthority
	if err := json.Unmarshal(text, &shared); err != nil {
		return nil, fmt.Errorf("%s: %w", authoritiesKey, err)
	}
	if len(shared) > maxAuthorities {
		return nil, fmt.Errorf("%s: %d authorities are more than anybody needs", authoritiesKey, len(shared))
	}
	var authorities []authority
	var errs []error
	for i, s := range shared {
		a, err := s.parse(service)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: authority %d: %w", authoritiesKey, i, err))
			continue
		}
		authorities = merge(authorities, []authority{a})
	}
	if len(errs) > 0 || len(authorities) == 0 {
		return authorities, errors.Join(append(errs, errNoAuthority)...)
	}
	canonical, err := encodeSecret(authorities)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(canonical)) {
		if !bytes.Equal(data[key], canonical[key]) {
			return authorities, fmt.Errorf("%s is not as it was written", key)
		}
	}
	return authorities, nil
}

func (s sharedAuthority) parse(service types.NamespacedName) (authority, error) {
	cert, err := parseCert(s.Certificate)
	if err != nil {
		return authority{}, err
	}
	if !isOurs(cert, service) {
		return authority{}, fmt.Errorf("of %q, and not for the Service %s", cert.Subject, service)
	}
	a := authority{cert: cert, created: s.Created}
	if s.Active != nil {
		a.active = *s.Active
	}
	if a.created.Before(cert.NotBefore) || a.created.After(cert.NotAfter) {
		return authority{}, errors.New("created outside of its life")
	}
	if s.Key != "" {
		a.key, err = parseKey(s.Key, cert)
	}
	return a, err
}
