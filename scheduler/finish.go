package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"jsruntime/engine"
	"jsruntime/engine/ledger"
	"jsruntime/engine/record"
	"jsruntime/engine/storage"
	"jsruntime/engine/text"
	"jsruntime/migrations/tenantdb"
	"jsruntime/sqlc"
)

// finishBatch is how many endings one transaction writes. While one is written the next ones gather, so that a batch is as large
// as the load makes it, and a single ending waits for nothing.
const finishBatch = 512

// ending is what became of an execution that this node held.
type ending struct {
	*held
	trigger engine.Trigger
	inv     *engine.Invocation // nil: it was not given to the Executor
	result  *engine.Result     // nil: it goes back to the queue
	cause   error              // why its context was cancelled, nil if it was not
	reason  string             // it goes back because of this
	delay   time.Duration
	// doubtful: nobody knows whether the claim was committed. It is no loss where it was not.
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

// writeEndings writes endings until the channel is closed. It does not give up: an ending is lost only with its lease.
func (s *Scheduler) writeEndings(ctx context.Context) {
	for first := range s.endings {
		batch := []*ending{first}
		for len(batch) < finishBatch {
			select {
			case e, ok := <-s.endings:
				if ok {
					batch = append(batch, e)
					continue
				}
			default:
			}
			break
		}
		s.mu.Lock()
		for _, e := range batch {
			e.writing = true
		}
		s.mu.Unlock()
		s.write(ctx, batch)
		s.mu.Lock()
		for _, e := range batch {
			if s.held[e.row.ID] == e.held {
				delete(s.held, e.row.ID)
			}
		}
		s.mu.Unlock()
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
		if !pause(ctx, backoff+rand.N(backoff)) {
			return
		}
		backoff = min(2*backoff, 2*time.Second)
	}
}

// refusesContent reports whether the same statement would fail again: bad data, a limit of a value, a violated check.
func refusesContent(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54") || pg.Code == "23514" || pg.Code == "23502")
}

// writeOnce writes a batch in one transaction.
func (s *Scheduler) writeOnce(ctx context.Context, batch []*ending) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	policies, err := s.policies(ctx, batch)
	if err != nil {
		return err
	}
	// In one order, so that a renewal and this batch never wait for each other's executions.
	batch = slices.SortedFunc(slices.Values(batch), func(a, b *ending) int { return bytes.Compare(a.row.ID[:], b.row.ID[:]) })
	var told []func() // once it is committed
	woken := false
	err = pgx.BeginTxFunc(ctx, s.cfg.Pool, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		told, woken = nil, false
		queries := s.queries.WithTx(tx)
		if err := queries.QueuePlanByIndex(ctx); err != nil {
			return err
		}
		var finish sqlc.ExecutionFinishParams
		var back sqlc.ExecutionReleaseParams
		doubtful := 0 // of those that go back
		actions := make(map[uuid.UUID]action, len(batch))
		byID := make(map[uuid.UUID]*ending, len(batch))
		for _, e := range batch {
			row := e.row
			byID[row.ID] = e
			act, delay := actionGiveBack, e.delay
			if e.result != nil {
				act = decide(attempt{
					trigger: e.trigger, number: int(row.Attempt), lostCount: int(row.LostCount), redrive: row.DeadLetterID != nil, refused: e.refused, cause: e.cause,
				}, e.result, policies[row.ScriptID])
				switch {
				case act == actionGiveBack && errors.Is(e.cause, errDrained):
					e.reason = "drained"
				case act == actionGiveBack:
					e.reason, delay = e.result.Code.Outcome(), overloadedDelay
				case act == actionLost:
					e.reason, delay = "worker_lost", overloadedDelay
				}
			}
			actions[row.ID] = act
			switch act {
			case actionDrop:
			case actionGiveBack, actionLost:
				if e.doubtful {
					doubtful++
				}
				back.Ids = append(back.Ids, row.ID)
				back.LeaseTokens = append(back.LeaseTokens, e.token)
				lost := int32(0)
				if act == actionLost {
					lost = 1
				}
				back.Losts = append(back.Losts, lost)
				back.DelaysSeconds = append(back.DelaysSeconds, delay.Seconds())
			default:
				res := e.result
				finish.Ids = append(finish.Ids, row.ID)
				finish.LeaseTokens = append(finish.LeaseTokens, e.token)
				finish.Statuses = append(finish.Statuses, string(res.Code.Status()))
				finish.ErrorCodes = append(finish.ErrorCodes, string(res.Code))
				finish.Errors = append(finish.Errors, text.Clean(res.Message))
				finish.ErrorStacks = append(finish.ErrorStacks, text.Clean(res.Stack))
				finish.Outputs = append(finish.Outputs, string(s.outputOf(e, res)))
				finish.Metrics = append(finish.Metrics, string(record.Metrics(res.Metrics)))
			}
		}
		// The lock waits for a claim in doubt to be committed or not: the update looks after that.
		if len(back.Ids) > 0 && (len(finish.Ids) > 0 || doubtful > 0) {
			if _, err := queries.ExecutionLock(ctx, slices.Concat(back.Ids, finish.Ids)); err != nil {
				return err
			}
		}
		if len(back.Ids) > 0 {
			rows, err := queries.ExecutionRelease(ctx, back)
			if err != nil {
				return err
			}
			woken = true
			lost := len(back.Ids) - doubtful
			for _, row := range rows {
				e := byID[row.ID]
				if !e.doubtful {
					lost--
				}
				told = append(told, func() { s.cfg.Observer.GivenBack(e.trigger, e.reason) })
			}
			if lost > 0 {
				told = append(told, func() { s.cfg.Observer.LeaseLost(lost) })
			}
		}
		if len(finish.Ids) == 0 {
			return nil
		}
		// Only what the guard let through has ended; nothing may follow from the rest.
		finished, err := queries.ExecutionFinish(ctx, finish)
		if err != nil {
			return err
		}
		if lost := len(finish.Ids) - len(finished); lost > 0 {
			told = append(told, func() { s.cfg.Observer.LeaseLost(lost) })
		}
		return s.follow(ctx, tx, finished, byID, actions, policies, &told, &woken)
	})
	if err != nil {
		return err
	}
	for _, tell := range told {
		tell()
	}
	if woken {
		s.queueWake.set()
	}
	return nil
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

