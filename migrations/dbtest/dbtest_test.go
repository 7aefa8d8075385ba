package dbtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/dbtest"
)

func TestDBIsMigratedAndAlone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	one, two := dbtest.DB(t), dbtest.DB(t)
	_, err := one.Exec(ctx, "INSERT INTO tenants (slug, name) VALUES ('one', 'One')")
	require.NoError(t, err)
	var n int
	require.NoError(t, two.QueryRow(ctx, "SELECT count(*) FROM tenants").Scan(&n))
	require.Zero(t, n)

	states, err := migrations.Status(ctx, one.Config().ConnString())
	require.NoError(t, err)
	require.NotEmpty(t, states)
	for _, s := range states {
		require.True(t, s.Applied, s.Name)
	}
}

func TestTxIsRolledBack(t *testing.T) {
	t.Parallel()
	insert := func(t *testing.T) {
		tx := dbtest.Tx(t)
		_, err := tx.Exec(context.Background(), "INSERT INTO tenants (slug, name) VALUES ('again', 'Again')")
		require.NoError(t, err)
	}
	// The slug is unique: the second insert works because the first is gone.
	t.Run("first", insert)
	t.Run("second", insert)
}

func TestEmptyHasNoSchema(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dbtest.Empty(t))
	require.NoError(t, err)
	defer conn.Close(ctx)
	var n int
	require.NoError(t, conn.QueryRow(ctx, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n))
	require.Zero(t, n)
}

// A testing.TB that only remembers.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Errorf(format string, args ...any) { r.failures = append(r.failures, format) }

func TestInvariantsSeeAViolation(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	_, err := db.Exec(ctx, `WITH t AS (INSERT INTO tenants (slug, name) VALUES ('bad', 'Bad') RETURNING id)
		INSERT INTO script_usage_daily (tenant_id, script_id, day, outcome, executions)
		SELECT id, gen_random_uuid(), '2026-01-01', 'completed', -1 FROM t`)
	require.NoError(t, err)

	seen := &recorder{TB: t}
	dbtest.Invariants(ctx, seen, db.Config().ConnString())
	require.Len(t, seen.failures, 1)

	_, err = db.Exec(ctx, "DELETE FROM script_usage_daily")
	require.NoError(t, err)
}

// A template that was migrated yesterday has yesterday's partition.
func TestPastDaysMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	dbtest.PastDays(t, db, 1, "script_executions")
	dbtest.PastDays(t, db, 3, "script_executions", "script_execution_logs")
	var n int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM pg_inherits WHERE inhparent = 'script_executions'::regclass").Scan(&n))
	require.GreaterOrEqual(t, n, 6, "three days before, today, two ahead, and the default one")
}
