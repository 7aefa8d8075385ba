package ledger

import (
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
)

// Executions that completed and have no row of their own are one row of the buffer for all of the same version, day and outcome: only their
// sum is written. Nothing reads that within 100 ms, and writing it costs as much as writing some rows, so it waits for usageInterval.

// usageInterval is how long executions without a row of their own wait for others, as far as nothing else is written before.
const usageInterval = time.Second

// sumKey says which executions are one row of the buffer.
type sumKey struct {
	usage   usageKey
	version int
}

// absent reports whether the history does not keep the execution, of which only the usage is written then.
func absent(inv *engine.Invocation, res *engine.Result) bool {
	return inv.Unlisted || !inv.Script.History.Keeps(inv.ExecutionID, res.Code)
}

// summed reports whether the row can stand for further executions, and for which. What rollouts, breakers and quotas count is not summed: other
// nodes are told of it soon, and of failures in their order.
func (r *row) summed() (sumKey, bool) {
	return sumKey{r.usage, r.version}, r.absent && r.code == engine.CodeNone && r.rollout == uuid.Nil && !r.shown && r.metered.executions == 0
}

// addToSum adds an execution to a waiting sum, if there is one of its kind, and reports whether it did. That takes no room.
func (l *Ledger) addToSum(inv *engine.Invocation, res *engine.Result) bool {
	if res.Code != engine.CodeNone || inv.Script.Deployment != uuid.Nil || !absent(inv, res) {
		return false
	}
	key, sum := sumKey{usageOf(inv, res), inv.Script.Version}, sumOf(res.Metrics)
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.sums[key]
	if r == nil || l.closed {
		return false
	}
	if _, shown := l.shown[inv.ExecutionID]; shown {
		return false
	}
	r.runs++
	r.sum.add(sum)
	if l.cfg.Quota.Recorded(key.usage.tenant, sum.amount()) {
		r.metered.add(sum)
	}
	l.counts.recorded.Add(1)
	l.counts.waitingRows.Add(1)
	return true
}

// usageOf says to what the usage of an execution is added.
func usageOf(inv *engine.Invocation, res *engine.Result) usageKey {
	return usageKey{inv.Script.TenantID, inv.Script.ID, endOf(res).UTC().Truncate(24 * time.Hour), res.Code.Outcome()}
}

// endOf is when an execution ended.
func endOf(res *engine.Result) time.Time {
	if res.EndedAt.IsZero() {
		return time.Now()
	}
	return res.EndedAt
}
