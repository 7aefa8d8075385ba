package migrations_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestLargeValuesAreLZ4: where the server has it, in every partition.
func TestLargeValuesAreLZ4(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	if _, err := db.Exec(ctx, "CREATE TABLE compressed (x text COMPRESSION lz4)"); err != nil {
		t.Skip("this server has no lz4: ", err)
	}
	rows, err := db.Query(ctx, `SELECT format('%s.%s', t.relid::regclass, a.attname)
		FROM (VALUES ('script_executions', 'input'), ('script_executions', 'output'), ('script_execution_logs', 'message'), ('script_execution_calls', 'bodies'), ('script_events', 'data'),
			('script_event_dead_letters', 'event_data')) c(relname, attname)
		CROSS JOIN LATERAL (SELECT c.relname::regclass AS relid UNION SELECT p.relid FROM pg_partition_tree(c.relname::regclass) p) t
		JOIN pg_attribute a ON a.attrelid = t.relid AND a.attname = c.attname WHERE a.attcompression <> 'l'`)
	require.NoError(t, err)
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, others)

	// And a value is stored so.
	_, err = db.Exec(ctx, "INSERT INTO tenants (slug, name) VALUES ('t', 'T')")
	require.NoError(t, err)
	_, err = db.Exec(ctx, `INSERT INTO script_events (tenant_id, id, type, data)
		SELECT t.id, 'e', 'a', (SELECT jsonb_agg(jsonb_build_object('id', g, 'name', 'item ' || g, 'price', g * 7 % 1000)) FROM generate_series(1, 1500) g) FROM tenants t`)
	require.NoError(t, err)
	var method string
	require.NoError(t, db.QueryRow(ctx, "SELECT pg_column_compression(data) FROM script_events").Scan(&method))
	require.Equal(t, "lz4", method)
}
