package scheduler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/scheduler"
)

func TestEachQueuedExecutionRunsOnce(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	for range 3 {
		w.subscriber(tenant, "x.*")
	}
	w.publish(tenant, "x.y", 500)
	c := newCounter()
	run := func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		defer c.begin(inv)()
		res := done(map[string]any{"ok": true})
		res.Logs = []engine.LogLine{{Level: "info", Message: "hello \x00 there", At: time.Now()}}
		return res, nil
	}
	for range 3 {
		w.node(run)
	}
	w.publish(tenant, "x.z", 500)
	w.eventually(nothingLeft)
	require.Len(t, c.starts, 3000)
	require.Equal(t, 3000, c.total())
	require.Equal(t, 3000, one[int](w, `SELECT count(*) FROM script_executions WHERE status = 'completed' AND output = '{"ok":true}' AND metrics ? 'duration_ms' AND completed_at >= started_at`))
	require.Equal(t, 3000, one[int](w, `SELECT count(*) FROM script_execution_logs`))
	require.EqualValues(t, 3000, one[int64](w, `SELECT sum(executions)::bigint FROM script_usage_daily WHERE outcome = 'completed'`))
}

func TestLimitsHoldAcrossNodes(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	narrow := w.subscriber(a, "x")
	w.exec(`UPDATE scripts SET resource_limits = '{"max_concurrent_runs": 1}' WHERE id = $1`, narrow)
	wide := w.subscriber(a, "x")
	w.exec(`UPDATE tenants SET plan = '{"max_concurrent_runs": 4}' WHERE id = $1`, b)
	for range 3 {
		w.subscriber(b, "x")
	}
	c := newCounter()
	run := func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		defer c.begin(inv)()
		time.Sleep(2 * time.Millisecond)
		return done(nil), nil
	}
	var members [2]cluster.Members
	for i := range members {
		w.node(run, func(c *scheduler.Config) { c.Node = w.member(c.Pool, cluster.Config{Members: &members[i]}) })
	}
	require.Eventually(t, func() bool { return members[0].Count() == 2 && members[1].Count() == 2 }, 10*time.Second, 10*time.Millisecond)
	w.publish(a, "x", 100)
	w.publish(b, "x", 100)
	w.eventually(nothingLeft)
	require.Equal(t, 500, c.total())
	require.Equal(t, 1, c.most[narrow])
	require.LessOrEqual(t, c.most[wide], 5)
	require.LessOrEqual(t, c.most[b], 4)
	require.Greater(t, c.most[wide], 1)
}

// A node that can run nothing leaves the work to the other, and its share of limits too.
func TestANodeThatCannotRunLeavesTheWork(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	w.exec(`UPDATE scripts SET resource_limits = '{"max_concurrent_runs": 1}' WHERE id = $1`, script)
	var ran [2]atomic.Int64
	var unable [2]atomic.Bool
	unable[0].Store(true)
	var nodes [2]*cluster.Node
	for i := range ran {
		w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
			ran[i].Add(1)
			time.Sleep(2 * time.Millisecond)
			return done(nil), nil
		}, func(c *scheduler.Config) {
			nodes[i] = w.member(c.Pool, cluster.Config{Able: func() bool { return !unable[i].Load() }})
			c.Node = nodes[i]
		})
	}
	ask := func() {
		for range 20 {
			w.enqueue(tenant, script, "")
		}
		w.eventually(nothingLeft)
	}
	alone := func(i int) func() bool {
		return func() bool {
			return one[int](w, `SELECT count(*) FROM nodes WHERE can_run`) == 1 && one[bool](w, `SELECT can_run FROM nodes WHERE id = $1`, nodes[i].ID())
		}
	}
	require.Eventually(t, func() bool { return one[int](w, `SELECT count(*) FROM nodes`) == 2 && alone(1)() }, 20*time.Second, 10*time.Millisecond)
	ask()
	require.EqualValues(t, 0, ran[0].Load())
	require.EqualValues(t, 20, ran[1].Load())

	unable[0].Store(false)
	unable[1].Store(true)
	require.Eventually(t, alone(0), 20*time.Second, 10*time.Millisecond)
	ask()
	require.EqualValues(t, 20, ran[0].Load())
	require.EqualValues(t, 20, ran[1].Load())
}

