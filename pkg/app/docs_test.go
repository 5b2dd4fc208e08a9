package app

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
)

const repository = "../.."

// A block is a fenced block of a page.
type block struct {
	page     string
	language string
	text     string
}

// pages are the files of the documentation.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{repository + "/README.md", repository + "/CONTRIBUTING.md"}
	for _, pattern := range []string{"/docs/*.md", "/docs/stacks/*.md"} {
		some, err := filepath.Glob(repository + pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

// documentation returns the fenced blocks of README.md and docs.
func documentation(t *testing.T) []block {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	var blocks []block
	for _, page := range pages(t) {
		for _, match := range fence.FindAllStringSubmatch(readText(t, page), -1) {
			blocks = append(blocks, block{page: filepath.Base(page), language: match[1], text: match[2]})
		}
	}
	return blocks
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocumentationTranscripts runs each "$ pitot …" of a console block at the
// top of the repository and compares its output.
func TestDocumentationTranscripts(t *testing.T) {
	blocks := documentation(t)
	t.Chdir(repository)
	ran := 0
	for _, b := range blocks {
		if b.language != "console" {
			continue
		}
		for _, step := range strings.Split(b.text, "$ pitot ")[1:] {
			line, want, _ := strings.Cut(step, "\n")
			var out bytes.Buffer
			Main(t.Context(), Env{Stdout: &out, Stderr: &out, Stdin: strings.NewReader(""), Getenv: os.Getenv}, shellWords(t, line))
			if diff := differ(want, out.String()); diff != "" {
				t.Errorf("%s: pitot %s (-documented +printed)\n%s", b.page, line, diff)
			}
			ran++
		}
	}
	if ran == 0 {
		t.Error("no transcript found")
	}
}

// differ compares what a page shows with what was printed. A line of "…" stands for
// any number of lines. Blanks at the ends of lines do not count.
func differ(documented, printed string) string {
	trim := regexp.MustCompile(`(?m)[ \t]+$`)
	documented, printed = trim.ReplaceAllString(documented, ""), trim.ReplaceAllString(printed, "")
	parts := strings.Split(documented, "…\n")
	if len(parts) == 1 {
		return cmp.Diff(documented, printed)
	}
	rest := printed
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return cmp.Diff(part, rest)
		}
		rest = after
	}
	return ""
}

// offline are the commands that need nothing but files of the repository.
var offline = []string{"simulate", "compare", "test", "explain", "check", "presets"}

// TestDocumentationCommands parses each pitot command of a shell block: the
// command and its flags exist. What needs no more than the repository is run.
func TestDocumentationCommands(t *testing.T) {
	blocks := documentation(t)
	t.Chdir(repository)
	ran := 0
	for _, b := range blocks {
		if b.language != "sh" {
			continue
		}
		for line := range strings.Lines(b.text) {
			text, ok := strings.CutPrefix(strings.TrimPrefix(line, "bin/"), "pitot ")
			if !ok {
				continue
			}
			args := shellWords(t, text)
			if err := parses(args); err != nil {
				t.Errorf("%s: pitot %s: %v", b.page, text, err)
			}
			ran++
			if !slices.Contains(offline, args[0]) || missingFiles(args) {
				continue
			}
			var said bytes.Buffer
			if code := Main(t.Context(), Env{Stdout: io.Discard, Stderr: &said, Stdin: strings.NewReader(""), Getenv: os.Getenv}, args); code != exitFine {
				t.Errorf("%s: pitot %s: exit code %d: %s", b.page, text, code, said.String())
			}
		}
	}
	if ran == 0 {
		t.Error("no command found")
	}
}

// shellWords are what a shell makes of a line.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "words() { printf '%s\\0' \"$@\"; }; words "+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func parses(args []string) error {
	root := newRoot(Env{Stdout: io.Discard, Stderr: io.Discard})
	cmd, rest, err := root.Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && cmd.Args != nil {
		err = cmd.Args(cmd, cmd.Flags().Args())
	}
	return err
}

// missingFiles reports whether a command names files of its reader's own.
func missingFiles(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		if !strings.HasSuffix(arg, ".yaml") && !strings.HasSuffix(arg, ".csv") && !strings.HasSuffix(arg, ".json") {
			return false
		}
		_, err := os.Stat(arg)
		return err != nil
	})
}

// TestDocumentationMakeTargets finds each "make target" in the Makefile.
func TestDocumentationMakeTargets(t *testing.T) {
	makefile := readText(t, repository+"/Makefile")
	for _, page := range pages(t) {
		for _, match := range regexp.MustCompile("(?m)(?:`|^ *)make ([a-z0-9-]+)").FindAllStringSubmatch(readText(t, page), -1) {
			if !strings.Contains(makefile, "\n"+match[1]+":") {
				t.Errorf("%s: make %s: no such target", filepath.Base(page), match[1])
			}
		}
	}
}

