package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

// ending is what became of an execution that this node held.
type ending struct {
	*held
	trigger engine.Trigger
	inv     *engine.Invocation // nil: it was not given to the Executor
	result  *engine.Result     // nil: it goes back to the queue
	cause   error              // why its context was cancelled, nil if it was not
	reason  string             // it goes back because of this
	delay   time.Duration
	// doubtful: it is unknown whether the claim was committed. It is no loss where it was not.
	doubtful bool
}

func (e *ending) ended(res *engine.Result) *ending {
	e.result = res
	return e
}

func (e *ending) giveBack(reason string, delay time.Duration, ctx context.Context) *ending {
	e.reason, e.delay, e.cause = reason, delay, context.Cause(ctx)
	if errors.Is(e.cause, errDrained) {
		e.reason, e.delay = "drained", 0
	}
	return e
}

// writeEndings writes endings until the list is closed. It does not give up: an ending is lost only with its lease.
func (s *Scheduler) writeEndings(ctx context.Context) {
	for {
		batch := s.endings.take()
		if batch == nil {
			return
		}
		s.mu.Lock()
		for _, e := range batch {
			e.writing = true
		}
		s.mu.Unlock()
		s.write(ctx, batch)
		s.mu.Lock()
		stopped := s.roomLocked() <= 0
		for _, e := range batch {
			if s.held[e.row.ID] == e.held {
				delete(s.held, e.row.ID)
			}
		}
		s.mu.Unlock()
		s.endings.wrote(batch)
		if stopped {
			s.queueWake.Set()
		}
	}
}

// write writes a batch. One that Postgres refuses for what is in it is halved until the culprit is alone.
func (s *Scheduler) write(ctx context.Context, batch []*ending) {
	backoff := 50 * time.Millisecond
	for {
		err := s.writeOnce(ctx, batch)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case refusesContent(err) && len(batch) > 1:
			s.write(ctx, batch[:len(batch)/2])
			s.write(ctx, batch[len(batch)/2:])
			return
		case refusesContent(err):
			e := batch[0]
			s.cfg.Logger.Error("ending refused by the database, written without its content", "tenant_id", e.row.TenantID, "script_id", e.row.ScriptID,
				"execution_id", e.row.ID, "error", err)
			if e.result == nil || e.stripped {
				return // its lease expires, and it is rescued
			}
			e.stripped = true
			e.result = &engine.Result{Code: engine.CodeInvalidOutput, Message: "the result cannot be stored", Metrics: e.result.Metrics, Began: true}
			continue
		}
		s.cfg.Logger.Error("endings not written, trying again", "executions", len(batch), "error", err)
		if !wake.Pause(ctx, backoff+rand.N(backoff)) {
			return
		}
		backoff = min(2*backoff, 2*time.Second)
	}
}

// refusesContent reports whether the same statement would fail again: bad data, a limit of a value, a violated check.
func refusesContent(err error) bool {
	class := connect.ClassOf(err)
	return class == connect.Value || class == connect.Check
}

// writeOnce writes a batch in one transaction.
func (s *Scheduler) writeOnce(ctx context.Context, batch []*ending) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.StatementTimeout)
	defer cancel()
	policies, err := s.policies(ctx, batch)
	if err != nil {
		return err
	}
	// In one order, so that a renewal and this batch never wait for each other's executions.
	batch = slices.SortedFunc(slices.Values(batch), func(a, b *ending) int { return bytes.Compare(a.row.ID[:], b.row.ID[:]) })
	var w *endingsWriter
	err = pgx.BeginTxFunc(ctx, s.cfg.Pool, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		w = &endingsWriter{Scheduler: s, queries: s.queries.WithTx(tx), policies: policies, byID: map[uuid.UUID]*ending{}, actions: map[uuid.UUID]action{}}
		return w.write(ctx, batch)
	})
	if err != nil {
		return err
	}
	for _, tell := range w.told {
		tell()
	}
	w.rollouts.Write(ctx, s.queries, s.cfg.Logger)
	w.failures.Write(ctx, s.queries, s.cfg.Logger)
	if w.woken {
		s.queueWake.Set()
	}
	return nil
}

