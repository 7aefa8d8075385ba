package faults

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/jsruntime/migrations/dbtest"
)

// order is that of the table's columns.
var order = []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "H"}

// audit has the database itself write down every change of an execution's status, and every lease that is given back, by any client.
const audit = `
CREATE TABLE IF NOT EXISTS fault_transitions (id UUID, old TEXT, new TEXT, attempt INTEGER, lost INTEGER, at TIMESTAMPTZ DEFAULT clock_timestamp());
CREATE OR REPLACE FUNCTION fault_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fault_transitions (id, old, new, attempt, lost) VALUES (NEW.id, OLD.status, NEW.status, NEW.attempt, NEW.lost_count);
	RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION fault_audit_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fault_transitions (id, old, new) VALUES (NEW.id, 'leased', 'waits');
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER fault_audit AFTER UPDATE ON script_execution_queue FOR EACH ROW WHEN (OLD.lease_token IS NOT NULL AND NEW.lease_token IS NULL) EXECUTE FUNCTION fault_audit_queue();
CREATE OR REPLACE TRIGGER fault_audit AFTER UPDATE ON script_executions FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION fault_audit();
`

// settle ends the load, waits until nothing is left to run, and returns what is wrong by invariant.
func (w *world) settle(patience time.Duration) map[string][]string {
	w.t.Helper()
	w.stopLoad()
	wrong := map[string][]string{}
	fault := func(invariant, format string, args ...any) {
		if len(wrong[invariant]) < 10 {
			wrong[invariant] = append(wrong[invariant], fmt.Sprintf(format, args...))
		}
	}
	up := func() []*node {
		var list []*node
		for _, n := range w.nodes {
			n.mu.Lock()
			if !n.expected {
				list = append(list, n)
			}
			n.mu.Unlock()
		}
		return list
	}

	// A client without an answer asks again: within a lease, the key of a node that died is free.
	for _, what := range w.resolve(45 * time.Second) {
		fault("I6", "still no answer: %s", what)
	}
	asked := len(w.unsure)
	// Schedules go on for ever: stop them first.
	w.exec(`UPDATE script_scheduled_jobs SET is_active = false, next_run_at = NULL`)
	deadline := time.Now().Add(patience)
	left := -1
	for time.Now().Before(deadline) {
		if left = query[int](w, `SELECT count(*) FROM script_executions WHERE status IN ('pending', 'running')`); left == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left != 0 {
		fault("I1", "%d executions have no ending after %v: %s", left, patience, query[string](w,
			`SELECT coalesce(string_agg(format('%s %s attempt %s lost %s run_at %s lease %s', e.id, status, attempt, lost_count, q.run_at, lease_expires_at), E'\n'), '') FROM
			(SELECT * FROM script_executions WHERE status IN ('pending', 'running') LIMIT 5) e LEFT JOIN script_execution_queue q ON q.id = e.id`))
	}
	w.mu.Lock()
	defer w.mu.Unlock()

	// I1: what was accepted is there and has ended.
	accepted := slices.Collect(maps.Keys(w.accepted))
	for _, id := range missing(w, `SELECT id::text FROM script_executions WHERE id = ANY ($1::uuid[]) AND status NOT IN ('pending', 'running')`, accepted) {
		fault("I1", "accepted execution %s has no ending", id)
	}
	for _, id := range missing(w, `SELECT event_id FROM script_executions WHERE event_id = ANY ($1::text[]) AND status NOT IN ('pending', 'running')`, slices.Collect(maps.Keys(w.events))) {
		fault("I1", "accepted event %s has no ended execution", id)
	}
	if lost := query[int](w, `SELECT count(*) FROM script_executions WHERE error_code = 'worker_lost' AND trigger_type <> 'http' AND handler <> 'scheduled'`); lost > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%d ended as worker_lost", lost))
	}

	// I2: a run begins once for each attempt, each loss and each time that it was given back to the queue.
	for _, row := range rows(w, `SELECT format('%s went from %s to %s', id, old, new) FROM fault_transitions WHERE old IN ('completed', 'failed', 'timeout', 'cancelled')`) {
		fault("I2", "an ended execution changed: %s", row)
	}
	for _, row := range rows(w, `SELECT id::text || ' ' || greatest(attempt + lost_count,
		1 + (SELECT count(*) FROM fault_transitions f WHERE f.id = script_executions.id AND f.old = 'leased' AND f.new = 'waits'))::text || ' ' || coalesce(output->>'mark', '') || ' ' || status FROM script_executions WHERE handler IN ('run', 'event')`) {
		f := strings.Fields(row + " -")
		var may int
		fmt.Sscan(f[1], &may)
		w.sink.mu.Lock()
		begins := w.sink.begins[f[0]]
		w.sink.mu.Unlock()
		if len(begins) > may {
			fault("I2", "execution %s began %d times, its row says at most %d", f[0], len(begins), may)
		}
		if len(f) >= 5 && f[3] == "completed" && !slices.ContainsFunc(begins, func(m mark) bool { return m.token == f[2] }) {
			fault("I2", "execution %s completed with the output of no run that began", f[0])
		}
	}

	// What a run does after the next one has begun, a late attempt has done.
	if !w.stepped {
		w.sink.mu.Lock()
		for id, ends := range w.sink.ends {
			for _, end := range ends {
				begins := w.sink.begins[id]
				own := slices.IndexFunc(begins, func(m mark) bool { return m.token == end.token })
				if own >= 0 && slices.ContainsFunc(begins[own+1:], func(next mark) bool { return next.at.Before(end.at) }) {
					fault("I2", "execution %s: a run went on after the next one had begun", id)
				}
			}
		}
		w.sink.mu.Unlock()
	}

	// I3
	w.sink.mu.Lock()
	for tick, executions := range w.sink.ticks {
		if len(executions) > 1 {
			fault("I3", "tick %s was run by %d executions", tick, len(executions))
		}
	}
	ticks := len(w.sink.ticks)
	w.sink.mu.Unlock()
	for _, row := range rows(w, `SELECT script_id::text || ' ' || scheduled_for::text FROM script_executions WHERE scheduled_for IS NOT NULL AND attempt = 1 AND replay_of IS NULL GROUP BY script_id, scheduled_for HAVING count(*) > 1`) {
		fault("I3", "two executions for tick %s", row)
	}
	skipped := query[string](w, `SELECT coalesce(string_agg(outcome || ' ' || n, ', '), 'none') FROM (SELECT outcome, count(*)::text n FROM script_schedule_ticks GROUP BY outcome) x`)
	w.notes = append(w.notes, fmt.Sprintf("ticks run %d; decided: %s", ticks, skipped))

	// I4
	for _, row := range rows(w, `SELECT id::text || ' running' FROM script_executions WHERE status = 'running'
		UNION ALL SELECT id::text || ' in the queue' FROM script_execution_queue
		UNION ALL SELECT 'schedule ' || id::text FROM script_scheduled_jobs WHERE is_running OR lease_token IS NOT NULL`) {
		fault("I4", "%s is running or leased and nothing runs any more", row)
	}

	for id := range w.overdue {
		fault("I4", "%s was running without a live lease for more than a lease and a sweep", id)
	}

	// I5
	if !w.stepped {
		for _, row := range rows(w, `SELECT format('%s: attempt %s may begin %s after the one before, and no sooner than %s ms', b.id, b.attempt, b.run_at - b.queued_at, backoff)
			FROM script_executions a JOIN script_executions b ON b.script_id = a.script_id AND b.event_id = a.event_id AND b.attempt = a.attempt + 1 AND b.replay_of IS NOT DISTINCT FROM a.replay_of
			JOIN scripts s ON s.id = a.script_id, LATERAL (SELECT 0.8 * coalesce((s.retry->>'backoff_ms')::float8, 2000) * 2 ^ (a.attempt - 1)) AS policy(backoff)
			WHERE a.dead_letter_id IS NULL AND b.dead_letter_id IS NULL AND extract(epoch FROM b.run_at - b.queued_at) * 1000 < backoff - 1`) {
			fault("I5", "too early: %s", row)
		}
	}
	for _, row := range rows(w, `SELECT e.id::text || ' attempt ' || e.attempt FROM script_executions e JOIN scripts s ON s.id = e.script_id WHERE e.attempt > coalesce((s.retry->>'max_attempts')::int, 4)`) {
		fault("I5", "too many attempts: %s", row)
	}
	for _, row := range rows(w, `SELECT coalesce(event_id, execution_id::text) || ' ' || count(*) FROM script_event_dead_letters GROUP BY script_id, coalesce(event_id, execution_id::text) HAVING count(*) > 1`) {
		fault("I5", "more than one dead letter: %s", row)
	}

	// I6
	for _, id := range missing(w, `SELECT id::text FROM scripts WHERE id = ANY ($1::uuid[])`, slices.Collect(maps.Keys(w.created))) {
		fault("I6", "acknowledged script %s is not there", id)
	}
	for _, id := range missing(w, `SELECT id FROM script_events WHERE id = ANY ($1::text[])`, slices.Collect(maps.Keys(w.events))) {
		fault("I6", "acknowledged event %s is not there", id)
	}
	for _, row := range rows(w, `SELECT format('%s: %s executions', input->>'key', count(*)) FROM script_executions WHERE handler = 'run' AND input->>'key' IS NOT NULL GROUP BY input->>'key' HAVING count(*) > 1`) {
		fault("I6", "one Idempotency-Key was accepted more than once: %s", row)
	}
	for what, n := range w.failures {
		if strings.HasPrefix(what, "500") {
			fault("I6", "%d × %s", n, what)
		}
	}

	// I7
	limit := time.Now().Add(2 * time.Second)
	for _, p := range w.doomed {
		for p.alive() && time.Now().Before(limit) {
			time.Sleep(20 * time.Millisecond)
		}
		if p.alive() {
			fault("I7", "worker %d outlives its node", p.pid)
		}
	}
	for _, n := range up() {
		if z := n.zombies(); z > 0 {
			time.Sleep(time.Second)
			if z = n.zombies(); z > 0 {
				fault("I7", "%s has %d zombies", n.name, z)
			}
		}
	}

	// I8, and the invariants that every test of the database ends with.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	collected := &collector{TB: w.t}
	dbtest.Invariants(ctx, collected, w.db.url(w.name))
	for _, text := range collected.texts {
		fault("I8", "%s", text)
	}

	// I9
	for _, n := range up() {
		before := w.baseline[n.name]
		if before == nil {
			continue
		}
		until := time.Now().Add(75 * time.Second) // scripts' idle connections live for a minute
		for {
			now := n.holds()
			var excess []string
			// Workers that are idle stay for minutes, and each holds a socket, a pipe and a few goroutines.
			workers := max(0, now["workers"]-before["workers"])
			// The baseline was taken under load, and is what a node without any may hold.
			for what, slack := range map[string]float64{"goroutines": 20 + 8*workers, "descriptors": 30 + 6*workers, "resident_mib": 100 + 2*workers, "acquired": 2} {
				if now[what] > before[what]+slack {
					excess = append(excess, fmt.Sprintf("%s %s %.0f before, %.0f after", n.name, what, before[what], now[what]))
				}
			}
			if len(excess) == 0 {
				break
			}
			if time.Now().After(until) {
				fault("I9", "%s", strings.Join(excess, "; "))
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}

	// What a node that was cut off has left, Postgres ends after a minute.
	for until := time.Now().Add(75 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		open := rows(w, `SELECT format('%s since %s: %s', state, now() - state_change, left(query, 100)) FROM pg_stat_activity
			WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pg_catalog.now() - state_change > interval '5 s'`)
		if len(open) == 0 {
			break
		}
		if time.Now().After(until) {
			fault("I9", "a transaction was left open: %s", strings.Join(open, "; "))
			break
		}
	}

	// I10
	for _, n := range up() {
		switch {
		case !n.running():
			fault("I10", "%s ended by itself with %d", n.name, n.exit)
		case n.status("/healthz", 5*time.Second) != http.StatusOK:
			fault("I10", "%s: /healthz says %d", n.name, n.status("/healthz", 5*time.Second))
		case n.status("/readyz", 5*time.Second) != http.StatusOK:
			fault("I10", "%s: /readyz says %d", n.name, n.status("/readyz", 5*time.Second))
		}
	}

	// H
	var ids []string
	for _, a := range w.answered {
		a.node.mu.Lock()
		killed := a.node.killedAt
		a.node.mu.Unlock()
		if killed.IsZero() || killed.Sub(a.at) > 100*time.Millisecond {
			ids = append(ids, a.execution)
		}
	}
	// What was answered last is flushed within 100 ms; what waited for Postgres is tried again within seconds.
	var unwritten []string
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		unwritten = missing(w, `SELECT id::text FROM script_executions WHERE id = ANY ($1::uuid[])`, ids)
		if len(unwritten) == 0 || time.Now().After(until) {
			break
		}
	}
	for _, id := range unwritten {
		fault("H", "answered request %s is not in the history", id)
	}
	w.notes = append(w.notes, fmt.Sprintf("accepted %d (%d asked for again), events %d, answered %d, statuses %v", len(w.accepted), asked, len(w.events), len(ids), w.refusals))
	return wrong
}

// missing are those of want that the query does not give.
func missing(w *world, sql string, want []string) []string {
	if len(want) == 0 {
		return nil
	}
	have := map[string]bool{}
	for _, id := range rows(w, sql, want) {
		have[id] = true
	}
	var not []string
	for _, id := range want {
		if !have[id] {
			not = append(not, id)
		}
	}
	return not
}

func rows(w *world, sql string, args ...any) []string {
	w.t.Helper()
	return query[[]string](w, "SELECT coalesce(array_agg(x.v), '{}') FROM ("+sql+") AS x(v)", args...)
}

// collector is a testing.TB that keeps errors instead of failing.
type collector struct {
	testing.TB
	texts []string
}

func (c *collector) Errorf(format string, args ...any) {
	c.texts = append(c.texts, fmt.Sprintf(format, args...))
}
