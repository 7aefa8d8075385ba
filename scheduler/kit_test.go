package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/scheduler"
)

// nodeEnv makes the test binary a node: the database's URL. Such a node can be killed with -9.
const nodeEnv = "SCHEDULER_TEST_NODE"

func TestMain(m *testing.M) {
	if url := os.Getenv(nodeEnv); url != "" {
		if err := villain(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The test server, where dbtest starts one, is waited for until the process ends.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}

// villain is a node of its own process. Its executor writes each start to test_starts, in a transaction of its own, before the
// "script" runs: the truth that the tests compare the scheduler's rows with.
func villain(url string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	node, err := cluster.New(cluster.Config{DB: pool, Lease: 3 * time.Second, Heartbeat: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	listener, err := cluster.NewListener(pool, nil)
	if err != nil {
		return err
	}
	s, err := scheduler.New(scheduler.Config{
		Pool: pool, Scripts: anyScript{}, Node: node, Listener: listener, Bounds: manyRuns(), TenantConcurrency: 1000,
		Executor: executor(func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
			if err := recordStart(ctx, pool, inv); err != nil {
				return nil, err
			}
			select {
			case <-ctx.Done():
				return failed(engine.CodeCancelled, context.Cause(ctx).Error()), nil
			case <-time.After(300 * time.Millisecond): // long enough for a kill to hit some
				return done(nil), nil
			}
		}),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	defer besides(node, listener)()
	return s.Run(ctx)
}

// besides runs a node and its listener; the returned function stops them.
func besides(node *cluster.Node, listener *cluster.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = node.Run(ctx) })
	running.Go(func() { _ = listener.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// member returns a node with a quick heartbeat.
func (w *world) member(pool *pgxpool.Pool, cfg cluster.Config) *cluster.Node {
	w.Helper()
	cfg.DB, cfg.Heartbeat, cfg.Log = pool, 200*time.Millisecond, slog.New(slog.NewTextHandler(w.Output(), nil))
	node, err := cluster.New(cfg)
	require.NoError(w, err)
	return node
}

const startsTable = `CREATE TABLE IF NOT EXISTS test_starts (execution_id uuid NOT NULL, script_id uuid NOT NULL, tick text, at timestamptz NOT NULL DEFAULT clock_timestamp())`

func recordStart(ctx context.Context, pool *pgxpool.Pool, inv *engine.Invocation) error {
	var tick struct{ ScheduledTime json.Number }
	_ = json.Unmarshal(inv.Input, &tick)
	_, err := pool.Exec(ctx, `INSERT INTO test_starts (execution_id, script_id, tick) VALUES ($1, $2, NULLIF($3, ''))`, inv.ExecutionID, inv.Script.ID, tick.ScheduledTime.String())
	return err
}

// spawn starts a node as a process.
func spawn(t *testing.T, url string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeEnv+"="+url)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// executor is a fake Executor.
type executor func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error)

func (e executor) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	if inv.OnBegin != nil {
		inv.OnBegin()
	}
	return e(ctx, inv)
}

// silent is a fake Executor that leaves it to the function to say when an execution begins.
type silent func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error)

func (e silent) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	return e(ctx, inv)
}

func done(output any) *engine.Result {
	raw, err := json.Marshal(output)
	if err != nil {
		panic(err)
	}
	return &engine.Result{Output: raw, Began: true, StartedAt: time.Now(), EndedAt: time.Now()}
}

func failed(code engine.Code, message string) *engine.Result {
	return &engine.Result{Code: code, Message: message, Began: true, StartedAt: time.Now(), EndedAt: time.Now()}
}

type anyScript struct{}

// manyRuns are bounds under which a script that asks for nothing runs a hundred times at once.
func manyRuns() catalog.Bounds {
	bounds := catalog.BuiltIn()
	bounds.Default.MaxConcurrentRuns = 100
	return bounds
}

func (anyScript) Script(_ context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error) {
	if version == 404 {
		return nil, catalog.ErrScriptUnknown
	}
	return &engine.Script{ID: scriptID, TenantID: tenantID, Version: version, Limits: engine.DefaultLimits()}, nil
}

// counter counts starts.
type counter struct {
	mu     sync.Mutex
	starts map[uuid.UUID]int // by execution
	now    map[uuid.UUID]int // by script
	most   map[uuid.UUID]int // by script: the most at one time
}

func newCounter() *counter {
	return &counter{starts: map[uuid.UUID]int{}, now: map[uuid.UUID]int{}, most: map[uuid.UUID]int{}}
}

func (c *counter) begin(inv *engine.Invocation) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starts[inv.ExecutionID]++
	for _, key := range []uuid.UUID{inv.Script.ID, inv.Script.TenantID} {
		c.now[key]++
		c.most[key] = max(c.most[key], c.now[key])
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now[inv.Script.ID]--
		c.now[inv.Script.TenantID]--
	}
}

func (c *counter) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, starts := range c.starts {
		n += starts
	}
	return n
}

// world is a database with tenants and scripts.
type world struct {
	*testing.T
	db *pgxpool.Pool
}

func newWorld(t *testing.T) *world {
	t.Parallel()
	return &world{t, dbtest.DB(t)}
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.db.Exec(w.Context(), sql, args...)
	require.NoError(w, err)
}

