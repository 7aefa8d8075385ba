package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// tracer adds up the time of each query, by the name that sqlc gave it.
type tracer struct {
	mu      sync.Mutex
	queries map[string]*traced
}

type traced struct {
	name  string
	calls int
	took  time.Duration
	most  time.Duration
}

type traceKey struct{}

type tracing struct {
	name  string
	began time.Time
}

func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	name := data.SQL
	if rest, ok := strings.CutPrefix(name, "-- name: "); ok {
		name, _, _ = strings.Cut(rest, " ")
	}
	name, _, _ = strings.Cut(name, "\n")
	return context.WithValue(ctx, traceKey{}, tracing{name, time.Now()})
}

func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	started, ok := ctx.Value(traceKey{}).(tracing)
	if !ok {
		return
	}
	took := time.Since(started.began)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queries == nil {
		t.queries = map[string]*traced{}
	}
	q := t.queries[started.name]
	if q == nil {
		q = &traced{name: started.name}
		t.queries[started.name] = q
	}
	q.calls++
	q.took += took
	q.most = max(q.most, took)
}

func (t *tracer) print() {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*traced, 0, len(t.queries))
	for _, q := range t.queries {
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b *traced) int { return int(b.took - a.took) })
	for _, q := range all[:min(len(all), 14)] {
		fmt.Printf("  %-28s %6d calls %10s together %10s each %10s at most\n", q.name, q.calls, q.took.Round(time.Millisecond),
			(q.took / time.Duration(q.calls)).Round(time.Microsecond), q.most.Round(time.Millisecond))
	}
	t.queries = nil
}
