// Package testbin builds the programs that the tests run.
package testbin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Folder is where the programs of a set of hack/testbin.sh are, which are built
// once per version.
func Folder(set string) (string, error) {
	out, err := run("hack/testbin.sh", set)
	return strings.TrimSpace(out), err
}

// Build builds a package of the checkout, such as ./cmd/pitot, into a file.
func Build(file, pkg string, flags ...string) error {
	_, err := run("go", append(append([]string{"build", "-o", file}, flags...), pkg)...)
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

// run runs a program in the checkout, its progress on the test's standard error.
func run(name string, arguments ...string) (stdout string, err error) {
	checkout, err := Checkout()
	if err != nil {
		return "", err
	}
	command := exec.Command(name, arguments...)
	command.Dir, command.Stderr = checkout, os.Stderr
	command.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(arguments, " "), err)
	}
	return string(out), nil
}
