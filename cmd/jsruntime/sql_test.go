//go:build linux

package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestRowsWrittenBySQL writes scripts and their rows with the data model's columns alone, and nothing of ours.
func TestRowsWrittenBySQL(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	n := start(t, nodeConfig{databaseURL: url})
	key := n.tenant("acme")
	ctx := t.Context()
	db, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer db.Close(context.Background())
	one := func(sql string, args ...any) (text string) {
		t.Helper()
		require.NoError(t, db.QueryRow(ctx, sql, args...).Scan(&text), sql)
		return text
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := db.Exec(ctx, sql, args...)
		require.NoError(t, err, sql)
	}
	script := func(name, kind, source string) string {
		t.Helper()
		return one(`INSERT INTO scripts (tenant_id, organization_id, name, source, type, status)
			SELECT t.id, o.id, $1, $2, $3, 'active' FROM tenants t JOIN organizations o ON o.tenant_id = t.id WHERE t.slug = 'acme' RETURNING id::text`, name, source, kind)
	}

	// An endpoint, with TypeScript as its source; another source is another version.
	web := script("web", "http", `export default { fetch(r: Request, env, ctx) { return new Response("first " + ctx.version) } }`)
	exec(`INSERT INTO script_http_endpoints (script_id, tenant_id, http_path, http_methods) SELECT id, tenant_id, '/web', '{GET}' FROM scripts WHERE id = $1`, web)
	n.live("/t/acme/web")
	answers := func(want string) func() bool {
		return func() bool {
			_, text := n.try("GET", "/t/acme/web", "", nil)
			return text == want
		}
	}
	require.Eventually(t, answers("first 1"), 30*time.Second, 20*time.Millisecond)
	exec(`UPDATE scripts SET source = 'export default { fetch(r, env, ctx) { return new Response("second " + ctx.version) } }' WHERE id = $1`, web)
	require.Eventually(t, answers("second 2"), 30*time.Second, 20*time.Millisecond)
	versions := n.must(200, "GET", "/api/v1/scripts/"+web+"/versions", key, nil)["items"].([]any)
	require.Len(t, versions, 2, "what was compiled is kept")
	require.Equal(t, "2", one(`SELECT count(*)::text FROM script_versions WHERE script_id = $1 AND compiled <> ''`, web))

	// A source that does not compile is its author's fault, and says where.
	broken := script("broken", "oneoff", "export default {\n  run( {}\n}")
	ended := n.must(200, "POST", "/api/v1/scripts/"+broken+"/executions?wait=true", key, map[string]any{})
	require.Equal(t, "boot_error", ended["error_code"])
	require.Contains(t, ended["error"], "source:", ended)

	// A schedule whose next tick is set runs it; is_active is none of the data model's columns.
	tick := script("tick", "scheduled", `export default { scheduled() { return "ticked" } }`)
	exec(`INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, next_run_at) SELECT id, tenant_id, '* * * * * *', now() FROM scripts WHERE id = $1`, tick)
	// A run that waits in the queue.
	once := script("once", "oneoff", `export default { run(input) { return input.n + 1 } }`)
	queued := one(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, input) SELECT id, tenant_id, 'pending', 'manual', '{"n": 41}' FROM scripts WHERE id = $1 RETURNING id::text`, once)
	output := func(where, id string) func() bool {
		return func() bool {
			var raw *json.RawMessage
			err := db.QueryRow(ctx, `SELECT output FROM script_executions WHERE `+where+` = $1 AND status = 'completed' LIMIT 1`, id).Scan(&raw)
			return err == nil && raw != nil && (string(*raw) == "42" || string(*raw) == `"ticked"`)
		}
	}
	require.Eventually(t, output("id", queued), time.Minute, 50*time.Millisecond)
	require.Eventually(t, output("script_id", tick), time.Minute, 50*time.Millisecond)
	// Its script stopped by SQL, the schedule is stopped.
	exec(`UPDATE scripts SET status = 'paused' WHERE id = $1`, tick)
	require.Equal(t, "false", one(`SELECT is_active::text FROM script_scheduled_jobs WHERE script_id = $1`, tick))

	// History of another system.
	exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, output) SELECT id, tenant_id, 'completed', 'manual', '1' FROM scripts WHERE id = $1`, once)
	require.Equal(t, "0", one(`SELECT count(*)::text FROM script_executions WHERE status = 'completed' AND completed_at IS NULL`))
	exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, completed_at) SELECT id, tenant_id, 'pending', 'manual', now() FROM scripts WHERE id = $1`, broken)
	require.NotContains(t, strings.ToLower(n.log.String()), `"level":"error"`)
}
