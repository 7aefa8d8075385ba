package ledger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

// lines are rows of script_execution_logs as COPY takes them. A table without foreign keys of its own would say less.
func lines(script *engine.Script, n int, message func(int) string) [][]byte {
	rows := make([][]byte, n)
	inv := &engine.Invocation{ExecutionID: uuid.New(), Script: script}
	for i := range rows {
		rows[i] = appendLog(nil, inv, i, "info", message(i), time.Now())
	}
	return rows
}

const copyLogs = `copy script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at) from stdin binary`

// TestTripErrors: whatever fails within a trip, nothing of it is on record, its first error comes back, and the connection goes on.
func TestTripErrors(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := &engine.Script{}
	require.NoError(t, db.QueryRow(ctx, `WITH t AS (INSERT INTO tenants (slug, name) VALUES ('t', 'T') RETURNING id),
		o AS (INSERT INTO organizations (tenant_id, name) SELECT id, 'default' FROM t RETURNING id, tenant_id)
		INSERT INTO scripts (tenant_id, organization_id, name, source, type, status) SELECT tenant_id, id, 's', '', 'http', 'active' FROM o RETURNING id, tenant_id`).Scan(&script.ID, &script.TenantID))
	plain := func(int) string { return strings.Repeat("x", 200) }
	good := lines(script, 5000, plain) // 1.5 MB: many messages
	poison := lines(script, 5000, func(i int) string {
		if i == 2500 {
			return "\xff"
		}
		return plain(i)
	})
	hold := func(scripts ...uuid.UUID) func(*trip) {
		return func(tr *trip) {
			require.NoError(t, sqlc.New(tr).LedgerHoldParents(ctx, sqlc.LedgerHoldParentsParams{ScriptIds: scripts, TenantIds: []uuid.UUID{script.TenantID}}))
		}
	}
	rows := func(rows [][]byte) func(*trip) {
		return func(tr *trip) { require.NoError(t, tr.copyRows(ctx, copyLogs, rows)) }
	}
	exec := func(sql string) func(*trip) {
		return func(tr *trip) {
			_, err := tr.Exec(ctx, sql)
			require.NoError(t, err)
		}
	}
	conn, err := db.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	pid := conn.Conn().PgConn().PID()
	for name, c := range map[string]struct {
		steps []func(*trip)
		code  string
	}{
		"check":           {[]func(*trip){hold(script.ID, uuid.New()), rows(good), exec("SELECT 1")}, "23503"},
		"row":             {[]func(*trip){hold(script.ID), rows(poison), rows(good)}, "22021"},
		"short row":       {[]func(*trip){rows([][]byte{good[0], good[1][:20]}), exec("SELECT 1")}, "22P04"},
		"second COPY":     {[]func(*trip){rows(good), rows(good)}, "23505"},
		"COPY itself":     {[]func(*trip){func(tr *trip) { _ = tr.copyRows(ctx, "copy nowhere from stdin binary", good) }, exec("SELECT 1")}, "42P01"},
		"last statement":  {[]func(*trip){hold(script.ID), rows(good), exec("SELECT 1/0")}, "22012"},
		"its first error": {[]func(*trip){exec("SELECT 1/0"), rows(poison), exec("SELECT 1")}, "22012"},
	} {
		tr := &trip{}
		for _, step := range c.steps {
			step(tr)
		}
		require.Equal(t, c.code, connect.State(tr.run(ctx, conn)), name)
		var n int
		var role string
		require.NoError(t, conn.QueryRow(ctx, "SELECT count(*), current_setting('session_replication_role') FROM script_execution_logs").Scan(&n, &role), name)
		require.Zero(t, n, name)
		require.Equal(t, "origin", role, name)
	}
	tr := &trip{}
	hold(script.ID)(tr)
	rows(good)(tr)
	require.NoError(t, tr.run(ctx, conn))
	var n int
	require.NoError(t, conn.QueryRow(ctx, "SELECT count(*) FROM script_execution_logs").Scan(&n))
	require.Equal(t, len(good), n)
	require.Equal(t, pid, conn.Conn().PgConn().PID(), "the connection was kept")
}

// TestTripEndsWithItsContext: a trip that waits for a lock is given up, and does not go on in Postgres.
func TestTripEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	ctx := context.Background()
	_, err := db.Exec(ctx, "CREATE TABLE held (n integer); INSERT INTO held VALUES (0)")
	require.NoError(t, err)
	tx, err := db.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, "UPDATE held SET n = 1")
	require.NoError(t, err)
	conn, err := db.Acquire(ctx)
	require.NoError(t, err)
	pid := conn.Conn().PgConn().PID()
	why := errors.New("given up")
	limited, cancel := context.WithCancelCause(ctx)
	tr := &trip{}
	_, _ = tr.Exec(ctx, "UPDATE held SET n = n + 100")
	done := make(chan error, 1)
	go func() { done <- tr.run(limited, conn) }()
	require.Eventually(t, func() bool {
		var waits bool
		require.NoError(t, db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock')", pid).Scan(&waits))
		return waits
	}, time.Minute, 5*time.Millisecond)
	cancel(why)
	require.ErrorIs(t, <-done, why)
	require.True(t, conn.Conn().IsClosed())
	conn.Release()
	require.Eventually(t, func() bool {
		var there bool
		require.NoError(t, db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid).Scan(&there))
		return !there
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, tx.Commit(ctx))
	var n int
	require.NoError(t, db.QueryRow(ctx, "SELECT n FROM held").Scan(&n))
	require.Equal(t, 1, n)
}
