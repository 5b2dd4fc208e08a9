package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const version = "v1.2.3-test"

var platforms = []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"}

func TestRelease(t *testing.T) {
	if os.Getenv("PITOT_TEST_RELEASE") == "" {
		t.Skip("PITOT_TEST_RELEASE is not set: a release takes minutes")
	}
	dist := filepath.Join(t.TempDir(), "dist")
	cmd := exec.Command("../../hack/release.sh", dist)
	cmd.Env = append(os.Environ(), "VERSION="+version, "COMMIT=0123456789abcdef", "SOURCE_DATE_EPOCH=1773468000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %s\n%s", cmd, err, out)
	}
	t.Run("has these files", func(t *testing.T) { hasItsFiles(t, dist) })
	t.Run("checksums are of all files", func(t *testing.T) { checksums(t, dist) })
	for _, platform := range platforms {
		t.Run("archive and bill of materials of "+platform, func(t *testing.T) { archive(t, dist, platform) })
	}
	t.Run("kubectl plugin", func(t *testing.T) { plugin(t, dist) })
	t.Run("krew manifest", func(t *testing.T) { krew(t, dist) })
	t.Run("chart", func(t *testing.T) { chart(t, dist) })
}

func hasItsFiles(t *testing.T, dist string) {
	want := []string{"checksums.txt", "image", "krew.yaml", "pitot-" + version[1:] + ".tgz"}
	for _, p := range platforms {
		want = append(want, "pitot_"+version+"_"+p+".tar.gz", "pitot_"+version+"_"+p+".cdx.json")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		want = append(want, "pitot_"+version+"_image_linux_"+arch+".tar", "pitot_"+version+"_image_linux_"+arch+".cdx.json")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, dist)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func checksums(t *testing.T, dist string) {
	var want strings.Builder
	for _, name := range names(t, dist) {
		if name != "checksums.txt" && name != "image" {
			fmt.Fprintf(&want, "%s  %s\n", sha(read(t, dist, name)), name)
		}
	}
	got := strings.Split(string(read(t, dist, "checksums.txt")), "\n")
	if diff := cmp.Diff(sorted(strings.Split(want.String(), "\n")), sorted(got)); diff != "" {
		t.Errorf("checksums.txt (-want +got):\n%s", diff)
	}
}

// archive checks that the archive of a platform holds the binary for it and that
// the bill of materials lists what the binary says of itself.
func archive(t *testing.T, dist, platform string) {
	stem := "pitot_" + version + "_" + platform
	files := untar(t, read(t, dist, stem+".tar.gz"))
	if diff := cmp.Diff([]string{"-rw-r--r-- LICENSE", "-rwxr-xr-x pitot"}, modes(files)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	binary := files["pitot"].content
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if got := settings["GOOS"] + "_" + settings["GOARCH"]; got != platform {
		t.Errorf("the binary is for %s", got)
	}
	want := []string{"pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		want = append(want, "pkg:golang/"+m.Path+"@"+url.QueryEscape(m.Version))
	}
	slices.Sort(want)
	bom := billOf(t, dist, stem+".cdx.json")
	if diff := cmp.Diff(want, urls(bom)); diff != "" {
		t.Errorf("bill of materials (-want +got):\n%s", diff)
	}
	subject := bom.Metadata.Component
	if subject.Version != version || (*subject.Hashes)[0].Value != sha(binary) {
		t.Errorf("the bill of materials is of %s %v, want %s %s", subject.Version, *subject.Hashes, version, sha(binary))
	}
	if image := strings.Replace(stem, version+"_", version+"_image_", 1); strings.HasPrefix(platform, "linux") {
		got := slices.DeleteFunc(urls(billOf(t, dist, image+".cdx.json")), func(url string) bool { return slices.Contains(want, url) })
		if len(got) != 1 || !strings.HasPrefix(got[0], "pkg:golang/golang.org/x/crypto/x509roots/fallback@") {
			t.Errorf("the image's bill of materials has, beside the binary's, %q: want the certificate authorities", got)
		}
	}
	t.Logf("%d modules, %.1f MB", len(want), float64(len(binary))/1e6)
}

// plugin runs the archive's binary the way kubectl finds plugins.
func plugin(t *testing.T, dist string) {
	files := untar(t, read(t, dist, "pitot_"+version+"_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz"))
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "pitot"), files["pitot"].content, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "kubectl-pitot")
	if err := os.Symlink("pitot", link); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"--help": "kubectl pitot [flags]", "version": "pitot " + version + " ("} {
		out, err := exec.Command(link, command).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("kubectl-pitot %s: %v, without %q:\n%s", command, err, want, out)
		}
	}
}

func krew(t *testing.T, dist string) {
	var manifest struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
		Spec       struct {
			Version, Homepage, Description string
			ShortDescription               string `yaml:"shortDescription"`
			Platforms                      []struct {
				Selector struct {
					MatchLabels struct{ OS, Arch string } `yaml:"matchLabels"`
				}
				URI, SHA256, Bin string
			}
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(read(t, dist, "krew.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Metadata.Name != "pitot" || manifest.Spec.Version != version {
		t.Errorf("plugin %s %s, want pitot %s", manifest.Metadata.Name, manifest.Spec.Version, version)
	}
	var got []string
	for _, p := range manifest.Spec.Platforms {
		platform := p.Selector.MatchLabels.OS + "_" + p.Selector.MatchLabels.Arch
		got = append(got, platform)
		name := "pitot_" + version + "_" + platform + ".tar.gz"
		if want := "https://github.com/pitot-autoscaling/pitot/releases/download/" + path.Join(version, name); p.URI != want {
			t.Errorf("%s: uri %s, want %s", platform, p.URI, want)
		}
		content := read(t, dist, name)
		if p.SHA256 != sha(content) {
			t.Errorf("%s: sha256 %s is not the archive's", platform, p.SHA256)
		}
		if _, ok := untar(t, content)[p.Bin]; !ok {
			t.Errorf("%s: the archive has no %s", platform, p.Bin)
		}
	}
	if diff := cmp.Diff(platforms, sorted(got)); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

func chart(t *testing.T, dist string) {
	var got struct {
		Name, Version string
		AppVersion    string `yaml:"appVersion"`
	}
	if err := yaml.Unmarshal(untar(t, read(t, dist, "pitot-"+version[1:]+".tgz"))["pitot/Chart.yaml"].content, &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "pitot" || got.Version != version[1:] || got.AppVersion != version[1:] {
		t.Errorf("chart %+v, want version and appVersion %s", got, version[1:])
	}
}

func billOf(t *testing.T, dist, name string) *cyclonedx.BOM {
	t.Helper()
	var bom cyclonedx.BOM
	if err := json.Unmarshal(read(t, dist, name), &bom); err != nil {
		t.Fatalf("%s: %s", name, err)
	}
	return &bom
}

// urls are the package URLs of the components, sorted.
func urls(bom *cyclonedx.BOM) []string {
	var all []string
	for _, c := range *bom.Components {
		all = append(all, c.PackageURL)
	}
	return sorted(all)
}

type file struct {
	mode    string
	content []byte
}

func untar(t *testing.T, packed []byte) map[string]file {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]file{}
	for r := tar.NewReader(plain); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = file{mode: header.FileInfo().Mode().String(), content: content}
	}
}

func modes(files map[string]file) []string {
	var all []string
	for name, f := range files {
		all = append(all, f.mode+" "+name)
	}
	return sorted(all)
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func read(t *testing.T, folder, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func sha(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