// keeps reports whether the script's author wants to keep the log of an execution that ended so. The row itself was accepted and stays.
func (e *ending) keeps() bool {
	return e.inv == nil || e.inv.Script.History.Keeps(e.row.ID, e.result.Code)
}

// follow writes what follows from endings: next attempts, dead letters, the schedules' last runs, logs and usage.
func (s *Scheduler) follow(ctx context.Context, tx pgx.Tx, finished []uuid.UUID, byID map[uuid.UUID]*ending, actions map[uuid.UUID]action,
	policies map[uuid.UUID]policy, told *[]func(), woken *bool,
) error {
	queries := s.queries.WithTx(tx)
	var retry sqlc.ExecutionRetryParams
	var letters, resolved, kept []uuid.UUID
	var jobs sqlc.ScheduledJobFinishParams
	var logs []sqlc.ExecutionLogRecordParams
	var usage ledger.Usage
	var cuts sqlc.ExecutionCutInputsParams
	var bare []uuid.UUID // whose inputs go: their script keeps no history of them
	now := time.Now()
	// In one order, so that two batches never wait for each other's schedules.
	slices.SortFunc(finished, func(a, b uuid.UUID) int { return bytes.Compare(byID[a].row.ScriptID[:], byID[b].row.ScriptID[:]) })
	for _, id := range finished {
		e := byID[id]
		row, res := e.row, e.result
		followed := ""
		next := uuid.Nil
		switch actions[id] {
		case actionRetry:
			followed = "retry"
			next = uuid.Must(uuid.NewV7())
			retry.Ids = append(retry.Ids, id)
			retry.NewIds = append(retry.NewIds, next)
			retry.DelaysSeconds = append(retry.DelaysSeconds, policies[row.ScriptID].delay(int(row.Attempt)).Seconds())
		case actionDeadLetter:
			followed = "dead_letter"
			letters = append(letters, id)
		case actionResolve:
			resolved = append(resolved, id)
		case actionKeepLetter:
			followed = "dead_letter"
			kept = append(kept, id)
		}
		if next == uuid.Nil && e.inv != nil && len(row.Input) > record.MaxBodyBytes {
			if input, data, ok := record.CutInput(e.inv, res); ok {
				cuts.Ids = append(cuts.Ids, id)
				cuts.Inputs = append(cuts.Inputs, string(input))
				cuts.TriggerDatas = append(cuts.TriggerDatas, string(data))
			}
		}
		if e.trigger == engine.TriggerCron {
			started := res.StartedAt
			if started.IsZero() {
				started = now
			}
			jobs.ScriptIds = append(jobs.ScriptIds, row.ScriptID)
			jobs.ExecutionIds = append(jobs.ExecutionIds, id)
			jobs.NextExecutionIds = append(jobs.NextExecutionIds, next)
			jobs.Statuses = append(jobs.Statuses, string(res.Code.Status()))
			jobs.StartedAts = append(jobs.StartedAts, started)
		}
		stored := int64(len(res.Message) + len(res.Stack))
		if next == uuid.Nil && followed == "" && e.inv != nil && !e.keeps() {
			bare = append(bare, id)
		} else if !s.lean(e) {
			stored += int64(len(res.Output))
		}
		s.cfg.Storage.Add(row.TenantID, storage.Executions, stored)
		if followed == "dead_letter" && actions[id] == actionDeadLetter {
			s.cfg.Storage.Add(row.TenantID, storage.DeadLetters, int64(250+len(row.Input)))
		}
		if !e.stripped && !s.lean(e) && (e.keeps() || followed != "") {
			for _, line := range res.Logs {
				s.cfg.Storage.Add(row.TenantID, storage.Logs, ledger.LogBytes(line.Message))
				logs = append(logs, sqlc.ExecutionLogRecordParams{
					ExecutionID: id, Seq: int32(line.Seq), TenantID: row.TenantID, ScriptID: row.ScriptID,
					Level: line.Level, Message: text.Clean(line.Message), At: line.At,
				})
			}
		}
		usage.Add(row.TenantID, row.ScriptID, now, res.Code, res.Metrics)
		*told = append(*told, func() { s.cfg.Observer.Ended(e.trigger, res.Code, followed) })
	}
	if len(retry.Ids) > 0 {
		if err := queries.ExecutionRetry(ctx, retry); err != nil {
			return err
		}
		*woken = true
	}
	for _, step := range []struct {
		ids []uuid.UUID
		do  func(context.Context, []uuid.UUID) error
	}{{letters, queries.DeadLetterInsert}, {resolved, queries.DeadLetterResolve}, {kept, queries.DeadLetterKeep}} {
		if len(step.ids) > 0 {
			if err := step.do(ctx, step.ids); err != nil {
				return err
			}
		}
	}
	// After the dead letters, which are made of the whole input.
	if len(cuts.Ids) > 0 {
		cuts.MaxBytes = record.MaxBodyBytes
		if err := queries.ExecutionCutInputs(ctx, cuts); err != nil {
			return err
		}
	}
	if len(bare) > 0 {
		if err := queries.ExecutionBare(ctx, bare); err != nil {
			return err
		}
	}
	if len(jobs.ScriptIds) > 0 {
		if err := queries.ScheduledJobFinish(ctx, jobs); err != nil {
			return err
		}
		*told = append(*told, s.tickWake.set)
	}
	if len(logs) > 0 {
		// A run that was lost and ran again has the same id: what the lost one had logged was never written.
		if _, err := queries.ExecutionLogRecord(ctx, logs); err != nil {
			return err
		}
	}
	return usage.Write(ctx, queries)
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
