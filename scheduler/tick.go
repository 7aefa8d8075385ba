package scheduler

import (
	"bytes"
	"context"
	"hash/fnv"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/scheduler/cron"
	"example.com/jsruntime/sqlc"
)

// Outcomes of a tick, as script_schedule_ticks names them.
const (
	tickStarted   = "started"
	tickQueued    = "queued"          // it waited for the last one to end
	tickSkipped   = "skipped_overlap" // the last one still ran when it fell due
	tickOverQuota = "skipped_quota"   // the tenant has used what its plan allows
	tickMissed    = "missed"          // no node could start it in time
	tickCoalesced = "coalesced"       // missed, and one later tick ran for it
)

// Policies, as script_scheduled_jobs names them.
const (
	overlapAllow    = "allow"
	overlapQueueOne = "queue_one"
	missedSkip      = "skip"
	missedRunAll    = "run_all"
)

const (
	// tickBatch is how many schedules one transaction decides on.
	tickBatch = 500
	// tickPoll is the longest sleep between two looks at what is due, in case no notification comes.
	tickPoll = 5 * time.Second
	// armInterval is how often schedules without a next tick are looked for, in case no notification comes.
	armInterval = 15 * time.Second
	// traceLimit is how many ticks of one schedule leave a trace at once, the newest; run_all starts as many at once, the oldest first.
	traceLimit = 100
)

// schedule is what decideTicks looks at.
type schedule struct {
	next         time.Time // the first tick that was not decided on
	running      bool
	lastStarted  time.Time // of the last run that ended; zero: never
	lastFinished time.Time
	overlap      string
	missed       string
	window       time.Duration
}

// decision is what becomes of one tick.
type decision struct {
	at      time.Time
	outcome string
	starts  bool
}

// decideTicks decides on the ticks that are due, and returns the first that is left; the zero time if there is none. It is a
// function of its arguments only.
//
// A tick is late when it is older than grace: then no node could start it in time, and the policy for missed ticks counts. All
// others run, unless a run was under way when they fell due: then the policy for overlaps counts. Under skip and queue_one one
// tick is started at a time; the next ones are left until it has ended.
func decideTicks(j schedule, following func(time.Time) (time.Time, bool), now time.Time, grace time.Duration) (decisions []decision, left time.Time) {
	at, more := j.next, true
	advance := func() {
		if at, more = following(at); !more {
			at = time.Time{}
		}
	}
	if now.Sub(at) > max(j.window, grace) {
		// Out of the window: one trace stands for all of these.
		decisions = append(decisions, decision{at, tickMissed, false})
		if at, more = following(now.Add(-max(j.window, grace) - time.Nanosecond)); !more {
			return decisions, time.Time{}
		}
	}
	var due []time.Time
	for more && !at.After(now) {
		due = append(due, at)
		advance()
		if len(due) > traceLimit {
			if j.missed == missedRunAll {
				at = due[traceLimit]
				due = due[:traceLimit]
				break
			}
			due = due[1:]
		}
	}
	left = at
	onTime := len(due)
	for i, tick := range due {
		if now.Sub(tick) <= grace {
			onTime = i
			break
		}
	}
	running := j.running
	for i, tick := range due {
		overlaps := tick.After(j.lastStarted) && !tick.After(j.lastFinished)
		switch {
		case j.overlap == overlapAllow:
		case overlaps && j.overlap == overlapQueueOne && !running:
			// One of those that fell due during the last run may wait for its end; it is the first.
			decisions = append(decisions, decision{tick, tickQueued, true})
			running = true
			continue
		case overlaps, j.running && j.overlap != overlapQueueOne:
			decisions = append(decisions, decision{tick, tickSkipped, false})
			continue
		case running:
			// What else is due is our lateness and no overlap: it is decided on when the run has ended.
			return decisions, tick
		}
		if i < onTime {
			switch {
			case j.window == 0, j.missed == missedSkip:
				decisions = append(decisions, decision{tick, tickMissed, false})
				continue
			case j.missed != missedRunAll && i < len(due)-1:
				decisions = append(decisions, decision{tick, tickCoalesced, false})
				continue
			}
		}
		decisions = append(decisions, decision{tick, tickStarted, true})
		running = true
	}
	return decisions, left
}

