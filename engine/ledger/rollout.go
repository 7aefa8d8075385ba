package ledger

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/sqlc"
)

// Rollouts adds up the executions of versions that are rolled out, by deployment. The zero value is ready.
type Rollouts struct {
	sums map[uuid.UUID]rolloutSum
}

type rolloutSum struct{ runs, failures int64 }

// Add counts an execution of a deployment that ended with an outcome; of the zero deployment it counts nothing. Executions that were cancelled say
// nothing about the version.
func (r *Rollouts) Add(deployment uuid.UUID, outcome string) {
	if deployment == uuid.Nil || outcome == engine.CodeCancelled.Outcome() {
		return
	}
	if r.sums == nil {
		r.sums = make(map[uuid.UUID]rolloutSum)
	}
	sum := r.sums[deployment]
	sum.runs++
	if outcome != engine.CodeNone.Outcome() {
		sum.failures++
	}
	r.sums[deployment] = sum
}

// rolloutTimeout bounds counting: what is not counted in time is counted by no one.
const rolloutTimeout = 10 * time.Second

// Write adds the sums to the deployments, and takes back the versions that have failed too often by them. It is called after the transaction that
// wrote the executions: nothing waits for it, and a node that ends before it loses some counts.
func (r *Rollouts) Write(ctx context.Context, queries *sqlc.Queries, log *slog.Logger) {
	if len(r.sums) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rolloutTimeout)
	defer cancel()
	var p sqlc.DeploymentCountParams
	for _, id := range slices.SortedFunc(maps.Keys(r.sums), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		p.Ids = append(p.Ids, id)
		p.Runs = append(p.Runs, r.sums[id].runs)
		p.Failures = append(p.Failures, r.sums[id].failures)
	}
	rows, err := queries.DeploymentCount(ctx, p)
	var failed []uuid.UUID
	for _, row := range rows {
		if row.Failed {
			failed = append(failed, row.ID)
		}
	}
	var reverted []sqlc.DeploymentRevertRow
	if err == nil && len(failed) > 0 {
		reverted, err = queries.DeploymentRevert(ctx, failed)
	}
	if err != nil && ctx.Err() == nil {
		log.Warn("executions of a rollout not counted", "error", err)
	}
	for _, row := range reverted {
		log.Info("version taken back", "tenant_id", row.TenantID, "script_id", row.ScriptID, "version", row.Version, "reason", row.Reason)
	}
}

// countEndings counts what rollouts and breakers go by.
func (l *Ledger) countEndings(ctx context.Context, batch []*row) {
	var rollouts Rollouts
	var failures Failures
	for _, r := range batch {
		rollouts.Add(r.rollout, r.usage.outcome)
		failures.Add(r.usage.script, r.version, r.code)
	}
	rollouts.Write(ctx, l.queries, l.log)
	failures.Write(ctx, l.queries, l.log)
}