// breaking is a connection to Postgres that breaks when its transaction that has claimed is committed: Postgres commits, and nobody
// hears of it.
type breaking struct {
	net.Conn
	once    *atomic.Bool // it is done once
	claimed bool
	broken  atomic.Bool
}

func (b *breaking) Write(p []byte) (int, error) {
	b.claimed = b.claimed || bytes.Contains(p, []byte("-- name: ExecutionClaim"))
	if b.claimed && bytes.Contains(bytes.ToLower(p), []byte("commit\x00")) && b.once.CompareAndSwap(false, true) {
		b.broken.Store(true)
	}
	return b.Conn.Write(p)
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.broken.Load() {
		return 0, io.ErrUnexpectedEOF // after the answer has arrived, so that the claim is committed
	}
	return n, err
}

func TestAClaimWhoseCommitGotNoAnswerIsGivenBack(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	for range 5 {
		w.enqueue(tenant, script, "")
	}
	cfg := w.db.Config()
	dial := cfg.ConnConfig.DialFunc
	var once atomic.Bool
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return &breaking{Conn: c, once: &once}, err
	}
	pool, err := pgxpool.NewWithConfig(w.Context(), cfg)
	require.NoError(w, err)
	w.Cleanup(pool.Close)
	c := newCounter()
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		defer c.begin(inv)()
		return done(nil), nil
	}, func(c *scheduler.Config) { c.Pool = pool })
	w.eventually(nothingLeft)
	require.True(t, once.Load())
	require.Equal(t, 5, c.total())
	require.Zero(t, one[int](w, `SELECT sum(lost_count) FROM script_executions`), "nothing had begun")
}

func TestAFloodDoesNotDelayAnotherTenant(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	flooded, quiet := w.subscriber(a, "x"), w.subscriber(b, "x")
	w.exec(`UPDATE scripts SET resource_limits = '{"max_concurrent_runs": 1000}' WHERE id = $1`, flooded)
	w.exec(`UPDATE tenants SET plan = '{"max_concurrent_runs": 1000, "max_queue_depth": 1000000}' WHERE id = $1`, a)
	w.exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, input, started_at, handler)
		SELECT jsruntime_uuid_v7(), $1, $2, 'pending', 'event', '{}', NULL, 'event' FROM generate_series(1, 100000)`, flooded, a)
	began := make(chan time.Time, 1)
	s, stop := w.node(func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if inv.Script.ID == quiet {
			began <- time.Now()
			return done(nil), nil
		}
		select { // the flood's executions hold every slot that they get
		case <-ctx.Done():
			return failed(engine.CodeCancelled, "cancelled"), nil
		case <-time.After(2 * time.Minute):
			return done(nil), nil
		}
	}, func(c *scheduler.Config) { c.DrainTimeout = time.Millisecond; c.Concurrency = 16 })
	require.Eventually(t, func() bool { return s.Running() >= 16 }, 20*time.Second, 10*time.Millisecond)
	published := time.Now()
	w.publish(b, "x", 1)
	select {
	case at := <-began:
		t.Logf("began after %s", at.Sub(published))
	case <-time.After(time.Minute):
		t.Fatal("tenant b waits for tenant a")
	}
	w.eventually(`SELECT status = 'completed' FROM script_executions WHERE script_id = $1`, quiet)
	stop()
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_execution_queue WHERE lease_token IS NOT NULL`), "given back")
	require.Equal(t, 100000, one[int](w, `SELECT count(*) FROM script_executions WHERE status = 'pending' AND attempt = 1 AND lost_count = 0`))
}