// jitter is how long a schedule's ticks are put off: the same time for each of its ticks, spread over schedules.
func jitter(scriptID uuid.UUID, limit int32) time.Duration {
	if limit <= 0 {
		return 0
	}
	hash := fnv.New64a()
	_, _ = hash.Write(scriptID[:])
	return time.Duration(hash.Sum64() % uint64(time.Duration(limit)*time.Second))
}

// parser remembers schedules that it has parsed. It belongs to one goroutine.
type parser map[[2]string]cron.Schedule

// parserSize bounds a parser; 10,000 schedules are about 2 MB.
const parserSize = 10_000

func (p parser) parse(expr, timezone string) (cron.Schedule, error) {
	key := [2]string{expr, timezone}
	if s, ok := p[key]; ok {
		return s, nil
	}
	s, err := cron.Parse(expr, timezone)
	if err != nil {
		return s, err
	}
	if len(p) >= parserSize {
		clear(p)
	}
	p[key] = s
	return s, nil
}

// tick starts what is due until ctx is done.
func (s *Scheduler) tick(ctx context.Context) {
	parsed := parser{}
	for {
		wait, err := s.tickOnce(ctx, parsed)
		if err != nil {
			s.complain(ctx, "due schedules not claimed", err)
			wait = 500 * time.Millisecond
		}
		if wait <= 0 {
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if !s.tickWake.Sleep(ctx, wait) {
			return
		}
	}
}

// tickOnce decides on a batch of due schedules, and returns how long to wait for the next.
func (s *Scheduler) tickOnce(ctx context.Context, parsed parser) (time.Duration, error) {
	var claimed, started int
	err := cluster.Within(ctx, func(ctx context.Context) (err error) {
		claimed, started, err = s.claimTicks(ctx, parsed)
		return err
	})
	if err != nil {
		return 0, err
	}
	if started > 0 {
		s.Wake()
	}
	if claimed == tickBatch {
		return 0, nil
	}
	var next []float64
	err = cluster.Within(ctx, func(ctx context.Context) (err error) {
		next, err = s.queries.ScheduledJobNextDue(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	if len(next) == 0 {
		return tickPoll, nil
	}
	// What is due and was not claimed is in another node's hands.
	return min(max(seconds(next[0]), 2*time.Millisecond), tickPoll), nil
}

// claimTicks is claimTicksBy, with foreign keys checked once a batch where the database user may have that.
func (s *Scheduler) claimTicks(ctx context.Context, parsed parser) (claimed, started int, err error) {
	if !s.asked {
		once, err := ledger.ChecksForeignKeysOnce(ctx, s.cfg.Pool)
		if err != nil {
			return 0, 0, err
		}
		s.once, s.asked = once, true
	}
	claimed, started, err = s.claimTicksBy(ctx, parsed, s.once)
	if s.once && connect.ClassOf(err) == connect.Denied { // it has been revoked
		s.once = false
		return s.claimTicksBy(ctx, parsed, false)
	}
	return claimed, started, err
}

// claimTicksBy takes due schedules, writes down what becomes of their ticks, queues the executions of those that start, and moves
// the schedules on, all in one transaction.
func (s *Scheduler) claimTicksBy(ctx context.Context, parsed parser, once bool) (claimed, started int, err error) {
	var b *ticksBatch
	err = pgx.BeginTxFunc(ctx, s.cfg.Pool, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		b = &ticksBatch{Scheduler: s, outcomeOf: map[tickKey]string{}}
		b.advance = sqlc.ScheduledJobAdvanceParams{NodeID: s.cfg.Node.ID(), LeaseSeconds: s.cfg.Node.Lease().Seconds()}
		queries := s.queries.WithTx(tx)
		if err := queries.QueuePlanByIndex(ctx); err != nil {
			return err
		}
		if b.jobs, err = queries.ScheduledJobClaimDue(ctx, tickBatch); err != nil || len(b.jobs) == 0 {
			return err
		}
		for i := range b.jobs {
			b.decide(i, parsed)
		}
		if err := b.start(ctx, queries, once); err != nil {
			return err
		}
		return queries.ScheduledJobAdvance(ctx, b.advance)
	})
	if err != nil {
		return 0, 0, err
	}
	for _, outcome := range b.outcomes {
		s.cfg.Observer.TickDecided(outcome)
	}
	s.born.add(b.born)
	return len(b.jobs), len(b.executions.Ids), nil
}

// tickKey is the key of a tick's row.
type tickKey struct {
	script uuid.UUID
	at     int64 // microseconds of Unix time, as Postgres has them
}

// tickStart is a tick that starts an execution.
type tickStart struct {
	tick tickKey
	id   uuid.UUID // of the execution
	job  int       // index in ticksBatch.jobs
}

// ticksBatch is a batch of due schedules, in one transaction.
type ticksBatch struct {
	*Scheduler
	jobs       []sqlc.ScheduledJobClaimDueRow
	starts     []tickStart
	ticks      sqlc.ScheduleTickInsertParams
	executions sqlc.ExecutionInsertTicksParams
	advance    sqlc.ScheduledJobAdvanceParams // one entry for each of jobs
	born       []born                         // of executions, those that are due
	outcomeOf  map[tickKey]string
	outcomes   []string // of the ticks that were written
}

// decide decides what becomes of a schedule's due ticks, and when its next one is.
func (b *ticksBatch) decide(i int, parsed parser) {
	job := b.jobs[i]
	left := time.Time{}
	times, err := parsed.parse(job.CronExpression, job.Timezone)
	switch {
	case !job.Active: // what activates it again computes its next tick from then
	case err != nil:
		b.cfg.Logger.Error("schedule stopped, it cannot be read", "tenant_id", job.TenantID, "script_id", job.ScriptID, "error", err)
	default:
		var decisions []decision
		state := schedule{
			next: job.NextRunAt, running: job.IsRunning, overlap: job.OverlapPolicy, missed: job.MissedPolicy,
			window: time.Duration(job.MissedWindowSeconds) * time.Second,
		}
		if job.LastStartedAt != nil && job.LastFinishedAt != nil {
			state.lastStarted, state.lastFinished = *job.LastStartedAt, *job.LastFinishedAt
		}
		decisions, left = decideTicks(state, times.Next, job.DatabaseNow, b.cfg.MissedGrace)
		for _, d := range decisions {
			b.note(i, d)
		}
	}
	if left.IsZero() {
		left = time.Unix(0, 0)
	}
	b.advance.Ids = append(b.advance.Ids, job.ID)
	b.advance.NextRunAts = append(b.advance.NextRunAts, left)
	b.advance.ExecutionIds = append(b.advance.ExecutionIds, uuid.Nil)
}

// note adds a decision's row.
func (b *ticksBatch) note(i int, d decision) {
	job := b.jobs[i]
	if _, over := b.cfg.Quota.Exceeded(job.TenantID); d.starts && over {
		d.outcome, d.starts = tickOverQuota, false
	}
	key, id := tickKey{job.ScriptID, d.at.UnixMicro()}, uuid.Nil
	if d.starts {
		id = uuid.Must(uuid.NewV7())
		b.starts = append(b.starts, tickStart{key, id, i})
	}
	b.outcomeOf[key] = d.outcome
	b.ticks.ScriptIds = append(b.ticks.ScriptIds, job.ScriptID)
	b.ticks.TenantIds = append(b.ticks.TenantIds, job.TenantID)
	b.ticks.ScheduledFors = append(b.ticks.ScheduledFors, d.at)
	b.ticks.Outcomes = append(b.ticks.Outcomes, d.outcome)
	b.ticks.ExecutionIds = append(b.ticks.ExecutionIds, id)
}

// start writes the ticks, and queues the executions of those whose row is new: the others were decided on before, whatever next_run_at said.
// once: foreign keys are checked for the batch, and not for each row.
func (b *ticksBatch) start(ctx context.Context, queries *sqlc.Queries, once bool) error {
	if len(b.ticks.ScriptIds) == 0 {
		return nil
	}
	// With the keys' triggers that of missed ticks is off, which tells webhooks of them.
	tells := slices.Contains(b.ticks.Outcomes, tickMissed)
	if once && !tells {
		if err := b.holdParents(ctx, queries); err != nil {
			return err
		}
	}
	inserted, err := queries.ScheduleTickInsert(ctx, b.ticks)
	if err != nil {
		return err
	}
	decided := make(map[tickKey]bool, len(inserted))
	for _, row := range inserted {
		key := tickKey{row.ScriptID, row.ScheduledFor.UnixMicro()}
		decided[key] = true
		b.outcomes = append(b.outcomes, b.outcomeOf[key])
	}
	executions := &b.executions
	for _, start := range b.starts {
		if !decided[start.tick] {
			continue
		}
		job := b.jobs[start.job]
		executions.Ids = append(executions.Ids, start.id)
		executions.ScriptIds = append(executions.ScriptIds, job.ScriptID)
		executions.TenantIds = append(executions.TenantIds, job.TenantID)
		executions.CronExpressions = append(executions.CronExpressions, job.CronExpression)
		executions.Timezones = append(executions.Timezones, job.Timezone)
		executions.Versions = append(executions.Versions, job.Version)
		executions.ScheduledFors = append(executions.ScheduledFors, time.UnixMicro(start.tick.at))
		put := jitter(job.ScriptID, job.JitterSeconds)
		executions.JittersSeconds = append(executions.JittersSeconds, put.Seconds())
		if !time.UnixMicro(start.tick.at).Add(put).After(job.DatabaseNow) {
			b.born = append(b.born, born{pair{job.TenantID, job.ScriptID}, job.DatabaseNow, job.Plan, job.ResourceLimits})
		}
		b.advance.ExecutionIds[start.job] = start.id
	}
	if len(executions.Ids) == 0 {
		return nil
	}
	if once && tells {
		if err := b.holdParents(ctx, queries); err != nil {
			return err
		}
	}
	return queries.ExecutionInsertTicks(ctx, *executions)
}

// holdParents checks and locks the scripts and tenants of the batch's ticks, in place of the foreign keys of the rows that follow.
func (b *ticksBatch) holdParents(ctx context.Context, queries *sqlc.Queries) error {
	return queries.LedgerHoldParents(ctx, sqlc.LedgerHoldParentsParams{ScriptIds: inOrder(b.ticks.ScriptIds), TenantIds: inOrder(b.ticks.TenantIds)})
}

// inOrder are the ids once each, in the order in which rows are locked.
func inOrder(ids []uuid.UUID) []uuid.UUID {
	sorted := slices.SortedFunc(slices.Values(ids), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(sorted)
}

// arm gives active schedules that have no next tick one, counted from now: those that were just activated or changed, those whose
// tenant is no longer suspended, and those that lost theirs in any other way.
func (s *Scheduler) arm(ctx context.Context) {
	parsed := parser{}
	for {
		armed, err := s.armOnce(ctx, parsed)
		s.complain(ctx, "schedules not armed", err)
		if armed > 0 {
			s.tickWake.Set()
		}
		if !s.armWake.Sleep(ctx, armInterval) {
			return
		}
	}
}

func (s *Scheduler) armOnce(ctx context.Context, parsed parser) (armed int, err error) {
	var after uuid.UUID
	for {
		var page []sqlc.ScheduledJobUnarmedRow
		err := cluster.Within(ctx, func(ctx context.Context) error {
			return pgx.BeginTxFunc(ctx, s.cfg.Pool, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
				queries := s.queries.WithTx(tx)
				var err error
				if page, err = queries.ScheduledJobUnarmed(ctx, sqlc.ScheduledJobUnarmedParams{AfterID: after, RowLimit: tickBatch}); err != nil {
					return err
				}
				var params sqlc.ScheduledJobArmParams
				for _, job := range page {
					parsed, err := parsed.parse(job.CronExpression, job.Timezone)
					if err != nil {
						s.cfg.Logger.Error("schedule not armed, it cannot be read", "tenant_id", job.TenantID, "script_id", job.ScriptID, "error", err)
						continue
					}
					if next, ok := parsed.Next(job.DatabaseNow); ok {
						params.Ids = append(params.Ids, job.ID)
						params.NextRunAts = append(params.NextRunAts, next)
					}
				}
				if len(params.Ids) == 0 {
					return nil
				}
				armed += len(params.Ids)
				return queries.ScheduledJobArm(ctx, params)
			})
		})
		if err != nil {
			return 0, err
		}
		if len(page) < tickBatch {
			break
		}
		after = page[len(page)-1].ID
	}
	if armed > 0 {
		s.cfg.Logger.Info("schedules armed", "schedules", armed)
	}
	return armed, nil
}