// endingsWriter writes a batch of endings in its transaction.
type endingsWriter struct {
	*Scheduler
	queries  *sqlc.Queries // of the transaction
	policies map[uuid.UUID]policy
	byID     map[uuid.UUID]*ending
	actions  map[uuid.UUID]action

	finish   sqlc.ExecutionFinishParams
	back     sqlc.ExecutionReleaseParams
	doubtful int // executions in back whose claim's commit was not answered

	told     []func()        // once it is committed
	rollouts ledger.Rollouts // counted then
	failures ledger.Failures // the same
	woken    bool            // the queue has something
}

func (w *endingsWriter) write(ctx context.Context, batch []*ending) error {
	if err := w.queries.QueuePlanByIndex(ctx); err != nil {
		return err
	}
	for _, e := range batch {
		w.add(e)
	}
	// The lock waits for a claim in doubt to be committed or not: the update looks after that.
	if len(w.back.Ids) > 0 && (len(w.finish.Ids) > 0 || w.doubtful > 0) {
		if _, err := w.queries.ExecutionLock(ctx, slices.Concat(w.back.Ids, w.finish.Ids)); err != nil {
			return err
		}
	}
	if err := w.release(ctx); err != nil {
		return err
	}
	if len(w.finish.Ids) == 0 {
		return nil
	}
	// Only what the guard let through has ended; nothing may follow from the rest.
	finished, err := w.queries.ExecutionFinish(ctx, w.finish)
	if err != nil {
		return err
	}
	w.lost(len(w.finish.Ids) - len(finished))
	return w.follow(ctx, finished)
}

// act decides what becomes of an execution, and after which delay it may begin again where it goes back to the queue.
func (w *endingsWriter) act(e *ending) (action, time.Duration) {
	if e.result == nil {
		return actionGiveBack, e.delay
	}
	act := decide(attempt{
		trigger: e.trigger, number: int(e.row.Attempt), lostCount: int(e.row.LostCount), redrive: e.row.DeadLetterID != nil, refused: e.refused, cause: e.cause,
	}, e.result, w.policies[e.row.ScriptID])
	switch {
	case act == actionGiveBack && errors.Is(e.cause, errDrained):
		e.reason = "drained"
		return act, e.delay
	case act == actionGiveBack:
		e.reason = e.result.Code.Outcome()
	case act == actionLost:
		e.reason = "worker_lost"
	}
	return act, overloadedDelay
}

// add puts an ending into finish, or into back where the execution returns to the queue.
func (w *endingsWriter) add(e *ending) {
	row, res := e.row, e.result
	act, delay := w.act(e)
	w.byID[row.ID], w.actions[row.ID] = e, act
	switch act {
	case actionDrop:
	case actionGiveBack, actionLost:
		if e.doubtful {
			w.doubtful++
		}
		w.back.Ids = append(w.back.Ids, row.ID)
		w.back.LeaseTokens = append(w.back.LeaseTokens, e.token)
		lost := int32(0)
		if act == actionLost {
			lost = 1
		}
		w.back.Losts = append(w.back.Losts, lost)
		w.back.DelaysSeconds = append(w.back.DelaysSeconds, delay.Seconds())
	default:
		w.finish.Ids = append(w.finish.Ids, row.ID)
		w.finish.LeaseTokens = append(w.finish.LeaseTokens, e.token)
		w.finish.Statuses = append(w.finish.Statuses, string(res.Code.Status()))
		w.finish.ErrorCodes = append(w.finish.ErrorCodes, string(res.Code))
		w.finish.Errors = append(w.finish.Errors, text.Clean(res.Message))
		w.finish.ErrorStacks = append(w.finish.ErrorStacks, text.Clean(res.Stack))
		w.finish.Outputs = append(w.finish.Outputs, string(w.outputOf(e, res)))
		w.finish.HttpStatuses = append(w.finish.HttpStatuses, int16(res.HTTPStatus()))
		w.finish.Metrics = append(w.finish.Metrics, string(record.Metrics(res.Metrics)))
	}
}

