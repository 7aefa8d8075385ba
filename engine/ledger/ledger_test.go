package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/migrations/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seed makes a tenant with one script.
func seed(t testing.TB, db *pgxpool.Pool) *engine.Script {
	t.Helper()
	s := &engine.Script{Name: "sample", Type: "http", Version: 3, TenantSlug: "acme"}
	require.NoError(t, db.QueryRow(context.Background(), `
		WITH t AS (INSERT INTO tenants (slug, name) VALUES ('t-' || substr(gen_random_uuid()::text, 1, 8), 'T') RETURNING id),
		     o AS (INSERT INTO organizations (tenant_id, name) SELECT id, 'default' FROM t RETURNING id, tenant_id)
		INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, version)
		SELECT o.tenant_id, o.id, 'sample', '', 'http', 'active', 3 FROM o RETURNING id, tenant_id, organization_id`,
	).Scan(&s.ID, &s.TenantID, &s.OrganizationID))
	return s
}

func start(t testing.TB, cfg ledger.Config) *ledger.Ledger {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	l, err := ledger.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return l
}

func httpRun(script *engine.Script) (*engine.Invocation, *engine.Result) {
	id, _ := uuid.NewV7()
	began := time.Now().Add(-5 * time.Millisecond).UTC().Truncate(time.Microsecond)
	inv := &engine.Invocation{
		ExecutionID: id, Script: script, Trigger: engine.TriggerHTTP, Handler: engine.HandlerFetch, Attempt: 1,
		QueuedAt: began.Add(-time.Millisecond),
		Request: &engine.Request{
			Method: "POST", URL: "https://api.example.org/orders/7?a=1&b=2&a=%C3%A9", Headers: []string{"authorization", "Bearer x", "accept", "*/*"},
			Body: []byte(`{"n":1}`), HasBody: true,
		},
	}
	res := &engine.Result{
		Response: &engine.Response{Status: 201, Headers: []string{"content-type", "text/plain", "Set-Cookie", "s=1"}, Body: []byte("made")},
		Metrics: engine.Metrics{
			Duration: 1500 * time.Microsecond, CPU: time.Millisecond, Queue: time.Millisecond, ColdStart: true, PeakMemoryBytes: 1000,
			APICalls: 2, OutputBytes: 4, LogBytes: 5, EgressBytes: 6,
		},
		Logs:  []engine.LogLine{{Seq: 1, Level: "info", Message: "hello", At: began}, {Seq: 1, Level: "odd", Message: "a\x00b", At: began}},
		Began: true, StartedAt: began, EndedAt: began.Add(1500 * time.Microsecond),
	}
	return inv, res
}

func count(t testing.TB, db *pgxpool.Pool, what string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(context.Background(), "SELECT count(*) FROM "+what, args...).Scan(&n))
	return n
}

