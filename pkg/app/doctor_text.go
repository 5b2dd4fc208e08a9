package app

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
)

// A doctorReport is what "pitot doctor -o json" prints.
type doctorReport struct {
	Errors      int              `json:"errors"`
	Warnings    int              `json:"warnings"`
	Notes       int              `json:"notes"`
	APIs        []doctorAPI      `json:"apis"`
	Autoscalers int              `json:"autoscalers"` // that were looked at
	Metrics     int              `json:"metrics"`     // that were read
	Findings    []doctor.Finding `json:"findings"`
	// Unseen is what could not be read, so that nothing was said of it.
	Unseen []doctor.Gap `json:"unseen"`
}

// A doctorAPI is one version of a metrics API, and who serves it.
type doctorAPI struct {
	Name     string `json:"name"`    // group and version
	Service  string `json:"service"` // namespace and name; "" is kube-apiserver itself
	State    string `json:"state"`
	Verified bool   `json:"verified"` // kube-apiserver verifies the certificate
}

func newDoctorReport(facts *doctor.Facts) doctorReport {
	r := doctorReport{
		APIs: []doctorAPI{}, Metrics: len(facts.Readings), Findings: doctor.Examine(facts), Unseen: facts.Gaps,
		Autoscalers: len(facts.Autoscalers),
	}
	if facts.Chosen != nil {
		r.Autoscalers = len(facts.Chosen)
	}
	if r.Findings == nil {
		r.Findings = []doctor.Finding{}
	}
	if r.Unseen == nil {
		r.Unseen = []doctor.Gap{}
	}
	slices.SortFunc(r.Unseen, func(a, b doctor.Gap) int {
		return cmp.Or(strings.Compare(a.Resource, b.Resource), strings.Compare(a.Namespace, b.Namespace))
	})
	for _, f := range r.Findings {
		switch f.Severity {
		case doctor.Error:
			r.Errors++
		case doctor.Warning:
			r.Warnings++
		default:
			r.Notes++
		}
	}
	for _, a := range facts.APIServices {
		r.APIs = append(r.APIs, newDoctorAPI(a))
	}
	slices.SortFunc(r.APIs, func(a, b doctorAPI) int { return strings.Compare(a.Name, b.Name) })
	return r
}

func newDoctorAPI(a doctor.APIService) doctorAPI {
	api := doctorAPI{Name: a.Group + "/" + a.Version, State: "available", Verified: !a.InsecureSkipTLSVerify}
	if a.Service.Name != "" {
		api.Service = a.Service.String()
	}
	if a.Available != "True" {
		api.State, api.Verified = "not available", false
	}
	return api
}

// write writes the report for people.
func (r doctorReport) write(w io.Writer, color bool) error {
	var b bytes.Buffer
	r.writeSeen(&b)
	for _, f := range r.Findings {
		paint, plain := "", ""
		if color {
			paint, plain = severityColor[f.Severity], "\x1b[0m"
		}
		fmt.Fprintf(&b, "\n%s%s %s%s  %s\n", paint, f.Code, f.Severity, plain, someOf(f.Objects))
		fmt.Fprintf(&b, "  %s\n  cure: %s\n", f.What, f.Cure)
	}
	if len(r.Unseen) > 0 {
		b.WriteString("\nWhat could not be seen\n")
		for _, gap := range r.Unseen {
			where := ""
			if gap.Namespace != "" {
				where = " in " + gap.Namespace
			}
			fmt.Fprintf(&b, "  %s%s: %s\n", gap.Resource, where, gap.Why)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.sum())
	_, err := w.Write(b.Bytes())
	return err
}

var severityColor = map[doctor.Severity]string{doctor.Error: "\x1b[31m", doctor.Warning: "\x1b[33m", doctor.Note: "\x1b[36m"}

// writeSeen says what was looked at.
func (r doctorReport) writeSeen(b *bytes.Buffer) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, a := range r.APIs {
		state := a.State
		if a.State == "available" && a.Service != "" {
			state = map[bool]string{true: "available, verified", false: "available, not verified"}[a.Verified]
		}
		service := a.Service
		if service == "" {
			service = "kube-apiserver"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", a.Name, service, state)
	}
	_ = table.Flush() // to memory
	fmt.Fprintf(b, "%s, %s\n", count(r.Autoscalers, "HPA"), count(r.Metrics, "metric"))
}

// someObjects is how many objects of a finding are printed; JSON has all.
const someObjects = 5

func someOf(objects []string) string {
	if more := len(objects) - someObjects; more > 0 {
		return strings.Join(objects[:someObjects], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(objects, ", ")
}

func (r doctorReport) sum() string {
	if len(r.Findings) == 0 {
		return "nothing found"
	}
	return count(r.Errors, "error") + ", " + count(r.Warnings, "warning") + ", " + count(r.Notes, "note")
}
