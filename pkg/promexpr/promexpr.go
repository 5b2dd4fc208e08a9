// Package promexpr edits PromQL as trees.
//
// Pitot narrows queries to a selector, reads windows off them and decides which
// labels a result can carry. All of it works on the parsed expression, never on
// its text:
//
//	expr, err := promexpr.Parse(`sum by (namespace, pod) (rate(http_requests_total[2m]))`)
//	expr = expr.WithMatchers(labels.MustNewMatcher(labels.MatchEqual, "handler", "/a"))
//	expr.String() // sum by (namespace, pod) (rate(http_requests_total{handler="/a"}[2m]))
//
// An Expr is immutable and safe for concurrent use.
//
// # Limitations
//
// Labels answers for the labels that a result can carry, not for those that
// the data happen to have.
package promexpr