func TestRecordWritesEverything(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script, node := seed(t, db), uuid.New()
	l := start(t, ledger.Config{Pool: db, NodeID: node})
	inv, res := httpRun(script)
	inv.ParentID = uuid.New()
	res.Calls = []engine.Call{
		{Seq: 0, Kind: engine.CallKV, Operation: "get", Target: "cart/1", StartedAt: res.StartedAt, Duration: 1500 * time.Microsecond, RequestBytes: 3, ResponseBytes: 4},
		{
			Seq: 1, Kind: engine.CallFetch, Operation: "POST", Target: "https://example.com/x", Status: 502, StartedAt: res.StartedAt, Error: "no", ErrorCode: "fetch_failed",
			Bodies: &engine.CallBodies{Request: []byte("in"), Response: json.RawMessage(`{"status":502,"headers":[["set-cookie","s=1"]],"hasBody":true}`), Body: []byte{0xff}},
		},
	}
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))

	var status, trigger, handler string
	var triggerData, input, output, metrics json.RawMessage
	var version, attempt int
	var gotNode, parent uuid.UUID
	var started, completed, queued time.Time
	require.NoError(t, db.QueryRow(ctx, `SELECT status, trigger_type, handler, trigger_data, input, output, metrics, version, attempt,
		node_id, parent_id, started_at, completed_at, queued_at FROM script_executions WHERE id = $1`, inv.ExecutionID).Scan(
		&status, &trigger, &handler, &triggerData, &input, &output, &metrics, &version, &attempt, &gotNode, &parent, &started, &completed, &queued))
	require.Equal(t, []any{"completed", "http", "fetch", 3, 1, node, inv.ParentID},
		[]any{status, trigger, handler, version, attempt, gotNode, parent})
	require.JSONEq(t, `{"method":"POST","path":"/orders/7","parent_id":"`+inv.ParentID.String()+`","redacted":["headers.authorization"]}`, string(triggerData))
	require.JSONEq(t, `{"method":"POST","path":"/orders/7","url":"https://api.example.org/orders/7?a=1&b=2&a=%C3%A9","params":{},"headers":{"authorization":"[redacted]","accept":"*/*"},
		"query":{"a":["1","é"],"b":"2"},"body":"{\"n\":1}"}`, string(input))
	require.JSONEq(t, `{"status":201,"headers":{"content-type":"text/plain","set-cookie":"[redacted]"},"body":"made"}`, string(output))
	require.JSONEq(t, `{"duration_ms":1.5,"cpu_ms":1,"queue_ms":1,"cold_start":true,"peak_memory_bytes":1000,"api_calls":2,
		"output_bytes":4,"log_bytes":5}`, string(metrics))
	require.True(t, started.Equal(res.StartedAt) && completed.Equal(res.EndedAt) && queued.Equal(inv.QueuedAt))

	require.Equal(t, 1, count(t, db, `script_execution_calls WHERE execution_id = $1 AND seq = 0 AND tenant_id = $2 AND script_id = $3 AND kind = 'kv' AND operation = 'get'
		AND target = 'cart/1' AND status IS NULL AND started_at = $4 AND duration_us = 1500 AND request_bytes = 3 AND response_bytes = 4 AND error IS NULL
		AND error_code IS NULL AND bodies IS NULL`, inv.ExecutionID, script.TenantID, script.ID, res.StartedAt))
	require.Equal(t, 1, count(t, db, `script_execution_calls WHERE execution_id = $1 AND seq = 1 AND status = 502 AND error = 'no' AND error_code = 'fetch_failed'
		AND bodies = '{"request": "in", "response": {"status": 502, "status_text": "", "headers": [["set-cookie", "[redacted]"]], "url": "", "redirected": false, "body": {"base64": "/w=="}}}'`, inv.ExecutionID))
	require.Equal(t, 1, count(t, db, "script_execution_logs WHERE execution_id = $1 AND seq = 2 AND level = 'info' AND message = E'a\ufffdb'", inv.ExecutionID))
	require.Equal(t, 1, count(t, db, `script_usage_daily WHERE script_id = $1 AND outcome = 'completed' AND executions = 1
		AND cpu_ms = 1 AND duration_ms = 1.5 AND memory_byte_ms = 1500 AND egress_bytes = 6 AND api_calls = 2`, script.ID))
}

func TestFailureIsRecordedWithItsCode(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l := start(t, ledger.Config{Pool: db})
	inv, res := httpRun(script)
	res.Response, res.Code, res.Message, res.Stack = nil, engine.CodeExceededWallTime, "limit 5 \x00", "at x"
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 1, count(t, db, `script_executions WHERE id = $1 AND status = 'timeout' AND error_code = 'exceeded_wall_time'
		AND error = E'limit 5 \ufffd' AND error_stack = 'at x' AND output IS NULL`, inv.ExecutionID))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE outcome = 'exceeded_wall_time'"))
}

func TestRowsAreOnRecordWithoutFlush(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l := start(t, ledger.Config{Pool: db})
	inv, res := httpRun(script)
	require.NoError(t, l.Record(ctx, inv, res))
	require.Eventually(t, func() bool { return l.Stats().Written == 1 }, 10*time.Second, time.Millisecond)
	require.Equal(t, 1, count(t, db, "script_executions"))
}

func TestShutdownWritesWhatWaits(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, err := ledger.New(ledger.Config{Pool: db, FlushInterval: time.Hour, BatchRows: 100})
	require.NoError(t, err)
	for range 50 {
		inv, res := httpRun(script)
		require.NoError(t, l.Record(context.Background(), inv, res))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, l.Run(ctx))
	require.Equal(t, 50, count(t, db, "script_executions"))
	inv, res := httpRun(script)
	require.ErrorIs(t, l.Record(context.Background(), inv, res), ledger.ErrClosed)
	require.EqualValues(t, 1, l.Stats().Refused)
}

