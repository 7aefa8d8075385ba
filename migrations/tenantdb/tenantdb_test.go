package tenantdb_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

// fill gives a tenant one row in every table, and returns its id.
func fill(t *testing.T, db *pgxpool.Pool, slug string) (tenant uuid.UUID) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, db.QueryRow(ctx, "INSERT INTO tenants (slug, name) VALUES ($1, $1) RETURNING id", slug).Scan(&tenant))
	for _, statement := range []string{
		"INSERT INTO organizations (tenant_id, name) VALUES ($1, 'o')",
		"INSERT INTO users (tenant_id, organization_id, email, name, role) SELECT $1, id, 'a@b', 'a', 'admin' FROM organizations WHERE tenant_id = $1",
		"INSERT INTO api_keys (tenant_id, name, role, prefix, key_hash) VALUES ($1, 'k', 'admin', left(replace($1::uuid::text, '-', ''), 32), decode(repeat('00', 32), 'hex'))",
		"INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, http_path, http) SELECT $1, id, 's', 'x', 'http', 'active', '/x', jsonb_build_object('hosts', jsonb_build_array($1::uuid::text || '.example.com')) FROM organizations WHERE tenant_id = $1",
		"INSERT INTO script_versions (script_id, tenant_id, version_number, source) SELECT id, $1, 1, 'x' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_executions (script_id, tenant_id, status, trigger_type) SELECT id, $1, 'pending', 'manual' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at) SELECT gen_random_uuid(), 1, $1, id, 'info', 'm', now() FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_execution_calls (execution_id, seq, tenant_id, script_id, kind, operation, target, started_at, duration_us, request_bytes, response_bytes) SELECT gen_random_uuid(), 1, $1, id, 'kv', 'get', 'k', now(), 1, 1, 1 FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_comparisons (id, tenant_id, script_id, version_number, status, options, node_id) SELECT gen_random_uuid(), $1, id, 1, 'completed', '{}', id FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type) SELECT id, $1, 'e' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression) SELECT id, $1, '* * * * *' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods) SELECT id, $1, '/x', '{GET}' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error) SELECT id, $1, 'e', '{}', 'x' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_schedule_ticks (script_id, tenant_id, scheduled_for, outcome) SELECT id, $1, now(), 'missed' FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_refusals (tenant_id, script_id, minute, code, refused) SELECT $1, id, now(), 'overloaded', 1 FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_signed_requests (tenant_id, script_id, id, expires_at) SELECT $1, id, decode(repeat('00', 32), 'hex'), now() FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_http_answers (tenant_id, script_id, id, fingerprint, execution_id, taken, expires_at) SELECT $1, id, sha256(''), sha256(''), id, id, now() FROM scripts WHERE tenant_id = $1",
		"INSERT INTO script_events (tenant_id, id, type, data) VALUES ($1, 'e', 'e', '{}')",
		"INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext) VALUES ($1, 'S', '', '')",
		"INSERT INTO audit_log (id, tenant_id, actor_name, actor_role, action, object_type, object_id) VALUES (gen_random_uuid(), $1, 'a', 'admin', 'x', 'y', 'z')",
		"INSERT INTO script_usage_daily (tenant_id, script_id, day, outcome) VALUES ($1, gen_random_uuid(), now(), 'completed')",
		"INSERT INTO tenant_usage_daily (tenant_id, day) VALUES ($1, now())",
		"INSERT INTO tenant_quota_notices (tenant_id, quota, per, period_start, mark) VALUES ($1, 'executions', 'day', now(), 'soft')",
		"INSERT INTO idempotency_keys (scope, key, route, fingerprint) VALUES ($1::uuid::text, 'k', 'r', '')",
	} {
		_, err := db.Exec(ctx, statement, tenant)
		require.NoError(t, err, statement)
	}
	return tenant
}

// tenantTables lists the tables of the role, and the column that says whose a row is.
func tenantTables(t *testing.T, db *pgxpool.Pool) map[string]string {
	t.Helper()
	rows, err := db.Query(context.Background(), `
		SELECT c.relname, CASE c.relname WHEN 'tenants' THEN 'id' WHEN 'idempotency_keys' THEN 'scope' ELSE 'tenant_id' END, c.relrowsecurity,
		       EXISTS (SELECT FROM pg_policies p WHERE p.tablename = c.relname AND p.policyname = 'jsruntime_tenant_rows')
		FROM pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'jsruntime_changes'
		  AND (c.relname IN ('tenants', 'idempotency_keys') OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))`)
	require.NoError(t, err)
	tables := make(map[string]string)
	var name, column string
	var enabled, policy bool
	_, err = pgx.ForEachRow(rows, []any{&name, &column, &enabled, &policy}, func() error {
		require.True(t, enabled && policy, "%s is not protected: its migration must call jsruntime_protect_tenant_tables()", name)
		tables[name] = column
		return nil
	})
	require.NoError(t, err)
	return tables
}

