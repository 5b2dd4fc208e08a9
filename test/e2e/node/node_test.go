package node_test

import (
	"testing"

	"github.com/pitot-autoscaling/pitot/test/e2e/node"
)

func TestNode(t *testing.T) {
	c := node.Start(t, node.Options{})
	_ = c
}