func TestFullBufferHoldsCallersBack(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, err := ledger.New(ledger.Config{Pool: db, BufferBytes: 8 << 10})
	require.NoError(t, err)
	full := errors.New("client left")
	ctx, cancel := context.WithCancelCause(context.Background())
	recorded := 0
	time.AfterFunc(200*time.Millisecond, func() { cancel(full) })
	for {
		inv, res := httpRun(script)
		if err := l.Record(ctx, inv, res); err != nil {
			require.ErrorIs(t, err, full)
			break
		}
		recorded++
	}
	require.Positive(t, recorded)
	require.Less(t, recorded, 8)
	require.EqualValues(t, 1, l.Stats().Refused)
	require.EqualValues(t, 8<<10, l.Stats().BufferBytes)
	// Nobody has written yet. Now somebody does, and a caller that waits gets its room.
	run, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(run) }()
	inv, res := httpRun(script)
	require.NoError(t, l.Record(context.Background(), inv, res))
	stop()
	require.NoError(t, <-done)
	require.Equal(t, recorded+1, count(t, db, "script_executions"))
}

func TestFullOnceNothingIsWritten(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, err := ledger.New(ledger.Config{Pool: db, BufferBytes: 64 << 10})
	require.NoError(t, err)
	require.False(t, l.Full())
	// Nobody writes, as with a Postgres that hangs.
	recorded := 0
	require.Eventually(t, func() bool {
		if l.Stats().BacklogBytes <= 60<<10 {
			inv, res := httpRun(script)
			require.NoError(t, l.Record(ctx, inv, res))
			recorded++
		}
		return l.Full()
	}, 30*time.Second, time.Millisecond)
	// What had begun still has room.
	inv, res := httpRun(script)
	require.NoError(t, l.Record(ctx, inv, res))
	// Once rows are written, it is over.
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.Run(run) }()
	require.NoError(t, l.Flush(ctx))
	require.False(t, l.Full())
	stop()
	require.NoError(t, <-done)
	require.Equal(t, recorded+1, count(t, db, "script_executions"))
}

func TestShutdownCountsWhatIsLost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	cfg, err := pgxpool.ParseConfig("postgres://u:p@127.0.0.1:1/nowhere")
	require.NoError(t, err)
	away, err := pgxpool.NewWithConfig(ctx, cfg)
	require.NoError(t, err)
	defer away.Close()
	var text bytes.Buffer // written to before Run returns
	l, err := ledger.New(ledger.Config{
		Pool: away, BatchRows: 10, ShutdownGrace: 10 * time.Millisecond, Log: slog.New(slog.NewJSONHandler(&text, nil)),
	})
	require.NoError(t, err)
	script := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "s", Type: "http", Version: 1}
	for range 35 {
		inv, res := httpRun(script)
		require.NoError(t, l.Record(ctx, inv, res))
	}
	run, stop := context.WithCancel(ctx)
	stop()
	require.ErrorContains(t, l.Run(run), "35 executions could not be written")
	require.Equal(t, 1, strings.Count(text.String(), "executions lost"), text.String())
	require.Contains(t, text.String(), `"executions":35`)
}

func TestDeletedScriptDropsOnlyItsRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	kept, gone := seed(t, db), seed(t, db)
	l := start(t, ledger.Config{Pool: db, FlushInterval: time.Hour})
	for i := range 20 {
		inv, res := httpRun([]*engine.Script{kept, gone}[i%2])
		require.NoError(t, l.Record(ctx, inv, res))
	}
	_, err := db.Exec(ctx, "DELETE FROM scripts WHERE id = $1", gone.ID)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 10, count(t, db, "script_executions"))
	require.Equal(t, int64(10), l.Stats().Dropped)
	require.Zero(t, l.Stats().BacklogRows)
	require.Zero(t, l.Stats().BacklogBytes)
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE script_id = $1 AND executions = 10", kept.ID))
}

func TestRepeatedIDIsOneRow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l := start(t, ledger.Config{Pool: db})
	inv, res := httpRun(script)
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))
	other, otherRes := httpRun(script)
	require.NoError(t, l.Record(ctx, inv, res)) // as after a COMMIT whose answer was lost
	require.NoError(t, l.Record(ctx, other, otherRes))
	require.NoError(t, l.Record(ctx, other, otherRes))
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 2, count(t, db, "script_executions"))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE executions = 2"))
	require.Zero(t, l.Stats().Dropped)
}

