package app

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// programName is how users call a program that was started as arg0. Kubectl runs
// a program named kubectl-pitot as "kubectl pitot".
func programName(arg0 string) string {
	if name := strings.TrimSuffix(filepath.Base(arg0), ".exe"); name == "kubectl-pitot" {
		return "kubectl pitot"
	}
	return "pitot"
}

// rename makes the help of all commands call the program by name, so that what
// it shows can be typed.
func rename(root *cobra.Command, name string) {
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: name}
	typed := strings.NewReplacer(`"pitot `, `"`+name+" ", "  pitot ", "  "+name+" ", "| pitot ", "| "+name+" ")
	for _, cmd := range append(root.Commands(), root) {
		cmd.Long, cmd.Example = typed.Replace(cmd.Long), typed.Replace(cmd.Example)
	}
}
