// Package image tests Pitot's image as hack/image.sh makes it: who runs in it, what
// is in it, for which machines, and that the same sources give the same bytes.
//
//	go test -v .
//
// It needs buildah and jq (Debian packages of these names) and root, as buildah does.
package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What every build here is told, in place of git and the clock.
const (
	version = "v1.2.3-test"
	tag     = "1.2.3-test"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	name    = "ghcr.io/pitot-autoscaling/pitot:" + tag
)

var commitTime = time.Date(2026, 3, 14, 6, 0, 0, 0, time.UTC)

// sources is a copy of the files of the checkout, and built the folder with the
// images made from them.
var sources, built string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "image")
	if err == nil {
		sources, built = filepath.Join(folder, "sources"), filepath.Join(folder, "image")
		err = copyCheckout()
	}
	if err == nil {
		err = build(sources, built, "022")
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

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

// copyCheckout copies what belongs to the checkout, as it stands: without its
// history and without what earlier builds left.
func copyCheckout() error {
	const checkout = "../.."
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = checkout
	files, err := list.Output()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		from, to := filepath.Join(checkout, name), filepath.Join(sources, name)
		stat, err := os.Stat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not yet so for git
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, stat.Mode())); err != nil {
			return err
		}
	}
	return nil
}
