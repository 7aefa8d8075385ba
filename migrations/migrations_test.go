package migrations_test

import (
	"context"
	"database/sql"
	_ "embed"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/dbtest"
)

// dataModel is what Postgres says of the seven tables when they are made from the data model's own statements: each column with
// type, nullability and default, each constraint with its rule, each index. Taken from Postgres 15 once, and not from our
// migrations.
//
//go:embed testdata/data_model.txt
var dataModel string

const sevenTables = `('scripts', 'script_executions', 'script_versions', 'script_event_subscriptions', 'script_scheduled_jobs',
	'script_http_endpoints', 'script_event_dead_letters')`

func describe(t *testing.T, db *pgxpool.Pool) map[string]bool {
	t.Helper()
	rows, err := db.Query(context.Background(), `
		SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
			|| CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
			|| COALESCE(' DEFAULT ' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), '\s+', ' ', 'g'), '')
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relkind IN ('r', 'p') AND c.relname IN `+sevenTables+`
		UNION ALL
		SELECT c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relname IN `+sevenTables+`
		UNION ALL
		SELECT replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes WHERE tablename IN `+sevenTables)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	described := make(map[string]bool)
	for _, line := range lines {
		described[line] = true
	}
	return described
}

func TestDataModelStandsAsGiven(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	have := describe(t, db)
	lines := strings.Split(strings.TrimSpace(dataModel), "\n")
	require.Len(t, lines, 131)
	given := make(map[string]bool)
	for _, line := range lines {
		given[line] = true
		if !have[line] {
			t.Errorf("the data model's is gone or changed: %s", line)
		}
	}
	// What is added must let the data model's own INSERTs work: a column is nullable or has a default.
	for line := range have {
		column, rest, _ := strings.Cut(line, " ")
		if given[line] || !strings.Contains(column, ".") {
			continue
		}
		if strings.Contains(rest, "NOT NULL") && !strings.Contains(rest, "DEFAULT") {
			t.Errorf("added without a default: %s", line)
		}
	}
}

func TestReferencedTables(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	rows, err := db.Query(context.Background(), `
		SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name IN ('tenants', 'organizations', 'users', 'api_keys')`)
	require.NoError(t, err)
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Subset(t, columns, []string{
		"tenants.id uuid", "tenants.slug character varying", "tenants.name character varying", "tenants.status character varying",
		"tenants.settings jsonb", "tenants.created_at timestamp with time zone",
		"organizations.id uuid", "organizations.tenant_id uuid", "organizations.name character varying",
		"users.id integer", "users.tenant_id uuid", "users.organization_id uuid", "users.email character varying",
		"users.name character varying", "users.role character varying",
		"api_keys.key_hash bytea", "api_keys.prefix character varying", "api_keys.role character varying", "api_keys.tenant_id uuid",
	})
}

// Every migration can be taken back, and applied again.
func TestDownAndUpAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := dbtest.Empty(t)
	require.NoError(t, migrations.Up(ctx, url))
	require.NoError(t, migrations.Up(ctx, url), "twice is once")
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("."))
	require.NoError(t, err)
	_, err = provider.DownTo(ctx, 0)
	require.NoError(t, err)
	var left []string
	rows, err := db.QueryContext(ctx, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v')
		AND relname NOT LIKE 'goose%' UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		left = append(left, name)
	}
	require.NoError(t, rows.Err())
	require.Empty(t, left)
	require.NoError(t, migrations.Up(ctx, url))
}