func one[T any](w *world, sql string, args ...any) T {
	w.Helper()
	var v T
	require.NoError(w, w.db.QueryRow(w.Context(), sql, args...).Scan(&v))
	return v
}

func (w *world) tenant(slug string) uuid.UUID {
	w.Helper()
	id := one[uuid.UUID](w, `INSERT INTO tenants (slug, name) VALUES ($1, $1) RETURNING id`, slug)
	w.exec(`INSERT INTO organizations (tenant_id, name, is_default) VALUES ($1, 'o', true)`, id)
	return id
}

func (w *world) script(tenant uuid.UUID, kind string) uuid.UUID {
	w.Helper()
	return one[uuid.UUID](w, `INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, resource_limits)
		SELECT $1, o.id, gen_random_uuid()::text, '', $2, 'active', '{}' FROM organizations o WHERE o.tenant_id = $1 RETURNING id`, tenant, kind)
}

func (w *world) subscriber(tenant uuid.UUID, eventType string) uuid.UUID {
	w.Helper()
	id := w.script(tenant, "event")
	w.exec(`INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type) VALUES ($1, $2, $3)`, id, tenant, eventType)
	return id
}

// job schedules a script; set is further columns, as SQL.
func (w *world) job(tenant uuid.UUID, cron, set string) uuid.UUID {
	w.Helper()
	id := w.script(tenant, "scheduled")
	w.exec(`INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, is_active) VALUES ($1, $2, $3, true)`, id, tenant, cron)
	if set != "" {
		w.exec(`UPDATE script_scheduled_jobs SET `+set+` WHERE script_id = $1`, id)
	}
	return id
}

func (w *world) publish(tenant uuid.UUID, eventType string, n int) {
	w.Helper()
	w.exec(`SELECT count(jsruntime_publish_event($1, $2, to_jsonb(i))) FROM generate_series(1, $3::int) i`, tenant, eventType, n)
}

// enqueue queues a run by hand.
func (w *world) enqueue(tenant, script uuid.UUID, set string) uuid.UUID {
	w.Helper()
	id := uuid.Must(uuid.NewV7())
	require.NoError(w, pgx.BeginFunc(w.Context(), w.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(w.Context(), `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, input, started_at, handler) VALUES ($1, $2, $3, 'pending', 'manual', '{"n":1}', NULL, 'run')`, id, script, tenant)
		if err == nil && set != "" {
			_, err = tx.Exec(w.Context(), `UPDATE script_executions SET `+set+` WHERE id = $1`, id)
		}
		return err
	}))
	return id
}

// leased queues a run by hand that a node has leased; set is columns of its row in the queue, as SQL.
func (w *world) leased(tenant, script uuid.UUID, history, set string) uuid.UUID {
	w.Helper()
	id := uuid.Must(uuid.NewV7())
	require.NoError(w, pgx.BeginFunc(w.Context(), w.db, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, input, started_at, handler) VALUES ($1, $2, $3, 'pending', 'manual', '{"n":1}', NULL, 'run')`, id, script, tenant)
		batch.Queue(`UPDATE script_executions SET `+history+` WHERE id = $1`, id)
		batch.Queue(`UPDATE script_execution_queue SET lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 min', started_at = now() WHERE id = $1`, id)
		batch.Queue(`UPDATE script_execution_queue q SET trigger_type = e.trigger_type FROM script_executions e WHERE e.id = q.id AND q.id = $1`, id)
		batch.Queue(`UPDATE script_execution_queue SET `+set+` WHERE id = $1`, id)
		return tx.SendBatch(w.Context(), batch).Close()
	}))
	return id
}

// node runs a scheduler in this process, and returns it and what stops it.
func (w *world) node(run executor, change ...func(*scheduler.Config)) (*scheduler.Scheduler, func()) {
	w.Helper()
	return w.nodeWith(run, change...)
}

func (w *world) nodeWith(run engine.Executor, change ...func(*scheduler.Config)) (*scheduler.Scheduler, func()) {
	w.Helper()
	pool, err := pgxpool.NewWithConfig(w.Context(), w.db.Config())
	require.NoError(w, err)
	cfg := scheduler.Config{Pool: pool, Executor: run, Scripts: anyScript{}, Logger: slog.New(slog.NewTextHandler(w.Output(), nil))}
	for _, c := range change {
		c(&cfg)
	}
	if cfg.Node == nil {
		cfg.Node = w.member(pool, cluster.Config{})
	}
	cfg.Listener, err = cluster.NewListener(pool, cfg.Logger)
	require.NoError(w, err)
	s, err := scheduler.New(cfg)
	require.NoError(w, err)
	leave := besides(cfg.Node, cfg.Listener)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			w.Errorf("Run: %v", err)
		}
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		<-ended
		leave()
		pool.Close()
	})
	w.Cleanup(stop)
	return s, stop
}

// eventually waits for a condition of the database.
func (w *world) eventually(sql string, args ...any) {
	w.Helper()
	w.within(2*time.Minute, sql, args...)
}

func (w *world) within(limit time.Duration, sql string, args ...any) {
	w.Helper()
	require.Eventually(w, func() bool {
		var ok bool
		err := w.db.QueryRow(w.Context(), sql, args...).Scan(&ok)
		return err == nil && ok
	}, limit, 20*time.Millisecond, sql)
}

const nothingLeft = `SELECT NOT EXISTS (SELECT FROM script_executions WHERE status IN ('pending', 'running'))`
