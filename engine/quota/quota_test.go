package quota_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

func most(n float64) *float64 { return &n }

// clock is a node's clock.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.at.Load()) }

func (c *clock) set(at time.Time) { c.at.Store(at.UnixMilli()) }

// flush writes usage as the ledger does.
func flush(t *testing.T, db *pgxpool.Pool, m *quota.Meter, tenant uuid.UUID, day time.Time, a quota.Amount, recorded bool) {
	t.Helper()
	require.NoError(t, sqlc.New(db).TenantUsageAdd(t.Context(), sqlc.TenantUsageAddParams{
		TenantIds: []uuid.UUID{tenant}, Days: []time.Time{day}, Executions: []int64{a.Executions}, CpuMs: []float64{a.CPUMs}, EgressBytes: []int64{a.EgressBytes},
	}))
	counted := quota.Amount{}
	if recorded {
		counted = a
	}
	m.Written(tenant, day, a, counted)
}

// TestMarksOverNodesAndPeriods: a node counts what runs on it at once and what other nodes wrote with its next refresh; a mark is told once a
// period by one of them; the next period begins at nothing, and a late flush belongs to the day that it is of.
func TestMarksOverNodesAndPeriods(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	var tenant uuid.UUID
	require.NoError(t, db.QueryRow(t.Context(), `INSERT INTO tenants (slug, name, plan) VALUES ('acme', 'Acme', '{"quotas":{}}') RETURNING id`).Scan(&tenant))
	var at clock
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	at.set(noon)
	quotas := catalog.Quotas{
		catalog.QuotaExecutions: {Per: catalog.PerDay, Soft: most(8), Hard: most(10)},
		catalog.QuotaCPU:        {Per: catalog.PerMonth, Hard: most(1000)},
	}
	var told []quota.Passed
	node := func() *quota.Meter {
		m, err := quota.New(quota.Config{
			DB: db, Now: at.now, Quotas: func(id uuid.UUID) catalog.Quotas {
				if id == tenant {
					return quotas
				}
				return nil
			},
			Notify: func(_ context.Context, _ *sqlc.Queries, p quota.Passed) (func(), error) {
				told = append(told, p)
				return nil, nil
			},
		})
		require.NoError(t, err)
		return m
	}
	// The month began long ago.
	require.NoError(t, sqlc.New(db).TenantUsageAdd(t.Context(), sqlc.TenantUsageAddParams{
		TenantIds: []uuid.UUID{tenant}, Days: []time.Time{quota.Today(noon).AddDate(0, 0, -20)}, Executions: []int64{500}, CpuMs: []float64{400}, EgressBytes: []int64{0},
	}))
	a, b := node(), node()
	require.NoError(t, a.Load(t.Context()))
	require.NoError(t, b.Load(t.Context()))
	exceeded := func(m *quota.Meter) string {
		p, _ := m.Exceeded(tenant)
		return p.Quota
	}
	require.Empty(t, exceeded(a))

	// What runs counts: of twelve that begin at one time on one node, ten run.
	gate := make(chan struct{})
	began := make(chan error, 12)
	run := a.Executor(executing(func() { began <- nil; <-gate }))
	for range 12 {
		go func() {
			_, err := run.Execute(context.Background(), &engine.Invocation{ExecutionID: uuid.New(), Script: &engine.Script{TenantID: tenant}})
			if err != nil {
				began <- err
			}
		}()
	}
	var refused *engine.RefusedError
	refusals := 0
	for range 12 {
		if err := <-began; err != nil {
			require.ErrorAs(t, err, &refused)
			refusals++
		}
	}
	require.Equal(t, 2, refusals)
	require.Equal(t, engine.CodeQuotaExceeded, refused.Code)
	require.Equal(t, 12*time.Hour, refused.RetryAfter)
	require.Equal(t, "executions: the tenant's quota is 10 a day, 10 are used; the next day begins at 2026-12-01T00:00:00Z.", refused.Detail)
	require.Empty(t, exceeded(b), "nothing is written yet")
	close(gate)
	require.Eventually(t, func() bool { return exceeded(a) == "" }, time.Minute, time.Millisecond, "they have ended, and nobody recorded them")

	today := quota.Today(noon)
	require.True(t, a.Recorded(tenant, quota.Amount{Executions: 9, CPUMs: 5}))
	require.False(t, a.Recorded(uuid.New(), quota.Amount{Executions: 9}), "a tenant without quotas")
	flush(t, db, a, tenant, today, quota.Amount{Executions: 9, CPUMs: 5}, true)
	require.NoError(t, a.Refresh(t.Context(), false))
	require.NoError(t, b.Refresh(t.Context(), true))
	require.Len(t, told, 1)
	require.Equal(t, []any{"executions", quota.Soft, 9.0, 8.0}, []any{told[0].Quota, told[0].Mark, told[0].Used, told[0].Limit})
	flush(t, db, b, tenant, today, quota.Amount{Executions: 1}, false) // of the queue
	require.Equal(t, "executions", exceeded(b))
	require.Empty(t, exceeded(a))
	require.NoError(t, a.Refresh(t.Context(), true))
	require.Equal(t, "executions", exceeded(a), "one refresh later")
	require.NoError(t, b.Refresh(t.Context(), true))
	require.Len(t, told, 2)
	require.Equal(t, quota.Hard, told[1].Mark)
	// A node that is new knows all of it before it serves.
	c := node()
	require.NoError(t, c.Load(t.Context()))
	require.Equal(t, "executions", exceeded(c))
	require.Len(t, told, 2)

	// What is dropped is taken back.
	quotas = catalog.Quotas{catalog.QuotaCPU: quotas[catalog.QuotaCPU]}
	require.Empty(t, exceeded(a))
	require.True(t, a.Recorded(tenant, quota.Amount{CPUMs: 900}))
	require.Equal(t, "cpu_ms", exceeded(a))
	a.Dropped(tenant, quota.Amount{CPUMs: 900})
	require.Empty(t, exceeded(a))
	flush(t, db, a, tenant, today, quota.Amount{CPUMs: 600}, false)
	require.Equal(t, "cpu_ms", exceeded(a), "with what was used twenty days ago")

	// A new month. What is flushed late belongs to the old one.
	at.set(noon.Add(12*time.Hour + time.Second))
	require.Empty(t, exceeded(a))
	flush(t, db, a, tenant, today, quota.Amount{CPUMs: 5000}, false)
	require.Empty(t, exceeded(a))
	require.NoError(t, a.Refresh(t.Context(), true))
	require.Empty(t, exceeded(a))
	flush(t, db, a, tenant, quota.Today(at.now()), quota.Amount{CPUMs: 1000}, false)
	require.NoError(t, a.Refresh(t.Context(), true))
	require.Equal(t, "cpu_ms", exceeded(a))
}