// TestATenantAtItsOwnLimitsTakesNoSlots: scripts whose requests are all that they may run have one execution each that waits for its turn.
// These take no slot, so that another tenant has all of them.
func TestATenantAtItsOwnLimitsTakesNoSlots(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	full := map[uuid.UUID]bool{}
	for range 8 {
		script := w.script(a, "oneoff")
		full[script] = true
		for range 3 {
			w.enqueue(a, script, "")
		}
	}
	quiet := w.subscriber(b, "x")
	w.exec(`UPDATE scripts SET resource_limits = '{"max_concurrent_runs": 100}' WHERE id = $1`, quiet)
	const slots = 4
	waiting := make(chan struct{}, 100)
	var beside sync.WaitGroup
	beside.Add(slots)
	s, stop := w.nodeWith(silent(func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if full[inv.Script.ID] {
			waiting <- struct{}{}
			<-ctx.Done() // its script's requests never end
			return nil, ctx.Err()
		}
		inv.OnBegin()
		beside.Done() // each waits for the others: they have a slot at one time
		beside.Wait()
		return done(nil), nil
	}), func(c *scheduler.Config) {
		c.Concurrency, c.DrainTimeout = slots, time.Millisecond
		c.Full = func(script uuid.UUID) bool { return full[script] }
	})
	<-waiting
	w.publish(b, "x", slots)
	w.eventually(`SELECT count(*) = $2 FROM script_executions WHERE script_id = $1 AND status = 'completed'`, quiet, slots)
	require.Zero(t, s.Running())
	stop()
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_executions WHERE status <> 'pending' AND tenant_id = $1`, a), "given back")
}

func TestRetriesEndInOneDeadLetterAndARedriveRemovesIt(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.subscriber(tenant, "order.paid")
	other := w.subscriber(tenant, "order.paid")
	w.exec(`UPDATE scripts SET retry = '{"backoff_ms": 10}'`)
	var fixed atomic.Bool
	var attempts []int
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if inv.Script.ID == other || fixed.Load() {
			return done(nil), nil
		}
		attempts = append(attempts, inv.Attempt)
		res := failed(engine.CodeException, "boom")
		res.Stack = "at x"
		return res, nil
	})
	w.exec(`SELECT jsruntime_publish_event($1, 'order.paid', '{"n": 7}', 'e1')`, tenant)
	w.eventually(`SELECT count(*) = 1 FROM script_event_dead_letters`)
	require.Equal(t, []int{1, 2, 3, 4}, attempts)
	require.True(t, one[bool](w, `SELECT d.script_id = $1 AND d.retry_count = 3 AND d.event_type = 'order.paid' AND d.event_data = '{"n": 7}' AND d.error = 'boom'
		AND d.error_code = 'exception' AND d.event_id = 'e1' AND e.attempt = 4 AND e.status = 'failed' AND e.error_stack = 'at x' AND d.last_retry_at IS NOT NULL
		FROM script_event_dead_letters d JOIN script_executions e ON e.id = d.execution_id`, script))
	require.Equal(t, 4, one[int](w, `SELECT count(*) FROM script_executions WHERE script_id = $1 AND event_id = 'e1' AND status = 'failed'`, script))

	redrive := func() {
		w.exec(`WITH e AS (INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, input, started_at, handler, event_id, dead_letter_id)
			SELECT gen_random_uuid(), script_id, tenant_id, 'pending', 'event', '{}', NULL, 'event', event_id, id FROM script_event_dead_letters RETURNING id, dead_letter_id)
			UPDATE script_event_dead_letters d SET retry_count = retry_count + 1, retry_execution_id = e.id, last_retry_at = now() FROM e WHERE d.id = e.dead_letter_id`)
	}
	redrive()
	w.eventually(`SELECT count(*) = 1 FROM script_event_dead_letters d JOIN script_executions e ON e.id = d.execution_id
		WHERE e.dead_letter_id = d.id AND e.status = 'failed' AND d.retry_execution_id IS NULL AND d.retry_count = 4`)
	require.Equal(t, 1, one[int](w, `SELECT count(*) FROM script_executions WHERE dead_letter_id IS NOT NULL`), "a redrive is one attempt")
	fixed.Store(true)
	redrive()
	w.eventually(`SELECT count(*) = 0 FROM script_event_dead_letters`)
	w.eventually(nothingLeft)
}

func TestARetryBelongsToTheTraceOfTheFirstAttempt(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	w.subscriber(tenant, "traced")
	w.subscriber(tenant, "plain")
	w.exec(`UPDATE scripts SET retry = '{"backoff_ms": 10, "max_attempts": 2}'`)
	var mu sync.Mutex
	traces := map[string][]string{}
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		var event struct{ Type string }
		if err := json.Unmarshal(inv.Input, &event); err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		traces[event.Type] = append(traces[event.Type], inv.TraceParent)
		return failed(engine.CodeException, "boom"), nil
	})
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	w.exec(`SELECT jsruntime_enqueue_event($1, 'traced', '1', NULL, NULL, 0, $2)`, tenant, parent)
	w.exec(`SELECT jsruntime_enqueue_event($1, 'plain', '1', NULL, NULL, 0)`, tenant) // as a node of the version before does
	w.eventually(`SELECT count(*) = 2 FROM script_event_dead_letters`)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, map[string][]string{"traced": {parent, parent}, "plain": {"", ""}}, traces)
}

func TestNonRetryableErrorIsADeadLetterAtOnce(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	w.subscriber(tenant, "x")
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		res := failed(engine.CodeException, "no use")
		res.NoRetry = true
		return res, nil
	})
	w.publish(tenant, "x", 1)
	w.eventually(`SELECT count(*) = 1 FROM script_event_dead_letters WHERE retry_count = 0 AND last_retry_at IS NULL AND error = 'no use'`)
	require.Equal(t, 1, one[int](w, `SELECT count(*) FROM script_executions`))
}

func TestALostWorkerSpendsNoAttempt(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.subscriber(tenant, "x")
	w.exec(`UPDATE scripts SET retry = '{"max_attempts": 1}'`)
	var starts atomic.Int32
	lose := int32(3)
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if starts.Add(1) <= lose {
			return failed(engine.CodeWorkerLost, "worker died"), nil
		}
		require.Equal(t, 1, inv.Attempt)
		return done(nil), nil
	})
	w.publish(tenant, "x", 1)
	w.eventually(`SELECT count(*) = 1 FROM script_executions WHERE status = 'completed' AND lost_count = 3 AND attempt = 1`)
	starts.Store(-1000)
	w.publish(tenant, "x", 1)
	w.eventually(`SELECT count(*) = 1 FROM script_event_dead_letters WHERE error_code = 'worker_lost'`)
	require.EqualValues(t, -1000+6, starts.Load(), "five times again, then it is over")
	require.Equal(t, 2, one[int](w, `SELECT count(*) FROM script_executions WHERE script_id = $1`, script))
}

func TestRefusedExecutionsComeBack(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	w.subscriber(tenant, "x")
	var calls atomic.Int32
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		switch calls.Add(1) {
		case 1:
			return nil, &engine.RefusedError{Code: engine.CodeOverloaded, Scope: "node", RetryAfter: 20 * time.Millisecond}
		case 2:
			return nil, &engine.RefusedError{Code: engine.CodeConcurrencyLimit, Scope: "script"}
		case 3:
			return nil, errors.New("broken")
		case 4:
			return failed(engine.CodeOverloaded, "too late"), nil
		}
		return done(nil), nil
	})
	w.publish(tenant, "x", 1)
	w.eventually(`SELECT status = 'completed' AND attempt = 1 AND lost_count = 0 FROM script_executions`)
	require.EqualValues(t, 5, calls.Load())
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	began := make(chan struct{})
	w.node(func(ctx context.Context, _ *engine.Invocation) (*engine.Result, error) {
		close(began)
		<-ctx.Done()
		return failed(engine.CodeCancelled, context.Cause(ctx).Error()), nil
	})
	running := w.enqueue(tenant, script, "")
	<-began
	pending := w.enqueue(tenant, script, "run_at = now() + interval '1 hour'")
	w.exec(`UPDATE script_execution_queue SET cancel_requested = true WHERE id = $1 AND lease_token IS NOT NULL`, running)
	w.within(12*time.Second, `SELECT status = 'cancelled' AND error_code = 'cancelled' AND completed_at IS NOT NULL FROM script_executions WHERE id = $1`, running)
	w.exec(`UPDATE script_executions SET status = 'cancelled', completed_at = now() WHERE id = $1 AND status = 'pending'`, pending)
}

func TestADeletedScriptsRunIsEnded(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	began, ended := make(chan struct{}), make(chan error, 1)
	w.node(func(ctx context.Context, _ *engine.Invocation) (*engine.Result, error) {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return failed(engine.CodeCancelled, "gone"), nil
	}, func(c *scheduler.Config) { c.Node = w.member(c.Pool, cluster.Config{Lease: 600 * time.Millisecond}) })
	w.enqueue(tenant, script, "")
	<-began
	w.exec(`DELETE FROM scripts WHERE id = $1`, script)
	select {
	case err := <-ended:
		require.ErrorContains(t, err, "lease")
	case <-time.After(10 * time.Second):
		t.Fatal("still running")
	}
}

func TestAStaleTokenChangesNothing(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	w.subscriber(tenant, "x")
	began, release := make(chan struct{}), make(chan struct{})
	var starts atomic.Int32
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		if starts.Add(1) == 1 {
			close(began)
			<-release
			return failed(engine.CodeException, "stale"), nil
		}
		return done("fresh"), nil
	})
	w.publish(tenant, "x", 1)
	<-began
	// As if this node had been away for longer than its lease, and another had taken the execution.
	token := uuid.New()
	w.exec(`UPDATE script_execution_queue SET lease_token = $1`, token)
	close(release)
	require.Never(t, func() bool {
		return one[bool](w, `SELECT e.status NOT IN ('pending', 'running') OR q.lease_token <> $1 FROM script_executions e JOIN script_execution_queue q USING (id)`, token)
	}, time.Second, 50*time.Millisecond)
	require.Equal(t, 1, one[int](w, `SELECT count(*) FROM script_executions`), "no retry follows from a refused ending")
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_event_dead_letters`))
	w.exec(`UPDATE script_execution_queue SET lease_expires_at = now() - interval '1 second'`)
	w.eventually(`SELECT status = 'completed' AND output = '"fresh"' AND lost_count = 1 FROM script_executions`)
}

