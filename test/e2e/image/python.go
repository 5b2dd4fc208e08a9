package image

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pitot-autoscaling/pitot/test/e2e/testbin"
)

// pythonPackages are what the Python applications of the tests import.
var pythonPackages = []string{
	"python3", "gunicorn", "uvicorn",
	"python3-flask", "python3-fastapi", "python3-django",
	"python3-celery", "python3-redis", "python3-prometheus-client",
}

//go:embed python.sh
var pythonScript string

// PythonLayer is the file of a layer with Debian's Python and its web
// frameworks. It is made once, by debootstrap, in the cache, which takes a
// minute or two and the network.
func PythonLayer() (string, error) {
	cache, err := testbin.Cache()
	if err != nil {
		return "", err
	}
	unlock, err := testbin.Lock("python")
	if err != nil {
		return "", err
	}
	defer unlock()
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(pythonScript + strings.Join(pythonPackages, ",") + string(release)))
	file := filepath.Join(cache, "python-"+hex.EncodeToString(digest[:8])+".tar")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	fmt.Fprintf(os.Stderr, "making %s (once; a minute or two)\n", file)
	root, err := os.MkdirTemp(cache, ".python-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(root) }()
	// In a mount namespace of its own, so that nothing stays mounted however it ends.
	command := exec.Command("unshare", "--mount", "bash", "-c", pythonScript, "python.sh", root, strings.Join(pythonPackages, ","))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("a root file system with Python: %w: %s", err, out)
	}
	if err := WriteLayer(file+".new", Copy{root, "/"}); err != nil {
		return "", err
	}
	return file, os.Rename(file+".new", file)
}
