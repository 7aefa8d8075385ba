// Command scheduler measures the scheduler and its queue alone: real Postgres, real claims, leases, endings and history, and an
// executor that does nothing, so that what is measured is ours and not V8's. bench/peers measures whole nodes.
//
//	go run ./bench/cmd/scheduler -postgres postgres://postgres@127.0.0.1:5432/postgres [storm idle queue held latency]
//
//	storm    10,000 schedules of 100 tenants due in the same second, two nodes: how late they begin
//	idle     what a claim of one due schedule costs beside 100 and beside 100,000 schedules that are not due
//	queue    executions a second through one node
//	held     the same for a minute, every 10 s: without and with a transaction that is held open, and the ratio of the two
//	latency  from the publication's commit to the start of the execution, idle system
//
// Each makes a database of its own and drops it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"example.com/jsruntime/bench/load"
	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/migrations"
	"example.com/jsruntime/scheduler"
	"example.com/jsruntime/sqlc"
)

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

type bench struct {
	ctx   context.Context
	admin string
	jobs  int
	held  time.Duration
	trace *tracer
}

func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("scheduler", flag.ContinueOnError)
	b := &bench{ctx: ctx}
	flags.StringVar(&b.admin, "postgres", os.Getenv("TEST_DATABASE_URL"), "URL of a server on which databases may be made")
	flags.IntVar(&b.jobs, "jobs", 50_000, "executions of the queue bench")
	flags.DurationVar(&b.held, "held", time.Minute, "how long the held bench holds its transaction")
	trace := flags.Bool("trace", false, "print the time that each query took")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if b.held < window {
		fmt.Fprintf(os.Stderr, "scheduler: -held must be at least %v\n", window)
		return 2
	}
	if *trace {
		b.trace = &tracer{}
	}
	names := flags.Args()
	if len(names) == 0 {
		names = []string{"storm", "idle", "queue", "held", "latency"}
	}
	all := map[string]func() error{
		"storm": b.within(b.storm), "idle": b.within(b.idle), "queue": b.within(b.queue), "held": b.heldTransaction, "latency": b.within(b.latency),
	}
	for _, name := range names {
		measure, ok := all[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such bench:", name)
			return 2
		}
		if err := measure(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			return 1
		}
	}
	return 0
}

// world is a database of the bench's own.
type world struct {
	ctx   context.Context
	db    *pgxpool.Pool
	trace *tracer
}

// within has the measure made in a new database.
func (b *bench) within(measure func(*world) error) func() error {
	return func() error { return b.run(measure) }
}

func (b *bench) run(measure func(*world) error) error {
	admin, err := pgx.Connect(b.ctx, b.admin)
	if err != nil {
		return err
	}
	defer admin.Close(b.ctx)
	name := "jsruntime_bench_scheduler"
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := admin.Exec(b.ctx, sql); err != nil {
			return err
		}
	}
	defer func() { _, _ = admin.Exec(b.ctx, "DROP DATABASE "+name+" WITH (FORCE)") }()
	u, err := url.Parse(b.admin)
	if err != nil {
		return err
	}
	u.Path = "/" + name
	if err := migrations.Up(b.ctx, u.String()); err != nil {
		return err
	}
	w := &world{ctx: b.ctx, trace: b.trace}
	if w.db, err = w.pool(u.String()); err != nil {
		return err
	}
	defer w.db.Close()
	err = measure(w)
	if b.trace != nil {
		b.trace.print()
	}
	return err
}

