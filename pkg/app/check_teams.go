package app

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A teamsReport is what "pitot check -o json" prints where ConfigMaps of teams are
// among the files.
type teamsReport struct {
	checkReport
	ConfigMaps []checkedConfigMap `json:"configmaps"`
}

type checkedConfigMap struct {
	Namespace string        `json:"namespace,omitempty"` // left out where the manifest leaves it out
	Name      string        `json:"name"`
	Rules     []checkedRule `json:"rules"`
}

// A teamsCheck is what the ConfigMaps of some manifests come to.
type teamsCheck struct {
	operator *rule.Set // nil: there is no configuration among the files
	maps     []rule.ConfigMap
	sets     []*rule.Set // of the maps
	problems rule.Problems
}

// checkTeams checks the ConfigMaps of teams among the files, beside the
// configuration that the other files make, if there are any. It reports whether
// there was a ConfigMap at all.
func checkTeams(files []rule.File) (c teamsCheck, found bool, err error) {
	var configuration []rule.File
	for _, f := range files {
		maps, problems, ok := rule.ConfigMaps(f)
		if !ok {
			configuration = append(configuration, f)
			continue
		}
		found = true
		c.maps, c.problems = append(c.maps, maps...), append(c.problems, problems...)
	}
	if !found {
		return c, false, nil
	}
	if len(configuration) > 0 {
		var problems rule.Problems
		if c.operator, err = rule.Load(configuration...); err != nil && !errors.As(err, &problems) {
			return c, true, err
		}
		c.problems = append(c.problems, problems...)
	}
	c.load()
	return c, true, nil
}

// load loads the ConfigMaps, each beside those of its namespace that come before it.
func (c *teamsCheck) load() {
	before := map[string][]*rule.Set{}
	for _, m := range c.maps {
		team := rule.Team{Namespace: m.Namespace}
		if c.operator != nil {
			team = c.operator.TeamOf(m.Namespace)
		}
		set, problems := rule.LoadTeam(team, m)
		sets := append(before[m.Namespace], set)
		_, lost := rule.Gather(sets...)
		before[m.Namespace] = sets
		c.sets = append(c.sets, set)
		c.problems = append(append(c.problems, problems...), lost[len(lost)-1]...)
	}
}

func (c *teamsCheck) write(env Env, output format) error {
	if output == formatJSON {
		report := teamsReport{checkReport: newCheckReport(c.operator, c.problems), ConfigMaps: []checkedConfigMap{}}
		for i, m := range c.maps {
			report.ConfigMaps = append(report.ConfigMaps, checkedConfigMap{m.Namespace, m.Name, newCheckReport(c.sets[i], nil).Rules})
		}
		return writeJSON(env.Stdout, report)
	}
	if len(c.problems) > 0 {
		_, err := fmt.Fprintln(env.Stdout, c.problems)
		return err
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CONFIGMAP\tMETRIC\tTYPE\tOF\tWINDOW\tSELECTABLE")
	rules := 0
	for i, m := range c.maps {
		for _, one := range c.sets[i].Rules {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", m, one.Metric, one.Type, one.Of, window(one), orDash(strings.Join(one.Selectable, ",")))
			rules++
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Stdout, "%s, %s: no problem found\n", count(rules, "rule"), count(len(c.maps), "ConfigMap"))
	return err
}

// report writes what was found, as the result of the command.
func (c *teamsCheck) report(env Env, output format, err error) error {
	if err != nil {
		return err
	}
	if err := c.write(env, output); err != nil {
		return err
	}
	if len(c.problems) > 0 {
		return &exitError{code: exitFound}
	}
	return nil
}
