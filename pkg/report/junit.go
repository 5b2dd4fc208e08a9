package report

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Case is one expectation of a test and what came of it.
type Case struct {
	Suite    string // the scenario, such as "examples/scenarios/outage.yaml: night"
	Name     string // the expectation, such as "replicas at 5m == 8"
	Failures []string
	// Skipped is why it was not judged; "" where it was.
	Skipped string
	// Duration is the virtual time that was simulated, so that equal runs give equal
	// files. A caller that prefers to know how long it took may put that here.
	Duration time.Duration
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
	duration time.Duration
}

type junitCase struct {
	Suite   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// JUnit writes cases as the XML that CI systems read. Cases of one suite stand
// together, suites in the order of their first case. A suite takes the time of the
// longest of its cases, as they look at the same run.
func JUnit(w io.Writer, cases []Case) error {
	all := junitSuites{}
	place := map[string]int{}
	for i := range cases {
		c := &cases[i]
		at, known := place[c.Suite]
		if !known {
			at = len(all.Suites)
			place[c.Suite] = at
			all.Suites = append(all.Suites, junitSuite{Name: xmlText(c.Suite)})
		}
		all.Suites[at].add(c)
	}
	for i := range all.Suites {
		s := &all.Suites[i]
		s.Time = xmlSeconds(s.duration)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Skipped += s.Skipped
	}
	text, err := xml.MarshalIndent(&all, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	return err
}

func (s *junitSuite) add(c *Case) {
	one := junitCase{Suite: xmlText(c.Suite), Name: xmlText(c.Name), Time: xmlSeconds(c.Duration)}
	switch {
	case len(c.Failures) > 0:
		s.Failures++
		one.Failure = &junitFailure{Message: xmlText(c.Failures[0]), Text: xmlText(strings.Join(c.Failures, "\n"))}
	case c.Skipped != "":
		s.Skipped++
		one.Skipped = &junitSkipped{Message: xmlText(c.Skipped)}
	}
	s.Tests++
	s.duration = max(s.duration, c.Duration)
	s.Cases = append(s.Cases, one)
}

func xmlSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// xmlText replaces what XML cannot hold at all, such as the colours of a terminal.
// The encoder escapes the rest.
func xmlText(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xfffe && r != 0xffff {
			return r
		}
		return utf8.RuneError
	}, text)
}
