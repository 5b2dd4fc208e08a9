package rule

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A decoder reads what only a configuration has.
type decoder struct {
	*place.Decoder
	longest int // expression that is read, in bytes; 0: any
}

// about is the decoder for a rule or a backend, which gathers its problems.
func (d decoder) about(s subject) decoder {
	own := *d.Decoder
	own.Reporter = s.reporter()
	return decoder{&own, d.longest}
}

// foreignFields are those of prometheus-adapter that have a counterpart.
var foreignFields = map[string]string{
	"seriesQuery":  "this is a rule of prometheus-adapter: here a rule names one metric, as in metric: http_requests_per_second",
	"metricsQuery": "this is a rule of prometheus-adapter: here the query is plain PromQL, as in query: sum by (namespace, pod) (rate(http_requests_total[2m]))",
	"resources":    "this is a rule of prometheus-adapter: here type says what is read, and the query's labels say of which object",
}

// unknownHint says what to write for a field that is not one of the known.
func unknownHint(written string, known []string) string {
	if hint, foreign := foreignFields[written]; foreign {
		return hint
	}
	return place.DidYouMean(written, known)
}

// yamlHint explains the message that PromQL in braces leads to.
func yamlHint(cause string) string {
	if strings.HasPrefix(cause, "invalid YAML: did not find expected ',' or") {
		return "PromQL with braces, brackets or commas needs quotes within {...}"
	}
	return ""
}

// bytes reads a Kubernetes quantity; a plain number is one too.
func (d decoder) bytes(name string, to *place.Field[int64]) func(*yaml.Node) {
	return place.Scalar(d.Decoder, name, "a quantity such as 64Mi", nil, to, func(text string) (int64, *place.Refusal) {
		v, err := resource.ParseQuantity(text)
		if err != nil {
			return 0, &place.Refusal{Cause: fmt.Sprintf("%q is not a quantity", text), Hint: "write it as in 64Mi"}
		}
		return v.Value(), nil
	})
}

func (d decoder) kind(name string, to *place.Field[GroupResource]) func(*yaml.Node) {
	return place.Scalar(d.Decoder, name, "a kind such as deployments.apps", nil, to, parseKind)
}

// expression reads PromQL. Its problems stand where they are in the file.
func (d decoder) expression(name string, to *place.Field[*promexpr.Expr]) func(*yaml.Node) {
	var text place.Field[string]
	read := d.Text(name, &text)
	return func(node *yaml.Node) {
		read(node)
		to.At, to.Given = text.At, text.Given
		if !text.Valid {
			return
		}
		if d.longest > 0 && len(text.Value) > d.longest {
			d.Report(text.At, fmt.Sprintf("field %q: the expression has %d bytes, and %d is the most for a team", name, len(text.Value), d.longest), "")
			return
		}
		expr, err := promexpr.Parse(text.Value)
		if err != nil {
			d.syntax(name, node, err)
			return
		}
		to.Value, to.Valid = expr, true
	}
}

// syntax reports the problems of a PromQL text, each at its own place in the
// file. Where the YAML folds or escapes the text so that this place is unclear,
// it reports at the value and gives the place within.
func (d decoder) syntax(name string, node *yaml.Node, err error) {
	var problems promexpr.SyntaxErrors
	errors.As(err, &problems) // Parse promises it.
	for _, p := range problems {
		if at, ok := d.Within(node, p.Line, p.Column); ok {
			d.Report(at, fmt.Sprintf("field %q: %s", name, p.Msg), "")
			continue
		}
		d.Report(d.At(place.Target(node)), fmt.Sprintf("field %q: line %d, column %d of the expression: %s", name, p.Line, p.Column, p.Msg), "")
	}
}
