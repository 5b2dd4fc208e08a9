// Package image makes container images as files, with no registry, no daemon
// and no build tool: an archive in the OCI layout, which "ctr images import"
// reads. The same content gives the same bytes.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// An Image is what an archive holds.
type Image struct {
	Name       string   // with a host and a tag, such as "local.test/shop:1"
	Layers     []string // files that WriteLayer wrote, the lowest first
	Entrypoint []string
	Env        []string // beside PATH
	WorkingDir string
	User       string // a number; root if empty
}

// A Copy puts a file or a folder, with all that is in it, at a path of the image.
type Copy struct{ From, To string }

// epoch is the time of every file.
var epoch = time.Unix(0, 0)

// WriteLayer writes a layer that consists of copies, which all belong to root.
func WriteLayer(file string, copies ...Copy) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	layer := tar.NewWriter(out)
	for _, c := range copies {
		if err := c.write(layer); err != nil {
			return fmt.Errorf("copy %s to %s: %w", c.From, c.To, err)
		}
	}
	return layer.Close()
}

// write adds the copy to a layer. WalkDir goes in the order of names.
func (c Copy) write(layer *tar.Writer) error {
	return filepath.WalkDir(c.From, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(c.From, file)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Join(c.To, filepath.ToSlash(below)), "/")
		if name == "" || entry.Type()&fs.ModeSocket != 0 {
			return nil
		}
		return writeEntry(layer, file, name)
	})
}

func writeEntry(layer *tar.Writer, file, name string) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name = name
	if info.IsDir() {
		header.Name += "/"
	}
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.ModTime, header.AccessTime, header.ChangeTime = epoch, time.Time{}, time.Time{}
	if err := layer.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	_, err = io.Copy(layer, in)
	return err
}

// The documents of the OCI image specification, as far as an image here has them.
type (
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int64             `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	runConfig struct {
		User       string   `json:"User,omitempty"`
		Env        []string `json:"Env,omitempty"`
		Entrypoint []string `json:"Entrypoint,omitempty"`
		WorkingDir string   `json:"WorkingDir,omitempty"`
	}
	rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	config struct {
		Architecture string    `json:"architecture"`
		OS           string    `json:"os"`
		Config       runConfig `json:"config"`
		RootFS       rootFS    `json:"rootfs"`
	}
	manifest struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}
	index struct {
		SchemaVersion int          `json:"schemaVersion"`
		Manifests     []descriptor `json:"manifests"`
	}
)

// The media types of these documents.
const (
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
)

// searchPath is where programs of an image are.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Write writes the image's archive.
func (i Image) Write(file string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	archive := &archive{tar.NewWriter(out)}

	m := manifest{SchemaVersion: 2, MediaType: manifestType}
	c := config{Architecture: runtime.GOARCH, OS: "linux", RootFS: rootFS{Type: "layers"}, Config: runConfig{
		User: i.User, Env: append([]string{searchPath}, i.Env...), Entrypoint: i.Entrypoint, WorkingDir: i.WorkingDir,
	}}
	for _, layer := range i.Layers {
		d, err := archive.file(layer)
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, d)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, d.Digest)
	}
	if m.Config, err = archive.document(configType, c); err != nil {
		return err
	}
	d, err := archive.document(manifestType, m)
	if err != nil {
		return err
	}
	// The name by which containerd stores the image.
	d.Annotations = map[string]string{"io.containerd.image.name": i.Name}
	text, err := json.Marshal(index{SchemaVersion: 2, Manifests: []descriptor{d}})
	if err != nil {
		return err
	}
	return errors.Join(
		archive.add("index.json", int64(len(text)), bytes.NewReader(text)),
		archive.add("oci-layout", int64(len(layoutVersion)), strings.NewReader(layoutVersion)),
		archive.Close())
}

const layoutVersion = `{"imageLayoutVersion":"1.0.0"}`

// An archive is an OCI layout that is being written.
type archive struct{ *tar.Writer }

func (a *archive) add(name string, size int64, content io.Reader) error {
	if err := a.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: epoch}); err != nil {
		return err
	}
	_, err := io.Copy(a, content)
	return err
}

// document adds a document as a blob.
func (a *archive) document(mediaType string, value any) (descriptor, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, bytes.NewReader(text))
}

// file adds a layer as a blob.
func (a *archive) file(name string) (descriptor, error) {
	in, err := os.Open(name)
	if err != nil {
		return descriptor{}, err
	}
	defer func() { _ = in.Close() }() // it was only read
	return a.blob(layerType, in)
}

// blob adds what is named by its digest.
func (a *archive) blob(mediaType string, content io.ReadSeeker) (descriptor, error) {
	hash := sha256.New()
	size, err := io.Copy(hash, content)
	if err != nil {
		return descriptor{}, err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	return descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: size}, a.add("blobs/sha256/"+digest, size, content)
}
