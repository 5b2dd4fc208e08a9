// Roots prints the certificate authorities that Pitot's image trusts, as PEM:
// Mozilla's, as golang.org/x/crypto publishes them.
//
//	go run . > ca-certificates.crt
//
// A Go module is pinned by its checksum, so that the same commit makes the same
// image on every machine; a distribution's package is whatever was last
// installed there.
//
// Mozilla trusts some authorities in part only, for instance up to a day. A file
// cannot say so, and half a trust is not a whole one: those are left out.
package main

import (
	"encoding/pem"
	"io"
	"log"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := write(os.Stdout); err != nil {
		log.Fatalf("roots: %s", err)
	}
}

func write(out io.Writer) error {
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	return nil
}