// release gives executions back to the queue.
func (w *endingsWriter) release(ctx context.Context) error {
	if len(w.back.Ids) == 0 {
		return nil
	}
	rows, err := w.queries.ExecutionRelease(ctx, w.back)
	if err != nil {
		return err
	}
	w.woken = true
	lost := len(w.back.Ids) - w.doubtful
	var ended []ledger.Ended
	for _, row := range rows {
		e := w.byID[row.ID]
		if !e.doubtful {
			lost--
		}
		if row.Status == string(engine.StatusCancelled) {
			ended = append(ended, ledger.Ended{ID: row.ID, ScriptID: e.row.ScriptID, Code: engine.CodeCancelled})
		}
		w.told = append(w.told, func() { w.cfg.Observer.GivenBack(e.trigger, e.reason) })
	}
	w.lost(lost)
	return w.forget(ctx, ended)
}

// forget deletes the rows of what ended without its script at hand, where the script's history does not keep them.
func (w *endingsWriter) forget(ctx context.Context, ended []ledger.Ended) error {
	after, err := ledger.Forget(ctx, w.queries, w.cfg.Storage, ended)
	if err == nil {
		w.told = append(w.told, after)
	}
	return err
}

// lost counts executions whose lease this node had lost.
func (w *endingsWriter) lost(executions int) {
	if executions > 0 {
		w.told = append(w.told, func() { w.cfg.Observer.LeaseLost(executions) })
	}
}

// outputOf is the output as it is kept. What never ran has none, and of a tenant at its storage quota none is kept.
func (s *Scheduler) outputOf(e *ending, res *engine.Result) json.RawMessage {
	if e.inv == nil || s.lean(e) || !e.keeps() {
		return nil
	}
	return record.Output(e.inv, res)
}

// lean reports whether an ending is kept without output and log.
func (s *Scheduler) lean(e *ending) bool {
	state, _ := s.cfg.Storage.State(e.row.TenantID)
	return state != storage.Normal
}

// keeps reports whether the script's history keeps an execution that ended so; ledger.Forget asks about one whose script was not read. The queue needs its row until then, and a retry and a dead letter
// have made what they need of it before it goes.
func (e *ending) keeps() bool {
	return e.inv == nil || e.inv.Script.History.Keeps(e.row.ID, e.result.Code)
}

// consequences are what follows from endings: next attempts, dead letters, the schedules' last runs, logs, host calls and usage.
type consequences struct {
	retry                   sqlc.ExecutionRetryParams
	letters, resolved, kept []uuid.UUID
	jobs                    sqlc.ScheduledJobFinishParams
	logs                    []sqlc.ExecutionLogRecordParams
	calls                   []sqlc.ExecutionCallRecordParams
	usage                   ledger.Usage
	cuts                    sqlc.ExecutionCutInputsParams
	unkept                  []uuid.UUID    // whose rows go: their script's history does not keep them
	unread                  []ledger.Ended // whose script was not read, so that its history is asked
}

// follow writes what follows from endings.
func (w *endingsWriter) follow(ctx context.Context, finished []sqlc.ExecutionFinishRow) error {
	var c consequences
	now := time.Now()
	// In one order, so that two batches never wait for each other's schedules.
	slices.SortFunc(finished, func(a, b sqlc.ExecutionFinishRow) int {
		return bytes.Compare(w.byID[a.ID].row.ScriptID[:], w.byID[b.ID].row.ScriptID[:])
	})
	for i := range finished {
		w.collect(&c, &finished[i], now)
	}
	return w.writeConsequences(ctx, &c)
}

