package server

import (
	"os"
	"testing"

	"go.uber.org/zap"
)

// TestMain keeps the libraries' information out of the test log.
func TestMain(m *testing.M) {
	BridgeKlog(zap.Must(zap.NewProduction()))
	os.Exit(m.Run())
}
