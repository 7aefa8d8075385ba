package migrations_test

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

//go:embed testdata/filled.sql
var filled string

//go:embed testdata/data_model.txt
var given string

var (
	// queryText is a query as sqlc has written it.
	queryText = regexp.MustCompile("(?s)const \\w+ = `-- name: (\\w+) :(\\w+)\n(.*?)`")
	// optional is a filter that may be left out.
	optional = regexp.MustCompile(`\$(\d+)::\w+ IS NULL OR`)
	// planned is a table or index in a plan.
	planned = regexp.MustCompile(`(Seq Scan|Index Scan|Index Only Scan|Index Scan Backward|Index Only Scan Backward) (?:using (\S+) )?on (\S+)|Bitmap Index Scan on (\S+)`)
)

// walks are queries that read a whole table that grows, and why they may.
var walks = map[string]string{
	"AuditListAll":        "the operator alone asks for a rare action or object of all tenants, and an index for each filter would cost every change",
	"StorageOver":         "sums what every tenant stores",
	"ConsoleSessionPrune": "sessions of people are few, and end by either of two times",
	"VersionPrune":        "which versions are none of the newest of their script is no range of an index",
	"StorageStale":        "looks for the tenant whose count is the oldest",
}

// beside are statements that no file of queries has: those of our functions, in the form in which they ask a table.
var beside = map[string]string{
	"jsruntime_emit":            "SELECT w.id FROM webhooks w WHERE w.tenant_id = $1::uuid OR w.tenant_id IS NULL",
	"jsruntime_emit waiting":    "SELECT FROM webhook_deliveries d WHERE d.webhook_id = $1::uuid AND d.status = 'pending' LIMIT 1000",
	"jsruntime_completed_since": "SELECT sum(u.executions) FROM script_usage_daily u WHERE u.tenant_id = $1::uuid AND u.script_id = $2::uuid AND u.outcome = 'completed' AND u.day = ANY ($3::date[])",
	"jsruntime_recover_scripts": "SELECT h.script_id FROM script_health h WHERE h.failing_since IS NOT NULL AND h.script_id > $1::uuid ORDER BY h.script_id LIMIT 1000",
	"jsruntime_open_breakers":   "SELECT h.script_id FROM script_health h WHERE h.opening ORDER BY h.script_id LIMIT 100",
	"jsruntime_queue_full":      "SELECT count(*) FROM script_executions e WHERE e.tenant_id = $1::uuid AND e.status = 'pending' LIMIT 100",
	"jsruntime_enqueue_event":   "SELECT DISTINCT u.script_id FROM script_event_subscriptions u WHERE u.tenant_id = $1::uuid AND u.is_active AND u.event_type = ANY ($2::text[])",
}

// planner are the settings under which queries are planned, where they have any: those of PlanByRows and QueuePlanByIndex.
func planner(name string) string {
	switch {
	case strings.HasPrefix(name, "ExecutionPage"):
		return "SELECT set_config('random_page_cost', '0', true), set_config('seq_page_cost', '0', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
	case strings.HasPrefix(name, "Execution"):
		return "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
	}
	return "SELECT 1"
}

type explained struct{ seq, used map[string]string }

// explainAll plans every query on a filled database: which tables they walk through, and which indexes they use.
func explainAll(t *testing.T, conn *pgx.Conn) explained {
	t.Helper()
	queries := maps.Clone(beside)
	files, err := filepath.Glob("../sqlc/*.sql.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range queryText.FindAllStringSubmatch(string(text), -1) {
			queries[m[1]] = m[3]
		}
	}
	require.Greater(t, len(queries), 150)
	// What Postgres asks itself when a row goes that others refer to.
	rows, err := conn.Query(t.Context(), `SELECT k.conname, format('SELECT FROM %s x WHERE %s', k.conrelid::regclass, (SELECT string_agg(format('x.%I = $%s::%s', a.attname, n, format_type(a.atttypid, NULL)), ' AND ')
			FROM unnest(k.conkey) WITH ORDINALITY c(num, n) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.num))
		FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0`)
	require.NoError(t, err)
	var name, text string
	_, err = pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		queries["foreign key "+name] = text
		return nil
	})
	require.NoError(t, err)

	all := explained{map[string]string{}, map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		variants := []string{""}
		for _, m := range optional.FindAllStringSubmatch(queries[name], -1) {
			variants = append(variants, m[1])
		}
		for _, given := range variants {
			for _, m := range planned.FindAllStringSubmatch(explain(t, conn, name, queries[name], given), -1) {
				switch {
				case m[1] == "Seq Scan":
					all.seq[name+" "+m[3]] = m[3]
				case m[4] != "":
					all.used[m[4]] = name
				default:
					all.used[m[2]] = name
				}
			}
		}
	}
	return all
}

