// Package image tests Pitot's image as hack/image.sh makes it: who runs in it, what
// is in it, for which machines, and that the same sources give the same bytes.
//
//	go test -v .
//
// It needs buildah and jq (Debian packages of these names) and root, as buildah does.
package image

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// What every build here is told, in place of git and the clock.
const (
	version = "v1.2.3-test"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	name    = "ghcr.io/pitot-autoscaling/pitot:" + version
)

var commitTime = time.Date(2026, 3, 14, 6, 0, 0, 0, time.UTC)

// built is the folder with the images of the sources as they stand.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "image")
		if err == nil {
			defer os.RemoveAll(folder)
			built = filepath.Join(folder, "image")
			err = build(checkout, built, "022")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

const checkout = "../.."

// build makes the images of the sources in a folder, as a person with that umask
// and environment does.
func build(sources, out, umask string, env ...string) error {
	cmd := exec.Command("sh", "-c", `umask "$1" && exec "$2" "$3"`, "sh", umask, filepath.Join(sources, "hack/image.sh"), out)
	cmd.Env = append(os.Environ(), append(env,
		"VERSION="+version, "COMMIT="+commit, "SOURCE_DATE_EPOCH="+strconv.FormatInt(commitTime.Unix(), 10))...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, said)
	}
	return nil
}

// copyOfSources is another folder with the files of the checkout that belong to
// it, and without its history.
func copyOfSources(t *testing.T) string {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = checkout
	files, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, file := range bytes.FieldsFunc(files, func(r rune) bool { return r == 0 }) {
		if err := copyFile(filepath.Join(checkout, string(file)), filepath.Join(folder, string(file))); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return folder
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	stat, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, stat.Mode())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
