package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The parts of the OCI image format that the tests look at.
type (
	index struct {
		Manifests []descriptor `json:"manifests"`
	}
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Platform    *platform         `json:"platform,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	config struct {
		Created      time.Time `json:"created"`
		Architecture string    `json:"architecture"`
		OS           string    `json:"os"`
		Config       container `json:"config"`
	}
	container struct {
		User       string
		Entrypoint []string
		Cmd        []string
		Env        []string
		WorkingDir string
		Labels     map[string]string
	}
	// docker is an element of manifest.json, by which Docker reads an archive.
	docker struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
)

// An archive is the files of an OCI layout by their path.
type archive map[string][]byte

func openFolder(t *testing.T, folder string) archive {
	t.Helper()
	a := archive{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		a[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func openTar(t *testing.T, file string) archive {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a := archive{}
	for _, f := range untar(t, content) {
		if !f.mode.IsDir() {
			a[f.name] = f.content
		}
	}
	return a
}

func decode[T any](t *testing.T, a archive, name string) T {
	t.Helper()
	content, ok := a[name]
	if !ok {
		t.Fatalf("the layout has no %s", name)
	}
	var v T
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatalf("%s: %s", name, err)
	}
	return v
}

// blob is the path of what has a digest.
func blob(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

// verify checks that everything is what its name says.
func (a archive) verify(t *testing.T) {
	t.Helper()
	for name, content := range a {
		digest, ok := strings.CutPrefix(name, "blobs/sha256/")
		if sum := sha256.Sum256(content); ok && digest != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has another digest", name)
		}
	}
}

// An image is that of one architecture.
type image struct {
	descriptor descriptor
	manifest   manifest
	config     config
	files      []file
}

// images are those of the layout by architecture.
func images(t *testing.T) map[string]image {
	t.Helper()
	layout := openFolder(t, filepath.Join(built, "oci"))
	layout.verify(t)
	top := decode[index](t, layout, "index.json")
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != tag {
		t.Fatalf("index.json: %+v, want one image named %s", top, tag)
	}
	all := map[string]image{}
	for _, d := range decode[index](t, layout, blob(top.Manifests[0].Digest)).Manifests {
		i := image{descriptor: d, manifest: decode[manifest](t, layout, blob(d.Digest))}
		i.config = decode[config](t, layout, blob(i.manifest.Config.Digest))
		if len(i.manifest.Layers) != 1 {
			t.Fatalf("%s: %d layers, want one", d.Platform.Architecture, len(i.manifest.Layers))
		}
		i.files = untar(t, gunzip(t, layout[blob(i.manifest.Layers[0].Digest)]))
		all[d.Platform.Architecture] = i
	}
	if len(all) != len(machines) {
		t.Fatalf("%d architectures, want %d", len(all), len(machines))
	}
	return all
}

// content is that of a file.
func (i image) content(t *testing.T, name string) []byte {
	t.Helper()
	for _, f := range i.files {
		if f.name == name {
			return f.content
		}
	}
	t.Fatalf("the image has no %s", name)
	return nil
}

// A file is a member of a layer or an archive.
type file struct {
	name     string
	mode     fs.FileMode
	uid, gid int
	modified time.Time
	content  []byte
}

func (f file) String() string { return fmt.Sprintf("%s %d:%d %s", f.mode, f.uid, f.gid, f.name) }

func untar(t *testing.T, content []byte) []file {
	t.Helper()
	var files []file
	for r := tar.NewReader(bytes.NewReader(content)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		f := file{name: h.Name, mode: h.FileInfo().Mode(), uid: h.Uid, gid: h.Gid, modified: h.ModTime}
		if f.content, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
}

func gunzip(t *testing.T, content []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
