package scheduler_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/scheduler"
	"example.com/jsruntime/sqlc"
)

// The queue is a table of its own. That it has what waits or runs and nothing else holds in every database that a test leaves behind:
// migrations/dbtest/invariants.sql.

// watchStatus has the database write down every status that an execution gets after its first.
func (w *world) watchStatus() {
	w.exec(`CREATE TABLE test_statuses (id uuid, status text, at timestamptz DEFAULT clock_timestamp())`)
	w.exec(`CREATE FUNCTION test_status() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO test_statuses VALUES (NEW.id, NEW.status); RETURN NULL; END $$`)
	w.exec(`CREATE TRIGGER test_status AFTER UPDATE ON script_executions FOR EACH ROW EXECUTE FUNCTION test_status()`)
}

func (w *world) queue(id uuid.UUID) int {
	w.Helper()
	return one[int](w, `SELECT count(*) FROM script_execution_queue WHERE id = $1`, id)
}

func TestTheHistoryIsWrittenOnceAtTheEnd(t *testing.T) {
	w := newWorld(t)
	w.watchStatus()
	tenant := w.tenant("a")
	w.subscriber(tenant, "x")
	long := w.script(tenant, "oneoff")
	release := make(chan struct{})
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if inv.Script.ID == long {
			<-release
		}
		return done("ok"), nil
	})
	id := w.enqueue(tenant, long, "")
	w.publish(tenant, "x", 200)
	w.eventually(`SELECT status = 'running' AND started_at IS NOT NULL AND node_id IS NOT NULL FROM script_executions WHERE id = $1`, id)
	require.Equal(t, 1, w.queue(id), "it goes on")
	close(release)
	w.eventually(nothingLeft)
	require.Equal(t, "running completed", one[string](w, `SELECT string_agg(status, ' ' ORDER BY at) FROM test_statuses WHERE id = $1`, id))
	require.Equal(t, 200, one[int](w, `SELECT count(*) FROM test_statuses s WHERE s.status = 'completed' AND s.id <> $1`, id))
	require.Less(t, one[int](w, `SELECT count(*) FROM test_statuses s WHERE s.status = 'running' AND s.id <> $1`, id), 100,
		"what is over within a second never says running")
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_execution_queue`))
}

func TestARescueClearsRunning(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.subscriber(tenant, "x")
	w.exec(`UPDATE scripts SET status = 'paused' WHERE id = $1`, script) // what is given back waits
	var ids []uuid.UUID
	for _, history := range []string{`status = 'running', started_at = now(), trigger_type = 'event'`, `trigger_type = 'event'`} {
		ids = append(ids, w.leased(tenant, script, history, `lease_expires_at = now() - interval '1 second'`))
	}
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil })
	for _, id := range ids {
		w.eventually(`SELECT e.status = 'pending' AND e.started_at IS NULL AND e.node_id IS NULL AND e.lost_count = 1 AND q.lease_token IS NULL AND q.started_at IS NULL AND q.node_id IS NULL
			AND q.run_at = e.run_at FROM script_executions e JOIN script_execution_queue q USING (id) WHERE id = $1`, id)
	}
}

// What no trigger saw leaves the queue with its lease: rows of a history that was restored without some, or truncated.
func TestTheQueueForgetsWhatHasNoHistory(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	unleased := w.enqueue(tenant, script, "")
	leased := w.leased(tenant, script, `status = 'running'`, `lease_expires_at = now() - interval '1 second'`)
	w.exec(`ALTER TABLE script_executions DISABLE TRIGGER USER`)
	w.exec(`DELETE FROM script_executions`)
	w.exec(`ALTER TABLE script_executions ENABLE TRIGGER USER`)
	var runs atomic.Int32
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		runs.Add(1)
		return done(nil), nil
	})
	w.eventually(`SELECT count(*) = 0 FROM script_execution_queue WHERE id = $1`, leased)
	w.eventually(`SELECT bool_and(lease_token IS NOT NULL) FROM script_execution_queue WHERE id = $1`, unleased)
	w.exec(`UPDATE script_execution_queue SET lease_expires_at = now() - interval '1 second'`)
	w.eventually(`SELECT count(*) = 0 FROM script_execution_queue`)
	require.Zero(t, runs.Load())
}

// SQL that writes the history is followed by the queue.
func TestTheQueueFollowsTheHistory(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	id := w.enqueue(tenant, script, "")
	require.Equal(t, 1, w.queue(id))

	w.exec(`UPDATE script_executions SET run_at = now() + interval '1 day' WHERE id = $1`, id)
	require.True(t, one[bool](w, `SELECT q.run_at = e.run_at AND q.run_at > now() FROM script_executions e JOIN script_execution_queue q USING (id)`))
	w.exec(`UPDATE script_executions SET status = 'cancelled' WHERE id = $1`, id)
	require.Zero(t, w.queue(id))
	w.exec(`UPDATE script_executions SET status = 'pending', completed_at = NULL WHERE id = $1`, id)
	require.Equal(t, 1, w.queue(id))
	w.exec(`DELETE FROM script_executions WHERE id = $1`, id)
	require.Zero(t, w.queue(id))
	w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type) VALUES ($1, $2, 'completed', 'manual')`, script, tenant)
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_execution_queue`))
}

// A publication writes its rows of the queue itself. What its transaction inserts afterwards is queued as ever.
func TestAPublicationKeepsTheTransactionsOwnRows(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.subscriber(tenant, "x")
	require.NoError(t, pgx.BeginFunc(w.Context(), w.db, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`SELECT jsruntime_publish_event($1, 'x', '1')`, tenant)
		batch.Queue(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type) VALUES ($1, $2, 'pending', 'manual')`, script, tenant)
		return tx.SendBatch(w.Context(), batch).Close()
	}))
	require.Equal(t, 2, one[int](w, `SELECT count(*) FROM script_execution_queue`))
}

