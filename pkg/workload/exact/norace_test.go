//go:build !race

package exact

import "testing"

func skipLong(*testing.T) {}
