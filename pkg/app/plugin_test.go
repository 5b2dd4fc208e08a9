package app

import (
	"bytes"
	"context"
	"regexp"
	"testing"
)

func TestKubectlRunsThePlugin(t *testing.T) {
	for arg0, want := range map[string]string{
		"pitot":                       "pitot",
		"/pitot":                      "pitot",
		"/opt/krew/bin/kubectl-pitot": "kubectl pitot",
		"kubectl-pitot.exe":           "kubectl pitot",
		"/tmp/app.test":               "pitot",
	} {
		if got := programName(arg0); got != want {
			t.Errorf("%s is called as %q, want %q", arg0, got, want)
		}
	}
}

// Who reads the help of a plugin can type what it shows.
func TestThePluginsHelpNamesThePlugin(t *testing.T) {
	commands := []string{""}
	for _, cmd := range newRoot(Env{}).Commands() {
		commands = append(commands, cmd.Name())
	}
	// Pitot's name where a command begins: in a line of its own, quoted, piped into.
	other := regexp.MustCompile(`(?m)^ *pitot [a-z-]+|"pitot [^"]*"|\| pitot .*`)
	for _, command := range commands {
		t.Run(command, func(t *testing.T) {
			var out bytes.Buffer
			args := []string{command, "--help"}
			if command == "" {
				args = args[1:]
			}
			env := Env{Program: "kubectl pitot", Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
			if code := Main(context.Background(), env, args); code != exitFine {
				t.Fatalf("exit code %d\n%s", code, out.String())
			}
			if !bytes.Contains(out.Bytes(), []byte("kubectl pitot")) {
				t.Errorf("the help does not name kubectl pitot:\n%s", out.String())
			}
			if wrong := other.FindAllString(out.String(), -1); wrong != nil {
				t.Errorf("%q in\n%s", wrong, out.String())
			}
		})
	}
}
