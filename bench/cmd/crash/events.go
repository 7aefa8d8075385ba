package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	subscribers = 3
	// throwsAt is at which events the last subscriber throws: at every so manieth.
	throwsAt = 1000
	attempts = 3
	// types is over how many event types the events are spread, each with subscribers of its own: a script may call the sink
	// 100,000 times a minute, and a node gives it its part of that.
	types = 8
)

// events publishes events to three subscribers each.
func events(ctx context.Context, w *world, chaotic bool) error {
	key, err := w.tenant(ctx, "crash")
	if err != nil {
		return err
	}
	for i := range types * subscribers {
		kind, subscriber := i/subscribers, i%subscribers
		throw := ""
		if subscriber == subscribers-1 {
			throw = fmt.Sprintf(`if (e.data.n %% %d === 0) throw new Error("as agreed");`, throwsAt)
		}
		err := w.must(ctx, "POST", "/api/v1/scripts", key, map[string]any{
			"name": fmt.Sprintf("type-%d-subscriber-%d", kind, subscriber), "type": "event", "status": "active",
			"event_types": []string{fmt.Sprintf("crash.type%d", kind)}, "resource_limits": limits,
			"retry": map[string]any{"max_attempts": attempts, "backoff_ms": 500},
			"source": fmt.Sprintf(`export default { async event(e, env, ctx) {
				const r = await fetch(%q + "/?s=%d&n=" + e.data.n + "&a=" + ctx.attempt);
				if (r.status !== 204) throw new Error("sink: " + r.status);
				%s
			} }`, w.sink.base, subscriber, throw),
		}, nil)
		if err != nil {
			return err
		}
	}
	begun := time.Now()
	during, stop := context.WithCancel(ctx)
	defer stop()
	killed := make(chan error, 1)
	if chaotic {
		go func() { killed <- w.havoc(during) }()
	} else {
		killed <- nil
	}
	// Publishers name their events, so that what got no answer is asked again without doubt.
	published := make(chan error, 1)
	var next, refused atomic.Int64
	go func() {
		var all sync.WaitGroup
		failures := make([]error, w.clients)
		for c := range w.clients {
			all.Go(func() {
				for n := next.Add(1); n <= int64(w.events) && failures[c] == nil; n = next.Add(1) {
					failures[c] = w.publish(ctx, key, n, &refused)
				}
			})
		}
		all.Wait()
		published <- errors.Join(failures...)
	}()
	wanted := subscribers * w.events
	// Postgres restarts when a third, and when two thirds of the runs have begun.
	for i := 1; chaotic && i <= 2; i++ {
		for w.sink.first() < wanted*i/3 {
			select {
			case err := <-published:
				published <- err
				if err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			default:
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := w.restart(ctx); err != nil {
			return err
		}
	}
	if err := <-published; err != nil {
		return err
	}
	publishing := time.Since(begun)
	for last, since := 0, time.Now(); ; time.Sleep(200 * time.Millisecond) {
		now := w.sink.first()
		if now > last {
			last, since = now, time.Now()
		}
		if now >= wanted || time.Since(since) > w.settle || ctx.Err() != nil {
			break
		}
	}
	stop()
	if err := <-killed; err != nil {
		return err
	}
	settled := w.until(ctx, "nothing waits or runs", `SELECT NOT EXISTS (SELECT FROM script_executions WHERE status IN ('pending', 'running'))`)
	took := time.Since(begun)

	var accepted, executions, waiting, letters, rightLetters, lost int
	err = w.query(ctx, `SELECT (SELECT count(*) FROM script_events), (SELECT count(*) FROM script_executions), (SELECT count(*) FROM script_executions WHERE status IN ('pending', 'running')),
		(SELECT count(*) FROM script_event_dead_letters), (SELECT count(DISTINCT event_data->>'n') FROM script_event_dead_letters d JOIN scripts s ON s.id = d.script_id
			WHERE s.name LIKE $1 AND (event_data->>'n')::bigint % $2 = 0 AND retry_count = $3),
		(SELECT COALESCE(sum(lost_count), 0) FROM script_executions)`,
		[]any{fmt.Sprintf("%%-subscriber-%d", subscribers-1), throwsAt, attempts - 1}, &accepted, &executions, &waiting, &letters, &rightLetters, &lost)
	if err != nil {
		return err
	}
	reached, second, strange := 0, 0, 0
	w.sink.mu.Lock()
	for r, n := range w.sink.runs {
		second += n - 1
		switch throws := r.script == subscribers-1 && r.subject%throwsAt == 0; {
		case r.attempt == 1:
			reached++
		case !throws: // a second attempt after something that the script did not do
			strange++
		}
	}
	w.sink.mu.Unlock()
	word := "calm"
	if chaotic {
		word = "chaos"
	}
	table(fmt.Sprintf("events, %d nodes, %d events into %d subscribers each, %s", len(w.nodes), w.events, subscribers, word), [][2]string{
		{"nodes killed / workers killed / Postgres restarted", fmt.Sprintf("%d / %d / %d", w.kills, w.workerKills, w.restarts)},
		{"events accepted (must be all)", number(accepted)},
		{"requests that were refused or had no answer, asked again", number(int(refused.Load()))},
		{"deliveries expected", number(wanted)},
		{"deliveries that reached their script (must be all)", number(reached)},
		{"second runs of a delivery (at least once)", number(second)},
		{"losses of a worker or node that the queue noted", number(lost)},
		{"attempts beyond the first without a throw (must be 0)", number(strange)},
		{"dead letters expected", number(w.events / throwsAt)},
		{"dead letters", number(letters)},
		{"dead letters of the failing events, retry_count right", number(rightLetters)},
		{"executions that wait or run at the end (must be 0)", number(waiting)},
		{"seconds to publish / until the last one ended", fmt.Sprintf("%.1f / %.1f", publishing.Seconds(), took.Seconds())},
		{"executions a second, from the first publication on", fmt.Sprintf("%.0f", float64(executions)/took.Seconds())},
	})
	if settled != nil {
		return settled
	}
	if accepted != w.events || reached != wanted || strange != 0 || letters != w.events/throwsAt || rightLetters != letters || waiting != 0 {
		return errBroken
	}
	return nil
}

// publish publishes event n at any node, until it is accepted.
func (w *world) publish(ctx context.Context, key string, n int64, refused *atomic.Int64) error {
	for {
		status, err := w.pick().call(ctx, "POST", "/api/v1/events", key, map[string]any{
			"type": fmt.Sprintf("crash.type%d", n%types), "id": fmt.Sprintf("crash-%d", n), "data": map[string]any{"n": n},
		}, nil)
		if status == http.StatusAccepted {
			return nil
		}
		if status >= 400 && status < 500 && status != http.StatusTooManyRequests {
			return err
		}
		refused.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