// collect adds what follows from one ending.
func (w *endingsWriter) collect(c *consequences, finished *sqlc.ExecutionFinishRow, now time.Time) {
	e := w.byID[finished.ID]
	row, res := e.row, e.result
	followed, next := "", uuid.Nil
	switch w.actions[finished.ID] {
	case actionRetry:
		followed, next = "retry", uuid.Must(uuid.NewV7())
		c.retry.Ids = append(c.retry.Ids, row.ID)
		c.retry.NewIds = append(c.retry.NewIds, next)
		c.retry.DelaysSeconds = append(c.retry.DelaysSeconds, w.policies[row.ScriptID].delay(int(row.Attempt)).Seconds())
	case actionDeadLetter:
		followed = "dead_letter"
		c.letters = append(c.letters, row.ID)
		w.store(row.TenantID, storage.DeadLetters, int64(250+len(row.Input)))
	case actionResolve:
		c.resolved = append(c.resolved, row.ID)
	case actionKeepLetter:
		followed = "dead_letter"
		c.kept = append(c.kept, row.ID)
	}
	if e.inv != nil && (len(row.Input) > record.MaxBodyBytes || e.inv.Script.History.Changes()) && e.keeps() {
		if input, data, ok := record.EndedInput(e.inv, res, next == uuid.Nil); ok {
			c.cuts.Ids = append(c.cuts.Ids, row.ID)
			c.cuts.Inputs = append(c.cuts.Inputs, string(input))
			c.cuts.TriggerDatas = append(c.cuts.TriggerDatas, string(data))
			c.cuts.Chosens = append(c.cuts.Chosens, e.inv.Script.History.Changes())
		}
	}
	if e.trigger == engine.TriggerCron {
		started := res.StartedAt
		if started.IsZero() {
			started = now
		}
		c.jobs.ScriptIds = append(c.jobs.ScriptIds, row.ScriptID)
		c.jobs.ExecutionIds = append(c.jobs.ExecutionIds, row.ID)
		c.jobs.NextExecutionIds = append(c.jobs.NextExecutionIds, next)
		c.jobs.Statuses = append(c.jobs.Statuses, string(res.Code.Status()))
		c.jobs.BeganAts = append(c.jobs.BeganAts, started)
		c.jobs.ClaimedAts = append(c.jobs.ClaimedAts, finished.StartedAt)
	}
	w.collectStored(c, e)
	c.usage.Add(row.TenantID, row.ScriptID, now, res.Code, res.Metrics)
	if e.inv != nil {
		w.rollouts.Add(e.inv.Script.Deployment, res.Code.Outcome())
		w.failures.Add(row.ScriptID, e.inv.Script.Version, res.Code)
	}
	w.told = append(w.told, func() { w.cfg.Observer.Ended(e.trigger, res.Code, followed) })
}

// collectStored adds what is stored of one ending, and counts its bytes.
func (w *endingsWriter) collectStored(c *consequences, e *ending) {
	row, res := e.row, e.result
	if e.inv == nil {
		c.unread = append(c.unread, ledger.Ended{ID: row.ID, ScriptID: row.ScriptID, Code: res.Code})
	}
	if !e.keeps() {
		c.unkept = append(c.unkept, row.ID)
		if row.Attempt == 1 { // what its acceptance counted
			w.store(row.TenantID, storage.Executions, -int64(storage.RowBytes))
		}
		return
	}
	stored := int64(len(res.Message) + len(res.Stack))
	if !w.lean(e) {
		stored += int64(len(res.Output))
	}
	w.store(row.TenantID, storage.Executions, stored)
	if e.stripped || w.lean(e) {
		return
	}
	var logged int64
	for _, line := range res.Logs {
		logged += ledger.LogBytes(line.Message)
		c.logs = append(c.logs, sqlc.ExecutionLogRecordParams{
			ExecutionID: row.ID, Seq: int32(line.Seq), TenantID: row.TenantID, ScriptID: row.ScriptID,
			Level: line.Level, Message: text.Clean(line.Message), At: line.At,
		})
	}
	w.store(row.TenantID, storage.Logs, logged)
	if len(res.Calls) == 0 {
		return
	}
	var called int64
	for i := range res.Calls {
		p := callRow(e, &res.Calls[i], res.Secrets)
		called += 150 + int64(len(p.Target)+len(res.Calls[i].Error)+len(p.Bodies))
		c.calls = append(c.calls, p)
	}
	w.store(row.TenantID, storage.Calls, called)
}

