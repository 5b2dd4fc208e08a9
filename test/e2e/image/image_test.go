package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/test/e2e/image"
)

// A tree with what a file system of an image has: folders, a program, a link.
func tree(t *testing.T, changed time.Time) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(folder, "usr/bin"), 0o755),
		os.WriteFile(filepath.Join(folder, "usr/bin/hello"), []byte("#!/bin/sh\n"), 0o755),
		os.Symlink("usr/bin", filepath.Join(folder, "bin")),
		os.WriteFile(filepath.Join(folder, "notes"), []byte("none"), 0o600),
		os.Chtimes(filepath.Join(folder, "notes"), changed, changed),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestALayerHoldsCopiesThatBelongToRoot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "layer")
	root := tree(t, time.Now())
	if err := image.WriteLayer(file, image.Copy{From: root, To: "/"}, image.Copy{From: filepath.Join(root, "notes"), To: "/app/readme"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, entry := range read(t, file) {
		if entry.header.Uid != 0 || entry.header.Gid != 0 || !entry.header.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: of %d:%d and %s", name, entry.header.Uid, entry.header.Gid, entry.header.ModTime)
		}
		got = append(got, strings.TrimRight(strings.Join([]string{
			entry.header.FileInfo().Mode().String(), name, entry.header.Linkname, string(bytes.TrimSpace(entry.content)),
		}, " "), " "))
	}
	want := []string{
		"Lrwxrwxrwx bin usr/bin",
		"-rw------- notes  none",
		"drwxr-xr-x usr/",
		"drwxr-xr-x usr/bin/",
		"-rwxr-xr-x usr/bin/hello  #!/bin/sh",
		"-rw------- app/readme  none",
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func TestTheSameContentIsTheSameArchive(t *testing.T) {
	var archives [][]byte
	for _, changed := range []time.Time{time.Unix(1e9, 0), time.Unix(1.5e9, 0)} {
		folder := t.TempDir()
		layer, archive := filepath.Join(folder, "layer"), filepath.Join(folder, "archive")
		if err := image.WriteLayer(layer, image.Copy{From: tree(t, changed), To: "/"}); err != nil {
			t.Fatal(err)
		}
		if err := (image.Image{Name: "local.test/hello:1", Layers: []string{layer}, Entrypoint: []string{"/bin/hello"}}).Write(archive); err != nil {
			t.Fatal(err)
		}
		bytes, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, bytes)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same content differ")
	}
}

// Every blob is named by its digest, and the index leads to all of them.
func TestAnArchiveIsAnOCILayout(t *testing.T) {
	folder := t.TempDir()
	layer, archive := filepath.Join(folder, "layer"), filepath.Join(folder, "archive")
	if err := image.WriteLayer(layer, image.Copy{From: tree(t, time.Now()), To: "/"}); err != nil {
		t.Fatal(err)
	}
	hello := image.Image{Name: "local.test/hello:1", Layers: []string{layer}, Entrypoint: []string{"/bin/hello"}, WorkingDir: "/usr", User: "65532"}
	if err := hello.Write(archive); err != nil {
		t.Fatal(err)
	}
	files := read(t, archive)
	for name, entry := range files {
		digest, isBlob := strings.CutPrefix(name, "blobs/sha256/")
		if sum := sha256.Sum256(entry.content); isBlob && hex.EncodeToString(sum[:]) != digest {
			t.Errorf("%s has another digest", name)
		}
	}
	type object = map[string]any
	document := func(name string) (value object) {
		if err := json.Unmarshal(files[name].content, &value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return value
	}
	blob := func(descriptor any) string {
		return "blobs/" + strings.Replace(descriptor.(object)["digest"].(string), ":", "/", 1)
	}
	top := document("index.json")["manifests"].([]any)[0].(object)
	if diff := cmp.Diff(object{"io.containerd.image.name": "local.test/hello:1"}, top["annotations"]); diff != "" {
		t.Errorf("name (-want +got):\n%s", diff)
	}
	manifest := document(blob(top))
	if content, err := os.ReadFile(layer); err != nil || !bytes.Equal(content, files[blob(manifest["layers"].([]any)[0])].content) {
		t.Errorf("the layer is another one (%v)", err)
	}
	want := object{
		"Entrypoint": []any{"/bin/hello"}, "User": "65532", "WorkingDir": "/usr",
		"Env": []any{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	if diff := cmp.Diff(want, document(blob(manifest["config"]))["config"]); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// An entry is one of a tar archive.
type entry struct {
	header  *tar.Header
	content []byte
}

func read(t *testing.T, file string) map[string]entry {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	entries := map[string]entry{}
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		entries[header.Name] = entry{header, content}
	}
}
