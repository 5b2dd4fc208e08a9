// Package release tests what is released and the workflows that release it.
//
//	go test .
//	PITOT_TEST_RELEASE=1 go test -timeout 60m .
//
// The second makes a whole release into a folder, which takes minutes. It needs
// buildah, jq and shellcheck (Debian packages of these names) and root, as buildah
// does.
package release

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rhysd/actionlint"
)

const workflows = "../../.github/workflows"

// workflow is a parsed file.
type workflow struct {
	name, text string
	*actionlint.Workflow
}

func all(t *testing.T) []workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(workflows, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows in %s: %v", workflows, err)
	}
	var parsed []workflow
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w, problems := actionlint.Parse(text)
		for _, p := range problems {
			t.Errorf("%s: %s", file, p)
		}
		parsed = append(parsed, workflow{name: filepath.Base(file), text: string(text), Workflow: w})
	}
	if t.Failed() {
		t.FailNow()
	}
	return parsed
}

// Expressions, contexts, shell scripts and the inputs of known actions.
func TestWorkflowsAreValid(t *testing.T) {
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: "shellcheck"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all(t) {
		problems, err := linter.LintFile(filepath.Join(workflows, w.name), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Error(p)
		}
	}
}

// A tag can be moved to other code, a commit cannot. The comment is what
// dependabot, and a reader, goes by.
var pinned = regexp.MustCompile(`^uses: (\./\.github/workflows/[a-z]+\.yml|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$`)

func TestActionsArePinnedByCommit(t *testing.T) {
	commits := map[string]string{}
	for _, w := range all(t) {
		for i, line := range strings.Split(w.text, "\n") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "- ")
			if !strings.HasPrefix(line, "uses:") {
				continue
			}
			if !pinned.MatchString(line) {
				t.Errorf("%s:%d: %s: want a full commit, with its version as a comment", w.name, i+1, line)
			}
			action, commit, _ := strings.Cut(line, "@")
			if other, ok := commits[action]; ok && other != commit {
				t.Errorf("%s:%d: %s@%s, but elsewhere @%s", w.name, i+1, action, commit, other)
			}
			commits[action] = commit
		}
	}
}

// Who may write what. A job that is not here reads, at most.
var writers = map[string][]string{
	"release.yml registry": {"attestations", "id-token", "packages"},
	"release.yml page":     {"attestations", "contents", "id-token"},
}

func TestJobsHaveTheRightsTheyNeedAlone(t *testing.T) {
	got := map[string][]string{}
	for _, w := range all(t) {
		if w.Permissions == nil || w.Permissions.All != nil || len(w.Permissions.Scopes) > 0 {
			t.Errorf("%s: want %q at the top", w.name, "permissions: {}")
		}
		for name, job := range w.Jobs {
			if job.Permissions == nil || job.Permissions.All != nil {
				t.Errorf("%s: job %s: want its permissions one by one", w.name, name)
				continue
			}
			for _, scope := range slices.Sorted(maps.Keys(job.Permissions.Scopes)) {
				if job.Permissions.Scopes[scope].Value.Value == "write" {
					key := w.name + " " + name
					got[key] = append(got[key], scope)
				}
			}
			if len(got[w.name+" "+name]) > 0 && job.Environment == nil {
				t.Errorf("%s: job %s writes and waits for no approval", w.name, name)
			}
		}
	}
	if diff := cmp.Diff(writers, got); diff != "" {
		t.Errorf("rights to write (-want +got):\n%s", diff)
	}
}

// What someone else can write, the title of a pull request for one, becomes part
// of a script where an expression stands in it. In an environment variable it is
// text.
func TestNoExpressionIsPartOfAScript(t *testing.T) {
	for _, w := range all(t) {
		for name, job := range w.Jobs {
			for i, step := range job.Steps {
				if run, ok := step.Exec.(*actionlint.ExecRun); ok && strings.Contains(run.Run.Value, "${{") {
					t.Errorf("%s: job %s: step %d: %s", w.name, name, i+1, run.Run.Value)
				}
			}
		}
	}
}

// A checkout leaves a token in .git/config, where all that runs later finds it.
func TestCheckoutsLeaveNoToken(t *testing.T) {
	count := 0
	for _, w := range all(t) {
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				action, ok := step.Exec.(*actionlint.ExecAction)
				if !ok || !strings.HasPrefix(action.Uses.Value, "actions/checkout@") {
					continue
				}
				count++
				if input := action.Inputs["persist-credentials"]; input == nil || input.Value.Value != "false" {
					t.Errorf("%s: job %s: want persist-credentials: false", w.name, name)
				}
			}
		}
	}
	if count == 0 {
		t.Error("no workflow checks the sources out")
	}
}

// pull_request_target runs with the rights of this repository on the code of
// another.
func TestNoForeignCodeRunsWithOurRights(t *testing.T) {
	want := map[string][]string{
		"ci.yml":      {"pull_request", "push", "workflow_call"},
		"release.yml": {"push"},
	}
	got := map[string][]string{}
	for _, w := range all(t) {
		for _, event := range w.On {
			got[w.name] = append(got[w.name], event.EventName())
		}
		slices.Sort(got[w.name])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
