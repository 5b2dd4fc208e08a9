package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// configFlag adds -c to flags.
func configFlag(flags *pflag.FlagSet) *[]string {
	return flags.StringArrayP("config", "c", nil, `configuration file, or folder of *.yaml and *.yml; repeat it to merge several, "-" is standard input`)
}

// loadConfig reads and merges configuration files. It refuses what has problems.
func loadConfig(env Env, names []string) (*rule.Set, error) {
	files, err := readConfig(env, names)
	if err != nil {
		return nil, err
	}
	set, err := rule.Load(files...)
	if err != nil {
		return nil, &exitError{code: exitFound, err: err}
	}
	return set, nil
}

// readConfig reads every file, and reports every one that cannot be read.
func readConfig(env Env, names []string) ([]rule.File, error) {
	if len(names) == 0 {
		return nil, errNoConfig()
	}
	files := newConfigFiles(env, names).read()
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Err)
	}
	return files, errors.Join(errs...)
}

func errNoConfig() error { return usageError("no configuration: use --config FILE") }

// configFiles are the files and folders that make a configuration.
type configFiles struct {
	names []string
	stdin func() ([]byte, error)
}

func newConfigFiles(env Env, names []string) configFiles {
	return configFiles{
		names: names,
		stdin: sync.OnceValues(func() ([]byte, error) { return io.ReadAll(env.Stdin) }),
	}
}

// read reads the files as they are now; standard input, as it was. A file or
// folder that cannot be read comes with its error.
func (c configFiles) read() []rule.File {
	var files []rule.File
	for _, name := range c.names {
		if name == "-" {
			text, err := c.stdin()
			files = append(files, rule.File{Name: name, Text: text, Err: err})
			continue
		}
		files = append(files, readFiles(name)...)
	}
	return files
}

// readFiles reads a file, or the configuration files of a folder.
func readFiles(name string) []rule.File {
	entries, err := os.ReadDir(name)
	if err != nil { // no folder
		return []rule.File{readFile(name)}
	}
	var files []rule.File
	for _, entry := range entries {
		path := filepath.Join(name, entry.Name())
		if isConfigFile(path) {
			files = append(files, readFile(path))
		}
	}
	return files
}

func readFile(name string) rule.File {
	text, err := os.ReadFile(name)
	return rule.File{Name: name, Text: text, Err: err}
}

// isConfigFile reports whether an entry of a folder is a configuration file. The
// folders below do not count, nor what begins with a dot: of a ConfigMap, the
// kubelet keeps the versions in such folders and links the files to them.
func isConfigFile(path string) bool {
	base := filepath.Base(path)
	if extension := filepath.Ext(base); strings.HasPrefix(base, ".") || (extension != ".yaml" && extension != ".yml") {
		return false
	}
	stat, err := os.Stat(path)
	return err != nil || !stat.IsDir()
}