func TestRunsByHandOfScriptsThatAreNotActive(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	paused, archived := w.subscriber(tenant, "x"), w.subscriber(tenant, "x")
	w.publish(tenant, "x", 5)
	w.exec(`UPDATE scripts SET status = 'paused' WHERE id = $1`, paused)
	w.exec(`UPDATE scripts SET status = 'archived' WHERE id = $1`, archived)
	byHand := w.enqueue(tenant, paused, "")
	not := w.enqueue(tenant, archived, "")
	var starts atomic.Int32
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		starts.Add(1)
		return done(nil), nil
	})
	w.eventually(`SELECT status = 'completed' FROM script_executions WHERE id = $1`, byHand)
	require.EqualValues(t, 1, starts.Load())
	require.Equal(t, "pending", one[string](w, `SELECT status FROM script_executions WHERE id = $1`, not))
	w.exec(`UPDATE scripts SET status = 'active' WHERE id = $1`, paused)
	w.eventually(`SELECT count(*) = 5 FROM script_executions WHERE script_id = $1 AND trigger_type = 'event' AND status = 'completed'`, paused)
	w.exec(`UPDATE tenants SET status = 'suspended'`)
	w.exec(`UPDATE scripts SET status = 'active' WHERE id = $1`, archived)
	require.Never(t, func() bool { return starts.Load() != 6 }, time.Second, 50*time.Millisecond)
}

