package ledger_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/dbtest"
)

// asOwner gives the database's tables to a role that may log in and is no superuser, and connects as it.
func asOwner(t *testing.T, db *pgxpool.Pool, granted bool) *pgxpool.Pool {
	t.Helper()
	ctx := context.Background()
	role := fmt.Sprintf("ledger_%x", uuid.New().ID())
	exec := func(sql string) {
		t.Helper()
		_, err := db.Exec(ctx, sql)
		require.NoError(t, err, sql)
	}
	exec("CREATE ROLE " + role + " LOGIN PASSWORD 'x'")
	t.Cleanup(func() {
		for _, sql := range []string{"REVOKE SET ON PARAMETER session_replication_role FROM " + role, "REASSIGN OWNED BY " + role + " TO CURRENT_USER", "DROP OWNED BY " + role, "DROP ROLE " + role} {
			if _, err := db.Exec(ctx, sql); err != nil {
				t.Error(sql, err)
			}
		}
	})
	exec(`DO $$ DECLARE o RECORD; BEGIN
		FOR o IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') LOOP
			EXECUTE format('ALTER TABLE %s OWNER TO ` + role + `', o.name);
		END LOOP;
		FOR o IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace LOOP
			EXECUTE format('ALTER FUNCTION %s OWNER TO ` + role + `', o.name);
		END LOOP;
	END $$`)
	if granted {
		exec("GRANT SET ON PARAMETER session_replication_role TO " + role)
	}
	cfg := db.Config().Copy()
	cfg.ConnConfig.User, cfg.ConnConfig.Password = role, "x"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// TestForeignKeysByRole writes as a superuser, and as an owner with and without the right to have foreign keys checked once a batch, in large
// batches and small ones. A row trigger of the test tells which way was taken. What is on record does not depend on it.
func TestForeignKeysByRole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connect func(*testing.T, *pgxpool.Pool) *pgxpool.Pool
		once    bool
		batch   int // rows, half of each script
		apiece  bool
	}{
		"superuser": {func(_ *testing.T, db *pgxpool.Pool) *pgxpool.Pool { return db }, true, 120, false},
		"few rows":  {func(_ *testing.T, db *pgxpool.Pool) *pgxpool.Pool { return db }, true, 10, true},
		"granted":   {func(t *testing.T, db *pgxpool.Pool) *pgxpool.Pool { return asOwner(t, db, true) }, true, 120, false},
		"owner":     {func(t *testing.T, db *pgxpool.Pool) *pgxpool.Pool { return asOwner(t, db, false) }, false, 120, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			db := dbtest.DB(t)
			kept, gone := seed(t, db), seed(t, db)
			_, err := db.Exec(ctx, `CREATE FUNCTION unfit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.depth := 99; RETURN NEW; END $$;
				CREATE TRIGGER tr_test BEFORE INSERT ON script_executions FOR EACH ROW EXECUTE FUNCTION unfit()`)
			require.NoError(t, err)
			as := c.connect(t, db)
			once, err := ledger.ChecksForeignKeysOnce(ctx, as)
			require.NoError(t, err)
			require.Equal(t, c.once, once)
			l := start(t, ledger.Config{Pool: as, FlushInterval: time.Hour})
			for i := range 2 * c.batch {
				inv, res := httpRun([]*engine.Script{kept, gone}[i%2])
				require.NoError(t, l.Record(ctx, inv, res))
				if i == c.batch-1 {
					require.NoError(t, l.Flush(ctx))
					_, err = db.Exec(ctx, "DELETE FROM scripts WHERE id = $1", gone.ID)
					require.NoError(t, err)
				}
			}
			require.NoError(t, l.Flush(ctx))
			require.Equal(t, c.batch, count(t, db, "script_executions WHERE script_id = $1 AND completed_at IS NOT NULL", kept.ID))
			require.Equal(t, 2*c.batch, count(t, db, "script_execution_logs WHERE script_id = $1", kept.ID))
			require.Equal(t, c.batch, count(t, db, "script_executions"), "those of the deleted script went with it, or were dropped")
			require.Equal(t, int64(c.batch/2), l.Stats().Dropped)
			require.Equal(t, 1, count(t, db, "script_usage_daily WHERE script_id = $1 AND executions = $2", kept.ID, c.batch))
			fired := 0
			if c.apiece {
				fired = c.batch
			}
			require.Equal(t, fired, count(t, db, "script_executions WHERE depth = 99"), "rows that met the triggers")
			var role string
			require.NoError(t, as.QueryRow(ctx, "SHOW session_replication_role").Scan(&role))
			require.Equal(t, "origin", role, "the connection's next transaction has its triggers")
		})
	}
}

