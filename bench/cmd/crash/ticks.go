package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ticks runs schedules of every second.
func ticks(ctx context.Context, w *world, chaotic bool) error {
	keys := make([]string, w.tenants)
	for i := range keys {
		var err error
		if keys[i], err = w.tenant(ctx, fmt.Sprintf("crash-%d", i)); err != nil {
			return err
		}
	}
	for i := range w.schedules {
		err := w.must(ctx, "POST", "/api/v1/scripts", keys[i%len(keys)], map[string]any{
			"name": fmt.Sprintf("tick-%d", i), "type": "scheduled", "status": "active", "cron_expression": "0 0 1 1 *", "resource_limits": limits,
			"schedule": map[string]any{"overlap": "allow", "missed": "run_all"},
			"source": fmt.Sprintf(`export default { async scheduled(c, env, ctx) {
				const r = await fetch(%q + "/?s=%d&n=" + c.scheduledTime + "&a=" + ctx.attempt);
				if (r.status !== 204) throw new Error("sink: " + r.status);
			} }`, w.sink.base, i),
		}, nil)
		if err != nil {
			return err
		}
	}
	// Until all are there they tick once a year; then they begin together, in three seconds by the database's clock.
	var from, to time.Time
	err := w.query(ctx, `WITH every AS (
			UPDATE script_scheduled_jobs SET cron_expression = '* * * * * *', next_run_at = date_trunc('second', now()) + interval '3 seconds' WHERE is_active
			RETURNING next_run_at
		) SELECT min(next_run_at) FROM every HAVING count(*) = $1`, []any{w.schedules}, &from)
	if err != nil {
		return fmt.Errorf("begin to tick: %w", err)
	}
	if chaotic {
		during, stop := context.WithTimeout(ctx, w.length)
		defer stop()
		killed := make(chan error, 1)
		go func() { killed <- w.havoc(during) }()
		for range 2 {
			select {
			case <-ctx.Done():
				return errors.Join(ctx.Err(), <-killed)
			case <-time.After(w.length / 3):
			}
			if err := w.restart(ctx); err != nil {
				return err
			}
		}
		if err := <-killed; err != nil {
			return err
		}
	} else {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(3*time.Second + w.length):
		}
	}
	if err := w.query(ctx, `SELECT date_trunc('second', now())`, nil, &to); err != nil {
		return err
	}
	if err := w.until(ctx, "every due tick decided on", `SELECT min(next_run_at) >= $1 FROM script_scheduled_jobs`, to); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.db.URL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Nodes lock the same rows in orders of their own: the table's lock, waited for with nothing in hand, keeps out of their way.
	stop := func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE script_scheduled_jobs IN EXCLUSIVE MODE`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE script_scheduled_jobs SET is_active = false`)
		return err
	}
	if err := pgx.BeginFunc(ctx, conn, stop); err != nil {
		return fmt.Errorf("stop the schedules: %w", err)
	}

	settled := w.until(ctx, "nothing waits, runs or is_running", `SELECT NOT EXISTS (SELECT FROM script_executions WHERE status IN ('pending', 'running'))
		AND NOT EXISTS (SELECT FROM script_scheduled_jobs WHERE is_running)`)

	expected := w.schedules * int(to.Sub(from)/time.Second)
	var found, several, skipped, cut, failed, completed, waiting, running, p50, p99, most int
	err = conn.QueryRow(ctx, `
		WITH e AS (
			SELECT script_id, scheduled_for, error_code, status, EXTRACT(EPOCH FROM started_at - scheduled_for) * 1000 AS late
			FROM script_executions WHERE trigger_type = 'cron' AND scheduled_for >= $1 AND scheduled_for < $2
		), ticks AS (SELECT count(*) AS n FROM e GROUP BY script_id, scheduled_for)
		SELECT (SELECT count(*) FROM ticks), (SELECT count(*) FROM ticks WHERE n > 1),
			(SELECT count(*) FROM script_schedule_ticks WHERE scheduled_for >= $1 AND scheduled_for < $2 AND outcome NOT IN ('started', 'queued')),
			(SELECT count(*) FROM e WHERE error_code = 'worker_lost'), (SELECT count(*) FROM e WHERE status NOT IN ('completed', 'pending', 'running') AND error_code <> 'worker_lost'),
			(SELECT count(*) FROM e WHERE status = 'completed'),
			(SELECT count(*) FROM script_executions WHERE status IN ('pending', 'running')), (SELECT count(*) FROM script_scheduled_jobs WHERE is_running),
			(SELECT COALESCE(percentile_cont(0.5) WITHIN GROUP (ORDER BY late), 0)::int FROM e), (SELECT COALESCE(percentile_cont(0.99) WITHIN GROUP (ORDER BY late), 0)::int FROM e),
			(SELECT COALESCE(max(late), 0)::int FROM e)`, from, to).
		Scan(&found, &several, &skipped, &cut, &failed, &completed, &waiting, &running, &p50, &p99, &most)
	if err != nil {
		return err
	}
	seen, twice := 0, 0
	w.sink.mu.Lock()
	for r, n := range w.sink.runs {
		if at := time.UnixMilli(r.subject); at.Before(from) || !at.Before(to) {
			continue
		}
		seen++
		if n > 1 {
			twice++
		}
	}
	w.sink.mu.Unlock()
	lost := expected - found - skipped
	word := "calm"
	if chaotic {
		word = "chaos"
	}
	table(fmt.Sprintf("ticks, %d nodes, %d schedules of every second for %s, %s", len(w.nodes), w.schedules, to.Sub(from), word), [][2]string{
		{"nodes killed / workers killed / Postgres restarted", fmt.Sprintf("%d / %d / %d", w.kills, w.workerKills, w.restarts)},
		{"ticks expected", number(expected)},
		{"ticks with an execution", number(found)},
		{"ticks with more than one (must be 0)", number(several)},
		{"ticks skipped by policy (must be 0 here)", number(skipped)},
		{"ticks lost (must be 0)", number(lost)},
		{"ticks that scripts saw", number(seen)},
		{"ticks that a script saw twice (must be 0)", number(twice)},
		{"executions completed", number(completed)},
		{"executions cut by a kill, not begun again (worker_lost)", number(cut)},
		{"executions that ended otherwise (must be 0)", number(failed)},
		{"executions that wait or run at the end (must be 0)", number(waiting)},
		{"schedules that are is_running at the end (must be 0)", number(running)},
		{"lateness p50 / p99 / max, ms", fmt.Sprintf("%d / %d / %d", p50, p99, most)},
	})
	if settled != nil {
		return settled
	}
	// What is completed was seen; what was cut may have been.
	if several != 0 || skipped != 0 || lost != 0 || twice != 0 || failed != 0 || waiting != 0 || running != 0 || seen < completed || seen > found || (!chaotic && cut != 0) {
		return errBroken
	}
	return nil
}
