package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// slowScript takes 100 ms over HTTP and half a second from the queue, of which it burns none, and handles events at once.
const slowScript = `const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export default {
  async fetch() { await sleep(100); return new Response("ok"); },
  async run() { await sleep(500); },
  event() {},
};`

// neighbour measures how late a tenant's events start while another one is at its own limits: 16 scripts that may run once at a time are
// kept busy over HTTP, with queued runs behind. By turns with calm.
func neighbour(ctx context.Context, o *options) error {
	const busy = 16
	n, err := startNode(ctx, o, "neighbour", content{tenants: 2, scripts: busy, source: slowScript, limits: `{"max_concurrent_runs": 1}`})
	if err != nil {
		return err
	}
	defer n.stop()
	conn, err := pgx.Connect(ctx, n.databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const subscribe = `INSERT INTO script_event_subscriptions (script_id, tenant_id, event_type)
		SELECT s.id, s.tenant_id, 'x' FROM scripts s JOIN tenants t ON t.id = s.tenant_id WHERE t.slug = 't2' AND s.name = 's1'`
	if _, err := conn.Exec(ctx, subscribe); err != nil {
		return err
	}
	var calm, loaded []float64
	for range o.rounds {
		late, err := lateness(ctx, conn, o)
		if err != nil {
			return err
		}
		calm = append(calm, late)
		stop := n.keepBusy(ctx, busy)
		const queue = `INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, started_at, handler)
			SELECT gen_random_uuid(), s.id, s.tenant_id, 'pending', 'manual', NULL, 'run' FROM scripts s JOIN tenants t ON t.id = s.tenant_id, generate_series(1, 4)
			WHERE t.slug = 't1'`
		if _, err = conn.Exec(ctx, queue); err == nil {
			late, err = lateness(ctx, conn, o)
		}
		stop()
		if err != nil {
			return err
		}
		loaded = append(loaded, late)
		if _, err := conn.Exec(ctx, `DELETE FROM script_executions WHERE status = 'pending'`); err != nil {
			return err
		}
	}
	say("neighbour 16 scripts of another tenant at their limits: p90 of an event's start %v ms, calm %v ms, ratio %v   (aim: 3)", spreadOf(loaded), spreadOf(calm), ratios(loaded, calm))
	return nil
}

// keepBusy calls each of the first tenant's scripts in a closed loop until the returned function is called.
func (n *node) keepBusy(ctx context.Context, scripts int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: scripts}}
	var loops sync.WaitGroup
	for i := range scripts {
		loops.Go(func() {
			for ctx.Err() == nil {
				_, _, _, _ = n.get(client, path(1, i+1)) // a refusal is as good: the limit is taken
			}
		})
	}
	return func() {
		cancel()
		loops.Wait()
	}
}

// lateness publishes an event of the second tenant every 50 ms for a while, and returns the 90th percentile of how long their executions
// waited, in milliseconds.
func lateness(ctx context.Context, conn *pgx.Conn, o *options) (float64, error) {
	var ids []string
	for end := time.Now().Add(o.duration); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var id string
		if err := conn.QueryRow(ctx, `SELECT event_id FROM jsruntime_publish_event((SELECT id FROM tenants WHERE slug = 't2'), 'x', '1')`).Scan(&id); err != nil {
			return 0, err
		}
		ids = append(ids, id)
	}
	var late []float64
	for deadline := time.Now().Add(time.Minute); len(late) < len(ids) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		rows, err := conn.Query(ctx, `SELECT extract(epoch FROM started_at - queued_at)::float8 * 1000 FROM script_executions
			WHERE event_id = ANY ($1) AND status = 'completed'`, ids)
		if err != nil {
			return 0, err
		}
		if late, err = pgx.CollectRows(rows, pgx.RowTo[float64]); err != nil {
			return 0, err
		}
	}
	slices.Sort(late)
	if len(late) < len(ids) {
		say("neighbour %d of %d events did not complete", len(ids)-len(late), len(ids))
	}
	return late[len(late)*9/10], nil
}
