// Package testbin builds the programs that the tests run, and stores what takes
// long to make.
package testbin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Folder is where the programs of a set of hack/testbin.sh are, which are built
// once per version.
func Folder(set string) (string, error) {
	out, err := run(".", "hack/testbin.sh", set)
	return strings.TrimSpace(out), err
}

// Build builds a package of one of the checkout's modules into a file. The
// module is named by its folder.
func Build(file, module, pkg string) error {
	_, err := run(module, "go", "build", "-o", file, pkg)
	return err
}

// Checkout is the folder of the repository.
func Checkout() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "../.."), nil
}

// Cache is the folder ${XDG_CACHE_HOME:-$HOME/.cache}/pitot-test, for what takes
// long to make and stays the same.
func Cache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "pitot-test")
	return cache, os.MkdirAll(cache, 0o755)
}

// Lock waits until no other process of this machine's user holds the lock.
func Lock(name string) (unlock func(), err error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(cache, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { _ = file.Close() }, nil
}

// run runs a program in a folder of the checkout, its progress on the test's
// standard error.
func run(folder, name string, arguments ...string) (stdout string, err error) {
	checkout, err := Checkout()
	if err != nil {
		return "", err
	}
	command := exec.Command(name, arguments...)
	command.Dir, command.Stderr = filepath.Join(checkout, folder), os.Stderr
	command.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(arguments, " "), err)
	}
	return string(out), nil
}
