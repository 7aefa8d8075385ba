package partitions_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/partitions"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

func exec(t testing.TB, db *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := db.Exec(context.Background(), sql, args...)
	require.NoError(t, err, sql)
}

func one[T any](t testing.TB, db interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, db.QueryRow(context.Background(), sql, args...).Scan(&v), sql)
	return v
}

// world makes a tenant with a script.
func world(t testing.TB, db *pgxpool.Pool, slug string) (tenant, script uuid.UUID) {
	t.Helper()
	tenant = one[uuid.UUID](t, db, "INSERT INTO tenants (slug, name) VALUES ($1, 't') RETURNING id", slug)
	organization := one[uuid.UUID](t, db, "INSERT INTO organizations (tenant_id, name) VALUES ($1, 'o') RETURNING id", tenant)
	script = one[uuid.UUID](t, db, "INSERT INTO scripts (tenant_id, organization_id, name, source, type, status) VALUES ($1, $2, 's', '', 'oneoff', 'active') RETURNING id", tenant, organization)
	return tenant, script
}

// run inserts an execution that was accepted some time ago, with a log line and a host call, and returns its id.
func run(t testing.TB, db *pgxpool.Pool, tenant, script uuid.UUID, ago time.Duration, status string) uuid.UUID {
	t.Helper()
	id := one[uuid.UUID](t, db, `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, queued_at, run_at, started_at)
		SELECT (substr(jsruntime_id_floor(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, $1, $2, $3::text, 'event', at, at, CASE WHEN $3 <> 'pending' THEN at END
		FROM (SELECT now() - make_interval(secs => $4) AS at) a RETURNING id`, script, tenant, status, ago.Seconds())
	exec(t, db, "INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at) VALUES ($1, 0, $2, $3, 'info', 'x', now())", id, tenant, script)
	exec(t, db, `INSERT INTO script_execution_calls (execution_id, seq, tenant_id, script_id, kind, operation, target, started_at, duration_us, request_bytes, response_bytes, error, bodies)
		VALUES ($1, 0, $2, $3, 'fetch', 'GET', 'https://example.com/', now(), 5, 6, 7, 'e', '{"response": {}}')`, id, tenant, script)
	return id
}

func partitionOf(t *testing.T, db *pgxpool.Pool, table, key string, id uuid.UUID) string {
	t.Helper()
	return one[string](t, db, fmt.Sprintf("SELECT tableoid::regclass::text FROM %s WHERE %s = $1", table, key), id)
}