func TestVersionsThatAreGone(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	id := w.enqueue(tenant, w.script(tenant, "oneoff"), "version = 404")
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil })
	w.eventually(`SELECT status = 'failed' AND error_code = 'boot_error' FROM script_executions WHERE id = $1`, id)
}

func TestOddResultsAreKept(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		res := done(nil)
		res.Output = []byte(`{"nul":"a\u0000b","lone":"\ud800","big":1e400}`)
		res.Logs = []engine.LogLine{{Level: "info", Message: "\xff\x00", At: time.Now()}, {Seq: 1, Level: "nonsense", Message: "x", At: time.Now()}}
		return res, nil
	})
	id := w.enqueue(tenant, script, "")
	w.eventually(`SELECT status IN ('completed', 'failed') FROM script_executions WHERE id = $1`, id)
}

func TestFetchHandlersRunFromTheQueue(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	id := w.enqueue(tenant, w.script(tenant, "http"), `handler = 'fetch', input = '{"method": "POST", "path": "/a", "query": {"x": "1"}, "body": {"n": 1}}'`)
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		res := done(nil)
		res.Output = nil
		res.Response = &engine.Response{Status: 201, Headers: []string{"content-type", "text/plain"}, Body: []byte(inv.Request.Method + " " + inv.Request.URL + " " + string(inv.Request.Body))}
		return res, nil
	})
	w.eventually(`SELECT status = 'completed' FROM script_executions WHERE id = $1`, id)
	require.Contains(t, one[string](w, `SELECT output::text FROM script_executions WHERE id = $1`, id), `POST http://localhost/a?x=1`)
}

