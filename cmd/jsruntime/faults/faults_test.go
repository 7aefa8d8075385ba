package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest/pgserver"
)

// fault is one way in which the world breaks. run injects it, proves that it happened, and undoes it; the invariants are
// checked afterwards.
type fault struct {
	id, name string
	world    worldConfig
	patience time.Duration // for what is left to end; 0: 60 s
	run      func(t *testing.T, w *world)
}

var all = []fault{
	{id: "F1", name: "kill -9 of a node mid-run", run: killNode},
	{id: "F2", name: "kill -9 of workers mid-run", run: killWorkers},
	{id: "F3", name: "workers stopped (SIGSTOP) mid-run", run: hangWorkers},
	{id: "F4", name: "workers that speak garbage", world: worldConfig{noStart: true}, run: garbage},
	{id: "F5", name: "node frozen beyond its lease, then back", run: freezeNode, patience: 90 * time.Second},
	{id: "F6", name: "Postgres crashes and restarts", run: crashPostgres},
	{id: "F6b", name: "Postgres restarts, twice, at 500 req/s", run: restartPostgres, patience: 90 * time.Second},
	{id: "F7", name: "Postgres down for a while", run: postgresDown, patience: 90 * time.Second},
	{id: "F8", name: "Postgres accepts and never answers", world: worldConfig{relay: true}, run: postgresHangs, patience: 90 * time.Second},
	{id: "F9", name: "every backend terminated, twice", run: terminateBackends},
	{id: "F10", name: "Postgres read-only, as after a failover", run: readOnly, patience: 90 * time.Second},
	{id: "F11", name: "a node cut off from Postgres (namespace)", world: worldConfig{noStart: true}, run: partition, patience: 90 * time.Second},
	{id: "F11b", name: "a bad line to Postgres: late, cut up, stalling, reset", world: worldConfig{relay: true}, run: lossyLine, patience: 90 * time.Second},
	{id: "F12", name: "Postgres's disk is full", world: worldConfig{noStart: true}, run: diskFull, patience: 90 * time.Second},
	{id: "F13", name: "Postgres's clock steps by an hour, both ways", world: worldConfig{noStart: true, stepped: true}, run: clockSteps, patience: 90 * time.Second},
	{id: "F13b", name: "a node's clock steps by an hour, both ways", world: worldConfig{noStart: true}, run: nodeClockSteps, patience: 90 * time.Second},
	{id: "F14", name: "summer time begins and ends, with a restart in the repeated hour", world: worldConfig{noStart: true, stepped: true}, run: summerTime, patience: 90 * time.Second},
	{id: "F15", name: "connection pool exhausted", world: worldConfig{env: []string{"JSRUNTIME_DATABASE_CONNS=4"}}, run: exhaustPool},
	{id: "F16", name: "a transaction held open", run: heldTransaction},
	{id: "F17", name: "slow clients, half-open and vanishing ones", run: slowClients},
	{id: "F18", name: "SIGTERM under load, with long runs; SIGTERM twice", world: worldConfig{env: []string{"JSRUNTIME_DRAIN_DELAY=1s"}}, run: drain, patience: 90 * time.Second},
	{id: "F18b", name: "rolling restart of two nodes at 500 req/s", world: worldConfig{env: []string{"JSRUNTIME_DRAIN_DELAY=1s"}}, run: rollingRestart, patience: 90 * time.Second},
	{id: "F19", name: "three nodes, many schedules due at one instant", world: worldConfig{nodes: 3}, run: schedulersRace},
	{id: "F20", name: "an older node beside a newer one", world: worldConfig{noStart: true}, run: twoVersions, patience: 90 * time.Second},
	{id: "F21", name: "one event published by eight clients at once", run: duplicateEvents},
	{id: "F22", name: "a script that kills each worker", run: poison},
	{id: "F23", name: "many tenants at once", run: manyTenants},
	{id: "F24", name: "the node's memory is limited", world: worldConfig{noStart: true}, run: lowMemory, patience: 90 * time.Second},
	{id: "F25", name: "the worker's binary disappears, or is another one", world: worldConfig{noStart: true}, run: binaryGone},
	{id: "F26", name: "no notification ever arrives, and listeners are cut off", world: worldConfig{relay: true}, run: notificationsLost},
	{id: "F27", name: "the downstream fails for a while", run: retryStorm, patience: 120 * time.Second},
	{id: "F28", name: "vacuum, a lock and old rows deleted during load", run: vacuum},
	{id: "F29", name: "behind PgBouncer in transaction mode, which is killed", world: worldConfig{noStart: true}, run: pooler, patience: 90 * time.Second},
	{id: "F34", name: "the primary dies and its synchronous standby is promoted; then back again", world: worldConfig{noStart: true}, run: promoteStandby, patience: 90 * time.Second},
}

func TestFaults(t *testing.T) {
	if os.Getenv("JSRUNTIME_BINARY") == "" {
		t.Skip("make test-faults runs this: it takes minutes and kills processes")
	}
	dir := t.TempDir()
	shared := newDatabase(t, dir)
	only := strings.FieldsFunc(os.Getenv("JSRUNTIME_FAULTS_ONLY"), func(r rune) bool { return r == ',' || r == ' ' })
	results := &table{begun: time.Now(), postgres: query[string](&world{t: t, db: shared, name: "postgres"}, `SELECT current_setting('server_version')`)}
	for _, f := range all {
		if len(only) > 0 && !slices.Contains(only, f.id) {
			continue
		}
		r := row{id: f.id, name: f.name, cells: map[string]string{}, own: "FAIL"}
		begun := time.Now()
		t.Run(f.id, func(t *testing.T) {
			defer func() {
				if t.Skipped() {
					r.own = "skipped"
				}
			}()
			w := newWorld(t, shared, f.world)
			defer func() {
				if t.Failed() && os.Getenv("JSRUNTIME_FAULTS_KEEP") != "" {
					keep := filepath.Join(os.Getenv("JSRUNTIME_FAULTS_KEEP"), f.id)
					_ = os.MkdirAll(keep, 0o755)
					for _, n := range w.nodes {
						if resp, err := client.Get(n.base + "/metrics"); err == nil {
							text, _ := io.ReadAll(resp.Body)
							resp.Body.Close()
							_ = os.WriteFile(filepath.Join(keep, n.name+".metrics"), text, 0o644)
						}
						n.expect()
						n.signal(syscall.SIGQUIT) // its goroutines go into its log
						select {
						case <-n.gone:
						case <-time.After(3 * time.Second):
						}
						if text, err := os.ReadFile(n.log); err == nil {
							_ = os.WriteFile(filepath.Join(keep, n.name+".log"), text, 0o644)
						}
					}
				}
			}()
			if !f.world.noStart {
				w.exec(audit)
				w.warm()
			}
			f.run(t, w)
			if !t.Failed() {
				r.own = "ok"
			}
			if f.patience == 0 {
				f.patience = time.Minute
			}
			wrong := w.settle(f.patience)
			for _, invariant := range order {
				r.cells[invariant] = "ok"
				if len(wrong[invariant]) > 0 {
					r.cells[invariant] = "FAIL"
					t.Errorf("%s %s violated:\n%s", f.id, invariant, strings.Join(wrong[invariant], "\n"))
				}
			}
			r.notes = w.notes
		})
		r.took = time.Since(begun)
		results.rows = append(results.rows, r)
		// After each: a run that is broken off has shown what it has seen.
		if path := os.Getenv("FAULTS_TABLE"); path != "" {
			require.NoError(t, os.WriteFile(path, []byte(results.markdown()), 0o644))
		}
	}
	t.Logf("\n%s", results.text())
}