// executorFunc runs what a test says.
type executorFunc func(context.Context, *engine.Invocation) (*engine.Result, error)

func (f executorFunc) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	return f(ctx, inv)
}

func executing(run func()) engine.Executor {
	return executorFunc(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		run()
		return &engine.Result{}, nil
	})
}

// TestWhatGoesOnRuns: an execution that has answered counts until its OnEnd.
func TestWhatGoesOnRuns(t *testing.T) {
	t.Parallel()
	tenant := uuid.New()
	m, err := quota.New(quota.Config{DB: dbtest.DB(t), Quotas: func(uuid.UUID) catalog.Quotas {
		return catalog.Quotas{catalog.QuotaExecutions: {Per: catalog.PerDay, Hard: most(1)}}
	}})
	require.NoError(t, err)
	var inv *engine.Invocation
	run := m.Executor(executorFunc(func(_ context.Context, i *engine.Invocation) (*engine.Result, error) {
		inv = i
		return &engine.Result{GoesOn: true}, nil
	}))
	ended := false
	res, err := run.Execute(t.Context(), &engine.Invocation{Script: &engine.Script{TenantID: tenant}, OnEnd: func(*engine.Invocation, *engine.Result) { ended = true }})
	require.NoError(t, err)
	require.True(t, res.GoesOn)
	_, over := m.Exceeded(tenant)
	require.True(t, over)
	require.Equal(t, 1, m.Over())
	inv.OnEnd(inv, res)
	require.True(t, ended)
	_, over = m.Exceeded(tenant)
	require.False(t, over)
}
