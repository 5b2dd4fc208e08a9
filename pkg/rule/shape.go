package rule

import "github.com/pitot-autoscaling/pitot/pkg/promexpr"

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
	case r.typ.value == TypePods:
		return ofPods
	case r.typ.value == TypeExternal:
		return ofExternal
	case r.typ.value != TypeObject:
		return undecided
	case r.quantile.given || r.buckets.given:
		return ofQuantile
	case r.aggregate.given:
		return ofAggregate
	case r.of.valid && r.of.value == namespaces:
		return ofNamespaces
	case r.objectLabel.given:
		return ofObject
	}
	return undecided
}

// expr returns the field with the expression that the shape asks.
func (r *ruleConfig) expr() (name string, expr field[*promexpr.Expr]) {
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
		{"of", r.of.at, r.of.given},
		{"query", r.query.at, r.query.given},
		{"quantile", r.quantile.at, r.quantile.given},
		{"buckets", r.buckets.at, r.buckets.given},
		{"aggregate", r.aggregate.at, r.aggregate.given},
		{"objectLabel", r.objectLabel.at, r.objectLabel.given},
		{"onIdle", r.onIdle.at, r.onIdle.given},
		{"onEmpty", r.onEmpty.at, r.onEmpty.given},
		{"onNaN", r.onNaN.at, r.onNaN.given},
		{"zeroWhen", r.zeroWhen.at, r.zeroWhen.given},
		{"scope", r.scope.at, r.scope.given},
	}
}

// objectLabels are the labels that name an object of the rule whose pods, if it
// has any, are not told apart.
func (r *ruleConfig) objectLabels() []string {
	switch r.shape() {
	case ofExternal:
		if r.scope.value == ScopeCluster {
			return nil
		}
	case ofObject:
		return []string{"namespace", r.objectLabel.value}
	}
	return []string{"namespace"}
}

// requiredLabels are the labels that the result must be able to carry, so that
// Pitot can tell whose value a sample is.
func (r *ruleConfig) requiredLabels() []string {
	switch r.shape() {
	case ofPods, ofAggregate:
		return []string{"namespace", "pod"}
	case ofQuantile:
		return []string{"namespace", "pod", "le"}
	case ofObject:
		if !r.objectLabel.valid {
			return []string{"namespace"}
		}
		return []string{"namespace", r.objectLabel.value}
	case ofNamespaces:
		return []string{"namespace"}
	}
	return nil
}