func TestEveryTenantTableShowsOnlyTheTenantsRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	mine, theirs := fill(t, db, "mine"), fill(t, db, "theirs")
	tables := tenantTables(t, db)
	require.Greater(t, len(tables), 17)
	seen := 0
	require.NoError(t, tenantdb.WithinTx(ctx, db, pgx.TxOptions{}, mine, func(tx pgx.Tx, _ *sqlc.Queries) error {
		for table, column := range tables {
			var own, others int
			require.NoError(t, tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FILTER (WHERE %[2]s::text = $1), count(*) FILTER (WHERE %[2]s::text IS DISTINCT FROM $1) FROM %[1]s",
				table, column), mine.String()).Scan(&own, &others), table)
			require.Zero(t, others, table)
			seen += own
		}
		return nil
	}))
	require.GreaterOrEqual(t, seen, 27, "one row of each table that fill knows, the queue's of its pending execution, and those of partitioned tables by the name of their partition too")

	// Writing as somebody else, and reaching for somebody else's row.
	for statement, want := range map[string]string{
		"INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext) VALUES ($1, 'T', '', '')":            "row-level security",
		"INSERT INTO script_vars (tenant_id, name, value) VALUES ($1, 'T', '')":                               "row-level security",
		"INSERT INTO idempotency_keys (scope, key, route, fingerprint) VALUES ($1::uuid::text, 'x', 'r', '')": "row-level security",
		"UPDATE script_secrets SET tenant_id = $1":                                                            "row-level security",
		"UPDATE tenants SET name = 'x' WHERE id = $1":                                                         "permission denied",
		"DELETE FROM audit_log WHERE tenant_id <> $1":                                                         "permission denied",
		"SELECT * FROM jsruntime_changes WHERE tenant_id = $1":                                                "permission denied",
		"SELECT * FROM nodes WHERE id = $1":                                                                   "permission denied",
		"WITH x AS (SELECT $1::uuid) SELECT jsruntime_protect_tenant_tables()":                                "permission denied",
	} {
		err := tenantdb.WithinTx(ctx, db, pgx.TxOptions{}, mine, func(tx pgx.Tx, _ *sqlc.Queries) error {
			_, err := tx.Exec(ctx, statement, theirs)
			return err
		})
		require.ErrorContains(t, err, want, statement)
	}
	require.NoError(t, tenantdb.WithinTx(ctx, db, pgx.TxOptions{}, mine, func(tx pgx.Tx, _ *sqlc.Queries) error {
		tag, err := tx.Exec(ctx, "DELETE FROM script_secrets WHERE tenant_id = $1", theirs)
		require.NoError(t, err)
		require.Zero(t, tag.RowsAffected())
		// Its own row, and the cascade and the trigger that go with it, work.
		tag, err = tx.Exec(ctx, "DELETE FROM scripts WHERE name = 's'")
		require.NoError(t, err)
		require.EqualValues(t, 1, tag.RowsAffected())
		return nil
	}))
	var left int
	require.NoError(t, db.QueryRow(ctx, "SELECT count(*) FROM script_execution_logs WHERE tenant_id = $1", mine).Scan(&left))
	require.Zero(t, left)
	require.NoError(t, db.QueryRow(ctx, "SELECT count(*) FROM jsruntime_changes WHERE table_name = 'scripts' AND tenant_id = $1", mine).Scan(&left))
	require.Equal(t, 2, left)
}

func TestRoleAndTenantEndWithTheTransaction(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	tenant := fill(t, db, "one")
	conn, err := db.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	state := func(q interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}) (role, setting string) {
		require.NoError(t, q.QueryRow(ctx, "SELECT current_user, COALESCE(current_setting('jsruntime.tenant_id', true), '')").Scan(&role, &setting))
		return role, setting
	}
	before, _ := state(conn)
	require.NoError(t, tenantdb.WithinTx(ctx, conn, pgx.TxOptions{}, tenant, func(tx pgx.Tx, _ *sqlc.Queries) error {
		role, setting := state(tx)
		require.Equal(t, "jsruntime_tenant", role)
		require.Equal(t, tenant.String(), setting)
		return nil
	}))
	role, setting := state(conn)
	require.Equal(t, before, role)
	require.Empty(t, setting)

	// A transaction that took the role and no tenant sees nothing.
	require.NoError(t, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SET LOCAL ROLE jsruntime_tenant")
		require.NoError(t, err)
		var n int
		require.NoError(t, tx.QueryRow(ctx, "SELECT count(*) FROM scripts").Scan(&n))
		require.Zero(t, n)
		return nil
	}))
	require.Error(t, tenantdb.Within(ctx, conn, uuid.Nil, func(*sqlc.Queries) error { return nil }))
}

