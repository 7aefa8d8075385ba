package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestFunctionsPinTheirSearchPath: a function that runs with its owner's rights finds its own tables, whatever the caller's session has. The
// same is asked of all functions of ours that have a search path.
func TestFunctionsPinTheirSearchPath(t *testing.T) {
	t.Parallel()
	tx := dbtest.Tx(t)
	rows, err := tx.Query(t.Context(), `
		SELECT p.oid::regprocedure::text, p.prosecdef, COALESCE(array_to_string(p.proconfig, ' '), '')
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND (p.prosecdef OR p.proconfig IS NOT NULL)`)
	require.NoError(t, err)
	defer rows.Close()
	definers := 0
	for rows.Next() {
		var (
			name, config string
			definer      bool
		)
		require.NoError(t, rows.Scan(&name, &definer, &config))
		require.Equal(t, "search_path=public, pg_temp", config, name)
		if definer {
			definers++
		}
	}
	require.NoError(t, rows.Err())
	require.Positive(t, definers)
}

// TestTemporaryTablesDoNotShadow: without a pinned path Postgres looks at the caller's temporary tables before all others.
func TestTemporaryTablesDoNotShadow(t *testing.T) {
	t.Parallel()
	tx := dbtest.Tx(t)
	_, err := tx.Exec(t.Context(), "CREATE TEMPORARY TABLE jsruntime_changes (LIKE public.jsruntime_changes INCLUDING ALL)")
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "INSERT INTO tenants (id, slug, name) VALUES (gen_random_uuid(), 'shadowed', 'Shadowed')")
	require.NoError(t, err)
	var shadow, real int
	require.NoError(t, tx.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM pg_temp.jsruntime_changes), (SELECT count(*) FROM public.jsruntime_changes)").Scan(&shadow, &real))
	require.Zero(t, shadow)
	require.Positive(t, real)
}
