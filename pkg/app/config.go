package app

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// configFlag adds -c to flags.
func configFlag(flags *pflag.FlagSet) *[]string {
	return flags.StringArrayP("config", "c", nil, `configuration file; repeat it to merge several, "-" is standard input`)
}

// loadConfig reads and merges configuration files.
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
		return nil, usageError("no configuration: use --config FILE")
	}
	var files []rule.File
	var errs []error
	for _, name := range names {
		text, err := readFile(env, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, rule.File{Name: name, Text: text})
	}
	return files, errors.Join(errs...)
}

func readFile(env Env, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(env.Stdin)
	}
	return os.ReadFile(name)
}
