package rule

import (
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// A shape is one of the ways to write a rule, as a message calls it.
type shape string

const (
	ofPods       shape = "a Pods rule"
	ofExternal   shape = "an External rule"
	ofQuantile   shape = "an Object rule with a quantile"
	ofAggregate  shape = "an Object rule with an aggregate"
	ofObject     shape = "an Object rule with an objectLabel"
	ofNamespaces shape = "an Object rule of namespaces"
	undecided    shape = "" // too little or too much is wrong to tell
)

// shapeFields says which fields a shape needs and which it may have besides
// those of every shape: metric, type, backend, selectable and the limits.
var shapeFields = map[shape]struct{ needs, may []string }{
	ofPods:       {needs: []string{"query"}, may: []string{"onNaN"}},
	ofExternal:   {needs: []string{"query"}, may: []string{"scope", "onEmpty", "onNaN", "zeroWhen"}},
	ofQuantile:   {needs: []string{"of", "quantile", "buckets"}, may: []string{"onIdle"}},
	ofAggregate:  {needs: []string{"of", "aggregate", "query"}, may: []string{"onEmpty", "onNaN", "zeroWhen"}},
	ofObject:     {needs: []string{"of", "objectLabel", "query"}, may: []string{"onEmpty", "onNaN", "zeroWhen"}},
	ofNamespaces: {needs: []string{"of", "query"}, may: []string{"objectLabel", "onEmpty", "onNaN", "zeroWhen"}},
}

// shape returns which shape the rule is meant to have.
func (r *ruleConfig) shape() shape {
	switch {
	case r.typ.Value == TypePods:
		return ofPods
	case r.typ.Value == TypeExternal:
		return ofExternal
	case r.typ.Value != TypeObject:
		return undecided
	case r.quantile.Given || r.buckets.Given:
		return ofQuantile
	case r.aggregate.Given:
		return ofAggregate
	case r.of.Valid && r.of.Value == namespaces:
		return ofNamespaces
	case r.objectLabel.Given:
		return ofObject
	}
	return undecided
}

// expr returns the field with the expression that the shape asks.
func (r *ruleConfig) expr() (name string, expr place.Field[*promexpr.Expr]) {
	if r.shape() == ofQuantile {
		return "buckets", r.buckets
	}
	return "query", r.query
}

// A presence says whether and where a rule has a field.
type presence struct {
	name  string
	at    Position
	given bool
}

// shaped returns the fields that depend on the shape.
func (r *ruleConfig) shaped() []presence {
	return []presence{
		{"of", r.of.At, r.of.Given},
		{"query", r.query.At, r.query.Given},
		{"quantile", r.quantile.At, r.quantile.Given},
		{"buckets", r.buckets.At, r.buckets.Given},
		{"aggregate", r.aggregate.At, r.aggregate.Given},
		{"objectLabel", r.objectLabel.At, r.objectLabel.Given},
		{"onIdle", r.onIdle.At, r.onIdle.Given},
		{"onEmpty", r.onEmpty.At, r.onEmpty.Given},
		{"onNaN", r.onNaN.At, r.onNaN.Given},
		{"zeroWhen", r.zeroWhen.At, r.zeroWhen.Given},
		{"scope", r.scope.At, r.scope.Given},
	}
}

// objectLabels are the labels that name an object of the rule whose pods, if it
// has any, are not told apart.
func (r *ruleConfig) objectLabels() []string {
	switch r.shape() {
	case ofExternal:
		if r.scope.Value == ScopeCluster {
			return nil
		}
	case ofObject:
		return []string{NamespaceLabel, r.objectLabel.Value}
	}
	return []string{NamespaceLabel}
}

// requiredLabels are the labels that the result must be able to carry, so that
// Pitot can tell whose value a sample is.
func (r *ruleConfig) requiredLabels() []string {
	switch r.shape() {
	case ofPods, ofAggregate:
		return []string{NamespaceLabel, PodLabel}
	case ofQuantile:
		return []string{NamespaceLabel, PodLabel, "le"}
	case ofObject:
		if !r.objectLabel.Valid {
			return []string{NamespaceLabel}
		}
		return []string{NamespaceLabel, r.objectLabel.Value}
	case ofNamespaces:
		return []string{NamespaceLabel}
	}
	return nil
}
