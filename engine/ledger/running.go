package ledger

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

const (
	// shownAfter is how long an execution runs before it has a row. Most are over by then, and cost one row.
	shownAfter = time.Second
	// lookEvery is how often long executions are looked for while anything runs, and every fourth time requests to cancel them.
	lookEvery = 250 * time.Millisecond
	// lookSeldom is how often it is seen that something runs, where nothing did. It is no longer than shownAfter: so the row of an execution is
	// written no later than with lookEvery.
	lookSeldom = time.Second
	// showRows bounds the rows of one statement.
	showRows = 200
	// forgetAfter is how long the row of an execution that has ended is kept alive although no ending was recorded. After that its
	// lease expires, and it is rescued.
	forgetAfter = 2 * time.Minute
	// showTimeout bounds one statement.
	showTimeout = 5 * time.Second
)

// errCancelRequested is the cause of a cancellation that another node was asked for.
var errCancelRequested = errors.New("cancelled through the API")

// shown is an execution that runs and has a row, or is about to.
type shown struct {
	written bool
	gone    time.Time // when it was first not among those that run; zero: it runs
}

// watchRunning keeps the rows of executions that have run for a second, until ctx is done.
func (l *Ledger) watchRunning(ctx context.Context) {
	if l.cfg.Long == nil {
		return
	}
	pause := lookSeldom
	var asked, renewed time.Time
	for wake.Pause(ctx, pause) {
		ids, running := l.show(ctx)
		pause = lookSeldom
		if running || len(ids) > 0 {
			pause = lookEvery
		}
		now := time.Now()
		switch {
		case len(ids) == 0:
			renewed = now
		case now.Sub(renewed) >= l.cfg.Lease/3:
			renewed, asked = now, now
			l.attend(ctx, ids, true)
		case now.Sub(asked) >= 4*lookEvery:
			asked = now
			l.attend(ctx, ids, false)
		}
	}
}

// show writes a row for each long execution that has none, and returns the ids of the executions that have one. running says whether any execution
// runs, however short.
func (l *Ledger) show(ctx context.Context) (ids []uuid.UUID, running bool) {
	var p sqlc.ExecutionShowParams
	l.mu.Lock()
	seen := map[uuid.UUID]bool{}
	now := time.Now()
	// An execution ends for the engine before it is recorded: while mu is held, those that Long names will be, or have been found here.
	l.cfg.Long(0, func(inv *engine.Invocation, res *engine.Result) {
		running = true
		if now.Sub(res.StartedAt) < shownAfter {
			return
		}
		id := inv.ExecutionID
		seen[id] = true
		s := l.shown[id]
		if s == nil {
			s = &shown{}
			l.shown[id] = s
		}
		if s.written || len(p.Ids) == showRows {
			return
		}
		p.Ids = append(p.Ids, id)
		p.ScriptIds = append(p.ScriptIds, inv.Script.ID)
		p.TenantIds = append(p.TenantIds, inv.Script.TenantID)
		p.TriggerTypes = append(p.TriggerTypes, string(inv.Trigger))
		p.Inputs = append(p.Inputs, string(record.Input(inv, res)))
		p.TriggerDatas = append(p.TriggerDatas, string(record.TriggerData(inv, res)))
		p.Versions = append(p.Versions, int32(inv.Script.Version))
		p.Handlers = append(p.Handlers, string(inv.Handler))
		p.Depths = append(p.Depths, int32(inv.Depth))
		p.ParentIds = append(p.ParentIds, inv.ParentID)
		p.StartedAts = append(p.StartedAts, res.StartedAt)
		queuedAt := inv.QueuedAt
		if queuedAt.IsZero() || queuedAt.After(res.StartedAt) {
			queuedAt = res.StartedAt
		}
		p.QueuedAts = append(p.QueuedAts, queuedAt)
	})
	for id, s := range l.shown {
		switch {
		case seen[id]:
		case s.gone.IsZero():
			s.gone = time.Now()
		case time.Since(s.gone) > forgetAfter:
			delete(l.shown, id)
			continue
		}
		if s.written {
			ids = append(ids, id)
		}
	}
	l.mu.Unlock()
	if len(p.Ids) == 0 {
		return ids, running
	}
	p.NodeID, p.LeaseSeconds = l.cfg.NodeID, l.cfg.Lease.Seconds()
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	if err := l.queries.ExecutionShow(ctx, p); err != nil {
		if ctx.Err() == nil {
			l.log.Debug("running executions not written, trying again", "executions", len(p.Ids), "error", err)
		}
		return ids, running
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range p.Ids {
		if s := l.shown[id]; s != nil {
			s.written = true
			ids = append(ids, id)
		}
	}
	return ids, running
}

// attend finds those that are to be cancelled, and renews their leases.
func (l *Ledger) attend(ctx context.Context, ids []uuid.UUID, renew bool) {
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	var cancelled []uuid.UUID
	var err error
	if renew {
		tokens := make([]uuid.UUID, len(ids))
		for i := range tokens {
			tokens[i] = l.cfg.NodeID
		}
		var rows []sqlc.ExecutionRenewRow
		rows, err = l.queries.ExecutionRenew(ctx, sqlc.ExecutionRenewParams{Ids: ids, LeaseTokens: tokens, LeaseSeconds: l.cfg.Lease.Seconds()})
		for _, row := range rows {
			if row.CancelRequested {
				cancelled = append(cancelled, row.ID)
			}
		}
	} else {
		cancelled, err = l.queries.ExecutionCancelled(ctx, ids)
	}
	if err != nil && ctx.Err() == nil {
		l.log.Debug("running executions not looked at, trying again", "executions", len(ids), "error", err)
	}
	for _, id := range cancelled {
		l.cfg.Cancel(id, errCancelRequested)
	}
}

// wasShown reports whether the execution may have a row already, which its ending replaces. l.mu is held.
func (l *Ledger) wasShown(id uuid.UUID) bool {
	if _, ok := l.shown[id]; !ok {
		return false
	}
	delete(l.shown, id)
	return true
}

// shownIn returns the executions of a batch that may have a row already.
func shownIn(batch []*row) (ids []uuid.UUID) {
	for _, r := range batch {
		if r.shown {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// runningDefaults checks what a Ledger that shows running executions needs.
func (c Config) runningDefaults() (Config, error) {
	c.Lease = cmp.Or(c.Lease, 15*time.Second)
	if c.Long == nil {
		return c, nil
	}
	switch {
	case c.NodeID == uuid.Nil:
		return c, errors.New("NodeID: must be set with Long")
	case c.Cancel == nil:
		return c, errors.New("Cancel: must be set with Long")
	}
	return c, nil
}