// explain plans a query with values, and with the one of its optional filters that is given. (Postgres takes a plan for all values only where
// it finds it as good.)
func explain(t *testing.T, conn *pgx.Conn, name, text, given string) (plan string) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), planner(name))
		require.NoError(t, err)
		mode := "force_custom_plan"
		if strings.HasPrefix(name, "ExecutionPage") {
			mode = "force_generic_plan"
		}
		_, err = tx.Exec(t.Context(), "SELECT set_config('plan_cache_mode', $1, true)", mode)
		require.NoError(t, err)
		prepared, err := tx.Prepare(t.Context(), "", text)
		require.NoError(t, err, name)
		var types, values []string
		for i, oid := range prepared.ParamOIDs {
			var typ string
			require.NoError(t, tx.QueryRow(t.Context(), "SELECT format_type($1, NULL)", oid).Scan(&typ))
			types, values = append(types, typ), append(values, value(text, typ, i+1, given))
		}
		call := "EXECUTE explained"
		statement := "PREPARE explained AS " + text
		if len(types) > 0 {
			statement = fmt.Sprintf("PREPARE explained (%s) AS %s", strings.Join(types, ", "), text)
			call += "(" + strings.Join(values, ", ") + ")"
		}
		_, err = tx.Exec(t.Context(), statement)
		require.NoError(t, err, name)
		rows, err := tx.Query(t.Context(), "EXPLAIN (COSTS off) "+call)
		require.NoError(t, err, "%s: %s", name, call)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, "%s: %s", name, call)
		plan = strings.Join(lines, "\n")
		_, err = tx.Exec(t.Context(), "DEALLOCATE explained")
		return err
	}))
	return plan
}

// value is a value of a type for the n-th parameter of a query.
func value(text, typ string, n int, given string) string {
	param := "$" + strconv.Itoa(n)
	if slices.ContainsFunc(optional.FindAllStringSubmatch(text, -1), func(m []string) bool { return m[1] == strconv.Itoa(n) && m[1] != given }) {
		return "NULL"
	}
	has := func(before, after string) bool {
		return regexp.MustCompile(regexp.QuoteMeta(before+param) + `\b` + after).MatchString(text)
	}
	tenant := "'00000000-0000-0000-0000-000000000002'::uuid"
	if strings.Contains(text, "tags @>") { // of the tenant with many scripts
		tenant = "'00000000-0000-0000-0000-000000000001'::uuid"
	}
	switch {
	case has(">= ", "::uuid"):
		return "'01700000-0000-0000-0000-000000000000'::uuid"
	case has("< ", "::uuid"):
		return "'02000000-0000-0000-0000-000000000000'::uuid"
	case has("e.status = ", ""):
		return "'failed'::text"
	case has("trigger_type = ", ""):
		return "'event'::text"
	case has("secs => ", ""): // an age that few rows have
		return "8000000"
	case has("(", `::bigint\)::text::xid8`): // of the newest changes
		return "79990"
	case has("tags @> ARRAY[", "::text"):
		return "'tag7'::text"
	case has("error_code = ", ""):
		return "'exception'::text"
	}
	if element, ok := strings.CutSuffix(typ, "[]"); ok {
		return "ARRAY[" + value("", element, n, "") + "]::" + typ
	}
	switch typ {
	case "uuid":
		return tenant
	case "boolean":
		return "true"
	case "integer", "bigint", "smallint", "double precision", "numeric":
		return "50"
	case "jsonb", "json":
		return "'{}'"
	case "bytea":
		return "'x'::bytea"
	case "timestamp with time zone", "date":
		return "now()::" + typ
	case "interval":
		return "interval '1 day'"
	default:
		return "'50'::" + typ
	}
}

// TestEveryQueryHasItsIndex plans every query on a filled database. None walks through a table that grows, and every index that we have
// added to the data model's is used by one of them: what no query uses costs every write.
func TestEveryQueryHasItsIndex(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dbtest.URL(t))
	require.NoError(t, err)
	defer conn.Close(ctx)
	dbtest.PastDays(t, conn, 3, "script_executions", "script_execution_logs", "script_execution_calls")
	_, err = conn.Exec(ctx, filled)
	require.NoError(t, err)
	all := explainAll(t, conn)

	// Tables that grow, and for indexes of partitions their parents'.
	rows, err := conn.Query(ctx, `SELECT c.relname::text, c.relname::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.reltuples > 2000
		UNION ALL SELECT c.relname::text, p.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent WHERE c.relkind = 'i'`)
	require.NoError(t, err)
	parent := map[string]string{}
	var name, of string
	_, err = pgx.ForEachRow(rows, []any{&name, &of}, func() error {
		parent[name] = of
		return nil
	})
	require.NoError(t, err)
	for _, where := range slices.Sorted(maps.Keys(all.seq)) {
		query, table, _ := strings.Cut(where, " ")
		if _, grows := parent[table]; grows && walks[query] == "" {
			t.Errorf("%s walks through %s", query, table)
		}
	}

	used := map[string]bool{}
	for index := range all.used {
		used[index] = true
		used[parent[index]] = true
	}
	rows, err = conn.Query(ctx, `SELECT c.relname::text FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
		WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND NOT x.indisunique AND c.relname NOT LIKE 'goose%' ORDER BY 1`)
	require.NoError(t, err)
	ours, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, index := range ours {
		if !used[index] && !strings.Contains(given, " "+index+" ") {
			t.Errorf("no query uses %s", index)
		}
	}
}
