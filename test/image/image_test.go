package image

import (
	"crypto/sha256"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// Pod Security's restricted profile and a read-only root need nothing of the
// pod's author but to be asked for.
func TestTheImageRunsAsNobodyAndSaysWhatItIs(t *testing.T) {
	for arch, image := range images(t) {
		t.Run(arch, func(t *testing.T) {
			want := config{
				Created:      commitTime,
				Architecture: arch,
				OS:           "linux",
				Config: container{
					User:       "65532:65532",
					Entrypoint: []string{"/pitot"},
					// Buildah's; nothing looks at it.
					Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
					Labels: map[string]string{
						"org.opencontainers.image.title":         "pitot",
						"org.opencontainers.image.description":   "Kubernetes custom and external metrics from Prometheus, and an HPA simulator",
						"org.opencontainers.image.source":        "https://github.com/pitot-autoscaling/pitot",
						"org.opencontainers.image.documentation": "https://github.com/pitot-autoscaling/pitot/tree/main/docs",
						"org.opencontainers.image.licenses":      "Apache-2.0",
						"org.opencontainers.image.version":       tag,
						"org.opencontainers.image.revision":      commit,
						"org.opencontainers.image.created":       commitTime.Format(time.RFC3339),
						// Buildah signs its work.
						"io.buildah.version": image.config.Config.Labels["io.buildah.version"],
					},
				},
			}
			if diff := cmp.Diff(want, image.config); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheImageHoldsTheBinaryItsLicenceAndTheAuthoritiesAlone(t *testing.T) {
	want := []string{
		"-rw-r--r-- 0:0 LICENSE",
		"drwxr-xr-x 0:0 etc/",
		"drwxr-xr-x 0:0 etc/ssl/",
		"drwxr-xr-x 0:0 etc/ssl/certs/",
		"-rw-r--r-- 0:0 etc/ssl/certs/ca-certificates.crt",
		"-rwxr-xr-x 0:0 pitot",
	}
	for arch, image := range images(t) {
		t.Run(arch, func(t *testing.T) {
			var got []string
			for _, f := range image.files {
				got = append(got, f.String())
				if !f.modified.Equal(commitTime) {
					t.Errorf("%s: modified at %s, want the commit's time", f.name, f.modified.UTC())
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			t.Logf("the binary %.1f MB, %.1f MB to download", float64(len(image.content(t, "pitot")))/1e6, float64(image.manifest.Layers[0].Size)/1e6)
		})
	}
}

func TestTheBinaryNeedsNothingBesideIt(t *testing.T) {
	for arch, image := range images(t) {
		t.Run(arch, func(t *testing.T) {
			binary, err := elf.NewFile(strings.NewReader(string(image.content(t, "pitot"))))
			if err != nil {
				t.Fatal(err)
			}
			if binary.Machine != machines[arch] {
				t.Errorf("machine %s, want %s", binary.Machine, machines[arch])
			}
			for _, p := range binary.Progs {
				if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
					t.Errorf("%s: the binary wants a dynamic linker", p.Type)
				}
			}
		})
	}
}

// The image's files are all that the process sees, as in a pod with a read-only
// root: no shell, no /tmp, no /proc.
func TestTheBinaryRunsInTheImageAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("changing the root directory needs root")
	}
	image := images(t)[runtime.GOARCH]
	root := t.TempDir()
	for _, f := range image.files {
		where := filepath.Join(root, filepath.Clean("/"+f.name))
		if f.mode.IsDir() {
			if err := os.Mkdir(where, 0o755); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(where, f.content, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	// The test's folder lets root pass alone.
	for dir := root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		cmd := exec.Command(image.config.Config.Entrypoint[0], args...)
		cmd.Path = image.config.Config.Entrypoint[0]
		cmd.Dir, cmd.Env = "/", image.config.Config.Env
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %s\n%s", cmd, err, out)
		}
		return string(out)
	}
	if got, want := run("version"), "pitot "+version+" ("; !strings.HasPrefix(got, want) {
		t.Errorf("pitot version: %q, want %q…", got, want)
	}
	if got := run("version", "-o", "json"); !strings.Contains(got, `"commit":"`+commit+`"`) {
		t.Errorf("pitot version -o json: %s, want the commit %s", got, commit)
	}
}

func TestTheAuthoritiesAreCertificates(t *testing.T) {
	bundle := images(t)[runtime.GOARCH].content(t, "etc/ssl/certs/ca-certificates.crt")
	count := 0
	for rest := bundle; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !c.IsCA {
			t.Errorf("%s is no authority", c.Subject)
		}
	}
	if count < 100 {
		t.Errorf("%d authorities; Mozilla trusts more than a hundred", count)
	}
	t.Logf("%d authorities", count)
}

// An archive for one node is the image that a registry would hand to it.
func TestAnArchiveHasTheDigestOfTheLayout(t *testing.T) {
	for arch, image := range images(t) {
		t.Run(arch, func(t *testing.T) {
			archive := openTar(t, filepath.Join(built, "pitot-"+arch+".tar"))
			archive.verify(t)
			want := image.descriptor
			want.Annotations = map[string]string{
				"io.containerd.image.name":          name,
				"org.opencontainers.image.ref.name": name,
			}
			if diff := cmp.Diff([]descriptor{want}, decode[index](t, archive, "index.json").Manifests); diff != "" {
				t.Errorf("index.json (-want +got):\n%s", diff)
			}
			inside := docker{
				Config:   blob(image.manifest.Config.Digest),
				RepoTags: []string{name},
				Layers:   []string{blob(image.manifest.Layers[0].Digest)},
			}
			if diff := cmp.Diff([]docker{inside}, decode[[]docker](t, archive, "manifest.json")); diff != "" {
				t.Errorf("manifest.json (-want +got):\n%s", diff)
			}
			files := []string{
				"index.json", "manifest.json", "oci-layout",
				blob(want.Digest), inside.Config, inside.Layers[0],
			}
			slices.Sort(files)
			if diff := cmp.Diff(files, slices.Sorted(maps.Keys(archive))); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
	got, err := os.ReadFile(filepath.Join(built, "name"))
	if err != nil || string(got) != name+"\n" {
		t.Errorf("the file name: %q, %v; want %q", got, err, name)
	}
}

// Who does not trust the registry builds it again.
func TestAnotherFolderGivesTheSameBytes(t *testing.T) {
	elsewhere, again := filepath.Join(t.TempDir(), "else where"), filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(elsewhere, os.DirFS(sources)); err != nil {
		t.Fatal(err)
	}
	if err := build(elsewhere, again, "077", "TZ=Asia/Tokyo", "LC_ALL=C", "GOFLAGS=-mod=mod", "GOAMD64=v3"); err != nil {
		t.Fatal(err)
	}
	first, second := digests(t, built), digests(t, again)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("digests (-first +second):\n%s", diff)
	}
	for _, name := range slices.Sorted(maps.Keys(first)) {
		t.Logf("%s %s", first[name], name)
	}
}

// digests are those of a folder's files.
func digests(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, content := range openFolder(t, folder) {
		all[name] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	return all
}
