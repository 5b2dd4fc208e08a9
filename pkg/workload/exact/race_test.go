//go:build race

package exact

import "testing"

// skipLong skips what measures for long: it would take minutes under the race
// detector, and the referee shares nothing between goroutines.
func skipLong(t *testing.T) { t.Skip("too long under the race detector") }
