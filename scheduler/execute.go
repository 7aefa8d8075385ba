package scheduler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

const (
	// overloadedDelay is how long an execution waits that no worker took, where the Executor names no time.
	overloadedDelay = 500 * time.Millisecond
	// brokenDelay is how long an execution waits whose script could not be read.
	brokenDelay = 2 * time.Second
	// maxLost is how often an execution may lose its worker or node; then it fails.
	maxLost = 5
)

// execute runs one claimed execution to its end, and hands the ending over for writing.
func (s *Scheduler) execute(ctx context.Context, h *held) {
	e := s.outcome(ctx, h)
	h.cancel(nil)
	s.mu.Lock()
	if h.blocked {
		release(s.blocked, h.row.ScriptID)
		release(s.blocked, h.row.TenantID)
	} else {
		s.slots--
	}
	release(s.running, h.row.ScriptID)
	release(s.running, h.row.TenantID)
	// Waking the claim for each end would claim them one by one.
	wake := s.slots <= s.capacity()*3/4
	if e.result != nil && e.result.Began {
		s.paused.Store(nil) // there is room again
		if took := e.result.Metrics.Duration; s.took == 0 {
			s.took = took
		} else {
			s.took += (took - s.took) / 16
		}
	}
	s.mu.Unlock()
	if wake {
		s.queueWake.Set()
	}
	s.endings.add(e)
}

// maxPause bounds how long nothing is claimed of what the Executor has refused.
const maxPause = time.Second

// pause keeps claims of what an execution was refused for away until then: of its script, of its tenant, or of all. A tenant that meets
// its own limit, or fills its share of the workers, delays nothing of another tenant's.
func (s *Scheduler) pause(scope engine.Scope, row *sqlc.ExecutionClaimRow, until time.Time) {
	switch scope {
	case engine.ScopeScript:
		s.pauseKey(row.ScriptID, until)
	case engine.ScopeTenant:
		s.pauseKey(row.TenantID, until)
	default:
		s.paused.Store(&until)
	}
}

// pauseKey pauses a script or a tenant.
func (s *Scheduler) pauseKey(id uuid.UUID, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pauses[id] = until
}

// pausedLocked returns until when nothing is to be claimed of a script, and forgets pauses that are over. s.mu is held.
func (s *Scheduler) pausedLocked(p pair, now time.Time) (until time.Time, paused bool) {
	for _, id := range [...]uuid.UUID{p.tenant, p.script} {
		end, ok := s.pauses[id]
		switch {
		case !ok:
		case end.After(now):
			if end.After(until) {
				until, paused = end, true
			}
		default:
			delete(s.pauses, id)
		}
	}
	return until, paused
}

// unblock gives a run a slot, because the execution that it waited for has ended.
func (s *Scheduler) unblock(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.blocked {
		h.blocked = false
		release(s.blocked, h.row.ScriptID)
		release(s.blocked, h.row.TenantID)
		s.slots++
		s.queueWake.Set() // another one may wait in its place
	}
}

func release(running map[uuid.UUID]int, key uuid.UUID) {
	if running[key]--; running[key] <= 0 {
		delete(running, key)
	}
}

