package trial

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Command says how to start a process.
type Command struct {
	Name  string // of the process and of its log
	Path  string
	Args  []string
	Dir   string
	Env   []string   // beside the test's own
	Files []*os.File // inherited, from descriptor 3 on; closed in the test after the start
	// Namespaces are flags such as unix.CLONE_NEWNS: the kinds of namespaces that
	// the process gets of its own.
	Namespaces uintptr
	// Grace is how long the process may take to end after SIGTERM. Without it
	// the process is killed at once: its data is thrown away anyway.
	Grace time.Duration
}

// A Process is a running child in a process group of its own. The kernel kills
// it when the test ends in whatever way.
type Process struct {
	Command
	LogFile string
	cmd     *exec.Cmd
	ended   chan struct{}

	mu       sync.Mutex
	stopping bool
	err      error // how it ended, once ended is closed
}

// Start runs the command with its output appended to a file in logs. Unless
// Stop or Kill was called before, unexpected is called when the process ends.
func (c Command) Start(logs string, unexpected func(error)) (*Process, error) {
	p := &Process{Command: c, LogFile: filepath.Join(logs, c.Name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	fmt.Fprintf(log, "+ %s %q\n", c.Path, c.Args)

	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Dir, p.cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.ExtraFiles = c.Files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: c.Namespaces}
	err = p.cmd.Start()
	for _, f := range c.Files {
		_ = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go p.wait(unexpected)
	return p, nil
}

func (p *Process) wait(unexpected func(error)) {
	err := p.cmd.Wait()
	p.signal(syscall.SIGKILL) // what is left of the group
	p.mu.Lock()
	p.err = err
	stopping := p.stopping
	close(p.ended)
	p.mu.Unlock()
	if !stopping {
		unexpected(fmt.Errorf("%s ended by itself (%s); the end of %s:\n%s", p.Name, p.cmd.ProcessState, p.LogFile, Tail(p.LogFile, 20)))
	}
}

// Pid is the process's number in the test's PID namespace.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Ended is closed once the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

func (p *Process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// Stop ends the process and returns once it has ended, with the error of a
// process that did not end well within its grace.
func (p *Process) Stop() error {
	if p.announceStop() {
		return nil // it has been reported
	}
	if p.Grace > 0 {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.ended:
			return p.exit()
		case <-time.After(p.Grace):
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
	if p.Grace > 0 {
		return fmt.Errorf("%s was still there %s after SIGTERM; the end of %s:\n%s", p.Name, p.Grace, p.LogFile, Tail(p.LogFile, 20))
	}
	return nil
}

// Kill ends the process without warning and returns once it has ended.
func (p *Process) Kill() {
	if p.announceStop() {
		return // it has been reported
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// announceStop makes the end an expected one, and reports whether it comes too late.
func (p *Process) announceStop() (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return true
	default:
		p.stopping = true
		return false
	}
}

// exit is nil for a process that ended with status 0 or by the SIGTERM it was sent.
func (p *Process) exit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil
	}
	if p.err != nil {
		return fmt.Errorf("%s after SIGTERM: %w", p.Name, p.err)
	}
	return nil
}

// Tail returns the last n lines of a file, for messages.
func Tail(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return "\t" + string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n\t")))
}

// ports hands out loopback ports that no one listens on, below the range from
// which the kernel takes the ports of outgoing connections, and never the same
// one twice.
var ports = struct {
	sync.Mutex
	given map[int]bool
}{given: map[int]bool{}}

// FreePort is a loopback port that is yet unused.
func FreePort() int {
	ports.Lock()
	defer ports.Unlock()
	for {
		port := 20000 + rand.IntN(12000)
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		ports.given[port] = true
		return port
	}
}

// Loopback is the address of a port of this machine.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
