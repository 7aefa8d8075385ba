package ledger

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/sqlc"
)

// Usage adds up executions by tenant, day, script and outcome, so that many cost one statement. The zero value is ready.
type Usage struct {
	sums map[usageKey]usageSum
}

type usageKey struct {
	tenant, script uuid.UUID
	day            time.Time
	outcome        string
}

type usageSum struct {
	executions, egressBytes, apiCalls   int64
	cpuMs, durationMs, memoryByteMillis float64
}

// Add counts one execution that ended at endedAt.
func (u *Usage) Add(tenantID, scriptID uuid.UUID, endedAt time.Time, code engine.Code, m engine.Metrics) {
	u.add(usageKey{tenantID, scriptID, endedAt.UTC().Truncate(24 * time.Hour), code.Outcome()}, sumOf(m))
}

func sumOf(m engine.Metrics) usageSum {
	duration := float64(m.Duration) / 1e6
	return usageSum{
		executions: 1, egressBytes: m.EgressBytes, apiCalls: int64(m.APICalls),
		cpuMs: float64(m.CPU) / 1e6, durationMs: duration, memoryByteMillis: float64(m.PeakMemoryBytes) * duration,
	}
}

func (u *Usage) add(key usageKey, s usageSum) {
	if u.sums == nil {
		u.sums = make(map[usageKey]usageSum)
	}
	sum := u.sums[key]
	sum.add(s)
	u.sums[key] = sum
}

func (s *usageSum) add(o usageSum) {
	s.executions += o.executions
	s.egressBytes += o.egressBytes
	s.apiCalls += o.apiCalls
	s.cpuMs += o.cpuMs
	s.durationMs += o.durationMs
	s.memoryByteMillis += o.memoryByteMillis
}

// Write adds the sums to script_usage_daily. Make it the last statement of its transaction: other nodes that ran the same scripts
// wait for these rows until it ends.
func (u *Usage) Write(ctx context.Context, queries *sqlc.Queries) error {
	if len(u.sums) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(u.sums), func(a, b usageKey) int {
		if c := bytes.Compare(a.tenant[:], b.tenant[:]); c != 0 {
			return c
		}
		if c := a.day.Compare(b.day); c != 0 {
			return c
		}
		if c := bytes.Compare(a.script[:], b.script[:]); c != 0 {
			return c
		}
		return strings.Compare(a.outcome, b.outcome)
	})
	var p sqlc.UsageAddParams
	for _, key := range keys {
		sum := u.sums[key]
		p.TenantIds = append(p.TenantIds, key.tenant)
		p.ScriptIds = append(p.ScriptIds, key.script)
		p.Days = append(p.Days, key.day)
		p.Outcomes = append(p.Outcomes, key.outcome)
		p.Executions = append(p.Executions, sum.executions)
		p.CpuMs = append(p.CpuMs, sum.cpuMs)
		p.DurationMs = append(p.DurationMs, sum.durationMs)
		p.MemoryByteMs = append(p.MemoryByteMs, sum.memoryByteMillis)
		p.EgressBytes = append(p.EgressBytes, sum.egressBytes)
		p.ApiCalls = append(p.ApiCalls, sum.apiCalls)
	}
	if err := queries.UsageAdd(ctx, p); err != nil {
		return err
	}
	var sums sqlc.TenantUsageAddParams
	for _, key := range keys { // by tenant and day
		sum := u.sums[key]
		if n := len(sums.TenantIds); n == 0 || sums.TenantIds[n-1] != key.tenant || !sums.Days[n-1].Equal(key.day) {
			sums.TenantIds = append(sums.TenantIds, key.tenant)
			sums.Days = append(sums.Days, key.day)
			sums.Executions, sums.CpuMs, sums.EgressBytes = append(sums.Executions, 0), append(sums.CpuMs, 0), append(sums.EgressBytes, 0)
		}
		n := len(sums.TenantIds) - 1
		sums.Executions[n] += sum.executions
		sums.CpuMs[n] += sum.cpuMs
		sums.EgressBytes[n] += sum.egressBytes
	}
	return queries.TenantUsageAdd(ctx, sums)
}

func (s usageSum) amount() quota.Amount {
	return quota.Amount{Executions: s.executions, CPUMs: s.cpuMs, EgressBytes: s.egressBytes}
}

// Tell tells a Meter of the sums, which are committed and of which Recorded has counted nothing.
func (u *Usage) Tell(meter *quota.Meter) {
	if meter == nil {
		return
	}
	for key, sum := range u.sums {
		meter.Written(key.tenant, key.day, sum.amount(), quota.Amount{})
	}
}

// metered tells Config.Quota of rows whose usage is committed.
func (l *Ledger) metered(rows []*row) {
	if l.cfg.Quota == nil {
		return
	}
	type tenantDay struct {
		tenant uuid.UUID
		day    time.Time
	}
	var all map[tenantDay]usageSum // nil: no tenant of the batch has quotas
	for _, r := range rows {
		if r.metered.executions == 0 {
			continue
		}
		if all == nil {
			all = map[tenantDay]usageSum{}
		}
		key := tenantDay{r.usage.tenant, r.usage.day}
		sum := all[key]
		sum.add(r.metered)
		all[key] = sum
	}
	for key, sum := range all {
		l.cfg.Quota.Written(key.tenant, key.day, sum.amount(), sum.amount())
	}
}

// pruneMarks takes away the marks that nodes left when they ended. It is tried once: a later start of a node does it again.
func (l *Ledger) pruneMarks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refusalTimeout)
	defer cancel()
	if err := l.queries.UsageMarksPrune(ctx); err != nil {
		l.log.Debug("old marks of usage not removed", "error", err)
	}
}
