package main

import (
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// The test's own binary is one whose modules are known.
func TestEveryModuleOfABinaryIsListed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := release{version: "v1.2.3", commit: "0123abc", time: time.Unix(1773468000, 0).UTC()}
	bom, err := r.describe(self, []string{"example.org/roots@v0.0.0+incompatible"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range *bom.Components {
		got = append(got, c.PackageURL)
	}
	info, _ := debug.ReadBuildInfo()
	if len(info.Deps) == 0 {
		t.Fatal("the test's binary has no modules")
	}
	for _, m := range info.Deps {
		if want := "pkg:golang/" + m.Path + "@" + m.Version; !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	for _, want := range []string{"pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"), "pkg:golang/example.org/roots@v0.0.0%2Bincompatible"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	if got, want := bom.Metadata.Timestamp, "2026-03-14T06:00:00Z"; got != want {
		t.Errorf("time %s, want %s", got, want)
	}
	if _, err := r.describe(self, []string{"example.org/roots"}); err == nil {
		t.Error("a module without a version is accepted")
	}
}

func TestABuildThatWasToldNothingIsNotDescribed(t *testing.T) {
	full := map[string]string{"VERSION": "v1.2.3", "COMMIT": "0123abc", "SOURCE_DATE_EPOCH": "1773468000"}
	if _, err := releaseOf(func(name string) string { return full[name] }); err != nil {
		t.Fatal(err)
	}
	for missing := range full {
		if _, err := releaseOf(func(name string) string {
			if name == missing {
				return ""
			}
			return full[name]
		}); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: error %v, want one that names it", missing, err)
		}
	}
}