// busy has n executions of ms each under way, and returns when they all began.
func (w *world) busy(n, ms int) []string {
	w.t.Helper()
	var ids []string
	for range n {
		id, ok := w.submit(context.Background(), map[string]any{"ms": ms})
		require.True(w.t, ok, "not accepted: %v", w.refusals)
		ids = append(ids, id)
	}
	require.Eventually(w.t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return w.sink.began(id) == 0 })
	}, 30*time.Second, 20*time.Millisecond, "not all of the executions began")
	return ids
}

// rescued waits until every execution has begun again or ended, and says how long that took.
func (w *world) rescued(ids []string, since time.Time, within time.Duration) {
	w.t.Helper()
	deadline := time.Now().Add(within)
	for {
		left := query[int](w, `SELECT count(*) FROM script_execution_queue WHERE id = ANY ($1::uuid[]) AND lease_expires_at < now()`, ids)
		running := query[int](w, `SELECT count(*) FROM script_executions WHERE id = ANY ($1::uuid[]) AND status IN ('pending', 'running')`, ids)
		if running == 0 {
			w.note("%d long executions ended %.1f s after the fault", len(ids), time.Since(since).Seconds())
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("%d of %d executions still have no ending, %d of them with an expired lease, %v after the fault", running, len(ids), left, within)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func killNode(t *testing.T, w *world) {
	ids := w.busy(20, 4000)
	victim := w.nodes[0]
	held := query[int](w, `SELECT count(*) FROM script_execution_queue WHERE node_id IS NOT NULL`)
	require.Positive(t, held)
	begun := time.Now()
	w.kill(victim)
	w.rescued(ids, begun, time.Minute)
	again := w.start(nodeConfig{name: "node3"})
	again.waitReady(t)

	// CRASH_DURATION goes on with it, at random.
	limit, _ := time.ParseDuration(os.Getenv("CRASH_DURATION"))
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	kills := 1
	for until := time.Now().Add(limit); time.Now().Before(until); kills++ {
		time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
		if random.IntN(2) == 0 {
			n := w.pick()
			w.start(nodeConfig{name: fmt.Sprintf("node%d", len(w.nodes)+1)}).waitReady(t)
			w.kill(n)
		} else if n := w.pick(); n != nil {
			for _, p := range n.workers() {
				_ = syscall.Kill(p.pid, syscall.SIGKILL)
			}
		}
	}
	if limit > 0 {
		w.note("%d kills in %v, seed %d", kills, limit, seed)
	}
}

func killWorkers(t *testing.T, w *world) {
	ids := w.busy(10, 3000)
	killed := 0
	begun := time.Now()
	for range 3 {
		for _, n := range w.nodes {
			for _, p := range n.workers() {
				if syscall.Kill(p.pid, syscall.SIGKILL) == nil {
					killed++
				}
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
	require.Positive(t, killed)
	w.note("%d workers killed", killed)
	w.rescued(ids, begun, time.Minute)
	for _, n := range w.nodes {
		require.Eventually(t, func() bool { return w.visit(context.Background(), n, "/hello") == http.StatusOK }, 10*time.Second, 50*time.Millisecond, "%s does not serve", n.name)
	}
}

func hangWorkers(t *testing.T, w *world) {
	w.addScript("short", "oneoff", `export default { async run(input, env, ctx) { const t = token(); await begin(ctx, t); await fetch(sink + "/slow?ms=1500").then((r) => r.text()); await end(ctx, t); return { mark: t }; } }`,
		map[string]any{"resource_limits": map[string]any{"max_execution_time_ms": 3000, "max_api_calls_per_minute": 100000, "max_concurrent_runs": 100}})
	work := w.script("work")
	w.setScript("work", w.script("short"))
	ids := w.busy(4, 0) // five on one node would put the script in quarantine: they kill their workers by their deadlines
	w.setScript("work", work)
	var stopped []process
	for _, n := range w.nodes {
		for _, p := range n.workers() {
			if syscall.Kill(p.pid, syscall.SIGSTOP) == nil {
				stopped = append(stopped, p)
			}
		}
	}
	require.NotEmpty(t, stopped)
	w.rescued(ids, time.Now(), 40*time.Second)
	// Those that were executing are killed at their deadline; idle ones are let go again.
	for _, p := range stopped {
		if p.alive() {
			_ = syscall.Kill(p.pid, syscall.SIGCONT)
		}
	}
	w.note("%d workers stopped", len(stopped))
}

func freezeNode(t *testing.T, w *world) {
	victim := w.nodes[0]
	ids := w.busy(20, 4000)
	victim.signal(syscall.SIGSTOP)
	p, _ := stat(victim.pid())
	require.Eventually(t, func() bool { p, _ = stat(victim.pid()); return p.state == "T" }, 5*time.Second, 5*time.Millisecond)
	victim.expect() // the load leaves it alone
	begun := time.Now()
	w.rescued(ids, begun, 90*time.Second)
	for time.Since(begun) < 25*time.Second {
		time.Sleep(100 * time.Millisecond)
	}
	victim.signal(syscall.SIGCONT)
	time.Sleep(3 * time.Second)
	require.True(t, victim.running(), "the node ended when it came back")
	victim.mu.Lock()
	victim.expected = false
	victim.mu.Unlock()
	victim.waitReady(t)
}

func crashPostgres(t *testing.T, w *world) {
	ids := w.busy(10, 3000)
	begun := time.Now()
	w.db.stop(syscall.SIGQUIT)
	w.db.start(t)
	w.note("Postgres was away for %.1f s", time.Since(begun).Seconds())
	w.recovered(t, begun)
	w.rescued(ids, begun, time.Minute)
	w.wakeup(t)
}

// restartPostgres is what an operator does to Postgres on a weekday, and what a crash does: who asks for a warm endpoint does not
// notice.
func restartPostgres(t *testing.T, w *world) {
	w.stopLoad()
	traffic := w.openLoop(500, func() (*node, string) { n := w.pick(); return n, n.base })
	begun := time.Now()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		time.Sleep(3 * time.Second)
		away := time.Now()
		w.db.stop(signal)
		w.db.start(t)
		w.note("%v: Postgres was away for %.1f s", signal, time.Since(away).Seconds())
		w.recovered(t, away)
	}
	time.Sleep(2 * time.Second)
	traffic.mustAllSucceed("two restarts of Postgres", time.Since(begun))
	w.wakeup(t)
}

// recovered waits until every node works again, and says when.
func (w *world) recovered(t *testing.T, since time.Time) {
	t.Helper()
	for _, n := range w.nodes {
		n.waitReady(t)
	}
	id, ok := "", false
	require.Eventually(t, func() bool {
		if !ok {
			id, ok = w.submit(context.Background(), map[string]any{"n": 1})
		}
		return ok && query[string](w, `SELECT status FROM script_executions WHERE id = $1`, id) == "completed"
	}, 30*time.Second, 50*time.Millisecond, "nothing completes after the database is back")
	w.note("first completion %.1f s after the fault began", time.Since(since).Seconds())
}

// wakeup measures how long an accepted execution takes to begin, which tells a live LISTEN from polling.
func (w *world) wakeup(t *testing.T) {
	t.Helper()
	w.stopLoad()
	var waits []time.Duration
	for range 11 {
		begun := time.Now()
		id, ok := w.submit(context.Background(), map[string]any{"n": 1})
		require.True(t, ok)
		require.Eventually(t, func() bool { return w.sink.began(id) > 0 }, 10*time.Second, time.Millisecond)
		waits = append(waits, time.Since(begun))
		time.Sleep(200 * time.Millisecond)
	}
	slices.Sort(waits)
	w.note("wake-up: median %d ms, worst %d ms", waits[5].Milliseconds(), waits[10].Milliseconds())
}

func outage() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("JSRUNTIME_FAULTS_OUTAGE")); err == nil {
		return d
	}
	return 30 * time.Second
}

func postgresDown(t *testing.T, w *world) {
	w.busy(10, 3000)
	begun := time.Now()
	w.db.stop(syscall.SIGINT)
	w.duringOutage(t, outage())
	w.db.start(t)
	w.recovered(t, begun)
}

// duringOutage checks what a node without a database does for so long.
func (w *world) duringOutage(t *testing.T, d time.Duration) {
	t.Helper()
	w.paused.Store(true)
	defer w.paused.Store(false)
	until := time.Now().Add(d)
	n := w.nodes[0]
	require.Eventually(t, func() bool { return n.status("/readyz", 5*time.Second) == http.StatusServiceUnavailable }, 15*time.Second, 100*time.Millisecond, "/readyz stays green without a database")
	warm, refused, slow := 0, 0, time.Duration(0)
	begun := time.Now()
	traffic := w.openLoop(100, func() (*node, string) { return n, n.base })
	for time.Now().Before(until) {
		require.Equal(t, http.StatusOK, n.status("/healthz", 2*time.Second), "/healthz")
		if w.visit(context.Background(), n, "/hello") == http.StatusOK {
			warm++
		}
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		begun := time.Now()
		var out struct{ ID string }
		status, header, err := w.call(ctx, n, "POST", "/api/v1/scripts/"+w.script("work")+"/executions", w.key, map[string]any{"input": 1}, &out)
		cancel()
		took := time.Since(begun)
		slow = max(slow, took)
		switch {
		case err == nil && status == http.StatusServiceUnavailable:
			refused++
			if header.Get("Retry-After") == "" {
				t.Errorf("a 503 without Retry-After")
			}
		case err == nil && status == http.StatusAccepted:
			w.mu.Lock()
			w.accepted[out.ID] = time.Now()
			w.mu.Unlock()
		default:
			t.Errorf("an admin request during the outage: status %d, %v", status, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	traffic.mustAllSucceed("the outage", time.Since(begun))
	w.note("during the outage: %d answers of a warm endpoint, %d admin requests refused, the slowest after %.1f s", warm, refused, slow.Seconds())
	// One wait for the key and one for the transaction, where Postgres says nothing at all.
	if slow > 12*time.Second {
		t.Errorf("an admin request took %v during the outage", slow)
	}
	if warm == 0 {
		t.Errorf("no warm endpoint answered during the outage")
	}
}

func postgresHangs(t *testing.T, w *world) {
	w.busy(10, 3000)
	begun := time.Now()
	w.relay.stall()
	w.duringOutage(t, outage())
	w.relay.flow()
	w.recovered(t, begun)
}

func terminateBackends(t *testing.T, w *world) {
	ids := w.busy(10, 3000)
	begun := time.Now()
	killed := 0
	for range 2 {
		killed += query[int](w, `SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()) x`)
		time.Sleep(1500 * time.Millisecond)
	}
	require.Positive(t, killed)
	w.note("%d backends terminated", killed)
	w.recovered(t, begun)
	w.rescued(ids, begun, time.Minute)
	w.wakeup(t)
}

func readOnly(t *testing.T, w *world) {
	w.busy(5, 2000)
	begun := time.Now()
	w.paused.Store(true)
	defer w.paused.Store(false)
	w.db.exec(t, "postgres", `ALTER DATABASE `+w.name+` SET default_transaction_read_only = on`)
	w.db.exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, w.name)
	time.Sleep(8 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	status, _, err := w.call(ctx, w.nodes[0], "POST", "/api/v1/scripts/"+w.script("work")+"/executions", w.key, map[string]any{"input": 1}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status, "a read-only database is an outage")
	require.Equal(t, http.StatusServiceUnavailable, w.nodes[0].status("/readyz", 5*time.Second), "/readyz is green while nothing can be written")
	w.db.exec(t, "postgres", `ALTER DATABASE `+w.name+` RESET default_transaction_read_only`)
	w.db.exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, w.name)
	w.recovered(t, begun)
}

func exhaustPool(t *testing.T, w *world) {
	// A lock on the table that POST /scripts writes holds as many connections as ask for it.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	conn, err := pgx.Connect(ctx, w.db.url(w.name))
	require.NoError(t, err)
	tx, err := conn.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, `LOCK TABLE script_kv IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	w.addScript("kv", "oneoff", `import { kv } from "jsruntime"; export default { async run() { return await kv.get("x"); } }`, nil)
	for range 12 {
		var made struct{ ID string }
		w.must("POST", "/api/v1/scripts/"+w.script("kv")+"/executions", w.key, map[string]any{}, &made)
	}
	time.Sleep(20 * time.Second) // longer than a lease
	held := query[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	require.Positive(t, held)
	lost := query[int](w, `SELECT count(*) FROM script_executions WHERE lost_count > 0`)
	w.note("%d connections held by a lock; %d executions lost their lease", held, lost)
	if lost > 0 {
		t.Errorf("%d executions lost their lease: renewal has no connection of its own", lost)
	}
	require.NoError(t, tx.Rollback(ctx))
	require.NoError(t, conn.Close(ctx))
}

func heldTransaction(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	conn, err := pgx.Connect(ctx, w.db.url(w.name))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM script_executions`)
	require.NoError(t, err)
	rate := func() float64 {
		n := query[int](w, `SELECT count(*) FROM script_executions WHERE status = 'completed' AND handler = 'run'`)
		time.Sleep(5 * time.Second)
		return float64(query[int](w, `SELECT count(*) FROM script_executions WHERE status = 'completed' AND handler = 'run'`)-n) / 5
	}
	first := rate()
	time.Sleep(outage() / 2)
	last := rate()
	w.note("completions/s %.1f at first, %.1f at the end of the held transaction", first, last)
	if last < first/2 {
		t.Errorf("the queue slows down from %.1f/s to %.1f/s under a held transaction", first, last)
	}
}

func slowClients(t *testing.T, w *world) {
	n := w.nodes[0]
	address := strings.TrimPrefix(n.base, "http://")
	var conns []net.Conn
	open := func(request string) net.Conn {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		conns = append(conns, c)
		_, err = io.WriteString(c, request)
		require.NoError(t, err)
		return c
	}
	for range 30 { // half a head, and then nothing
		open("GET /t/acme/hello HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	}
	for range 10 { // a body that never comes whole
		open("POST /t/acme/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
	}
	for range 10 { // a long answer that the client does not read
		c := open("GET /t/acme/big HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
	}
	for range 20 { // a client that vanishes while its script runs
		c := open("GET /t/acme/waits?ms=2000 HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(20 * time.Millisecond)
		reset(c)
	}
	ok := 0
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if w.visit(context.Background(), n, "/hello") == http.StatusOK {
			ok++
		}
	}
	w.note("%d answers to honest clients beside %d bad ones", ok, len(conns))
	require.Greater(t, ok, 100)
	for _, c := range conns {
		c.Close()
	}
}

func drain(t *testing.T, w *world) {
	victim := w.nodes[0]
	short := w.busy(10, 2000)
	work := w.script("work")
	w.setScript("work", w.addScript("long", "oneoff", `export default { async run(input, env, ctx) {
		const t = token(); await begin(ctx, t);
		for (let i = 0; i < 60; i++) await fetch(sink + "/slow?ms=1000").then((r) => r.text());
		await end(ctx, t); return { mark: t }; } }`,
		map[string]any{"resource_limits": map[string]any{"max_execution_time_ms": 120_000, "max_api_calls_per_minute": 100_000, "max_concurrent_runs": 100}}))
	long := w.busy(4, 0)
	w.setScript("work", work)
	w.doomed = append(w.doomed, victim.workers()...)
	begun := time.Now()
	victim.expect()
	victim.signal(syscall.SIGTERM)
	sawRed := false
	for victim.running() && time.Since(begun) < 45*time.Second {
		if victim.status("/readyz", time.Second) == http.StatusServiceUnavailable {
			sawRed = true
		}
		time.Sleep(20 * time.Millisecond)
	}
	require.False(t, victim.running(), "the node does not end after SIGTERM")
	w.note("drained in %.1f s, exit code %d, /readyz seen red: %v", time.Since(begun).Seconds(), victim.exit, sawRed)
	if victim.exit != 0 {
		t.Errorf("exit code %d after SIGTERM", victim.exit)
	}
	if !sawRed {
		t.Errorf("/readyz never said that the node is about to go")
	}
	w.rescued(short, begun, time.Minute)
	// Who asks twice does not want to wait.
	hasty := w.start(nodeConfig{name: "node3", env: []string{"JSRUNTIME_DRAIN_DELAY=25s"}})
	hasty.waitReady(t)
	require.Eventually(t, func() bool { return w.visit(context.Background(), hasty, "/hello") == http.StatusOK }, 30*time.Second, 50*time.Millisecond)
	w.doomed = append(w.doomed, hasty.workers()...)
	hasty.kills(func() {
		hasty.signal(syscall.SIGTERM)
		time.Sleep(300 * time.Millisecond)
		require.True(t, hasty.running(), "the node does not wait for its drain delay")
		hasty.signal(syscall.SIGTERM)
	})
	select {
	case <-hasty.gone:
	case <-time.After(10 * time.Second):
		t.Errorf("the node does not end after a second SIGTERM")
	}
	// What was too long to wait for runs elsewhere, and its attempt is not burned.
	if burned := query[int](w, `SELECT count(*) FROM script_executions WHERE id = ANY ($1::uuid[]) AND (attempt > 1 OR status NOT IN ('running', 'pending', 'completed'))`, long); burned > 0 {
		t.Errorf("%d long executions had their attempt burned by the drain: %s", burned, strings.Join(rows(w,
			`SELECT format('%s attempt %s lost %s %s: %s', status, attempt, lost_count, error_code, error) FROM script_executions WHERE id = ANY ($1::uuid[])`, long), "; "))
	}
	w.exec(`UPDATE script_execution_queue SET cancel_requested = true WHERE id = ANY ($1::uuid[])`, long)
	for _, id := range long {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, _, _ = w.call(ctx, w.pick(), "POST", "/api/v1/executions/"+id+"/cancel", w.key, nil, nil)
		cancel()
	}
}

func rollingRestart(t *testing.T, w *world) {
	w.stopLoad()
	var mu sync.Mutex
	backends := slices.Clone(w.nodes)
	healthy := map[*node]bool{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// A node that says no is taken out at once, one that does not answer after three times, as proxies are set up to.
	probe := func(n *node, missed int) int {
		status := n.status("/readyz", 2*time.Second)
		if status == 0 && n.running() {
			missed++
		} else {
			missed = 0
		}
		mu.Lock()
		healthy[n] = status == http.StatusOK || status == 0 && n.running() && healthy[n] && missed < 3
		mu.Unlock()
		return missed
	}
	watch := func(n *node) {
		probe(n, 0)
		go func() {
			for missed := 0; ctx.Err() == nil && n.running(); time.Sleep(50 * time.Millisecond) {
				missed = probe(n, missed)
			}
			mu.Lock()
			healthy[n] = false
			mu.Unlock()
		}()
	}
	for _, n := range backends {
		watch(n)
	}
	turn := 0
	front := newRelay(t, func() string {
		mu.Lock()
		defer mu.Unlock()
		for range backends {
			turn++
			if n := backends[turn%len(backends)]; healthy[n] {
				return strings.TrimPrefix(n.base, "http://")
			}
		}
		return ""
	})
	traffic := w.openLoop(500, func() (*node, string) { return nil, "http://" + front.addr() })
	time.Sleep(2 * time.Second)
	begun := time.Now()
	for i := range 2 {
		old := backends[i]
		w.doomed = append(w.doomed, old.workers()...)
		old.expect()
		old.signal(syscall.SIGTERM)
		select {
		case <-old.gone:
		case <-time.After(45 * time.Second):
			t.Fatal("the node does not end after SIGTERM")
		}
		if old.exit != 0 {
			t.Errorf("exit code %d after SIGTERM", old.exit)
		}
		fresh := w.start(nodeConfig{name: fmt.Sprintf("fresh%d", i+1), env: []string{"JSRUNTIME_DRAIN_DELAY=1s"}})
		fresh.waitReady(t)
		watch(fresh)
		mu.Lock()
		backends[i] = fresh
		mu.Unlock()
		time.Sleep(2 * time.Second)
	}
	traffic.mustAllSucceed("a rolling restart", time.Since(begun))
}

func schedulersRace(t *testing.T, w *world) {
	const jobs = 1000
	w.stopLoad()
	// A thousand scripts by SQL, as copies of tick that are due at one instant.
	w.exec(`
		WITH made AS (
			INSERT INTO scripts (tenant_id, organization_id, name, source, type, status, resource_limits, cron_expression, version)
			SELECT s.tenant_id, s.organization_id, 'copy-' || i, s.source, s.type, s.status, s.resource_limits, '0 0 1 1 *', 1
			FROM scripts s, generate_series(1, ` + fmt.Sprint(jobs) + `) i WHERE s.name = 'tick' RETURNING id, tenant_id
		), versions AS (
			INSERT INTO script_versions (script_id, tenant_id, version_number, source, compiled, source_map, source_sha256, handlers)
			SELECT made.id, made.tenant_id, 1, v.source, v.compiled, v.source_map, v.source_sha256, v.handlers
			FROM made, script_versions v JOIN scripts s ON s.id = v.script_id AND s.name = 'tick' WHERE v.version_number = s.version
		)
		INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, timezone, is_active, next_run_at)
		SELECT id, tenant_id, '0 0 1 1 *', 'UTC', true, date_trunc('second', now() + interval '4 s') FROM made`)
	begun := time.Now()
	done := func() int {
		return query[int](w, `SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name LIKE 'copy-%' AND e.status = 'completed'`)
	}
	deadline := time.Now().Add(90 * time.Second)
	for done() < jobs && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
	}
	require.Equal(t, jobs, done(), "not every schedule ran")
	nodes := query[int](w, `SELECT count(*) FROM nodes WHERE heartbeat_at > now() - interval '15 s'`)
	require.Equal(t, 3, nodes)
	w.note("%d schedules due at one instant ran in %.1f s on %d nodes; deadlocks %d", jobs, time.Since(begun).Seconds(), nodes,
		query[int](w, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
	require.Zero(t, query[int](w, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
	split := rows(w, `SELECT count(*)::text FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name LIKE 'copy-%' GROUP BY e.node_id ORDER BY 1`)
	w.note("by node: %s", strings.Join(split, ", "))
	require.Len(t, split, 3, "a node ran none of them")
}

func duplicateEvents(t *testing.T, w *world) {
	for i := range 20 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for !w.publish(context.Background(), fmt.Sprintf("once-%d", i), map[string]any{"n": i}) {
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		wg.Wait()
	}
	// And again after a restart.
	w.kill(w.nodes[0])
	w.start(nodeConfig{name: "node3"}).waitReady(t)
	for i := range 20 {
		require.True(t, w.publish(context.Background(), fmt.Sprintf("once-%d", i), map[string]any{"n": i}))
	}
	require.Equal(t, 20, query[int](w, `SELECT count(*) FROM script_executions WHERE event_id LIKE 'once-%'`))
}

func poison(t *testing.T, w *world) {
	w.addScript("poison", "oneoff", `export default { run() { "x".repeat(2**29 - 24).split(""); } }`, nil)
	w.addScript("poisonevent", "event", `export default { event() { const a = []; for (;;) a.push(new Uint8Array(1e7).fill(7)); } }`, map[string]any{"retry": map[string]any{"max_attempts": 3, "backoff_ms": 100}})
	for range 4 { // five would put it in quarantine for five minutes
		var made struct{ ID string }
		w.must("POST", "/api/v1/scripts/"+w.script("poison")+"/executions", w.key, map[string]any{}, &made)
		w.accepted[made.ID] = time.Now()
	}
	w.must("POST", "/api/v1/events", w.key, map[string]any{"type": "fault.poisonevent", "data": 1}, nil)
	require.Eventually(t, func() bool {
		return query[int](w, `SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name LIKE 'poison%' AND e.status IN ('pending', 'running')`) == 0
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, 1, query[int](w, `SELECT count(*) FROM script_event_dead_letters WHERE event_type = 'fault.poisonevent'`))
	w.note("endings of the poison: %s", query[string](w, `SELECT string_agg(c || ' ' || n, ', ') FROM (SELECT coalesce(e.error_code, e.status) c, count(*)::text n FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name LIKE 'poison%' GROUP BY 1) x`))
	require.Equal(t, http.StatusOK, w.visit(context.Background(), w.pick(), "/hello"))
}

func manyTenants(t *testing.T, w *world) {
	const tenants = 100
	keys := make([]string, tenants)
	for i := range tenants {
		slug := fmt.Sprintf("many-%d", i)
		w.must("POST", "/api/v1/tenants", adminKey, map[string]any{"slug": slug, "name": slug}, nil)
		var key struct{ Key string }
		w.must("POST", "/api/v1/tenants/"+slug+"/api-keys", adminKey, map[string]any{"name": "k", "role": "admin"}, &key)
		keys[i] = key.Key
		w.must("POST", "/api/v1/scripts", key.Key, map[string]any{"name": "s", "type": "http", "status": "active", "http_path": "/s", "http_methods": []string{"GET"},
			"source": `export default { fetch() { return new Response("` + slug + `"); } }`}, nil)
	}
	time.Sleep(2 * time.Second)
	statuses := map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range tenants {
		wg.Go(func() {
			for range 5 {
				resp, err := client.Get(w.pick().base + fmt.Sprintf("/t/many-%d/s", i))
				if err != nil {
					mu.Lock()
					statuses[0]++
					mu.Unlock()
					continue
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				mu.Lock()
				statuses[resp.StatusCode]++
				if resp.StatusCode == http.StatusOK && string(text) != fmt.Sprintf("many-%d", i) {
					t.Errorf("tenant %d got %q", i, text)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	most := 0
	for _, n := range w.nodes {
		most = max(most, len(n.workers()))
	}
	w.note("%d tenants × 5 requests in %.1f s: %v; at most %d workers a node", tenants, time.Since(begun).Seconds(), statuses, most)
	if statuses[0] > 0 || statuses[500] > 0 {
		t.Errorf("statuses %v", statuses)
	}
}

func binaryGone(t *testing.T, w *world) {
	bin := filepath.Join(w.dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	for _, name := range []string{"jsruntime", "jsruntime-worker"} {
		out, err := exec.Command("cp", filepath.Join(binaries(t), name), bin).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	w.open(nodeConfig{name: "node1", bin: filepath.Join(bin, "jsruntime")}, nodeConfig{name: "node2"})
	n := w.nodes[0]
	require.NoError(t, os.Remove(filepath.Join(bin, "jsruntime-worker")))
	for _, p := range n.workers() {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	without := func(what string) {
		refused := 0
		for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
			require.True(t, n.running(), "the node ended when it could not start workers (%s)", what)
			if w.visit(context.Background(), n, "/hello") == http.StatusServiceUnavailable {
				refused++
			}
		}
		require.Equal(t, http.StatusOK, n.status("/healthz", 5*time.Second))
		w.note("worker's binary %s: %d answers of 503; lines of the log about it: %d", what, refused, logLines(n, "worker did not start"))
		require.Positive(t, refused, "no client is told (%s)", what)
		require.Equal(t, http.StatusServiceUnavailable, n.status("/readyz?exclude=database", 5*time.Second))
		require.Equal(t, http.StatusOK, n.status("/readyz?exclude=workers", 5*time.Second))
		// The other node has the queue to itself.
		begun := time.Now()
		ids := w.busy(10, 1)
		require.Eventually(t, func() bool {
			return query[int](w, `SELECT count(*) FROM script_executions WHERE id = ANY($1) AND status = 'completed'`, ids) == len(ids)
		}, 30*time.Second, 20*time.Millisecond, "the queue waits for a node that cannot run anything")
		w.note("worker's binary %s: 10 executions of the queue completed by the other node in %.1f s", what, time.Since(begun).Seconds())
		require.Equal(t, 1, query[int](w, `SELECT count(*) FROM nodes WHERE NOT can_run`))
		require.Zero(t, query[int](w, `SELECT count(*) FROM script_executions WHERE id = ANY($1) AND node_id IN (SELECT id FROM nodes WHERE NOT can_run)`, ids))
	}
	without("gone")
	// In the middle of an upgrade: half a file, and one of another build.
	worker := filepath.Join(bin, "jsruntime-worker")
	require.NoError(t, os.WriteFile(worker, []byte("\x7fELF half of it"), 0o755))
	without("broken")
	require.NoError(t, os.Remove(worker))
	out, err := exec.Command("cp", filepath.Join(binaries(t), "jsruntime-worker"), bin).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Eventually(t, func() bool { return w.visit(context.Background(), n, "/hello") == http.StatusOK }, 30*time.Second, 100*time.Millisecond, "no recovery after the binary is back")
	n.waitReady(t)
	require.Eventually(t, func() bool { return query[int](w, `SELECT count(*) FROM nodes WHERE can_run`) == 2 }, 30*time.Second, 100*time.Millisecond, "the node claims nothing again")
}

func garbage(t *testing.T, w *world) {
	fake := filepath.Join(w.dir, "jsruntime-worker")
	script := []string{
		"head -c 65536 /dev/urandom >&3; sleep 3",                // noise
		`printf '\377\377\377\377\377\377\377\177' >&3; sleep 3`, // a huge length
		"exit 0",        // nothing at all
		"exec sleep 60", // silence
	}
	// It says what it is, as the real one does: a node does not start with a program that is no worker.
	body := fmt.Sprintf("#!/bin/sh\nfor arg; do [ $arg != --version ] || exec '%s' \"$@\"; done\n", filepath.Join(binaries(t), "jsruntime-worker"))
	body += "case $(( $$ % 4 )) in\n"
	for i, s := range script {
		body += fmt.Sprintf("%d) %s ;;\n", i, s)
	}
	require.NoError(t, os.WriteFile(fake, []byte(body+"esac\n"), 0o755))
	n := w.start(nodeConfig{name: "node1", env: []string{"JSRUNTIME_WORKER=" + fake, "JSRUNTIME_SANDBOX=off"}})
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		require.True(t, n.running(), "the node ended")
	}
	require.Equal(t, http.StatusOK, n.status("/healthz", 5*time.Second))
	w.note("process starts seen in the log: %d", logLines(n, "worker"))
	// The real one takes its place.
	out, err := exec.Command("cp", "--remove-destination", filepath.Join(binaries(t), "jsruntime-worker"), fake).CombinedOutput()
	require.NoError(t, err, string(out))
	n.waitReady(t)
	w.furnish()
	w.exec(audit)
	w.warm()
}

func logLines(n *node, word string) int {
	text, _ := os.ReadFile(n.log)
	return strings.Count(string(text), word)
}

// lossyLine makes everything slow and unreliable, and nothing stop.
func lossyLine(t *testing.T, w *world) {
	done := func() int {
		return query[int](w, `SELECT count(*) FROM script_executions WHERE status = 'completed' AND handler = 'run'`)
	}
	before, begun := done(), time.Now()
	line := &badLine{delay: 15 * time.Millisecond, jitter: 40 * time.Millisecond, stall: .003, reset: .001}
	w.relay.setLine(line)
	for time.Since(begun) < outage()*2/3 || line.resets.Load() == 0 || line.stalls.Load() == 0 {
		require.Less(t, time.Since(begun), 2*time.Minute, "the line is not bad: %d pieces", line.pieces.Load())
		for _, n := range w.nodes {
			require.Equal(t, http.StatusOK, n.status("/healthz", 5*time.Second), "/healthz of %s", n.name)
		}
		time.Sleep(200 * time.Millisecond)
	}
	within := done() - before
	took := time.Since(begun)
	w.relay.setLine(nil)
	w.note("%d pieces in %.0f s, %d cut, %d stalled, %d connections reset; %d queued executions completed meanwhile", line.pieces.Load(), took.Seconds(),
		line.cut.Load(), line.stalls.Load(), line.resets.Load(), within)
	require.Positive(t, within, "nothing completes over a bad line")
	w.recovered(t, time.Now())
}

// olderBuild is a directory with the binaries of an older version: JSRUNTIME_OLD_BIN, or built here from the repository's history. That is
// the newest release. Until there is one, migrations are changed in place, and the oldest version that a newer one can work beside is the commit
// that changed them last.
func olderBuild(t *testing.T) (dir, commit string) {
	t.Helper()
	if dir := os.Getenv("JSRUNTIME_OLD_BIN"); dir != "" {
		return dir, dir
	}
	output := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Skipf("no older version: JSRUNTIME_OLD_BIN is not set and %s %s says %v", name, args[0], err)
		}
		return strings.TrimSpace(string(out))
	}
	root := output("git", "rev-parse", "--show-toplevel")
	commit = output("git", "-C", root, "tag", "--list", "v*", "--sort=-version:refname")
	commit, _, _ = strings.Cut(commit, "\n")
	if commit == "" {
		commit = output("git", "-C", root, "log", "-1", "--format=%h", "--", "migrations/*.sql")
	}
	if commit == "" {
		t.Skip("no older version: the history knows of no migration")
	}
	dir = t.TempDir()
	tar := filepath.Join(dir, "source.tar")
	command(t, "git", "-C", root, "archive", "--format=tar", "-o", tar, commit)
	command(t, "tar", "-x", "-C", dir, "-f", tar)
	goBuild(t, dir, commit, "jsruntime", filepath.Join(dir, "bin"), "CGO_ENABLED=0")
	goBuild(t, dir, commit, "jsruntime-worker", filepath.Join(dir, "bin"), "CGO_ENABLED=1", "-buildmode=pie")
	return filepath.Join(dir, "bin"), commit
}

// goBuild builds a command of the module in source into the directory bin, as the version that it is to call itself.
func goBuild(t *testing.T, source, version, name, bin, cgo string, flags ...string) {
	t.Helper()
	args := []string{"env", cgo, "go", "-C", source, "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-X main.buildVersion=" + version + " -X example.com/jsruntime/engine/internal/wire.stamped=" + version, "-o", filepath.Join(bin, name)}
	command(t, append(append(args, flags...), "./cmd/"+name)...)
}

// twoVersions is a rolling upgrade: a node of the older version works on its own schema, a newer one migrates it and works beside
// the older for a while, and then alone.
func twoVersions(t *testing.T, w *world) {
	bin, commit := olderBuild(t)
	w.open(nodeConfig{name: "old", bin: filepath.Join(bin, "jsruntime")})
	first := w.nodes[0]
	schema := func() int { return query[int](w, `SELECT max(version_id)::int FROM goose_db_version WHERE is_applied`) }
	before := schema()
	second := w.start(nodeConfig{name: "new"})
	second.waitReady(t)
	for until := time.Now().Add(outage() / 2); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		for _, n := range w.nodes {
			require.Equal(t, http.StatusOK, w.visit(context.Background(), n, "/hello"), "%s beside the other version", n.name)
		}
	}
	// What one makes, the other serves.
	w.addScript("since", "http", `export default { fetch() { return new Response("since"); } }`, nil)
	for _, n := range w.nodes {
		require.Eventually(t, func() bool { return n.status("/t/acme/since", 5*time.Second) == http.StatusOK }, 30*time.Second, 100*time.Millisecond, "%s does not serve a new endpoint", n.name)
	}
	w.note("old %s on schema %d, new on schema %d; errors in the old node's log: %d", commit, before, schema(), logLines(first, `"level":"ERROR"`))
	for _, n := range w.nodes {
		for _, state := range []string{"42703", "42P01", "42883"} { // no such column, table, function
			require.Zero(t, logLines(n, "SQLSTATE "+state), "%s met a schema that it does not know", n.name)
		}
	}
	w.doomed = append(w.doomed, first.workers()...)
	first.expect()
	first.signal(syscall.SIGTERM)
	<-first.gone
	require.Zero(t, first.exit)
}

func lowMemory(t *testing.T, w *world) {
	group := filepath.Join("/sys/fs/cgroup", fmt.Sprintf("jsrf%d", os.Getpid()))
	limit := "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		group = filepath.Join("/sys/fs/cgroup/memory", fmt.Sprintf("jsrf%d", os.Getpid()))
		limit = "memory.limit_in_bytes"
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("no cgroup here: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(group) })
	if err := os.WriteFile(filepath.Join(group, limit), []byte("600000000"), 0o644); err != nil {
		t.Skipf("no memory limit here: %v", err)
	}
	n := w.start(nodeConfig{name: "node1"})
	// Workers inherit the group from the moment that it is the node's.
	require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(fmt.Sprint(n.pid())), 0o644))
	for _, p := range n.workers() {
		_ = os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(fmt.Sprint(p.pid)), 0o644)
	}
	n.waitReady(t)
	w.furnish()
	w.addScript("eats", "oneoff", `export default { async run() { const keep = []; for (let i = 0; i < 10; i++) keep.push(new Uint8Array(10e6).fill(i)); await fetch(sink + "/slow?ms=2000").then((r) => r.text()); return keep.length; } }`,
		map[string]any{"resource_limits": map[string]any{"max_memory_bytes": 256 << 20, "max_api_calls_per_minute": 100000, "max_concurrent_runs": 100}})
	w.exec(audit)
	w.warm()
	for range 16 {
		var made struct{ ID string }
		w.must("POST", "/api/v1/scripts/"+w.script("eats")+"/executions", w.key, map[string]any{}, &made)
		w.accepted[made.ID] = time.Now()
	}
	require.Eventually(t, func() bool {
		return query[int](w, `SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'eats' AND e.status IN ('pending', 'running')`) == 0
	}, 2*time.Minute, 200*time.Millisecond)
	require.True(t, n.running(), "the kernel killed the node and not a worker")
	w.note("endings: %s", query[string](w, `SELECT string_agg(c || ' ' || n, ', ') FROM (SELECT coalesce(e.error_code, e.status) c, count(*)::text n FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'eats' GROUP BY 1) x`))
}

func notificationsLost(t *testing.T, w *world) {
	// A listener stays connected and hears nothing: the session's notifications are switched off behind its back.
	n := query[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'`)
	w.note("%d sessions listen", n)
	w.exec(`CREATE OR REPLACE FUNCTION pg_catalog.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT NULL::void'`)
	cut := query[int](w, `SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%') x`)
	require.Positive(t, cut)
	w.wakeup(t)
	w.addScript("late", "http", `export default { fetch() { return new Response("late"); } }`, nil)
	begun := time.Now()
	for _, n := range w.nodes {
		require.Eventually(t, func() bool { return n.status("/t/acme/late", 5*time.Second) == http.StatusOK }, time.Minute, 100*time.Millisecond)
	}
	w.note("a new endpoint is served everywhere %.1f s after it was made, by polling alone", time.Since(begun).Seconds())
}

func retryStorm(t *testing.T, w *world) {
	w.addScript("fetches", "event", `export default { async event() { const r = await fetch(sink + "/down"); if (!r.ok) throw new Error("downstream " + r.status); } }`,
		map[string]any{"retry": map[string]any{"max_attempts": 8, "backoff_ms": 500}})
	w.sink.setFail(true)
	for range 100 {
		w.must("POST", "/api/v1/events", w.key, map[string]any{"type": "fault.fetches", "data": 1}, nil)
	}
	time.Sleep(8 * time.Second)
	w.sink.setFail(false)
	require.Eventually(t, func() bool {
		return query[int](w, `SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'fetches' AND e.status IN ('pending', 'running')`) == 0
	}, 90*time.Second, 100*time.Millisecond)
	w.note("after the storm: %s", query[string](w, `SELECT string_agg(c || ' ' || n, ', ') FROM (SELECT e.status || ' in attempt ' || e.attempt c, count(*)::text n FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'fetches' GROUP BY 1 ORDER BY 1) x`))
	require.Zero(t, query[int](w, `SELECT count(*) FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE s.name = 'fetches' AND e.status = 'failed' AND e.attempt < 8 AND NOT EXISTS (SELECT FROM script_executions r WHERE r.event_id = e.event_id AND r.attempt > e.attempt)`), "gave up too early")
}

func vacuum(t *testing.T, w *world) {
	for range 3 {
		w.exec(`VACUUM (ANALYZE) script_executions`)
		w.exec(`BEGIN; LOCK TABLE script_executions IN SHARE ROW EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT`)
		time.Sleep(time.Second)
	}
	w.recovered(t, time.Now())
	// A history of last year, which a node deletes in batches when it starts. The marks of ticks outlive what they started.
	const old = 20_000
	w.exec(`INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, started_at, completed_at, queued_at, run_at)
		SELECT id, tenant_id, 'completed', 'manual', now() - interval '1 year', now() - interval '1 year', now() - interval '1 year', now() - interval '1 year'
		FROM scripts, generate_series(1, ` + fmt.Sprint(old) + `) WHERE name = 'work'`)
	marks := query[int](w, `SELECT count(*) FROM script_schedule_ticks`)
	done := func() int {
		return query[int](w, `SELECT count(*) FROM script_executions WHERE status = 'completed' AND queued_at > now() - interval '1 day'`)
	}
	before, begun := done(), time.Now()
	w.start(nodeConfig{name: "node3"}).waitReady(t)
	require.Eventually(t, func() bool {
		return query[int](w, `SELECT count(*) FROM script_executions WHERE completed_at < now() - interval '90 days'`) == 0
	}, time.Minute, 50*time.Millisecond, "old rows are not deleted")
	took := time.Since(begun)
	w.note("%d rows of last year deleted in %.1f s, %d executions completed meanwhile", old, took.Seconds(), done()-before)
	require.GreaterOrEqual(t, query[int](w, `SELECT count(*) FROM script_schedule_ticks`), marks)
}

// pooler is PgBouncer between the nodes and Postgres: it shares sessions between clients, and it dies as Postgres does.
func pooler(t *testing.T, w *world) {
	bouncer := pgserver.NewPooler(t, t.TempDir(), "127.0.0.1", w.db.Port, "postgres")
	// Migrations hold a lock of their session, and go past the pooler.
	command(t, filepath.Join(binaries(t), "jsruntime"), "migrate", "up", "--database-url", w.db.url(w.name))
	past := bouncer.URL(w.name)
	w.open(nodeConfig{name: "node1", database: past}, nodeConfig{name: "node2", database: past})
	clients := query[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	ids := w.busy(10, 3000)
	begun := time.Now()
	bouncer.Kill()
	time.Sleep(3 * time.Second)
	bouncer.Start(t)
	w.recovered(t, begun)
	w.rescued(ids, begun, time.Minute)
	w.note("%d connections to Postgres for two nodes", clients)
	w.wakeup(t)
}
