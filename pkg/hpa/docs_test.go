package hpa

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedStatementsAreTested finds the test or the transcript that each
// row of docs/conformance.md names.
func TestDocumentedStatementsAreTested(t *testing.T) {
	tests := testNames(t, ".", "../../test/conformance", "../../test/conformance/manifests")
	rows := 0
	for line := range strings.Lines(read(t, "../../docs/conformance.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		named := regexp.MustCompile("^`([A-Za-z-]+(?:\\.txt)?)` ?(.*)$")
		for _, cell := range []string{cells[0], cells[len(cells)-1]} {
			match := named.FindStringSubmatch(strings.TrimSpace(cell))
			if match == nil || !strings.HasPrefix(line, "|") {
				continue
			}
			rows++
			if file := match[1]; strings.HasSuffix(file, ".txt") {
				if match[2] == "" || !strings.Contains(read(t, filepath.Join("testdata", file)), "# "+match[2]+"\n") {
					t.Errorf("testdata/%s has no example %q", file, match[2])
				}
			} else if !tests[file] {
				t.Errorf("there is no test %s", file)
			}
		}
	}
	if rows < 30 {
		t.Errorf("only %d rows were understood", rows)
	}
}

// TestDocumentedTranscripts plays the examples of docs/how-the-hpa-decides.md.
func TestDocumentedTranscripts(t *testing.T) {
	const page = "../../docs/how-the-hpa-decides.md"
	text := read(t, page)
	fence := regexp.MustCompile("(?ms)^```text\n(.*?)^```$")
	played := fence.ReplaceAllStringFunc(text, func(block string) string {
		return "```text\n" + play(t, fence.FindStringSubmatch(block)[1]) + "```"
	})
	if len(fence.FindAllString(text, -1)) < 5 {
		t.Error("too few examples")
	}
	if *update {
		if err := os.WriteFile(page, []byte(played), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if played != text {
		t.Errorf("%s is out of date: go test -update ./pkg/hpa rewrites it\n%s", page, played)
	}
}

func testNames(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s (%v)", dir, err)
		}
		for _, file := range files {
			for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
				names[match[1]] = true
			}
		}
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
