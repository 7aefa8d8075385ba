package ledger

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

const (
	// writeTimeout bounds one transaction: a connection that is half open never answers.
	writeTimeout = 30 * time.Second

	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second

	// suspectAfter is how many failures in a row that have no known cause make the batch itself suspect, provided that Postgres
	// answers otherwise. They take about 8 seconds, more than a restart or failover of Postgres does.
	suspectAfter = 8
)

// write writes a batch, whatever it takes, until ctx ends. What is left then stays counted as backlog.
func (l *Ledger) write(ctx context.Context, batch []*row) {
	pause := firstPause
	for failures := 0; len(batch) > 0; {
		err := l.writeOnce(ctx, batch)
		if err == nil {
			l.counts.written.Add(int64(len(batch)))
			l.counts.waitingRows.Add(-int64(len(batch)))
			l.counts.batches.Add(1)
			l.recovered()
			return
		}
		if ctx.Err() != nil {
			return // Run says how many rows are lost
		}
		l.counts.retries.Add(1)
		verdict := judge(err)
		if verdict == unclear {
			verdict = tryAgain
			if failures++; failures >= suspectAfter && l.answers(ctx) {
				verdict = refused
			}
		}
		switch verdict {
		case missingParent, duplicate:
			left, changed := l.withoutConflicts(ctx, batch, verdict)
			if changed {
				batch = left
				continue
			}
			l.refuse(ctx, batch, err)
			return
		case refused:
			l.refuse(ctx, batch, err)
			return
		case tryAgain:
			l.outage(err, len(batch))
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, lastPause)
		}
	}
}

// refuse halves a batch that Postgres does not take; a row that is alone is written without what came from script or client,
// or dropped.
func (l *Ledger) refuse(ctx context.Context, batch []*row, err error) {
	if len(batch) > 1 {
		half := len(batch) / 2
		l.write(ctx, batch[:half])
		l.write(ctx, batch[half:])
		return
	}
	r := batch[0]
	if !r.stripped && !r.absent {
		l.log.Error("execution written without its input, output and logs, which postgres refuses",
			"execution_id", r.id, "tenant_id", r.usage.tenant, "script_id", r.usage.script, "error", err)
		r.strip(err)
		l.write(ctx, batch)
		return
	}
	l.drop(r, err)
}

func (l *Ledger) drop(r *row, err error) {
	l.counts.dropped.Add(1)
	l.counts.waitingRows.Add(-1)
	level := slog.LevelError
	if errors.Is(err, errScriptDeleted) {
		level = slog.LevelDebug // a deleted script takes its history with it
	}
	l.log.Log(context.Background(), level, "execution dropped", "execution_id", r.id, "tenant_id", r.usage.tenant, "script_id", r.usage.script,
		"error", err)
}

func (r *row) strip(err error) {
	why := append([]byte{jsonbVersion}, text.Unstorable(err.Error())...)
	null := func([]byte) []byte { return nil }
	r.tuple = r.tuple.replace(map[string]func([]byte) []byte{
		"trigger_data": null,
		"input":        func([]byte) []byte { return why },
		"output":       func([]byte) []byte { return why },
		"error_stack":  null,
		"error": func(old []byte) []byte {
			if old == nil {
				return nil
			}
			return []byte(strings.Map(func(c rune) rune {
				if c < ' ' || c > '~' {
					return '?'
				}
				return c
			}, text.Cut(string(old), 1000)))
		},
	})
	r.logs, r.stripped = nil, true
}

func (l *Ledger) writeOnce(ctx context.Context, batch []*row) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var usage Usage
	var logs []sqlc.ExecutionLogRecordParams
	kept := make([]*row, 0, len(batch))
	for _, r := range batch {
		logs = append(logs, r.logs...)
		usage.add(r.usage, r.sum)
		if !r.absent {
			kept = append(kept, r)
		}
	}
	return pgx.BeginTxFunc(ctx, l.cfg.Pool, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		queries := l.queries.WithTx(tx)
		if ids := shownIn(batch); len(ids) > 0 {
			if err := queries.ExecutionUnshow(ctx, sqlc.ExecutionUnshowParams{Ids: ids, NodeID: l.cfg.NodeID}); err != nil {
				return err
			}
		}
		if len(kept) > 0 {
			if _, err := sqlc.New(copier{tx, kept}).ExecutionRecord(ctx, nil); err != nil {
				return err
			}
		}
		if len(logs) > 0 {
			if _, err := queries.ExecutionLogRecord(ctx, logs); err != nil {
				return err
			}
		}
		return usage.Write(ctx, queries)
	})
}

// withoutConflicts leaves out rows whose script or tenant is gone, or which are on record already, and reports whether there
// were any.
func (l *Ledger) withoutConflicts(ctx context.Context, batch []*row, kind verdict) (left []*row, changed bool) {
	ids := make([]uuid.UUID, len(batch))
	for i, r := range batch {
		if ids[i] = r.usage.script; kind == duplicate {
			ids[i] = r.id
		}
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	find := l.queries.ScriptIDsExisting
	if kind == duplicate {
		find = l.queries.ExecutionIDsExisting
	}
	found, err := find(ctx, ids)
	if err != nil {
		return batch, judge(err) <= unclear // the next try sees for itself
	}
	exists := make(map[uuid.UUID]bool, len(found))
	for _, id := range found {
		exists[id] = true
	}
	for i, r := range batch {
		switch {
		case kind == missingParent && !exists[ids[i]]:
			l.drop(r, errScriptDeleted)
		case kind == duplicate && exists[ids[i]]:
			// Committed by a try whose answer was lost, or earlier in this batch: the same id twice is one execution.
			l.counts.written.Add(1)
			l.counts.waitingRows.Add(-1)
		default:
			if kind == duplicate {
				exists[ids[i]] = true
			}
			left = append(left, r)
		}
	}
	// A row that came between its removal and the insert is removed by the next try.
	return left, len(left) < len(batch) || kind == duplicate && len(shownIn(left)) > 0
}

var errScriptDeleted = errors.New("its script was deleted meanwhile")

type verdict int

const (
	tryAgain      verdict = iota // Postgres is away or busy
	unclear                      // the connection broke, or time ran out: Postgres is away, or the batch breaks it
	missingParent                // script or tenant is gone
	duplicate                    // an id is there already
	refused                      // something in a row
)

// judge tells an outage from a row that can never be written, by SQLSTATE.
func judge(err error) verdict {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return unclear
	}
	switch pg.Code {
	case "23503":
		return missingParent
	case "23505":
		return duplicate
	case "25006", "55P03": // read-only after a failover; lock not available
		return tryAgain
	case "57014": // canceled, by a statement_timeout perhaps
		return unclear
	}
	switch pg.Code[:2] {
	case "08", "40", "53", "57", "58": // connection, rollback, resources, operator, system
		return tryAgain
	case "XX": // internal
		return unclear
	default:
		return refused
	}
}

// answers reports whether Postgres can be reached, so that a batch which keeps failing is itself the cause.
func (l *Ledger) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return l.cfg.Pool.Ping(ctx) == nil
}

func (l *Ledger) outage(err error, rows int) {
	if l.counts.outage.CompareAndSwap(false, true) {
		l.log.Warn("ledger cannot write, executions wait", "executions", rows, "error", err)
	}
}

func (l *Ledger) recovered() {
	if l.counts.outage.CompareAndSwap(true, false) {
		l.log.Info("ledger writes again", "backlog", l.counts.waitingRows.Load())
	}
}