func TestDrainWaitsAndGivesBack(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.script(tenant, "oneoff")
	began := make(chan uuid.UUID, 2)
	release := make(chan struct{})
	quick, slow := w.enqueue(tenant, script, ""), w.enqueue(tenant, script, "")
	later := w.enqueue(tenant, script, "run_at = now() + interval '300 milliseconds'")
	_, stop := w.node(func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
		began <- inv.ExecutionID
		if inv.ExecutionID == quick {
			<-release
			return done(nil), nil
		}
		<-ctx.Done()
		return failed(engine.CodeCancelled, "cancelled"), nil
	}, func(c *scheduler.Config) { c.DrainTimeout = time.Second })
	<-began
	<-began
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	stop()
	require.Equal(t, "completed", one[string](w, `SELECT status FROM script_executions WHERE id = $1`, quick))
	require.True(t, one[bool](w, `SELECT status = 'pending' AND lost_count = 0 AND attempt = 1 AND node_id IS NULL FROM script_executions WHERE id = $1`, slow))
	require.Equal(t, "pending", one[string](w, `SELECT status FROM script_executions WHERE id = $1`, later), "nothing is claimed while draining")
	require.Zero(t, one[int](w, `SELECT count(*) FROM nodes`))
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	w.exec(`UPDATE tenants SET plan = '{"retention": {"executions_days": 200}}' WHERE id = $1`, b)
	for _, tenant := range []uuid.UUID{a, b} {
		script := w.script(tenant, "oneoff")
		w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, queued_at, started_at, completed_at)
			SELECT $1, $2, 'completed', 'manual', now() - i * interval '1 day', now() - i * interval '1 day', now() - i * interval '1 day' FROM generate_series(1, 150) i`, script, tenant)
		w.exec(`INSERT INTO script_execution_logs (execution_id, seq, tenant_id, script_id, level, message, at) SELECT id, 0, tenant_id, script_id, 'info', 'x', now() FROM script_executions WHERE tenant_id = $1`, tenant)
		w.exec(`INSERT INTO script_execution_calls (execution_id, seq, tenant_id, script_id, kind, operation, target, started_at, duration_us, request_bytes, response_bytes)
			SELECT id, 0, tenant_id, script_id, 'kv', 'get', 'x', now(), 1, 1, 1 FROM script_executions WHERE tenant_id = $1`, tenant)
		w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, queued_at, run_at, started_at) VALUES ($1, $2, 'pending', 'manual', now() - interval '1 year', now() + interval '1 year', NULL)`, script, tenant)
	}
	// A random id may begin like one that is made in years to come.
	w.exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, queued_at, started_at, completed_at)
		SELECT '01ee0000-0000-4000-8000-000000000000', script_id, tenant_id, status, trigger_type, queued_at, started_at, completed_at
		FROM script_executions WHERE tenant_id = $1 AND status = 'completed' ORDER BY queued_at LIMIT 1`, a)
	old := one[uuid.UUID](w, `SELECT id FROM script_executions WHERE tenant_id = $1 AND status = 'completed' ORDER BY queued_at LIMIT 1`, a)
	w.exec(`INSERT INTO script_event_dead_letters (script_id, tenant_id, execution_id, event_type, event_data, error) SELECT script_id, tenant_id, id, 'x', '1', 'e' FROM script_executions WHERE id = $1`, old)
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil })
	w.eventually(`SELECT count(*) = 89 + 1 FROM script_executions WHERE tenant_id = $1`, a)
	require.Equal(t, 89, one[int](w, `SELECT count(*) FROM script_execution_logs WHERE tenant_id = $1`, a))
	require.Equal(t, 89, one[int](w, `SELECT count(*) FROM script_execution_calls WHERE tenant_id = $1`, a))
	require.Equal(t, 151, one[int](w, `SELECT count(*) FROM script_executions WHERE tenant_id = $1`, b))
	require.True(t, one[bool](w, `SELECT execution_id IS NULL FROM script_event_dead_letters`), "the dead letter stays")
}
