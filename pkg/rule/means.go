package rule

import (
	"reflect"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// Means reports whether two rules mean the same, wherever they stand.
func (r *Rule) Means(other *Rule) bool {
	a, b := *r, *other
	if a.texts() != b.texts() {
		return false
	}
	for _, one := range []*Rule{&a, &b} {
		one.Position, one.Query, one.Buckets, one.ZeroWhen, one.proof = Position{}, nil, nil, nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// texts are the rule's expressions, printed. Those that are not there are "".
func (r *Rule) texts() (texts [4]string) {
	for i, expr := range []*promexpr.Expr{r.Query, r.Buckets, r.ZeroWhen, r.proof} {
		if expr != nil {
			texts[i] = expr.String()
		}
	}
	return texts
}