// clear drops all partitions but the default ones, as in a database for which no node made any.
func clear(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	for _, table := range partitions.Tables() {
		parts, err := partitions.List(t.Context(), db, table)
		require.NoError(t, err)
		for _, p := range parts {
			if p.Until != nil {
				exec(t, db, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s", table, p.Name))
				exec(t, db, "DROP TABLE "+p.Name)
			}
		}
	}
}

// covers requires partitions without a gap from a time to two days ahead.
func covers(t *testing.T, db *pgxpool.Pool, from time.Time) {
	t.Helper()
	for _, table := range partitions.Tables() {
		parts, err := partitions.List(t.Context(), db, table)
		require.NoError(t, err)
		require.Nil(t, parts[0].Until, "the default partition")
		until := from
		for _, p := range parts[1:] {
			if p.Since.After(until) {
				break
			}
			until = *p.Until
		}
		require.True(t, until.After(time.Now().Add(48*time.Hour)), "%s ends at %s", table, until)
	}
}

func TestAhead(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	clear(t, db)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := partitions.Ahead(t.Context(), db, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	made, err := partitions.Ahead(t.Context(), db, 0)
	require.NoError(t, err)
	require.LessOrEqual(t, len(made), 4*len(partitions.Tables()), "what the four left to one another")
	covers(t, db, time.Now())
	again, err := partitions.Ahead(t.Context(), db, 0)
	require.NoError(t, err)
	require.Empty(t, again)
	require.NoError(t, partitions.Check(t.Context(), db))

	tenant, script := world(t, db, "a")
	id := run(t, db, tenant, script, 0, "completed")
	require.Equal(t, "script_executions_"+time.Now().UTC().Format("20060102")+"00", partitionOf(t, db, partitions.Executions, "id", id))
	require.Equal(t, "script_execution_logs_"+time.Now().UTC().Format("20060102")+"00", partitionOf(t, db, partitions.Logs, "execution_id", id))
	other := one[uuid.UUID](t, db, "INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type) VALUES ('f0000000-0000-4000-8000-000000000001', $1, $2, 'completed', 'api') RETURNING id", script, tenant)
	require.Equal(t, "script_executions_default", partitionOf(t, db, partitions.Executions, "id", other))
}

// TestNodesThatWereAway: while no partition was made, rows went to the default partition. The next partitions begin behind them, and both
// are read as one table.
func TestNodesThatWereAway(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	clear(t, db)
	tenant, script := world(t, db, "a")
	id := run(t, db, tenant, script, 0, "completed")
	require.Equal(t, "script_executions_default", partitionOf(t, db, partitions.Executions, "id", id))
	require.ErrorContains(t, partitions.Check(t.Context(), db), "no partition for new rows")
	_, err := partitions.Ahead(t.Context(), db, 0)
	require.NoError(t, err)
	covers(t, db, time.Now().Truncate(time.Hour).Add(time.Hour))
	require.Equal(t, "script_executions_default", partitionOf(t, db, partitions.Executions, "id", id))
}

// TestBusyDaysHaveShorterPartitions: their length goes by the rows of those before.
func TestBusyDaysHaveShorterPartitions(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	clear(t, db)
	exec(t, db, "SELECT jsruntime_make_partition('script_executions', date_trunc('day', now(), 'UTC'), date_trunc('day', now(), 'UTC') + interval '1 day')")
	part := "script_executions_" + time.Now().UTC().Format("20060102") + "00"
	exec(t, db, "UPDATE pg_class SET reltuples = 35000000 WHERE relname = $1", part)
	made, err := partitions.Ahead(t.Context(), db, 0)
	require.NoError(t, err)
	tomorrow := time.Now().UTC().Add(24 * time.Hour).Format("20060102")
	require.Subset(t, made, []string{"script_executions_" + tomorrow + "00", "script_executions_" + tomorrow + "06", "script_executions_" + tomorrow + "12", "script_executions_" + tomorrow + "18"})
	covers(t, db, time.Now())
}

// TestALockThatIsNotThere: while a transaction reads the default partition, making a partition gives up, and no writer waits behind it.
func TestALockThatIsNotThere(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	clear(t, db)
	tenant, script := world(t, db, "a")
	tx, err := db.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT count(*) FROM script_executions")
	require.NoError(t, err)
	made := make(chan error, 1)
	go func() {
		_, err := partitions.Ahead(context.Background(), db, 0)
		made <- err
	}()
	run(t, db, tenant, script, 0, "completed") // waits for lockTimeout at most
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-made)
	covers(t, db, time.Now().Truncate(time.Hour).Add(time.Hour))
}

// TestDrop: partitions go as a whole, but not one with an execution that has not ended; dead letters stay, and stored bytes go down.
func TestDrop(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	const day = 24 * time.Hour
	for _, table := range partitions.Tables() {
		exec(t, db, `SELECT jsruntime_make_partition($1, day, day + interval '1 day') FROM generate_series(date_trunc('day', now(), 'UTC') - interval '9 days', date_trunc('day', now(), 'UTC') - interval '5 days', interval '1 day') day`, table)
	}
	a, scriptA := world(t, db, "a")
	b, scriptB := world(t, db, "b")
	run(t, db, a, scriptA, 9*day, "completed")
	run(t, db, b, scriptB, 9*day, "failed")
	waiting := run(t, db, a, scriptA, 8*day, "pending")
	failed := run(t, db, a, scriptA, 7*day, "failed")
	exec(t, db, "INSERT INTO script_event_dead_letters (script_id, tenant_id, execution_id, event_type, event_data, error) VALUES ($1, $2, $3, 'x', '1', 'e')", scriptA, a, failed)
	kept := run(t, db, b, scriptB, 5*day, "completed")
	queries := sqlc.New(db)
	for _, tenant := range []uuid.UUID{a, b} {
		_, err := queries.StorageCount(t.Context(), tenant)
		require.NoError(t, err)
	}

	before := time.Now().UTC().Truncate(day).Add(-6 * day)
	gone, err := partitions.Drop(t.Context(), db, partitions.Executions, before)
	require.NoError(t, err)
	require.Len(t, gone, 2)
	for _, table := range []string{partitions.Logs, partitions.Calls} {
		_, err = partitions.Drop(t.Context(), db, table, before)
		require.NoError(t, err)
	}

	require.Equal(t, []uuid.UUID{waiting, kept}, one[[]uuid.UUID](t, db, "SELECT array_agg(id ORDER BY id) FROM script_executions"))
	require.Equal(t, []uuid.UUID{kept}, one[[]uuid.UUID](t, db, "SELECT array_agg(execution_id) FROM script_execution_logs"))
	require.Equal(t, []uuid.UUID{kept}, one[[]uuid.UUID](t, db, "SELECT array_agg(execution_id) FROM script_execution_calls"))
	require.True(t, one[bool](t, db, "SELECT execution_id IS NULL FROM script_event_dead_letters"), "the dead letter stays")
	require.Zero(t, one[int](t, db, "SELECT count(*) FROM pg_class WHERE relname LIKE '%dropped%'"))
	for _, tenant := range []uuid.UUID{a, b} {
		stored := one[int64](t, db, "SELECT sum(bytes)::bigint FROM tenant_storage WHERE tenant_id = $1", tenant)
		_, err := queries.StorageCount(t.Context(), tenant)
		require.NoError(t, err)
		require.Equal(t, one[int64](t, db, "SELECT sum(bytes)::bigint FROM tenant_storage WHERE tenant_id = $1", tenant), stored, "as it is counted anew")
	}
	again, err := partitions.Drop(t.Context(), db, partitions.Executions, before)
	require.NoError(t, err)
	require.Empty(t, again)
}

// TestADetachedPartitionIsFinished: what another node has detached and not dropped goes; what an administrator has detached stays.
func TestADetachedPartitionIsFinished(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	today := time.Now().UTC().Format("20060102") + "00"
	exec(t, db, "ALTER TABLE script_executions DETACH PARTITION script_executions_"+today)
	exec(t, db, "CREATE TABLE script_executions_dropped_2020010100 (LIKE script_executions)")
	_, err := partitions.Drop(t.Context(), db, partitions.Executions, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.True(t, one[bool](t, db, "SELECT to_regclass('script_executions_dropped_2020010100') IS NULL"))
	require.True(t, one[bool](t, db, "SELECT to_regclass($1) IS NOT NULL", "script_executions_"+today))
}

// TestPartitionsHaveTheirParentsWalls: a tenant that names a partition sees and may do what it sees and may do by the table.
func TestPartitionsHaveTheirParentsWalls(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	clear(t, db)
	_, err := partitions.Ahead(t.Context(), db, 0)
	require.NoError(t, err)
	mine, script := world(t, db, "mine")
	theirs, theirScript := world(t, db, "theirs")
	run(t, db, mine, script, 0, "completed")
	run(t, db, theirs, theirScript, 0, "completed")
	today := time.Now().UTC().Format("20060102") + "00"
	require.NoError(t, tenantdb.WithinTx(t.Context(), db, pgx.TxOptions{}, mine, func(tx pgx.Tx, _ *sqlc.Queries) error {
		for _, table := range partitions.Tables() {
			require.Equal(t, []uuid.UUID{mine}, one[[]uuid.UUID](t, tx, "SELECT array_agg(tenant_id) FROM "+table+"_"+today))
		}
		return nil
	}))
	for _, statement := range []string{"INSERT INTO script_execution_logs_" + today + " SELECT * FROM script_execution_logs", "DROP TABLE script_executions_" + today} {
		require.Error(t, tenantdb.WithinTx(t.Context(), db, pgx.TxOptions{}, mine, func(tx pgx.Tx, _ *sqlc.Queries) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		}), statement)
	}
}

// TestAUserThatMayNotMakeTables says so, and its rows go to the default partition.
func TestAUserThatMayNotMakeTables(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	clear(t, db)
	role := fmt.Sprintf("parts_%x", time.Now().UnixNano())
	exec(t, db, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		exec(t, db, "DROP OWNED BY "+role)
		exec(t, db, "DROP ROLE "+role)
	})
	exec(t, db, "GRANT ALL ON ALL TABLES IN SCHEMA public TO "+role)
	cfg := db.Config()
	cfg.ConnConfig.RuntimeParams["role"] = role
	weak, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer weak.Close()
	_, err = partitions.Ahead(t.Context(), weak, 0)
	require.ErrorIs(t, err, partitions.ErrNotAllowed)
	require.ErrorIs(t, partitions.Check(t.Context(), weak), partitions.ErrNotAllowed)
}