// TestForeignKeysAfterARevoke: a right that is taken away costs no row.
func TestForeignKeysAfterARevoke(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	as := asOwner(t, db, true)
	l := start(t, ledger.Config{Pool: as, FlushInterval: time.Hour})
	for range 3 {
		for range 60 { // as many as are checked once
			inv, res := httpRun(script)
			require.NoError(t, l.Record(ctx, inv, res))
		}
		require.NoError(t, l.Flush(ctx))
		_, err := db.Exec(ctx, "REVOKE SET ON PARAMETER session_replication_role FROM "+as.Config().ConnConfig.User)
		require.NoError(t, err)
	}
	require.Equal(t, 180, count(t, db, "script_executions"))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE executions = 180"))
	require.Zero(t, l.Stats().Dropped)
}

// TestNoOrphans deletes a script in the middle of a batch with rows of its own, between the check of its foreign keys and its commit, and, where
// the batch is small, before that check: the rows do not outlive their script.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{2, 120} {
		t.Run(strconv.Itoa(rows), func(t *testing.T) {
			t.Parallel()
			testNoOrphans(t, rows)
		})
	}
}

func testNoOrphans(t *testing.T, rows int) {
	ctx := context.Background()
	db := dbtest.DB(t)
	script, other := seed(t, db), seed(t, db)
	// The batch stops in its COPY until the test lets it go on.
	_, err := db.Exec(ctx, `CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
		CREATE TRIGGER tr_test BEFORE INSERT ON script_executions FOR EACH ROW EXECUTE FUNCTION waits();
		ALTER TABLE script_executions ENABLE ALWAYS TRIGGER tr_test`)
	require.NoError(t, err)
	gate, err := db.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = gate.Rollback(ctx) }()
	_, err = gate.Exec(ctx, "SELECT pg_advisory_xact_lock(1)")
	require.NoError(t, err)
	l := start(t, ledger.Config{Pool: db, FlushInterval: time.Hour})
	for i := range rows {
		inv, res := httpRun([]*engine.Script{script, other}[i%2])
		require.NoError(t, l.Record(ctx, inv, res))
	}
	flushed := make(chan error, 1)
	go func() { flushed <- l.Flush(ctx) }()
	waiting := func(query string) func() bool {
		return func() bool {
			return count(t, db, "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE $1", query) > 0
		}
	}
	require.Eventually(t, waiting("copy %"), time.Minute, 5*time.Millisecond)
	deleted := make(chan error, 1)
	go func() {
		_, err := db.Exec(ctx, "DELETE FROM scripts WHERE id = $1", script.ID)
		deleted <- err
	}()
	require.Eventually(t, func() bool {
		return waiting("DELETE FROM scripts%")() || len(deleted) > 0
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, gate.Commit(ctx))
	require.NoError(t, <-flushed)
	require.NoError(t, <-deleted)
	require.Zero(t, count(t, db, "script_executions WHERE script_id = $1", script.ID))
	require.Zero(t, count(t, db, "script_execution_logs WHERE script_id = $1", script.ID))
	require.Equal(t, rows/2, count(t, db, "script_executions WHERE script_id = $1", other.ID))
}
