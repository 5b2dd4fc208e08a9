package app

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// The linker sets both for releases: -X …/pkg/app.version=v1.2.3.
var (
	version = "dev"
	commit  = ""
)

// buildVersion is what "pitot version -o json" prints.
type buildVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func currentVersion() buildVersion {
	v := buildVersion{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Commit: commit}
	if build, ok := debug.ReadBuildInfo(); ok && commit == "" {
		for _, setting := range build.Settings {
			if setting.Key == "vcs.revision" {
				v.Commit = setting.Value
			}
		}
	}
	return v
}

func newVersion(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
	}
	output := outputFlag(cmd.Flags())
	cmd.RunE = func(*cobra.Command, []string) error {
		v := currentVersion()
		if *output == formatJSON {
			return writeJSON(env.Stdout, v)
		}
		_, err := fmt.Fprintf(env.Stdout, "pitot %s (%s, %s)\n", v.Version, v.Go, v.Platform)
		return err
	}
	return cmd
}