func TestPoisonRowIsStrippedAndTheOthersStand(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	// A row that Postgres refuses for its content: no builder makes one, so the table is made pickier.
	_, err := db.Exec(ctx, `ALTER TABLE script_executions ADD CONSTRAINT no_poison CHECK (output->>'body' IS DISTINCT FROM 'poison')`)
	require.NoError(t, err)
	l := start(t, ledger.Config{Pool: db, FlushInterval: time.Hour})
	var poisoned uuid.UUID
	for i := range 33 {
		inv, res := httpRun(script)
		if i == 20 {
			poisoned, res.Response.Body = inv.ExecutionID, []byte("poison")
		}
		require.NoError(t, l.Record(ctx, inv, res))
	}
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 33, count(t, db, "script_executions"))
	require.Equal(t, 1, count(t, db, "script_executions WHERE id = $1 AND output ? 'unstorable' AND status = 'completed'", poisoned))
	require.Zero(t, l.Stats().Dropped)
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE executions = 33"))
}

func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l := start(t, ledger.Config{Pool: db})
	// A failover that leaves the server read-only, for new transactions of everybody in this database.
	name := db.Config().ConnConfig.Database
	setReadOnly := func(on string) {
		_, err := db.Exec(ctx, "BEGIN READ WRITE; ALTER DATABASE "+name+" SET default_transaction_read_only = "+on+"; COMMIT")
		require.NoError(t, err)
		db.Reset()
	}
	setReadOnly("on")
	for range 10 {
		inv, res := httpRun(script)
		require.NoError(t, l.Record(ctx, inv, res))
	}
	require.Eventually(t, func() bool { return l.Stats().Outage }, 10*time.Second, time.Millisecond)
	require.Equal(t, int64(10), l.Stats().BacklogRows)
	setReadOnly("off")
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 10, count(t, db, "script_executions"))
	require.False(t, l.Stats().Outage)
}

// FuzzStorableJSON asks Postgres itself whether everything that comes out can be stored.
func FuzzStorableJSON(f *testing.F) {
	for _, s := range []string{`{"a":"\u0000"}`, `"\ud800\ud800"`, `[1e400]`, `{"\udfff":[{}]}`, "\"\xed\xa0\x80\"", `-0`, `"\ud800x"`, `1E-9999`} {
		f.Add(s)
	}
	db := dbtest.DB(f)
	f.Fuzz(func(t *testing.T, in string) {
		safe := text.StorableJSON(json.RawMessage(in))
		if safe == nil {
			return
		}
		if _, err := db.Exec(context.Background(), "SELECT $1::jsonb", safe); err != nil {
			t.Fatalf("%q became %q: %v", in, safe, err)
		}
		plain := text.Clean(in)
		if _, err := db.Exec(context.Background(), "SELECT $1::text", plain); err != nil {
			t.Fatalf("%q became %q: %v", in, plain, err)
		}
	})
}

// TestRefusalsAreCounted: nodes add to the same counts, and a script that is gone costs the others nothing.
func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	var nodes [2]*ledger.Ledger
	for i := range nodes {
		nodes[i] = start(t, ledger.Config{Pool: db})
	}
	for i := range 100 {
		nodes[i%2].Refused(script.TenantID, script.ID, "overloaded")
		nodes[i%2].Refused(script.TenantID, uuid.New(), "overloaded")
		if i%10 == 0 {
			nodes[i%2].Refused(script.TenantID, script.ID, "concurrency_limit")
			require.NoError(t, nodes[1].FlushRefusals(ctx))
		}
	}
	for _, node := range nodes {
		require.NoError(t, node.FlushRefusals(ctx))
		require.NoError(t, node.FlushRefusals(ctx))
	}
	var counts string
	require.NoError(t, db.QueryRow(ctx, `SELECT string_agg(code || ' ' || refused, ', ' ORDER BY code) FROM (SELECT code, sum(refused) AS refused FROM script_refusals WHERE script_id = $1 GROUP BY code) c`, script.ID).Scan(&counts))
	require.Equal(t, "concurrency_limit 10, overloaded 100", counts)
	require.Zero(t, count(t, db, "script_refusals WHERE script_id <> $1", script.ID))
}

func BenchmarkRecord(b *testing.B) {
	db := dbtest.DB(b)
	script := seed(b, db)
	l := start(b, ledger.Config{Pool: db})
	inv, res := httpRun(script)
	res.Logs = nil
	b.ReportAllocs()
	for b.Loop() {
		inv.ExecutionID, _ = uuid.NewV7()
		if err := l.Record(context.Background(), inv, res); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(l.Stats().Written)/float64(l.Stats().Batches), "rows/batch")
}