func (w *world) pool(databaseURL string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 8
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error { // as a node's connections (package connect)
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	if w.trace != nil {
		cfg.ConnConfig.Tracer = w.trace
	}
	return pgxpool.NewWithConfig(w.ctx, cfg)
}

func (w *world) exec(sql string, args ...any) error {
	_, err := w.db.Exec(w.ctx, sql, args...)
	return err
}

// fill makes tenants with scripts of a type; scripts have names t-s.
func (w *world) fill(tenants, scripts int, kind string) error {
	if err := w.exec(`INSERT INTO tenants (slug, name, plan) SELECT 't' || i, 't', '{"max_queue_depth": 10000000, "max_concurrent_runs": 10000}' FROM generate_series(1, $1::int) i`, tenants); err != nil {
		return err
	}
	if err := w.exec(`INSERT INTO organizations (tenant_id, name, is_default) SELECT id, 'o', true FROM tenants`); err != nil {
		return err
	}
	return w.exec(`INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, resource_limits)
		SELECT o.tenant_id, o.id, i::text, '', $2, 'active', '{"max_concurrent_runs": 1000}' FROM organizations o, generate_series(1, $1::int) i`, scripts, kind)
}

type noop struct{}

func (noop) Execute(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
	now := time.Now()
	if inv.OnBegin != nil {
		inv.OnBegin()
	}
	return &engine.Result{Output: []byte("null"), Began: true, StartedAt: now, EndedAt: now, Metrics: engine.Metrics{Duration: 50 * time.Microsecond}}, nil
}

func (noop) Script(_ context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error) {
	return &engine.Script{ID: scriptID, TenantID: tenantID, Version: version}, nil
}

// observer notes how late executions begin.
type observer struct {
	scheduler.NopObserver
	mu    sync.Mutex
	late  []time.Duration
	ended atomic.Int64
	last  atomic.Int64
	claim atomic.Int64
	rows  atomic.Int64
}

func (o *observer) Begun(_ engine.Trigger, _, late time.Duration) {
	o.mu.Lock()
	o.late = append(o.late, late)
	o.mu.Unlock()
}

func (o *observer) Claimed(rows int, _ time.Duration) {
	o.claim.Add(1)
	o.rows.Add(int64(rows))
}

func (o *observer) Ended(engine.Trigger, engine.Code, string) {
	o.ended.Add(1)
	o.last.Store(time.Now().UnixNano())
}

func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(float64(len(all))*p))]
}

// node runs a scheduler; the returned function stops it.
func (w *world) node(o *observer, concurrency int) (*scheduler.Scheduler, func(), error) {
	pool, err := w.pool(w.db.Config().ConnString())
	if err != nil {
		return nil, nil, err
	}
	s, stop, err := w.schedule(scheduler.Config{Pool: pool, Executor: noop{}, Scripts: noop{}, Observer: o, Concurrency: concurrency, TenantConcurrency: 10_000})
	if err != nil {
		return nil, nil, err
	}
	return s, func() { stop(); pool.Close() }, nil
}

// schedule runs a scheduler as a node of its own; the returned function stops it.
func (w *world) schedule(cfg scheduler.Config) (_ *scheduler.Scheduler, stop func(), err error) {
	if cfg.Node, err = cluster.New(cluster.Config{DB: cfg.Pool}); err != nil {
		return nil, nil, err
	}
	if cfg.Listener, err = cluster.NewListener(cfg.Pool, nil); err != nil {
		return nil, nil, err
	}
	s, err := scheduler.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	working, stopWork := context.WithCancel(w.ctx)
	beating, stopBeating := context.WithCancel(context.WithoutCancel(w.ctx))
	var work, node sync.WaitGroup
	node.Go(func() { _ = cfg.Node.Run(beating) })
	node.Go(func() { _ = cfg.Listener.Run(beating) })
	work.Go(func() { _ = s.Run(working) })
	return s, func() {
		stopWork()
		work.Wait()
		stopBeating()
		node.Wait()
	}, nil
}

