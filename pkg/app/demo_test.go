package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDemoIsUpInSecondsAndItsCurlLinesWork runs the demo as a user does, pastes
// the lines that it prints into a shell, and compares what both say.
func TestDemoIsUpInSecondsAndItsCurlLinesWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is missing: make deps installs it")
	}
	demo := pitot(t, "demo", "-o", "json", "--every", "250ms")
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := demo.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	commands, rest := curlLines(stderr)
	awaitSignals(t, bufio.NewScanner(stdout), "http_requests_per_second", "http_p95_seconds", "queue_depth")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("up after %s, promised within 10s", took)
	}
	t.Logf("up after %s", time.Since(begun).Round(time.Millisecond))
	for _, command := range commands {
		answer, err := exec.Command("sh", "-c", command).Output()
		if err != nil || !bytes.Contains(answer, []byte(`"value":`)) {
			t.Errorf("%s\n%v\n%s", command, err, answer)
		}
	}
	if len(commands) != 3 {
		t.Errorf("%d curl lines, want one for each signal: %q", len(commands), commands)
	}

	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	said, _ := io.ReadAll(rest)
	if err := demo.Wait(); err != nil {
		t.Errorf("after an interrupt: %v: %s", err, said)
	}
}

// curlLines reads what the demo says up to the end of its curl lines.
func curlLines(stderr io.Reader) (commands []string, rest io.Reader) {
	reader := bufio.NewReader(stderr)
	for {
		line, err := reader.ReadString('\n')
		command := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(command, "curl "):
			commands = append(commands, command)
		case err != nil, len(commands) > 0: // the end, or the empty line after them
			return commands, reader
		}
	}
}

// awaitSignals reads lines of the demo until one has a value for each metric.
func awaitSignals(t *testing.T, lines *bufio.Scanner, metrics ...string) {
	t.Helper()
	var last string
	for lines.Scan() {
		last = lines.Text()
		served := map[string]bool{}
		for _, r := range decodeLine(t, lines.Bytes()).Readings {
			served[r.Metric] = r.Error == ""
		}
		if !slices.ContainsFunc(metrics, func(metric string) bool { return !served[metric] }) {
			return
		}
	}
	t.Fatalf("the demo ended without a value for each of %q: %s", metrics, last)
}

// pitot is the command in a process of its own: what Kubernetes' libraries log
// is bridged for a whole process, once. It ends with the test.
func pitot(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // t.Context ends before clean-up begins
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = "pitot" // by this name TestMain runs the command
	return cmd
}

func TestDemoEndsByItself(t *testing.T) {
	stdout, err := pitot(t, "demo", "--for", "3s", "--every", "200ms").Output()
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"curl -s --cacert", "OBJECT", "Pod/web-1", "Deployment/web", `queue="emails"`} {
		if !strings.Contains(string(stdout), want) {
			t.Errorf("output lacks %q:\n%s", want, stdout)
		}
	}
}

func TestATableOnATerminalIsRedrawnInPlace(t *testing.T) {
	var stdout bytes.Buffer
	d := newDisplay(Env{Stdout: &stdout, Terminal: true}, formatText)
	at := time.Date(2026, 11, 22, 20, 13, 7, 0, time.UTC)
	readings := []demoReading{
		{Metric: "load", Object: "Pod/web-1", Number: 12.3456, AgeSeconds: 1},
		{Metric: "p95", Error: `metric "p95": no observation in the window`},
	}
	for range 2 {
		if err := d.refresh(at, readings, nil); err != nil {
			t.Fatal(err)
		}
	}
	table := "20:13:07  OBJECT     VALUE   AGE\n" +
		"load      Pod/web-1  12.346  1s\n" +
		"p95       -          -       no observation in the window\n\n"
	if got, want := stdout.String(), table+"\x1b[4A\x1b[J"+table; got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestTheShopsLoadIsAWave(t *testing.T) {
	for at, want := range map[time.Duration]string{0: "30.0", 15 * time.Second: "55.0", 45 * time.Second: "5.0", time.Minute: "30.0"} {
		if got := fmt.Sprintf("%.1f", shopRPS(at)); got != want {
			t.Errorf("load at %s is %s, want %s", at, got, want)
		}
	}
}

type demoLine struct {
	Readings []demoReading `json:"readings"`
}

func decodeLine(t *testing.T, text []byte) demoLine {
	t.Helper()
	var line demoLine
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return line
}
