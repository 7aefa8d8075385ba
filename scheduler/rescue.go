package scheduler

import (
	"context"
	"time"

	"jsruntime/engine"
	"jsruntime/sqlc"
)

// sweepBatch is how many rows one statement of the sweeps changes. A full batch is followed by the next at once.
const sweepBatch = 500

const (
	// backlogLimit bounds what Observer.Backlog counts.
	backlogLimit = 10_000
	// backlogOfTenant bounds what it counts of one tenant, so that a tenant that floods its queue is not the whole figure.
	backlogOfTenant = 1000
)

// rescue looks, three times a lease, for what lost nodes have left: with it, what a node ran when it died is taken up between one
// and one and a third leases later. Every node does it; nobody needs to be elected.
func (s *Scheduler) rescue(ctx context.Context) {
	for {
		err := s.rescueOnce(ctx)
		s.complain(ctx, "rescue failed", err)
		if !pause(ctx, s.cfg.Lease/3) {
			return
		}
	}
}

func (s *Scheduler) rescueOnce(ctx context.Context) error {
	for {
		var rows []sqlc.ExecutionRescueRow
		err := within(ctx, func(ctx context.Context) (err error) {
			rows, err = s.queries.ExecutionRescue(ctx, sqlc.ExecutionRescueParams{MaxLost: maxLost, RowLimit: sweepBatch})
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			s.cfg.Observer.Rescued("execution_" + row.Status)
			if row.Status != string(engine.StatusPending) {
				followed := ""
				if row.DeadLetter {
					followed = "dead_letter"
				}
				s.cfg.Observer.Ended(engine.Trigger(row.TriggerType), engine.Code(row.ErrorCode), followed)
			}
			s.cfg.Logger.Warn("execution taken from a lost node", "tenant_id", row.TenantID, "script_id", row.ScriptID, "execution_id", row.ID, "status", row.Status)
		}
		if len(rows) > 0 {
			s.Wake()
			s.tickWake.set()
		}
		if len(rows) < sweepBatch {
			break
		}
	}
	err := within(ctx, func(ctx context.Context) error {
		for {
			renewed, err := s.queries.ScheduledJobRenew(ctx, sqlc.ScheduledJobRenewParams{LeaseSeconds: s.cfg.Lease.Seconds(), NodeID: s.cfg.NodeID, RowLimit: sweepBatch})
			if err != nil || renewed < sweepBatch {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	err = within(ctx, func(ctx context.Context) error {
		for {
			freed, err := s.queries.ScheduledJobRescue(ctx, sweepBatch)
			for _, row := range freed {
				s.cfg.Observer.Rescued("schedule")
				s.cfg.Logger.Info("schedule freed, its execution has ended without it", "tenant_id", row.TenantID, "script_id", row.ScriptID)
			}
			if len(freed) > 0 {
				s.tickWake.set()
			}
			if err != nil || len(freed) < sweepBatch {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	return s.byIndex(ctx, func(ctx context.Context, queries *sqlc.Queries) error {
		executions, err := queries.ExecutionBacklog(ctx, sqlc.ExecutionBacklogParams{RowLimit: backlogLimit, TenantLimit: backlogOfTenant})
		if err != nil {
			return err
		}
		schedules, err := queries.ScheduledJobBacklog(ctx, backlogLimit)
		if err == nil {
			s.cfg.Observer.Backlog(int(executions), int(schedules))
		}
		return err
	})
}

const (
	// pruneBatch is how many rows one statement deletes: about 20 ms of locks on rows that nobody else wants.
	pruneBatch = 1000
	// prunePause is the pause after a full batch.
	prunePause = 50 * time.Millisecond
	// tickRetention is the least time that a tick's row is kept: it is what keeps the tick from starting again, within the
	// largest missed_window_seconds.
	tickRetention = 31 * 24 * time.Hour
)

// prune deletes what is older than its tenant keeps it.
func (s *Scheduler) prune(ctx context.Context) {
	for {
		s.complain(ctx, "old rows not deleted", s.pruneOnce(ctx))
		if !pause(ctx, s.cfg.PruneInterval) {
			return
		}
	}
}

func (s *Scheduler) pruneOnce(ctx context.Context) error {
	// repeat deletes in batches until one is not full.
	repeat := func(table string, batch func(context.Context) (int64, error)) error {
		for {
			var rows int64
			err := within(ctx, func(ctx context.Context) (err error) {
				rows, err = batch(ctx)
				return err
			})
			if err != nil {
				return err
			}
			if rows > 0 {
				s.cfg.Observer.Pruned(table, rows)
			}
			if rows < pruneBatch {
				return nil
			}
			if !pause(ctx, prunePause) {
				return ctx.Err()
			}
		}
	}
	tenants, after := []sqlc.TenantRetentionRow{}, sqlc.TenantRetentionParams{RowLimit: pruneBatch}
	longest := s.cfg.Retention
	for {
		page, err := s.queries.TenantRetention(ctx, after)
		if err != nil {
			return err
		}
		tenants = append(tenants, page...)
		if len(page) < pruneBatch {
			break
		}
		after.AfterID = page[len(page)-1].ID
	}
	for _, tenant := range tenants {
		retention := s.cfg.Retention
		if tenant.RetentionDays > 0 {
			retention = time.Duration(tenant.RetentionDays * 24 * float64(time.Hour))
			longest = max(longest, retention)
		}
		if retention < 0 {
			continue
		}
		err := repeat("script_executions", func(ctx context.Context) (int64, error) {
			return s.queries.ExecutionPrune(ctx, sqlc.ExecutionPruneParams{TenantID: tenant.ID, RetentionSeconds: retention.Seconds(), RowLimit: pruneBatch})
		})
		if err != nil {
			return err
		}
	}
	if s.cfg.Retention >= 0 {
		err := repeat("script_events", func(ctx context.Context) (int64, error) {
			return s.queries.EventPrune(ctx, sqlc.EventPruneParams{RetentionSeconds: longest.Seconds(), RowLimit: pruneBatch})
		})
		if err != nil {
			return err
		}
		err = repeat("script_schedule_ticks", func(ctx context.Context) (int64, error) {
			return s.queries.ScheduleTickPrune(ctx, sqlc.ScheduleTickPruneParams{RetentionSeconds: max(longest, tickRetention).Seconds(), RowLimit: pruneBatch})
		})
		if err != nil {
			return err
		}
	}
	return within(ctx, func(ctx context.Context) error {
		forgotten, err := s.queries.NodePrune(ctx)
		if forgotten > 0 {
			s.cfg.Observer.Pruned("nodes", forgotten)
		}
		return err
	})
}