// BenchmarkDrop drops a day of executions while another connection inserts and reads executions of today.
func BenchmarkDrop(b *testing.B) {
	const rows = 1_000_000
	db := dbtest.DB(b)
	tenant, script := world(b, db, "a")
	_, err := partitions.Ahead(b.Context(), db, 0)
	require.NoError(b, err)
	day := time.Now().UTC().Truncate(24 * time.Hour).Add(-30 * 24 * time.Hour)
	for b.Loop() {
		b.StopTimer()
		exec(b, db, "SELECT jsruntime_make_partition('script_executions', $1, $1::timestamptz + interval '1 day')", day)
		exec(b, db, `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, input, output, queued_at, run_at, started_at, completed_at)
			SELECT (substr(jsruntime_id_floor(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, $1, $2, 'completed', 'http', '{"a": 1}', '{"b": 2}', at, at, at, at
			FROM (SELECT $3::timestamptz + i * interval '86 milliseconds' AS at FROM generate_series(0, $4::integer - 1) i) a`, script, tenant, day, rows)
		ctx, stop := context.WithCancel(b.Context())
		var worst time.Duration
		var others sync.WaitGroup
		var dropping atomic.Bool
		others.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				id := run(b, db, tenant, script, 0, "completed")
				one[string](b, db, "SELECT status FROM script_executions WHERE id = $1", id)
				if dropping.Load() {
					worst = max(worst, time.Since(began))
				}
			}
		})
		dropping.Store(true)
		b.StartTimer()
		gone, err := partitions.Drop(b.Context(), db, partitions.Executions, day.Add(25*time.Hour))
		b.StopTimer()
		stop()
		others.Wait()
		require.NoError(b, err)
		require.Len(b, gone, 1)
		b.ReportMetric(float64(worst.Milliseconds()), "ms-worst-beside")
		b.StartTimer()
	}
}