func TestPoliciesUseTheTenantsIndexes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	tenant := fill(t, db, "one")
	require.NoError(t, tenantdb.WithinTx(ctx, db, pgx.TxOptions{}, tenant, func(tx pgx.Tx, _ *sqlc.Queries) error {
		_, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off")
		require.NoError(t, err)
		rows, err := tx.Query(ctx, "EXPLAIN SELECT * FROM script_executions ORDER BY id DESC LIMIT 50")
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Contains(t, strings.Join(lines, "\n"), "Index Scan Backward using script_executions_default_tenant_id_id_idx")
		return nil
	}))
}

// Four databases of one server migrate at once, as a fresh user without superuser's rights, so that role and membership do not
// exist yet.
func TestMigratingManyDatabasesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	first := dbtest.Empty(t)
	conn, err := pgx.Connect(ctx, first)
	require.NoError(t, err)
	defer conn.Close(ctx)
	user := "jsr_user_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = conn.Exec(ctx, "CREATE ROLE "+user+" LOGIN CREATEROLE PASSWORD 'x'")
	require.NoError(t, err)
	t.Cleanup(func() {
		c, err := pgx.Connect(ctx, first)
		require.NoError(t, err)
		defer c.Close(ctx)
		_, err = c.Exec(ctx, "DROP OWNED BY "+user+" CASCADE")
		require.NoError(t, err)
		_, err = c.Exec(ctx, "DROP ROLE "+user)
		require.NoError(t, err)
	})
	var version int
	require.NoError(t, conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version))
	if version >= 160000 {
		// Since Postgres 16 only who made a role may hand it on, and here that was the superuser who made the template.
		_, err = conn.Exec(ctx, "GRANT jsruntime_tenant TO "+user)
		require.NoError(t, err)
	}
	var group errgroup.Group
	var urls []string
	for range 4 {
		database := dbtest.Empty(t)
		u, err := url.Parse(database)
		require.NoError(t, err)
		owner, err := pgx.Connect(ctx, database)
		require.NoError(t, err)
		_, err = owner.Exec(ctx, "GRANT CREATE, USAGE ON SCHEMA public TO "+user)
		require.NoError(t, err)
		require.NoError(t, owner.Close(ctx))
		u.User = url.UserPassword(user, "x")
		group.Go(func() error { return migrations.Up(ctx, u.String()) })
		group.Go(func() error { return migrations.Up(ctx, u.String()) })
		urls = append(urls, u.String())
	}
	require.NoError(t, group.Wait())
	for _, u := range urls {
		db, err := pgxpool.New(ctx, u)
		require.NoError(t, err)
		tenant := fill(t, db, "one")
		require.NoError(t, tenantdb.Read(ctx, db, tenant, func(q *sqlc.Queries) error {
			_, err := q.TenantGet(ctx, tenant)
			return err
		}))
		db.Close()
	}
}

func TestCheckSaysWhoMayNotBecomeTheRole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	require.NoError(t, tenantdb.Check(ctx, db))
	user := "jsr_user_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	tx, err := db.Begin(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(ctx)) }()
	_, err = tx.Exec(ctx, "CREATE ROLE "+user+"; SET LOCAL ROLE "+user)
	require.NoError(t, err)
	err = tenantdb.Check(ctx, tx)
	require.ErrorContains(t, err, fmt.Sprintf("GRANT jsruntime_tenant TO %q;", user))
	_, err = tx.Exec(ctx, "RESET ROLE; GRANT jsruntime_tenant TO "+user+"; SET LOCAL ROLE "+user)
	require.NoError(t, err)
	require.NoError(t, tenantdb.Check(ctx, tx))
}

func TestCheckPassesADatabaseWithoutSchema(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dbtest.Empty(t))
	require.NoError(t, err)
	defer conn.Close(ctx)
	require.NoError(t, tenantdb.Check(ctx, conn))
}

// What a lost machine leaves open, Postgres ends.
func TestServiceTransactionsEndWithTheirMachine(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	setting := func(q interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}) string {
		var text string
		require.NoError(t, q.QueryRow(t.Context(), "SHOW idle_in_transaction_session_timeout").Scan(&text))
		return text
	}
	conn, err := db.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	before := setting(conn)
	require.NoError(t, pgx.BeginTxFunc(t.Context(), conn, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		require.Equal(t, "10s", setting(tx))
		return nil
	}))
	require.Equal(t, before, setting(conn), "it is the transaction's own")
}
