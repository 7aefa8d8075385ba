package scheduler

import (
	"context"
	"errors"
	"time"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/partitions"
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
		if !wake.Pause(ctx, s.cfg.Node.Lease()/3) {
			return
		}
	}
}

func (s *Scheduler) rescueOnce(ctx context.Context) error {
	for {
		var rows []sqlc.ExecutionRescueRow
		var forgotten func()
		err := s.byIndex(ctx, func(ctx context.Context, queries *sqlc.Queries) (err error) {
			if rows, err = queries.ExecutionRescue(ctx, sqlc.ExecutionRescueParams{MaxLost: maxLost, RowLimit: sweepBatch}); err != nil {
				return err
			}
			var ended []ledger.Ended
			for _, row := range rows {
				if row.Status != string(engine.StatusPending) {
					ended = append(ended, ledger.Ended{ID: row.ID, ScriptID: row.ScriptID, Code: engine.Code(row.ErrorCode)})
				}
			}
			forgotten, err = ledger.Forget(ctx, queries, s.cfg.Storage, ended)
			return err
		})
		if err != nil {
			return err
		}
		forgotten()
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
			s.tickWake.Set()
		}
		if len(rows) < sweepBatch {
			break
		}
	}
	if err := s.rescueSchedules(ctx); err != nil {
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

// rescueSchedules renews the leases of this node's own schedules, and frees those whose execution has ended without them.
func (s *Scheduler) rescueSchedules(ctx context.Context) error {
	err := cluster.Within(ctx, func(ctx context.Context) error {
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
	return cluster.Within(ctx, func(ctx context.Context) error {
		for {
			freed, err := s.queries.ScheduledJobRescue(ctx, sweepBatch)
			for _, row := range freed {
				s.cfg.Observer.Rescued("schedule")
				s.cfg.Logger.Info("schedule freed, its execution has ended without it", "tenant_id", row.TenantID, "script_id", row.ScriptID)
			}
			if len(freed) > 0 {
				s.tickWake.Set()
			}
			if err != nil || len(freed) < sweepBatch {
				return err
			}
		}
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

// partitionInterval is how often it is looked whether partitions are to be made.
const partitionInterval = 10 * time.Minute

// keepPartitions makes the partitions of the history ahead of their time.
func (s *Scheduler) keepPartitions(ctx context.Context) {
	for {
		made, err := partitions.Ahead(ctx, s.cfg.Pool, s.cfg.PartitionRows)
		if len(made) > 0 {
			s.cfg.Logger.Info("partitions made", "partitions", made)
		}
		s.complain(ctx, "partitions not made, rows go to the default partition", err)
		if !wake.Pause(ctx, partitionInterval) {
			return
		}
	}
}

// prune deletes what is older than its tenant keeps it.
func (s *Scheduler) prune(ctx context.Context) {
	for {
		s.complain(ctx, "old rows not deleted", s.pruneOnce(ctx))
		if !wake.Pause(ctx, s.cfg.PruneInterval) {
			return
		}
	}
}

func (s *Scheduler) pruneOnce(ctx context.Context) error {
	tenants, err := s.retentions(ctx)
	if err != nil {
		return err
	}
	longest := longestOf(tenants, s.cfg)
	if err := s.dropPartitions(ctx, longest); err != nil {
		return err
	}
	for _, tenant := range tenants {
		if err := s.pruneTenant(ctx, tenant, longest); err != nil {
			return err
		}
	}
	if err := s.pruneTables(ctx, longest.executions); err != nil {
		return err
	}
	return cluster.Within(ctx, func(ctx context.Context) error {
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
		err := cluster.Within(ctx, func(ctx context.Context) (err error) {
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
		if !wake.Pause(ctx, prunePause) {
			return ctx.Err()
		}
	}
}

// kept is how long a tenant keeps what it has; less than 0 is for ever.
type kept struct{ executions, completed, failed, logs time.Duration }

func keptBy(tenant sqlc.TenantRetentionRow, cfg Config) kept {
	k := kept{
		completed: retentionOf(tenant.ExecutionsDays, cfg.Retention),
		failed:    retentionOf(tenant.FailedDays, retentionOf(tenant.ExecutionsDays, cfg.FailedRetention)),
		logs:      retentionOf(tenant.LogsDays, cfg.LogRetention),
	}
	k.executions = longer(k.completed, k.failed)
	k.logs = min(forever(k.logs), forever(k.executions)) // they go with their executions
	return k
}

// longestOf is how long any tenant keeps something: what is older may go as a whole partition.
func longestOf(tenants []sqlc.TenantRetentionRow, cfg Config) (longest kept) {
	for i, tenant := range append(tenants, sqlc.TenantRetentionRow{ExecutionsDays: -1, FailedDays: -1, LogsDays: -1}) {
		k := keptBy(tenant, cfg)
		if i == 0 {
			longest = k
		}
		longest.executions, longest.logs = longer(longest.executions, k.executions), longer(longest.logs, k.logs)
	}
	return longest
}

// longer is the longer of two retentions.
func longer(x, y time.Duration) time.Duration {
	if x < 0 || y < 0 {
		return -1
	}
	return max(x, y)
}

// dropPartitions drops the partitions of which no tenant keeps anything.
func (s *Scheduler) dropPartitions(ctx context.Context, longest kept) error {
	for table, retention := range map[string]time.Duration{partitions.Executions: longest.executions, partitions.Logs: longest.logs, partitions.Calls: longest.logs} {
		if retention < 0 {
			continue
		}
		gone, err := partitions.Drop(ctx, s.cfg.Pool, table, time.Now().Add(-retention))
		for _, p := range gone {
			s.cfg.Observer.Pruned(table, p.Rows)
			s.cfg.Logger.Info("partition dropped", "table", table, "partition", p.Name, "rows", p.Rows, "bytes", p.Bytes)
		}
		if err != nil && !errors.Is(err, partitions.ErrNotAllowed) { // keepPartitions has said it; the rows are deleted one by one
			return err
		}
	}
	return nil
}

// partitionGrace is how much longer than its retention a row may be kept for its partition to be dropped as a whole.
const partitionGrace = 25 * time.Hour

// pruneTenant deletes a tenant's executions, logs and calls. Those of a tenant that keeps them as long as any go with their partition; what is
// still there when its partition could have been dropped is deleted row by row too.
func (s *Scheduler) pruneTenant(ctx context.Context, tenant sqlc.TenantRetentionRow, longest kept) error {
	k := keptBy(tenant, s.cfg)
	grace := func(retention, longest time.Duration) time.Duration {
		if retention == longest && retention > partitionGrace {
			return retention + partitionGrace
		}
		return retention
	}
	err := s.pruneBatches(ctx, partitions.Executions, func(ctx context.Context) (int64, error) {
		return s.queries.ExecutionPrune(ctx, sqlc.ExecutionPruneParams{
			TenantID: tenant.ID, RetentionSeconds: forever(k.completed).Seconds(), FailedSeconds: forever(k.failed).Seconds(), RowLimit: pruneBatch,
			DatedRetentionSeconds: forever(grace(k.completed, longest.executions)).Seconds(), DatedFailedSeconds: forever(grace(k.failed, longest.executions)).Seconds(),
		})
	})
	if err != nil || k.logs >= min(forever(k.completed), forever(k.failed)) {
		return err
	}
	err = s.pruneBatches(ctx, partitions.Logs, func(ctx context.Context) (int64, error) {
		return s.queries.ExecutionLogPrune(ctx, sqlc.ExecutionLogPruneParams{TenantID: tenant.ID, RetentionSeconds: k.logs.Seconds(), RowLimit: pruneBatch})
	})
	if err != nil {
		return err
	}
	return s.pruneBatches(ctx, partitions.Calls, func(ctx context.Context) (int64, error) {
		return s.queries.ExecutionCallPrune(ctx, sqlc.ExecutionCallPruneParams{TenantID: tenant.ID, RetentionSeconds: k.logs.Seconds(), RowLimit: pruneBatch})
	})
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
		{"script_signed_requests", 0, func(ctx context.Context, _ time.Duration) (int64, error) {
			return s.queries.SignedRequestPrune(ctx, pruneBatch)
		}},
		{"script_http_answers", 0, func(ctx context.Context, _ time.Duration) (int64, error) {
			return s.queries.AnswerPrune(ctx, pruneBatch)
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
		if !wake.Pause(ctx, overInterval) {
			return
		}
	}
}

func (s *Scheduler) pruneOverOnce(ctx context.Context) error {
	var over []sqlc.StorageOverRow
	err := cluster.Within(ctx, func(ctx context.Context) (err error) {
		over, err = s.queries.StorageOver(ctx, sqlc.StorageOverParams{DefaultBytes: s.cfg.MaxHistoryBytes, Share: storage.LeanShare})
		return err
	})
	if err != nil {
		return err
	}
	for _, tenant := range over {
		if tenant.Stale {
			// Counted as it was written, without what Postgres compresses: what is deleted early should have to be.
			err := cluster.Within(ctx, func(ctx context.Context) error {
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
			err := cluster.Within(ctx, func(ctx context.Context) (err error) {
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