// outcome is the execution's ending, or what else becomes of it.
func (s *Scheduler) outcome(ctx context.Context, h *held) *ending {
	row := h.row
	e := &ending{held: h, trigger: engine.Trigger(row.TriggerType)}
	if row.CancelRequested {
		return e.ended(&engine.Result{Code: engine.CodeCancelled, Message: "cancelled before it began"})
	}
	claimed := time.Now()
	script, err := s.cfg.Scripts.Script(ctx, row.TenantID, row.ScriptID, int(row.Version))
	switch {
	case errors.Is(err, catalog.ErrScriptUnknown):
		return e.ended(&engine.Result{Code: engine.CodeBootError, NoRetry: true, Message: fmt.Sprintf("version %d of the script does not exist", row.Version)})
	case err != nil:
		if ctx.Err() == nil {
			s.cfg.Logger.Warn("script not read", "tenant_id", row.TenantID, "script_id", row.ScriptID, "execution_id", row.ID, "error", err)
		}
		return e.giveBack("overloaded", brokenDelay, ctx)
	}

	inv := &engine.Invocation{
		ExecutionID: row.ID, Script: script, Trigger: e.trigger, Handler: engine.Handler(row.Handler), Attempt: int(row.Attempt),
		Live: func() bool { return s.live(h) }, Lease: h.token,
		Depth: int(row.Depth), Input: row.Input,
		// What was to wait (a retry's delay, deliver_at) did not queue for that time.
		QueuedAt: claimed.Add(-seconds(min(row.QueuedSeconds, row.LateSeconds))),
		OnBegin: func() {
			s.unblock(h)
			since := time.Since(claimed)
			s.cfg.Observer.Begun(e.trigger, seconds(row.QueuedSeconds)+since, seconds(row.LateSeconds)+since)
		},
	}
	if row.Traceparent != nil {
		inv.TraceParent = *row.Traceparent
	}
	if row.ParentID != nil {
		inv.ParentID = *row.ParentID
	}
	if inv.Handler == engine.HandlerFetch {
		if inv.Request, err = record.Request(row.Input, ""); err != nil {
			return e.ended(&engine.Result{Code: engine.CodeException, NoRetry: true, Message: err.Error()})
		}
		inv.Input = nil
	}
	e.inv = inv
	result, err := s.cfg.Executor.Execute(ctx, inv)
	if err == nil {
		e.cause = context.Cause(ctx)
		return e.ended(result)
	}
	var refused *engine.RefusedError
	if !errors.As(err, &refused) {
		if ctx.Err() == nil {
			s.cfg.Logger.Error("execution not accepted", "tenant_id", row.TenantID, "script_id", row.ScriptID, "execution_id", row.ID, "error", err)
		}
		return e.giveBack("overloaded", brokenDelay, ctx)
	}
	delay := refused.RetryAfter
	if refused.Code == engine.CodeQuotaExceeded {
		delay = maxPause // its plan may be raised at any time; until then Config.Quota keeps claims away
	}
	if delay <= 0 {
		delay = overloadedDelay
	}
	s.pause(refused.Scope, row, time.Now().Add(min(delay, maxPause)))
	// Spread, so that what was refused together does not come back together.
	delay += rand.N(delay/4 + time.Millisecond)
	return e.giveBack(string(refused.Code), delay, ctx)
}

// keepLeases renews what this node holds, and ends what it could not renew for two thirds of a lease: after a whole one another
// node runs it.
func (s *Scheduler) keepLeases(ctx context.Context) {
	for wake.Pause(ctx, s.cfg.Node.Lease()/3) {
		for {
			err := s.renew(ctx)
			if err == nil || ctx.Err() != nil {
				break
			}
			s.complain(ctx, "leases not renewed", err)
			s.dropStale()
			if !wake.Pause(ctx, s.cfg.Node.Lease()/30) {
				return
			}
		}
		s.dropStale()
	}
}