func (b *bench) storm(w *world) error {
	const tenants, each = 100, 100
	if err := w.fill(tenants, each, "scheduled"); err != nil {
		return err
	}
	o := &observer{}
	for range 2 {
		_, stop, err := w.node(o, 64)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := w.exec(`INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, is_active, next_run_at)
		SELECT id, tenant_id, '0 0 1 1 *', true, date_trunc('second', now()) + interval '6 seconds' FROM scripts`); err != nil {
		return err
	}
	if err := w.exec(`ANALYZE`); err != nil {
		return err
	}
	before, err := w.cpu()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	for o.ended.Load() < tenants*each && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	after, err := w.cpu()
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Printf("storm: %d of %d ticks began, late p50 %s p99 %s max %s; CPU of a tick: Postgres %.0f µs, schedulers %.0f µs\n", len(o.late), tenants*each,
		percentile(o.late, .5).Round(time.Millisecond), percentile(o.late, .99).Round(time.Millisecond), percentile(o.late, 1).Round(time.Millisecond),
		float64((after.postgres-before.postgres).Microseconds())/(tenants*each), float64((after.own-before.own).Microseconds())/(tenants*each))
	return nil
}

// cpu is what was used so far by this process and by the server's processes of the world's database, where the server is on this machine.
type cpu struct{ own, postgres time.Duration }

func (w *world) cpu() (c cpu, err error) {
	rows, err := w.db.Query(w.ctx, "SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
	if err != nil {
		return c, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return c, err
	}
	for _, pid := range pids {
		if p, err := load.Process(pid); err == nil && p.Name == "postgres" { // otherwise it has ended, or is another machine's
			c.postgres += p.CPU
		}
	}
	own, err := load.Process(os.Getpid())
	c.own = own.CPU
	return c, err
}

// idle takes the median time of the claim of one due schedule, in a transaction that is rolled back.
func (b *bench) idle(w *world) error {
	if err := w.fill(100, 1000, "scheduled"); err != nil {
		return err
	}
	measure := func(schedules int) (time.Duration, error) {
		if err := w.exec(`TRUNCATE script_scheduled_jobs`); err != nil {
			return 0, err
		}
		if err := w.exec(`INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, is_active, next_run_at)
			SELECT id, tenant_id, '0 0 1 1 *', true, CASE WHEN row_number() OVER (ORDER BY id) = 1 THEN now() - interval '1 second' ELSE now() + random() * interval '1 day' + interval '1 hour' END
			FROM (SELECT * FROM scripts ORDER BY id LIMIT $1) s`, schedules); err != nil {
			return 0, err
		}
		if err := w.exec(`VACUUM ANALYZE script_scheduled_jobs`); err != nil {
			return 0, err
		}
		var took []time.Duration
		for range 300 {
			err := pgx.BeginFunc(w.ctx, w.db, func(tx pgx.Tx) error {
				began := time.Now()
				rows, err := sqlc.New(tx).ScheduledJobClaimDue(w.ctx, 500)
				took = append(took, time.Since(began))
				if err == nil && len(rows) != 1 {
					err = fmt.Errorf("%d schedules due, not 1", len(rows))
				}
				return err
			})
			if err != nil {
				return 0, err
			}
		}
		return percentile(took, .5), nil
	}
	var few, many []time.Duration
	for range 3 {
		f, err := measure(100)
		if err != nil {
			return err
		}
		m, err := measure(100_000)
		if err != nil {
			return err
		}
		few, many = append(few, f), append(many, m)
	}
	fmt.Printf("idle: claim beside 100 schedules %s, beside 100,000 %s, ratio %.2f\n", percentile(few, .5), percentile(many, .5),
		float64(percentile(many, .5))/float64(percentile(few, .5)))
	rows, err := w.db.Query(w.ctx, `EXPLAIN SELECT j.id FROM script_scheduled_jobs j WHERE j.is_active AND j.next_run_at <= now() ORDER BY j.next_run_at LIMIT 500`)
	if err != nil {
		return err
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	fmt.Println(strings.Join(plan, "\n"))
	return err
}

func (w *world) enqueue(n int) error {
	return w.exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, input, started_at, handler)
		SELECT jsruntime_uuid_v7(), s.id, s.tenant_id, 'pending', 'event', '{"n": 1}', NULL, 'event'
		FROM generate_series(1, $1::int / (SELECT count(*)::int FROM scripts)) i, scripts s`, n)
}

func (b *bench) queue(w *world) error {
	if err := w.fill(4, 2, "event"); err != nil {
		return err
	}
	if err := w.enqueue(b.jobs); err != nil {
		return err
	}
	if err := w.exec(`VACUUM ANALYZE script_executions`); err != nil {
		return err
	}
	o := &observer{}
	began := time.Now()
	_, stop, err := w.node(o, 256)
	if err != nil {
		return err
	}
	for o.ended.Load() < int64(b.jobs) {
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Unix(0, o.last.Load()).Sub(began)
	stop()
	fmt.Printf("queue: %d executions in %s: %.0f a second, %.1f a claim\n", b.jobs, took.Round(time.Millisecond), float64(b.jobs)/took.Seconds(),
		float64(o.rows.Load())/float64(o.claim.Load()))
	return nil
}

// heldTransaction drains a queue that is never empty, without and with a transaction held open, each in a database of its own: the
// history grows in both, which costs by itself, so that only their ratio says what the transaction costs.
func (b *bench) heldTransaction() error {
	var free, held drained
	for _, side := range []struct {
		hold bool
		d    *drained
	}{{false, &free}, {true, &held}} {
		if err := b.run(func(w *world) (err error) { *side.d, err = b.drain(w, side.hold); return err }); err != nil {
			return err
		}
	}
	last := len(free.rates) - 1
	fmt.Printf("held: without a transaction %.0f a second, then every 10 s %.0f (%d dead rows)\n", free.before, free.rates, free.dead)
	fmt.Printf("held: with one held open    %.0f a second, then every 10 s %.0f (%d dead rows), %.0f after it\n", held.before, held.rates, held.dead, held.after)
	fmt.Printf("held: the last 10 s with it by those without: %.2f (aim: 0.8); by its own rate before: %.2f, without: %.2f\n",
		held.rates[last]/free.rates[last], held.rates[last]/held.before, free.rates[last]/free.before)
	return nil
}

// window is how long a rate of the held bench is of.
const window = 10 * time.Second

// drained is what a queue's rate was, in executions a second.
type drained struct {
	before, after float64
	rates         []float64 // of each 10 s in between
	dead          int64     // rows at the end of those
}

func (b *bench) drain(w *world, hold bool) (d drained, err error) {
	if err := w.fill(4, 2, "event"); err != nil {
		return d, err
	}
	o := &observer{}
	_, stop, err := w.node(o, 256)
	if err != nil {
		return d, err
	}
	defer stop()
	// A producer keeps some thousand executions waiting: the measure is of a queue that is never empty.
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var produced atomic.Int64
	go func() {
		for ctx.Err() == nil {
			if produced.Load()-o.ended.Load() > 4000 {
				time.Sleep(time.Millisecond)
				continue
			}
			if err := w.enqueue(1000); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "held:", err)
				return
			}
			produced.Add(1000)
		}
	}()
	rate := func() float64 {
		from, began := o.ended.Load(), time.Now()
		time.Sleep(window)
		return float64(o.ended.Load()-from) / time.Since(began).Seconds()
	}
	time.Sleep(3 * time.Second)
	d.before = rate()
	release := func() {}
	if hold {
		tx, err := w.db.BeginTx(w.ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err != nil {
			return d, err
		}
		release = func() { _ = tx.Rollback(w.ctx) }
		// Its snapshot is taken by its first statement.
		if _, err := tx.Exec(w.ctx, `SELECT count(*) FROM tenants`); err != nil {
			release()
			return d, err
		}
	}
	defer func() { release() }()
	for passed := time.Duration(0); passed < b.held; passed += window {
		d.rates = append(d.rates, rate())
	}
	if err := w.db.QueryRow(w.ctx, `SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'script_executions'`).Scan(&d.dead); err != nil {
		return d, err
	}
	release()
	d.after = rate()
	return d, nil
}

func (b *bench) latency(w *world) error {
	if err := w.fill(1, 1, "event"); err != nil {
		return err
	}
	if err := w.exec(`INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type) SELECT id, tenant_id, 'x' FROM scripts`); err != nil {
		return err
	}
	o := &observer{}
	began := make(chan time.Time, 1)
	pool, err := w.pool(w.db.Config().ConnString())
	if err != nil {
		return err
	}
	defer pool.Close()
	_, stop, err := w.schedule(scheduler.Config{Pool: pool, Scripts: noop{}, Observer: o, Executor: executorFunc(func(inv *engine.Invocation) { began <- time.Now() })})
	if err != nil {
		return err
	}
	defer stop()
	var took []time.Duration
	for range 300 {
		time.Sleep(20 * time.Millisecond)
		if err := w.exec(`SELECT jsruntime_publish_event(id, 'x', '1') FROM tenants`); err != nil {
			return err
		}
		committed := time.Now()
		took = append(took, (<-began).Sub(committed))
	}
	fmt.Printf("latency: commit of a publication to start, p50 %s p99 %s\n", percentile(took, .5).Round(10*time.Microsecond), percentile(took, .99).Round(10*time.Microsecond))
	return nil
}

type executorFunc func(*engine.Invocation)

func (f executorFunc) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	f(inv)
	return noop{}.Execute(ctx, inv)
}
