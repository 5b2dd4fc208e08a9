package rule

import "github.com/pitot-autoscaling/pitot/pkg/internal/place"

// A validator reports what is wrong with a configuration as a whole and with
// each of its parts. It adds problems and changes nothing else.
type validator struct {
	config *config
	files  []File
}

// presence reports a configuration that cannot serve anything.
func (v *validator) presence() {
	if v.config.gaps {
		return
	}
	var start Position
	if len(v.files) > 0 {
		start = Position{File: v.files[0].Name, Line: 1, Column: 1}
	}
	var problems place.Problems
	report := place.Reporter{Problems: &problems}.Report
	if len(v.config.backends) == 0 {
		report(start, "no backend is configured", "add backends: [{name: main, url: http://prometheus-operated.monitoring:9090}]")
	}
	if len(v.config.rules) == 0 {
		report(start, "no rule is configured: there is nothing to serve", "")
	}
	v.config.problems = append(v.config.problems, subject{}.own(problems)...)
}

func (v *validator) rules() {
	taken := map[key]*ruleConfig{}
	for i := range v.config.rules {
		r := &v.config.rules[i]
		s := subject{rule: r.metric.Value}
		check := ruleCheck{r, s.reporter()}
		check.name()
		check.fields()
		check.numbers()
		check.policies()
		check.limits()
		check.proof()
		check.ownership()
		check.object()
		check.labels()
		check.selection()
		if !v.config.gaps {
			check.reference(v.config.backends)
		}
		check.enough(v.config.backends)
		check.names(v.config.backends)
		check.uniqueness(taken)
		if team := v.config.team; team != nil {
			check.team(team)
		}
		r.problems = append(r.problems, v.config.note(s, *check.Problems)...)
	}
}