// TestDocumentationConfigurations loads each whole configuration of a page.
func TestDocumentationConfigurations(t *testing.T) {
	ran := 0
	for _, b := range documentation(t) {
		if b.language != "yaml" || !strings.HasPrefix(b.text, "apiVersion: "+rule.APIVersion) {
			continue
		}
		if err := b.loads(); err != nil {
			t.Error(err)
		}
		ran++
	}
	if ran == 0 {
		t.Error("no configuration found")
	}
}

// loads reads a file that a page shows, by its kind. A scenario stands in
// examples/scenarios as far as the files that it names are concerned; rules
// without a backend get that of examples/apps.
func (b block) loads() error {
	text := []byte(b.text)
	var err error
	switch {
	case strings.Contains(b.text, "\nkind: "+scenario.AppKind+"\n"):
		_, err = scenario.ReadApp(b.page, bytes.NewReader(text))
	case strings.Contains(b.text, "\nkind: "+scenario.ScenarioKind+"\n"):
		const here = repository + "/examples/scenarios/page.yaml"
		_, err = scenario.Read(here, func(name string) ([]byte, error) {
			if name == here {
				return text, nil
			}
			return os.ReadFile(name)
		})
	case !strings.Contains(b.text, "\nbackends:"):
		var backends []byte
		if backends, err = os.ReadFile(exampleApps + "/pitot.yaml"); err == nil {
			_, err = rule.Load(rule.File{Name: b.page, Text: text}, rule.File{Name: "pitot.yaml", Text: backends})
		}
	default:
		_, err = rule.Load(rule.File{Name: b.page, Text: text})
	}
	return err
}

// TestDocumentationLinks finds the file behind each relative link.
func TestDocumentationLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, match := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readText(t, page), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

func TestReadmeShowsTheExample(t *testing.T) {
	if !strings.Contains(readText(t, repository+"/README.md"), readText(t, repository+"/examples/pitot.yaml")) {
		t.Error("README.md does not show examples/pitot.yaml as it is")
	}
}

// TestExampleHPAsAreServed parses the example HPAs strictly and finds a rule for
// each of their metrics, read as the HPA reads it.
func TestExampleHPAsAreServed(t *testing.T) {
	set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(readText(t, repository+"/examples/pitot.yaml"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(readText(t, repository+"/examples/hpa.yaml"), "\n---\n") {
		var hpa autoscalingv2.HorizontalPodAutoscaler
		if err := yaml.UnmarshalStrict([]byte(document), &hpa); err != nil {
			t.Fatal(err)
		}
		for _, metric := range hpa.Spec.Metrics {
			if name, ok := served(set, metric); !ok {
				t.Errorf("HPA %s: no rule serves %s as %s", hpa.Name, name, metric.Type)
			}
		}
	}
}

// served reports whether set has a rule for a metric of an HPA.
func served(set *rule.Set, metric autoscalingv2.MetricSpec) (name string, ok bool) {
	switch metric.Type {
	case autoscalingv2.PodsMetricSourceType:
		name = metric.Pods.Metric.Name
		_, ok = set.Custom(name, rule.GroupResource{Resource: "pods"})
	case autoscalingv2.ObjectMetricSourceType:
		name = metric.Object.Metric.Name
		of := map[string]rule.GroupResource{
			"Deployment": {Group: "apps", Resource: "deployments"},
			"Namespace":  {Resource: "namespaces"},
		}[metric.Object.DescribedObject.Kind]
		_, ok = set.Custom(name, of)
	case autoscalingv2.ExternalMetricSourceType:
		name = metric.External.Metric.Name
		_, ok = set.External(name)
	}
	return name, ok
}

// TestTroubleshootingKnowsEveryReason finds each reason of a condition that the
// HPA controller may give, but those that all is well.
func TestTroubleshootingKnowsEveryReason(t *testing.T) {
	page := readText(t, repository+"/docs/troubleshooting.md")
	well := []string{"SucceededGetScale", "SucceededRescale", "ValidMetricFound", "NotScaledToZero"}
	reasons := regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(readText(t, repository+"/pkg/hpa/conditions.go"), -1)
	if len(reasons) == 0 {
		t.Fatal("no reason found")
	}
	for _, reason := range reasons {
		if !slices.Contains(well, reason[1]) && !strings.Contains(page, "`"+reason[1]+"`") {
			t.Errorf("docs/troubleshooting.md does not know %s", reason[1])
		}
	}
}
