// Package app is the pitot command: its subcommands, flags and exit codes. It
// joins the parts that the other packages are.
//
//	os.Exit(app.Main(context.Background(), app.OSEnv(), os.Args[1:]))
//
// Results go to standard output, everything else to standard error. The exit
// codes are
//
//	0  fine
//	1  failed
//	2  wrong usage
//	3  a check found something
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3
)

// Env is what the program sees of the world outside.
type Env struct {
	// Program is how the user calls the program, for its help; "" is "pitot".
	Program string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Getenv looks up an environment variable; "" when it is unset.
	Getenv func(name string) string
	// Terminal reports whether Stdout is a terminal that can be drawn on, and
	// ErrTerminal whether Stderr is one.
	Terminal    bool
	ErrTerminal bool
}

// OSEnv is the environment of the process.
func OSEnv() Env {
	return Env{
		Program:     programName(os.Args[0]),
		Stdin:       os.Stdin,
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Getenv:      os.Getenv,
		Terminal:    isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
	}
}

// Main runs pitot with args, which leave out the program's name, and returns the
// exit code. It ends early when ctx does, and on SIGINT and SIGTERM.
func Main(ctx context.Context, env Env, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitFailed, err: err}
	}
	if exit.err != nil {
		fmt.Fprintf(env.Stderr, "pitot: %s\n", exit.err)
	}
	return exit.code
}

// An exitError carries the exit code of a command. A nil err was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError makes err end the program with the exit code for wrong usage.
func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "pitot",
		Short: "Scale Python services with standard Kubernetes HPAs on the signals that matter",
		Long: `Pitot serves the Kubernetes custom and external metrics APIs from Prometheus, so
that a HorizontalPodAutoscaler can scale on request rate, p95 latency and queue
depth.

Begin with "pitot demo": it needs no cluster and no Prometheus.`,
		Example: `  pitot demo                          # see it work, on this machine alone
  pitot check pitot.yaml              # is the configuration right?
  pitot query queue_depth -c pitot.yaml
  pitot explain --hpa hpa.yaml --replicas 4 --metric queue_depth=120
  pitot serve -c pitot.yaml`,
		SuggestionsMinimumDistance: 2,

		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w\nSee %q.", err, cmd.CommandPath()+" --help")
	})
	root.AddCommand(
		newServe(env),
		newDemo(env),
		newCheck(env),
		newQuery(env),
		newRules(env),
		newExplain(env),
		newDoctor(env),
		newDetect(env),
		newPresets(env),
		newSimulate(env),
		newCompare(env),
		newTest(env),
		newVersion(env),
	)
	for _, cmd := range append(root.Commands(), root) {
		cmd.Args = usageArgs(cmd.Args)
	}
	if env.Program != "" {
		rename(root, env.Program)
	}
	return root
}

// noSuchCommand refuses arguments of pitot itself, with what may have been meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		err = fmt.Errorf("%w (hint: did you mean %q?)", err, meant[0])
	}
	return err
}

// usageArgs makes a wrong number of arguments wrong usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError("%w\nSee %q.", err, cmd.CommandPath()+" --help")
		}
		return nil
	}
}

// isTerminal reports whether f is a character device, as terminals are.
func isTerminal(f *os.File) bool {
	stat, err := f.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}
