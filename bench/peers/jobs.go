package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// queue is a peer that drains count jobs from a fresh database and says how long that took.
type queue struct {
	name  string
	what  string
	drain func(ctx context.Context, o *options, databaseURL string) (time.Duration, error)
}

func queues() []queue {
	return []queue{
		{"jsruntime", "a JavaScript event handler for each, output, metrics and history kept", drainRuntime},
		{"river", "Go no-op, 200 workers", func(ctx context.Context, o *options, db string) (time.Duration, error) {
			self, err := os.Executable()
			if err != nil {
				return 0, err
			}
			return fillAndDrain(ctx, o, db, ".", self, "river")
		}},
		{"graphile-worker", "Node no-op, local queue of 500", func(ctx context.Context, o *options, db string) (time.Duration, error) {
			return fillAndDrain(ctx, o, db, o.js, "node", "graphile-worker.cjs")
		}},
		{"pg-boss", "Node no-op, batches of 500", func(ctx context.Context, o *options, db string) (time.Duration, error) {
			return fillAndDrain(ctx, o, db, o.js, "node", "pg-boss.mjs")
		}},
	}
}

func compareJobs(ctx context.Context, o *options, into *tables) error {
	rates := map[string][]float64{}
	var order []queue
	began := loadAverage()
	for round := range o.rounds {
		for _, q := range queues() {
			if !o.wants(q.name) {
				continue
			}
			if round == 0 {
				order = append(order, q)
			}
			db, err := freshDatabase(ctx, o.postgres, "jsruntime_bench_jobs")
			if err != nil {
				return err
			}
			took, err := q.drain(ctx, o, db)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			rate := float64(o.jobs) / took.Seconds()
			fmt.Fprintf(os.Stderr, "round %d %-16s %.0f jobs/s\n", round+1, q.name, rate)
			rates[q.name] = append(rates[q.name], rate)
		}
	}
	if len(order) == 0 {
		return nil
	}
	var b strings.Builder
	settings, err := serverSettings(ctx, o.postgres)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "%s, load of the machine %s before it and %s after it. %s\n\n| peer | what | jobs/s | jsruntime's rate by this one's: median (least to greatest) |\n|---|---|---|---|\n", time.Now().UTC().Format("2006-01-02"), began, loadAverage(), settings)
	for _, q := range order {
		r := ratios(rates["jsruntime"], rates[q.name])
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.2f (%.2f to %.2f) |\n", q.name, q.what, spreadOf(rates[q.name]).median, r.median, r.low, r.high)
	}
	into.add(fmt.Sprintf("Durable queue: %d jobs drained, %d rounds", o.jobs, o.rounds), b.String())
	return nil
}

// serverSettings says what of the server's configuration decides a queue's rate.
func serverSettings(ctx context.Context, server string) (string, error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Close(ctx)
	var s string
	err = conn.QueryRow(ctx, `SELECT 'Postgres ' || current_setting('server_version') || ': fsync ' || current_setting('fsync') || ', synchronous_commit ' ||
		current_setting('synchronous_commit') || ', shared_buffers ' || current_setting('shared_buffers') || ', autovacuum ' || current_setting('autovacuum') || '.'`).Scan(&s)
	return s, err
}

// freshDatabase makes an empty database on the server and returns its URL.
func freshDatabase(ctx context.Context, server, name string) (string, error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Close(ctx)
	for _, q := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name, "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, q); err != nil {
			return "", fmt.Errorf("%s: %w", q, err)
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// fillAndDrain runs a peer's program twice: to fill the queue, and to drain it, which prints the milliseconds it took.
func fillAndDrain(ctx context.Context, o *options, db, dir, program string, script string) (time.Duration, error) {
	count := strconv.Itoa(o.jobs)
	for _, mode := range []string{"fill", "drain"} {
		cmd := exec.CommandContext(ctx, program, script, db, mode, count)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", mode, err)
		}
		if mode == "drain" {
			// The peers' libraries log to standard output too: the time is the line that is a number.
			for line := range strings.Lines(string(out)) {
				if ms, err := strconv.ParseFloat(strings.TrimSpace(line), 64); err == nil {
					return time.Duration(ms * float64(time.Millisecond)), nil
				}
			}
			return 0, errors.New("drain printed no time")
		}
	}
	return 0, nil
}

type noop struct{}

func (noop) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noop]
	done  *atomic.Int64
	count int64
	all   chan struct{}
}

func (w *noopWorker) Work(context.Context, *river.Job[noop]) error {
	if w.done.Add(1) == w.count {
		close(w.all)
	}
	return nil
}

// drainRiver is River's side, run as a process of its own: args are a database URL, "fill" or "drain", and a count.
func drainRiver(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	cfg, err := pgxpool.ParseConfig(args[0])
	if err != nil {
		return err
	}
	cfg.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	w := &noopWorker{done: new(atomic.Int64), count: int64(count), all: make(chan struct{})}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(driver, &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 200}}, Workers: workers,
		FetchCooldown: time.Millisecond, FetchPollInterval: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if args[1] == "fill" {
		m, err := rivermigrate.New(driver, nil)
		if err != nil {
			return err
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		for n := 0; n < count; n += 5000 {
			batch := make([]river.InsertManyParams, min(5000, count-n))
			for i := range batch {
				batch[i].Args = noop{}
			}
			if _, err := client.InsertManyFast(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	}
	begin := time.Now()
	if err := client.Start(ctx); err != nil {
		return err
	}
	<-w.all
	// Stop returns once the completions are written.
	if err := client.Stop(ctx); err != nil {
		return err
	}
	fmt.Println(float64(time.Since(begin)) / float64(time.Millisecond))
	return nil
}

// drainRuntime fills the queue through the public SQL function while no node runs, then starts one.
func drainRuntime(ctx context.Context, o *options, db string) (time.Duration, error) {
	p, address, err := startNode(ctx, o, db)
	if err != nil {
		if p != nil {
			p.stop()
		}
		return 0, err
	}
	source, err := os.ReadFile(filepath.Join(o.js, "event.js"))
	if err == nil {
		api := admin{base: "http://" + address}
		if err = api.makeTenant("bench"); err == nil {
			err = api.post("/api/v1/scripts", map[string]any{
				"name": "noop", "type": "event", "status": "active", "source": string(source), "event_types": []string{"noop"},
				"resource_limits": map[string]any{"max_concurrent_runs": 200},
			})
		}
	}
	p.stop()
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SELECT jsruntime_publish_event(t.id, 'noop', '{}'::jsonb) FROM tenants t, generate_series(1, $1::int) WHERE t.slug = 'bench'", o.jobs); err != nil {
		return 0, fmt.Errorf("fill: %w", err)
	}
	if p, _, err = startNode(ctx, o, db); err != nil {
		return 0, err
	}
	defer p.stop()
	deadline := time.Now().Add(5 * time.Minute)
	for time.Now().Before(deadline) {
		var ended int
		var took float64
		err := conn.QueryRow(ctx, "SELECT count(*), COALESCE(extract(epoch FROM max(completed_at) - min(started_at)), 0)::float8 FROM script_executions WHERE status = 'completed'").Scan(&ended, &took)
		if err != nil {
			return 0, err
		}
		if ended >= o.jobs {
			return time.Duration(took * float64(time.Second)), nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return 0, errors.New("the queue was not drained within 5 minutes")
}
