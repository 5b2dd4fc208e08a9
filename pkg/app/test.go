package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
)

// testOptions are the flags of "pitot test".
type testOptions struct {
	update bool
	run    string
	junit  string
	exact  bool
	output *format
}

func newTest(env Env) *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Check scenario files: an HPA, a demand, and what is expected of them",
		Long: `Test simulates the tests of scenario files and judges what they expect, such as

  replicas at 5m == 8
  p95 < 500ms for 99% of time
  scale_events <= 12/h
  never: FailedGetPodsMetric

What is not as expected is told with the time at which it was first seen, how things
stood and what the HPA had decided; the exit code is then 3. Files that cannot be
read end with 2.`,
		Example: `  pitot test examples/scenarios/*.yaml
  pitot test hpa-test.yaml --junit results.xml
  pitot test hpa-test.yaml --run "flash crowd" --update`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.update, "update", false, "write the files of decisions anew instead of comparing them")
	flags.StringVar(&o.run, "run", "", "only tests whose name matches this regular expression")
	flags.StringVar(&o.junit, "junit", "", "write the results as JUnit XML to this file")
	flags.BoolVar(&o.exact, "exact", false, "follow each request instead of computing with formulas")
	o.output = outputFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.test(cmd.Context(), env, args) }
	return cmd
}

// A tested is what came of a test.
type tested struct {
	File    string            `json:"file"`
	Test    string            `json:"test"`
	Passed  bool              `json:"passed"`
	Hours   float64           `json:"hours"` // of virtual time
	Results []scenario.Result `json:"results"`
	// Decisions is how the decisions differ from the file of those expected; "" where
	// they do not.
	Decisions string `json:"decisions,omitempty"`

	took, length time.Duration
	golden       string
}

func (o *testOptions) test(ctx context.Context, env Env, files []string) error {
	which, err := regexp.Compile(o.run)
	if err != nil {
		return usageError("--run %s: %w", o.run, err)
	}
	cases, err := readScenarios(files)
	if err != nil {
		return err
	}
	var all []tested
	failed := 0
	for i := range cases {
		if !which.MatchString(cases[i].Name) {
			continue
		}
		one, err := o.play(ctx, env, &cases[i])
		if err != nil {
			return inputError(fmt.Errorf("%s: test %q: %w", cases[i].Position, cases[i].Name, err))
		}
		if !one.Passed {
			failed++
		}
		if *o.output == formatText {
			one.write(env)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return usageError("no test matches --run %s", o.run)
	}
	return errors.Join(o.finish(env, all), verdict(failed, len(all)))
}

// readScenarios reads all files, and tells everything that is wrong with any.
func readScenarios(files []string) ([]scenario.Case, error) {
	var cases []scenario.Case
	var errs []error
	for _, file := range files {
		found, err := scenario.Read(file, os.ReadFile)
		cases, errs = append(cases, found...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, usageError("%w", err)
	}
	return cases, nil
}

// verdict is the exit code of failures, which were written already.
func verdict(failed, all int) error {
	if failed == 0 {
		return nil
	}
	return &exitError{code: exitFound, err: fmt.Errorf("%d of %d tests failed", failed, all)}
}

// finish writes what comes after the last test.
func (o *testOptions) finish(env Env, all []tested) error {
	var errs []error
	if *o.output == formatJSON {
		errs = append(errs, writeJSON(env.Stdout, all))
	}
	if o.junit != "" {
		var text bytes.Buffer
		errs = append(errs, report.JUnit(&text, junitCases(all)), os.WriteFile(o.junit, text.Bytes(), 0o644))
	}
	return errors.Join(errs...)
}

// play runs a test and judges it.
func (o *testOptions) play(ctx context.Context, env Env, c *scenario.Case) (tested, error) {
	f, err := caseFlight(env, c)
	if err != nil {
		return tested{}, err
	}
	f.exact = o.exact
	judge, decisions := c.Judge(), &scenario.Decisions{}
	begun := time.Now()
	end, err := f.fly(ctx, report.Each{progress(env, f), judge, decisions})
	if err != nil {
		return tested{}, err
	}
	one := tested{File: c.File, Test: c.Name, Passed: true, Results: judge.Results(), golden: c.Decisions}
	one.length, one.took = end.At.Round(time.Second), time.Since(begun)
	one.Hours = one.length.Hours()
	for _, result := range one.Results {
		one.Passed = one.Passed && result.Passed
	}
	if c.Decisions == "" {
		return one, nil
	}
	if o.update {
		return one, os.WriteFile(c.Decisions, decisions.Text(), 0o644)
	}
	expected, err := os.ReadFile(c.Decisions)
	if errors.Is(err, os.ErrNotExist) {
		return one, fmt.Errorf("%w (hint: --update writes it)", err)
	}
	if err != nil {
		return one, err
	}
	one.Decisions = decisions.Differ(expected)
	one.Passed = one.Passed && one.Decisions == ""
	return one, nil
}

// caseFlight is the flight of a test.
func caseFlight(env Env, c *scenario.Case) (*flight, error) {
	demand, err := playDemand(c.Demand, c.Seed)
	if err != nil {
		return nil, err
	}
	demand = demand.cut(c.Length)
	f := &flight{
		name: c.Name, autoscaler: &c.Autoscaler, app: c.App, demand: demand.Demand, begin: demand.begin,
		pipeline: c.Pipeline, replicas: c.Replicas, events: c.Events, objective: c.Objective, seed: c.Seed,
		report: scenario.Resolution,
	}
	if c.Config != "" {
		if f.rules, err = loadConfig(env, []string{c.Config}); err != nil {
			return nil, err
		}
	}
	f.setLeadIn()
	return f, f.check()
}

// write tells a person about a test.
func (t *tested) write(env Env) {
	word := "ok  "
	if !t.Passed {
		word = "FAIL"
	}
	length := shortDuration(t.length)
	if env.Terminal { // Other readers want equal runs to give equal bytes.
		length += " in " + t.took.Round(time.Millisecond).String()
	}
	fmt.Fprintf(env.Stdout, "%s %s: %s (%s)\n", word, t.File, t.Test, length)
	for _, result := range t.Results {
		if !result.Passed {
			fmt.Fprintf(env.Stdout, "  %s\n    %s\n", result.Expectation, result.Text)
		}
	}
	if t.Decisions != "" {
		fmt.Fprintf(env.Stdout, "  decisions are not those of %s (hint: if they should be, --update writes it)\n%s", t.golden, t.Decisions)
	}
}

func junitCases(all []tested) []report.Case {
	var cases []report.Case
	for i := range all {
		t := &all[i]
		suite := t.File + ": " + t.Test
		for _, result := range t.Results {
			c := report.Case{Suite: suite, Name: result.Expectation.String(), Duration: t.length}
			if !result.Passed {
				c.Failures = []string{result.Text}
			}
			cases = append(cases, c)
		}
		if t.golden != "" {
			c := report.Case{Suite: suite, Name: "decisions", Duration: t.length}
			if t.Decisions != "" {
				c.Failures = []string{t.Decisions}
			}
			cases = append(cases, c)
		}
	}
	return cases
}
