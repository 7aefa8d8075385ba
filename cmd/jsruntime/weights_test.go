//go:build linux

package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/migrations/dbtest"
)

// TestWeightsArePlans: the share of workers that the engine asks for is the plan's, read from memory, and 1 for a tenant without one.
func TestWeightsArePlans(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	heavy, light, old := uuid.New(), uuid.New(), uuid.New()
	_, err := pool.Exec(t.Context(), `INSERT INTO tenants (id, slug, name, plan) VALUES ($1, 'heavy', 'Heavy', '{"weight": 3}'), ($2, 'light', 'Light', '{}'),
		($3, 'old', 'Old', '{"weight": 0}')`, heavy, light, old)
	require.NoError(t, err)
	scripts, err := catalog.New(catalog.Config{Pool: pool})
	require.NoError(t, err)
	require.NoError(t, scripts.Refresh(t.Context()))
	limits := &tenantLimits{scripts}
	pool.Close() // a weight is asked for often: no round trip
	require.Equal(t, 3, limits.weight(heavy))
	require.Equal(t, 1, limits.weight(light))
	require.Equal(t, 1, limits.weight(old), "what no API lets in")
	require.Equal(t, 1, limits.weight(uuid.New()), "a tenant that is not known yet")
}
