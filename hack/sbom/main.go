// Sbom prints the software bill of materials of a Go binary, as CycloneDX JSON.
//
//	VERSION=v1.2.3 COMMIT=0123abc SOURCE_DATE_EPOCH=1773468000 go run . pitot [MODULE@VERSION...] > pitot.cdx.json
//
// It lists the modules that the linker recorded in the binary itself, which is
// what "go version -m" prints: not what a go.mod allows, but what is inside.
// Modules named after the binary travel beside it in the same artifact.
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("sbom: ")
	if len(os.Args) < 2 {
		log.Fatal("usage: sbom BINARY [MODULE@VERSION...]")
	}
	r, err := releaseOf(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	bom, err := r.describe(os.Args[1], os.Args[2:])
	if err != nil {
		log.Fatal(err)
	}
	if err := cyclonedx.NewBOMEncoder(os.Stdout, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		log.Fatal(err)
	}
}

// A release is what the build was told, so that the same build is described by
// the same bytes. A binary built with -trimpath does not record it.
type release struct {
	version, commit string
	time            time.Time
}

func releaseOf(getenv func(string) string) (release, error) {
	seconds, err := strconv.ParseInt(getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return release{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r := release{version: getenv("VERSION"), commit: getenv("COMMIT"), time: time.Unix(seconds, 0).UTC()}
	if r.version == "" || r.commit == "" {
		return release{}, errors.New("VERSION and COMMIT must be set")
	}
	return r, nil
}

// describe is the bill of materials of a binary and the modules beside it.
func (r release) describe(binary string, beside []string) (*cyclonedx.BOM, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum, err := digest(binary)
	if err != nil {
		return nil, err
	}
	program := component(info.Main.Path, r.version)
	program.Type = cyclonedx.ComponentTypeApplication
	program.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sum}}
	program.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}}
	program.Properties = &[]cyclonedx.Property{
		{Name: "commit", Value: r.commit},
		{Name: "platform", Value: setting(info, "GOOS") + "/" + setting(info, "GOARCH")},
	}

	parts := []cyclonedx.Component{component("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		parts = append(parts, component(m.Path, m.Version))
	}
	for _, m := range beside {
		path, version, ok := strings.Cut(m, "@")
		if !ok {
			return nil, fmt.Errorf("%s: want MODULE@VERSION", m)
		}
		parts = append(parts, component(path, version))
	}
	slices.SortFunc(parts, func(a, b cyclonedx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	refs := make([]string, 0, len(parts))
	for _, p := range parts {
		refs = append(refs, p.BOMRef)
	}

	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &program}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: program.BOMRef, Dependencies: &refs}}
	return bom, nil
}

// component is a Go module; its package URL is what vulnerability databases know
// it by.
func component(path, version string) cyclonedx.Component {
	purl := "pkg:golang/" + path + "@" + url.QueryEscape(version)
	return cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl}
}

func setting(info *buildinfo.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// digest is the SHA-256 of a file.
func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
