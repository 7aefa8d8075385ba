//go:build linux

package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// tenantLines is how many lines of one message the log takes for one tenant within logMinute.
	tenantLines = 60
	logMinute   = time.Minute
	// limitedKeys bounds the pairs of message and tenant that are counted; what comes after them within logMinute shares one count.
	limitedKeys = 10_000
)

// limitedLog is a slog.Handler that bounds what a tenant can make the node write: of each message, so many lines a minute for each
// tenant. The first line of the next minute is preceded by one that says how many were left out. Lines without tenant_id all pass.
type limitedLog struct {
	next   slog.Handler
	tenant string // of WithAttrs
	counts *logCounts
}

type logKey struct{ message, tenant string }

type logCounts struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	since time.Time
	lines map[logKey]int
}

func limitLog(next slog.Handler, now func() time.Time) *limitedLog {
	return &limitedLog{next: next, counts: &logCounts{now: now, lines: map[logKey]int{}}}
}

// Enabled implements slog.Handler.
func (l *limitedLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (l *limitedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *l
	for _, a := range attrs {
		if a.Key == "tenant_id" {
			out.tenant = a.Value.String()
		}
	}
	out.next = l.next.WithAttrs(attrs)
	return &out
}

// WithGroup implements slog.Handler.
func (l *limitedLog) WithGroup(name string) slog.Handler {
	out := *l
	out.next = l.next.WithGroup(name)
	return &out
}

// Handle implements slog.Handler.
func (l *limitedLog) Handle(ctx context.Context, r slog.Record) error {
	tenant := l.tenant
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "tenant_id" {
			tenant = a.Value.String()
		}
		return true
	})
	if tenant == "" {
		return l.next.Handle(ctx, r)
	}
	pass, suppressed := l.counts.take(logKey{r.Message, tenant})
	for key, n := range suppressed {
		line := slog.NewRecord(r.Time, slog.LevelWarn, "lines of a tenant left out", 0)
		line.AddAttrs(slog.String("line", key.message), slog.String("tenant_id", key.tenant), slog.Int("lines", n))
		if err := l.next.Handle(ctx, line); err != nil {
			return err
		}
	}
	if !pass {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// take counts a line. It reports whether the line is written, and, once after each minute, what was left out in it.
func (c *logCounts) take(key logKey) (pass bool, suppressed map[logKey]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.since) >= logMinute {
		for k, n := range c.lines {
			if n > tenantLines {
				if suppressed == nil {
					suppressed = map[logKey]int{}
				}
				suppressed[k] = n - tenantLines
			}
		}
		clear(c.lines)
		c.since = now
	}
	if _, known := c.lines[key]; !known && len(c.lines) >= limitedKeys {
		key = logKey{}
	}
	c.lines[key]++
	return c.lines[key] <= tenantLines, suppressed
}
