package cluster_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine/cluster"
)

func TestANodeAloneHasTheWholeLimit(t *testing.T) {
	t.Parallel()
	var m cluster.Members
	require.Equal(t, 1, m.Count())
	require.Equal(t, 5, m.Share(5, uuid.New()))
	require.Equal(t, 5, m.Serve(5, uuid.New()))
	require.Equal(t, 0, m.Share(0, uuid.New()))
	require.Equal(t, 0, m.Serve(0, uuid.New()), "0 is no limit and stays so")
}

// TestPartsAddUp: the nodes' parts of a limit add up to it, differ by 1 at most, and what a node serves exceeds its part only where
// that is 0.
func TestPartsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit, nodes := rapid.IntRange(1, 1000).Draw(t, "limit"), rapid.IntRange(1, 100).Draw(t, "nodes")
		var key uuid.UUID
		copy(key[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key"))
		sum := 0
		for place := range nodes {
			var m cluster.Members
			m.Set(nodes, place)
			share := m.Share(limit, key)
			sum += share
			if share < limit/nodes || share > limit/nodes+1 {
				t.Fatalf("node %d of %d has %d of %d", place, nodes, share, limit)
			}
			if serve := m.Serve(limit, key); serve != max(1, share) {
				t.Fatalf("node %d of %d serves %d with a share of %d", place, nodes, serve, share)
			}
		}
		if sum != limit {
			t.Fatalf("%d nodes have %d of %d", nodes, sum, limit)
		}
	})
}
