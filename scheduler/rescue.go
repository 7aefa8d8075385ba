package scheduler

import (
	"context"
	"time"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/sqlc"
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
// and one and a third leases later. Every node does it, without an election.
func (s *Scheduler) rescue(ctx context.Context) {
	for {
		err := s.rescueOnce(ctx)
		s.complain(ctx, "rescue failed", err)
		if !pause(ctx, s.cfg.Node.Lease()/3) {
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
			renewed, err := s.queries.ScheduledJobRenew(ctx, sqlc.ScheduledJobRenewParams{LeaseSeconds: s.cfg.Node.Lease().Seconds(), NodeID: s.cfg.Node.ID(), RowLimit: sweepBatch})
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
	// pruneBatch is how many rows one statement deletes: about 20 ms of locks on rows that no other statement wants.
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
	tenants, err := s.retentions(ctx)
	if err != nil {
		return err
	}
	longest := max(s.cfg.Retention, s.cfg.FailedRetention)
	for _, tenant := range tenants {
		kept, err := s.pruneTenant(ctx, tenant)
		if err != nil {
			return err
		}
		longest = max(longest, kept)
	}
	if err := s.pruneTables(ctx, longest); err != nil {
		return err
	}
	return within(ctx, func(ctx context.Context) error {
		forgotten, err := s.queries.NodePrune(ctx)
		if forgotten > 0 {
			s.cfg.Observer.Pruned("nodes", forgotten)
		}
		return err
	})
}

// retentions reads what each tenant's plan says.
func (s *Scheduler) retentions(ctx context.Context) (tenants []sqlc.TenantRetentionRow, err error) {
	for after := (sqlc.TenantRetentionParams{RowLimit: pruneBatch}); ; {
		page, err := s.queries.TenantRetention(ctx, after)
		if err != nil {
			return nil, err
		}
		tenants = append(tenants, page...)
		if len(page) < pruneBatch {
			return tenants, nil
		}
		after.AfterID = page[len(page)-1].ID
	}
}

// pruneBatches deletes in batches until one is not full.
func (s *Scheduler) pruneBatches(ctx context.Context, table string, batch func(context.Context) (int64, error)) error {
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

// pruneTenant deletes a tenant's executions and logs, and returns how long it keeps executions.
func (s *Scheduler) pruneTenant(ctx context.Context, tenant sqlc.TenantRetentionRow) (time.Duration, error) {
	completed := retentionOf(tenant.ExecutionsDays, s.cfg.Retention)
	failed := retentionOf(tenant.FailedDays, retentionOf(tenant.ExecutionsDays, s.cfg.FailedRetention))
	logs := retentionOf(tenant.LogsDays, s.cfg.LogRetention)
	err := s.pruneBatches(ctx, "script_executions", func(ctx context.Context) (int64, error) {
		return s.queries.ExecutionPrune(ctx, sqlc.ExecutionPruneParams{
			TenantID: tenant.ID, RetentionSeconds: forever(completed).Seconds(), FailedSeconds: forever(failed).Seconds(), RowLimit: pruneBatch,
		})
	})
	if err == nil && logs >= 0 && logs < min(forever(completed), forever(failed)) {
		err = s.pruneBatches(ctx, "script_execution_logs", func(ctx context.Context) (int64, error) {
			return s.queries.ExecutionLogPrune(ctx, sqlc.ExecutionLogPruneParams{TenantID: tenant.ID, RetentionSeconds: logs.Seconds(), RowLimit: pruneBatch})
		})
	}
	return max(completed, failed), err
}

// pruneTables deletes from the tables whose rows are kept as long for each tenant. longest is how long any tenant keeps executions.
func (s *Scheduler) pruneTables(ctx context.Context, longest time.Duration) error {
	for _, table := range []struct {
		name      string
		retention time.Duration
		prune     func(context.Context, time.Duration) (int64, error)
	}{
		{"script_events", keptWith(s.cfg.Retention, longest), func(ctx context.Context, age time.Duration) (int64, error) {
			return s.queries.EventPrune(ctx, sqlc.EventPruneParams{RetentionSeconds: age.Seconds(), RowLimit: pruneBatch})
		}},
		{"script_schedule_ticks", keptWith(s.cfg.Retention, max(longest, tickRetention)), func(ctx context.Context, age time.Duration) (int64, error) {
			return s.queries.ScheduleTickPrune(ctx, sqlc.ScheduleTickPruneParams{RetentionSeconds: age.Seconds(), RowLimit: pruneBatch})
		}},
		{"script_refusals", refusalRetention, func(ctx context.Context, age time.Duration) (int64, error) {
			return s.queries.RefusalPrune(ctx, sqlc.RefusalPruneParams{RetentionSeconds: age.Seconds(), RowLimit: pruneBatch})
		}},
		{"audit_log", s.cfg.AuditRetention, func(ctx context.Context, age time.Duration) (int64, error) {
			return s.queries.AuditPrune(ctx, sqlc.AuditPruneParams{RetentionSeconds: age.Seconds(), RowLimit: pruneBatch})
		}},
		{"script_event_dead_letters", s.cfg.DeadLetterRetention, func(ctx context.Context, age time.Duration) (int64, error) {
			return s.queries.DeadLetterPrune(ctx, sqlc.DeadLetterPruneParams{RetentionSeconds: age.Seconds(), RowLimit: pruneBatch})
		}},
		{"script_versions", keptWith(time.Duration(s.cfg.KeepVersions), keptWith(s.cfg.Retention, longest)), func(ctx context.Context, age time.Duration) (int64, error) {
			return s.queries.VersionPrune(ctx, sqlc.VersionPruneParams{Keep: int32(s.cfg.KeepVersions), RetentionSeconds: age.Seconds(), RowLimit: pruneBatch})
		}},
	} {
		if table.retention < 0 {
			continue
		}
		err := s.pruneBatches(ctx, table.name, func(ctx context.Context) (int64, error) { return table.prune(ctx, table.retention) })
		if err != nil {
			return err
		}
	}
	return nil
}

// retentionOf is a retention in days, or otherwise where it is less than 0.
func retentionOf(days float64, otherwise time.Duration) time.Duration {
	if days < 0 {
		return otherwise
	}
	return time.Duration(days * 24 * float64(time.Hour))
}

// refusalRetention is how long counts of refused requests are kept: they tell what is wrong now.
const refusalRetention = 7 * 24 * time.Hour

// century stands for ever where a statement wants a time.
const century = 100 * 365 * 24 * time.Hour

func forever(retention time.Duration) time.Duration {
	if retention < 0 {
		return century
	}
	return retention
}

// keptWith is retention, or for ever where something is kept for ever.
func keptWith(something, retention time.Duration) time.Duration {
	if something < 0 {
		return something
	}
	return retention
}

// overInterval is how often tenants that store too much are looked for.
const overInterval = 2 * time.Second

// pruneOver deletes the oldest executions of tenants that are near their storage quota. Others do not notice: it goes by tenant, in batches.
func (s *Scheduler) pruneOver(ctx context.Context) {
	for {
		s.complain(ctx, "executions beyond a storage quota not deleted", s.pruneOverOnce(ctx))
		if !pause(ctx, overInterval) {
			return
		}
	}
}

func (s *Scheduler) pruneOverOnce(ctx context.Context) error {
	var over []sqlc.StorageOverRow
	err := within(ctx, func(ctx context.Context) (err error) {
		over, err = s.queries.StorageOver(ctx, sqlc.StorageOverParams{DefaultBytes: s.cfg.MaxHistoryBytes, Share: storage.LeanShare})
		return err
	})
	if err != nil {
		return err
	}
	for _, tenant := range over {
		if tenant.Stale {
			// Counted as it was written, without what Postgres compresses: what is deleted early should have to be.
			err := within(ctx, func(ctx context.Context) error {
				_, err := s.queries.StorageCount(ctx, tenant.TenantID)
				return err
			})
			if err == nil {
				continue // the next look goes by the new figure
			}
			s.complain(ctx, "stored bytes not counted", err) // a count that takes too long must not keep the tenant from being pruned
		}
		left := tenant.Bytes
		for float64(left) > float64(tenant.Quota)*storage.PruneShare {
			var gone sqlc.ExecutionPruneOldestRow
			err := within(ctx, func(ctx context.Context) (err error) {
				gone, err = s.queries.ExecutionPruneOldest(ctx, sqlc.ExecutionPruneOldestParams{TenantID: tenant.TenantID, RowLimit: pruneBatch})
				return err
			})
			if err != nil {
				return err
			}
			if gone.Rows > 0 {
				s.cfg.Observer.Pruned("script_executions", gone.Rows)
			}
			if gone.Freed < 0 || gone.Rows < pruneBatch {
				break // another node is at it, or nothing is left that may go
			}
			left -= gone.Freed
		}
	}
	return nil
}
