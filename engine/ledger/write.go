package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/migrations/connect"
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
	mark := markOf(batch)
	for failures := 0; len(batch) > 0; {
		err := l.writeOnce(ctx, batch, mark)
		if err == nil {
			l.done(batch, mark)
			l.counts.batches.Add(1)
			l.recovered()
			l.countEndings(ctx, batch)
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
		if verdict == duplicate {
			switch there, err := l.marked(ctx, mark); {
			case err != nil:
				verdict = tryAgain
			case there:
				l.done(batch, mark)
				return
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

// markOf is the mark that a batch leaves where executions have no row of their own; Nil: it needs none.
func markOf(batch []*row) uuid.UUID {
	if !slices.ContainsFunc(batch, func(r *row) bool { return r.absent }) {
		return uuid.Nil
	}
	return uuid.New()
}

// done counts a batch that is known to be committed.
func (l *Ledger) done(batch []*row, mark uuid.UUID) {
	var runs int64
	for _, r := range batch {
		runs += r.runs
	}
	l.counts.written.Add(runs)
	l.counts.waitingRows.Add(-runs)
	l.metered(batch)
	if mark != uuid.Nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.answered = append(l.answered, mark)
	}
}

// marked reports whether a batch was committed by a try whose answer was lost.
func (l *Ledger) marked(ctx context.Context, mark uuid.UUID) (bool, error) {
	if mark == uuid.Nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return l.queries.UsageMarked(ctx, mark)
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
	l.counts.dropped.Add(r.runs)
	l.counts.waitingRows.Add(-r.runs)
	if r.metered.executions > 0 {
		l.cfg.Quota.Dropped(r.usage.tenant, r.metered.amount())
	}
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
	r.logs, r.calls, r.stripped = nil, nil, true
}

// writeOnce writes a batch in one transaction: one round trip where the connection allows it.
func (l *Ledger) writeOnce(ctx context.Context, batch []*row, mark uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	conn, err := l.cfg.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	once, err := l.checksOnce(ctx, conn)
	if err != nil {
		return err
	}
	l.mu.Lock()
	answered := slices.Clone(l.answered)
	l.mu.Unlock()
	write := func(to target) error {
		if mark != uuid.Nil {
			if err := sqlc.New(to).UsageMark(ctx, sqlc.UsageMarkParams{ID: mark, Answered: answered}); err != nil {
				return err
			}
		}
		return l.writeTo(ctx, to, batch, once)
	}
	if canTrip(conn.Conn()) {
		t := &trip{}
		err = sqlc.New(t).LedgerBegin(ctx, strconv.FormatInt(writeTimeout.Milliseconds(), 10))
		if err == nil {
			err = write(t)
		}
		if err == nil {
			err = t.run(ctx, conn)
		}
	} else {
		err = pgx.BeginTxFunc(ctx, conn, tenantdb.ServiceTx(), func(tx pgx.Tx) error { return write(inTx{tx}) })
	}
	if err == nil && mark != uuid.Nil && len(answered) > 0 {
		l.mu.Lock()
		l.answered = slices.DeleteFunc(l.answered, func(m uuid.UUID) bool { return slices.Contains(answered, m) })
		l.mu.Unlock()
	}
	if once && connect.ClassOf(err) == connect.Denied { // it has been revoked
		l.apiece.Store(true)
		return l.writeOnce(ctx, batch, mark)
	}
	return err
}

// writeTo writes a batch to its transaction.
func (l *Ledger) writeTo(ctx context.Context, to target, batch []*row, once bool) error {
	queries := sqlc.New(to)
	// Usage is added last: see Usage.Write.
	var usage Usage
	var rows, logs, calls [][]byte
	var parents parents
	for _, r := range batch {
		usage.add(r.usage, r.sum)
		if r.absent {
			continue
		}
		rows = append(rows, r.tuple)
		if len(r.logs) > 0 {
			logs = append(logs, r.logs)
		}
		if len(r.calls) > 0 {
			calls = append(calls, r.calls)
		}
		parents.add(r.usage)
	}
	// Before the foreign keys' triggers are off: dead letters forget the rows that go.
	if ids := shownIn(batch); len(ids) > 0 {
		if err := queries.ExecutionUnshow(ctx, sqlc.ExecutionUnshowParams{Ids: ids, NodeID: l.cfg.NodeID}); err != nil {
			return err
		}
	}
	if once && len(rows) >= onceRows {
		if err := queries.LedgerHoldParents(ctx, parents.params()); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		if _, err := sqlc.New(copier{to, tupleColumns[:], rows}).ExecutionRecord(ctx, nil); err != nil {
			return err
		}
	}
	if len(logs) > 0 {
		if _, err := sqlc.New(copier{to, logColumns[:], logs}).ExecutionLogRecord(ctx, nil); err != nil {
			return err
		}
	}
	if len(calls) > 0 {
		if _, err := sqlc.New(copier{to, callColumns[:], calls}).ExecutionCallRecord(ctx, nil); err != nil {
			return err
		}
	}
	return usage.Write(ctx, queries)
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
			l.counts.written.Add(r.runs)
			l.counts.waitingRows.Add(-r.runs)
			l.metered(batch[i : i+1])
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
	state := connect.State(err)
	if state == "" {
		return unclear // ClassOf knows a lost connection, and not whether the batch has ended it
	}
	switch connect.ClassOfState(state) {
	case connect.Reference:
		return missingParent
	case connect.Duplicate:
		return duplicate
	case connect.Away, connect.Busy, connect.Unprepared:
		return tryAgain
	case connect.Cancelled: // by a statement_timeout perhaps
		return unclear
	}
	if strings.HasPrefix(state, "XX") || strings.HasPrefix(state, "58") { // internal, or a file of the server's
		return unclear
	}
	return refused
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