func (s *Scheduler) renew(ctx context.Context) error {
	sent := time.Now()
	var ids, tokens []uuid.UUID
	s.mu.Lock()
	for id, h := range s.held {
		ids = append(ids, id)
		tokens = append(tokens, h.token)
	}
	s.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(cluster.StatementTimeout, s.cfg.Node.Lease()/3))
	defer cancel()
	rows, err := s.queries.ExecutionRenew(ctx, renewParams(ids, tokens, s.cfg.Node.Lease()))
	if err != nil {
		return err
	}
	renewed := make(map[uuid.UUID]bool, len(rows))
	for _, row := range rows {
		renewed[row.ID] = true
		if row.CancelRequested {
			s.cancelHeld(row.ID, errCancelRequested)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := 0
	for i, id := range ids {
		h := s.held[id]
		switch {
		case h == nil || h.token != tokens[i]: // ended meanwhile
		case renewed[id]:
			h.since = sent
		case !h.writing: // deleted, or rescued by another node
			h.cancel(errLeaseLost)
			lost++
		}
	}
	if lost > 0 {
		s.cfg.Observer.LeaseLost(lost)
		s.cfg.Logger.Warn("leases lost", "executions", lost)
	}
	return nil
}

// live says whether a run's lease is ours for certain, and ends the run where it may not be. A node that was frozen asks here before
// it has looked at anything else: what its scripts were about to do is not done any more.
func (s *Scheduler) live(h *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.writing || !s.stale(h) {
		return true
	}
	if !h.refused {
		s.cfg.Observer.LeaseLost(1)
		s.cfg.Logger.Error("run ended, its lease was not renewed", "tenant_id", h.row.TenantID, "script_id", h.row.ScriptID, "execution_id", h.row.ID)
	}
	h.refused = true
	h.cancel(errLeaseLost)
	return false
}

// stale says whether a lease may expire before it can be renewed. s.mu is held.
func (s *Scheduler) stale(h *held) bool { return time.Since(h.since) > s.cfg.Node.Lease()*2/3 }

// dropStale ends the runs whose lease may expire before it can be renewed.
func (s *Scheduler) dropStale() {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := 0
	for _, h := range s.held {
		if !h.writing && !h.refused && s.stale(h) {
			h.cancel(errLeaseLost)
			lost++
		}
	}
	if lost > 0 {
		s.cfg.Observer.LeaseLost(lost)
		s.cfg.Logger.Error("runs ended, their leases could not be renewed", "executions", lost)
	}
}

// watchCancels looks for requests to cancel, for when the notification was lost.
func (s *Scheduler) watchCancels(ctx context.Context) {
	for wake.Pause(ctx, s.cfg.Poll) {
		var ids []uuid.UUID
		s.mu.Lock()
		for id, h := range s.held {
			if !h.writing && time.Since(h.since) > s.cfg.Poll/2 { // what ends at once needs no look
				ids = append(ids, id)
			}
		}
		s.mu.Unlock()
		if len(ids) == 0 {
			continue
		}
		err := cluster.Within(ctx, func(ctx context.Context) error {
			cancelled, err := s.queries.ExecutionCancelled(ctx, ids)
			for _, id := range cancelled {
				s.cancelHeld(id, errCancelRequested)
			}
			return err
		})
		s.complain(ctx, "requests to cancel not read", err)
	}
}

const (
	// shownAfter is how long an execution runs before its row says so. Most are over by then, and their row is written once, at the end.
	shownAfter = time.Second
	// showEvery is how often such executions are looked for while this node has leased any.
	showEvery = 250 * time.Millisecond
	// showSeldom is how often it is seen that there are any, where there were none. It is no longer than shownAfter: so the row of an execution
	// is written no later than with showEvery.
	showSeldom = time.Second
)

// showRunning gives the status running to what this node has run for a second, until ctx is done.
func (s *Scheduler) showRunning(ctx context.Context) {
	pause := showSeldom
	for wake.Pause(ctx, pause) {
		var ids, tokens []uuid.UUID
		s.mu.Lock()
		pause = showSeldom
		if len(s.held) > 0 {
			pause = showEvery
		}
		for id, h := range s.held {
			if !h.shown && !h.writing && time.Since(h.claimed) >= shownAfter {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		for _, id := range ids {
			tokens = append(tokens, s.held[id].token)
		}
		s.mu.Unlock()
		if len(ids) == 0 {
			continue
		}
		var shown []uuid.UUID
		err := s.byIndex(ctx, func(ctx context.Context, queries *sqlc.Queries) (err error) {
			shown, err = queries.ExecutionShowQueued(ctx, sqlc.ExecutionShowQueuedParams{Ids: ids, LeaseTokens: tokens})
			return err
		})
		s.complain(ctx, "running executions not shown", err)
		if err != nil {
			continue
		}
		s.mu.Lock()
		for _, id := range shown {
			if h := s.held[id]; h != nil {
				h.shown = true
			}
		}
		s.mu.Unlock()
	}
}

// cancelHeld ends a run that this node has leased, and reports whether there is one.
func (s *Scheduler) cancelHeld(id uuid.UUID, cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[id]
	if h != nil {
		h.cancel(cause)
	}
	return h != nil
}