// callRow is a host call's row.
func callRow(e *ending, call *engine.Call, secrets *redact.Values) sqlc.ExecutionCallRecordParams {
	p := sqlc.ExecutionCallRecordParams{
		ExecutionID: e.row.ID, Seq: int32(call.Seq), TenantID: e.row.TenantID, ScriptID: e.row.ScriptID, Kind: call.Kind, Operation: call.Operation,
		Target: call.Target, StartedAt: call.StartedAt, DurationUs: call.Duration.Microseconds(), RequestBytes: call.RequestBytes,
		ResponseBytes: call.ResponseBytes,
	}
	if call.Status != 0 {
		status := int32(call.Status)
		p.Status = &status
	}
	if call.Error != "" {
		p.Error = &call.Error
	}
	if call.ErrorCode != "" {
		p.ErrorCode = &call.ErrorCode
	}
	if bodies := record.AppendCallBodies(nil, call, secrets); len(bodies) > 0 {
		p.Bodies = bodies
	}
	return p
}

// store counts bytes of a tenant once the endings are committed: a transaction that is tried again counts them once.
func (w *endingsWriter) store(tenant uuid.UUID, table string, n int64) {
	w.told = append(w.told, func() { w.cfg.Storage.Add(tenant, table, n) })
}

func (w *endingsWriter) writeConsequences(ctx context.Context, c *consequences) error {
	if len(c.retry.Ids) > 0 {
		if err := w.queries.ExecutionRetry(ctx, c.retry); err != nil {
			return err
		}
		w.woken = true
	}
	c.cuts.MaxBytes = record.MaxBodyBytes
	for _, step := range []struct {
		rows int
		do   func() error
	}{
		{len(c.letters), func() error { return w.queries.DeadLetterInsert(ctx, c.letters) }},
		{len(c.resolved), func() error { return w.queries.DeadLetterResolve(ctx, c.resolved) }},
		{len(c.kept), func() error { return w.queries.DeadLetterKeep(ctx, c.kept) }},
		// After the dead letters, which are made of the whole input.
		{len(c.cuts.Ids), func() error { return w.queries.ExecutionCutInputs(ctx, c.cuts) }},
		{len(c.jobs.ScriptIds), func() error { return w.freeSchedules(ctx, c) }},
		{len(c.unkept), func() error { _, err := w.queries.ExecutionForget(ctx, c.unkept); return err }},
		{len(c.unread), func() error { return w.forget(ctx, c.unread) }},
		// A run that was lost and ran again has the same id: what the lost one had logged was never written.
		{len(c.logs), func() error { _, err := w.queries.ExecutionLogRecord(ctx, c.logs); return err }},
		{len(c.calls), func() error { _, err := w.queries.ExecutionCallRecord(ctx, c.calls); return err }},
	} {
		if step.rows > 0 {
			if err := step.do(); err != nil {
				return err
			}
		}
	}
	w.told = append(w.told, func() { c.usage.Tell(w.cfg.Quota) })
	return c.usage.Write(ctx, w.queries)
}

// freeSchedules ends the runs of schedules. A tick that is due may have waited for one of them.
func (w *endingsWriter) freeSchedules(ctx context.Context, c *consequences) error {
	due, err := w.queries.ScheduledJobFinish(ctx, c.jobs)
	if due {
		w.told = append(w.told, w.tickWake.Set)
	}
	return err
}

// policies reads the retry policies of the scripts whose executions failed.
func (s *Scheduler) policies(ctx context.Context, batch []*ending) (map[uuid.UUID]policy, error) {
	var ids []uuid.UUID
	policies := map[uuid.UUID]policy{}
	for _, e := range batch {
		if _, known := policies[e.row.ScriptID]; e.result != nil && e.result.Code != engine.CodeNone && !known {
			policies[e.row.ScriptID] = policyOf(nil, false)
			ids = append(ids, e.row.ScriptID)
		}
	}
	if len(ids) == 0 {
		return policies, nil
	}
	rows, err := s.queries.ScriptRetryPolicies(ctx, ids)
	for _, row := range rows {
		policies[row.ID] = policyOf(row.Retry, row.RetryLost)
	}
	return policies, err
}

func renewParams(ids, tokens []uuid.UUID, lease time.Duration) sqlc.ExecutionRenewParams {
	return sqlc.ExecutionRenewParams{Ids: ids, LeaseTokens: tokens, LeaseSeconds: lease.Seconds()}
}