func TestADeletedScriptLeavesTheQueue(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	for range 2 {
		script := w.subscriber(tenant, "x")
		w.publish(tenant, "x", 3)
		w.leased(tenant, script, `status = 'running', started_at = now()`, `lease_token = gen_random_uuid()`)
		w.exec(`DELETE FROM scripts WHERE id = $1`, script)
		require.Zero(t, one[int](w, `SELECT count(*) FROM script_execution_queue`))
		require.Zero(t, one[int](w, `SELECT count(*) FROM script_executions`))
	}
}

// Deletions of scripts and batches of endings take the rows of the queue in the order of their ids, and wait for each other in no circle.
func TestDeletionsAndEndingsDoNotDeadlock(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	scripts := make(map[uuid.UUID]bool)
	for range 10 {
		scripts[w.subscriber(tenant, "x")] = true
	}
	w.publish(tenant, "x", 100)
	var begun sync.Once
	began := make(chan struct{})
	_, stop := w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		begun.Do(func() { close(began) })
		return done("ok"), nil
	}, func(c *scheduler.Config) { c.Concurrency = 64 })
	<-began
	for script := range scripts {
		w.exec(`DELETE FROM scripts WHERE id = $1`, script) // a deadlock ends this, or the endings' transaction, which logs it
	}
	stop()
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_execution_queue`))
}

// A request to cancel finds an execution in whatever state it is.
func TestCancelFindsWhatWaitsAndWhatIsLeased(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	queries := sqlc.New(w.db)
	cancelPending := func(id uuid.UUID) error {
		_, err := queries.ExecutionCancelPending(t.Context(), sqlc.ExecutionCancelPendingParams{TenantID: tenant, ID: id})
		return err
	}
	request := func(id uuid.UUID) error {
		_, err := queries.ExecutionRequestCancel(t.Context(), sqlc.ExecutionRequestCancelParams{TenantID: tenant, ID: id})
		return err
	}
	waits, leased := w.enqueue(tenant, script, ""), w.leased(tenant, script, `attempt = 1`, `lease_token = gen_random_uuid()`)
	require.Error(t, request(waits))
	require.NoError(t, cancelPending(waits))
	require.Error(t, cancelPending(waits), "once")
	require.Zero(t, w.queue(waits))
	require.Equal(t, "cancelled", one[string](w, `SELECT status FROM script_executions WHERE id = $1`, waits))

	require.Error(t, cancelPending(leased), "it runs, although its row says pending for a second")
	require.NoError(t, request(leased))
	require.True(t, one[bool](w, `SELECT cancel_requested FROM script_execution_queue WHERE id = $1`, leased))
	w.exec(`DELETE FROM script_executions`)
}

// TestWhatEndsElsewhereIsKeptAsChosen: a script's history decides about executions that another than their own run has ended, too.
func TestWhatEndsElsewhereIsKeptAsChosen(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	const cases = 6
	want := map[string]int{`{}`: cases, `{"sample": 0.5}`: cases, `{"store": "errors"}`: 2, `{"store": "none"}`: 0}
	scripts := map[string][2]uuid.UUID{}
	refused := map[uuid.UUID]bool{}
	began := make(chan uuid.UUID, len(want))
	var waiting []uuid.UUID
	for history := range want {
		active, paused := w.script(tenant, "oneoff"), w.script(tenant, "oneoff")
		scripts[history] = [2]uuid.UUID{active, paused}
		w.exec(`UPDATE scripts SET history = $2 WHERE id = ANY ($1)`, []uuid.UUID{active, paused}, history)
		w.exec(`UPDATE scripts SET status = 'paused' WHERE id = $1`, paused)
		const lost = `lease_expires_at = now() - interval '1 second'`
		w.leased(tenant, active, `trigger_type = 'cron'`, lost)                   // its node is lost: failed
		w.leased(tenant, active, `attempt = 1`, lost+`, cancel_requested = true`) // the same, and it was to be cancelled
		w.enqueue(tenant, paused, `trigger_type = 'cron'`)                        // its script was paused before it began
		w.exec(`UPDATE script_execution_queue SET trigger_type = 'cron' WHERE script_id = $1`, paused)
		w.enqueue(tenant, active, `version = 404`) // there is no such version
		w.exec(`UPDATE script_execution_queue SET version = 404 WHERE script_id = $1 AND lease_token IS NULL`, active)
		cancelled := w.enqueue(tenant, active, "") // cancelled before a node has claimed it
		w.exec(`UPDATE script_execution_queue SET cancel_requested = true WHERE id = $1`, cancelled)
		back := w.enqueue(tenant, active, "") // refused, and cancelled meanwhile
		refused[back] = true
		waiting = append(waiting, back)
	}
	w.node(func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if !refused[inv.ExecutionID] {
			return done(nil), nil
		}
		began <- inv.ExecutionID
		<-ctx.Done()
		return nil, &engine.RefusedError{Code: engine.CodeOverloaded, Scope: engine.ScopeScript}
	})
	for range waiting {
		w.exec(`UPDATE script_execution_queue SET cancel_requested = true WHERE id = $1`, <-began)
	}
	w.eventually(`SELECT count(*) = 0 FROM script_execution_queue`)
	for history, kept := range want {
		for _, script := range scripts[history] {
			require.Zero(t, one[int](w, `SELECT count(*) FROM script_executions WHERE script_id = $1 AND status IN ('pending', 'running', 'completed')`, script), history)
		}
		require.Equal(t, kept, one[int](w, `SELECT count(*) FROM script_executions WHERE script_id = ANY ($1)`, []uuid.UUID{scripts[history][0], scripts[history][1]}), history)
	}
}
