package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
)

func endpointOf(requests int, per time.Duration) *catalog.Endpoint {
	return &catalog.Endpoint{TenantID: uuid.New(), ScriptID: uuid.New(), RateLimit: &catalog.RateLimit{Requests: requests, Per: per, By: catalog.RateByIP}}
}

// However requests come, no window's length has twice the limit, a client that waits as long as it is told is admitted, and one that asks
// evenly at the limit's rate is never refused.
func TestRateWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		e, l, now := endpointOf(limit, time.Minute), newRateLimits(nil, nil), time.Unix(1_700_000_000, 0)
		var admitted []time.Time
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "pause")) * time.Millisecond)
			state := l.take(e, "a", now)
			if state.retry == 0 {
				admitted = append(admitted, now)
				require.GreaterOrEqual(t, state.remaining, 0)
			} else {
				require.LessOrEqual(t, state.retry, 2*time.Minute)
				now = now.Add(state.retry + time.Millisecond)
				require.Zero(t, l.take(e, "a", now).retry, "after the time that it was told")
				admitted = append(admitted, now)
			}
		}
		// The count is estimated from that of the window before, as if that had come evenly: at worst a burst at its end counts for less.
		for i := range admitted {
			n := 0
			for _, at := range admitted[i:] {
				if at.Sub(admitted[i]) < time.Minute {
					n++
				}
			}
			require.Less(t, n, 2*limit+1)
		}
	})
	e, l, now := endpointOf(60, time.Minute), newRateLimits(nil, nil), time.Unix(1_700_000_000, 0)
	for range 600 {
		require.Zero(t, l.take(e, "a", now).retry)
		now = now.Add(1100 * time.Millisecond)
	}
}

// What strangers make the node remember is bounded, per tenant and by the node's budget, and is given back.
func TestRateKeysAreBounded(t *testing.T) {
	t.Parallel()
	budget, err := admission.NewBudget(8 << 20)
	require.NoError(t, err)
	l, now := newRateLimits(nil, budget), time.Unix(1_700_000_000, 0)
	flooded, other := endpointOf(1, time.Minute), endpointOf(1, time.Minute)
	require.Zero(t, l.take(other, "a", now).retry)
	for i := range 2 * maxRateKeys {
		require.Zero(t, l.take(flooded, fmt.Sprint(i), now).retry)
	}
	require.NotZero(t, l.take(flooded, fmt.Sprint(2*maxRateKeys-1), now).retry)
	require.NotZero(t, l.take(other, "a", now).retry, "another tenant's flood forgets nothing of this one")
	held := l.tenants[flooded.TenantID].recent.Len()
	require.LessOrEqual(t, held, maxRateKeys)
	require.LessOrEqual(t, budget.Stats().Used, int64(6<<20))
	require.GreaterOrEqual(t, budget.Stats().Used, int64(held*rateBytes-2*rateStep*rateBytes))
	require.Zero(t, l.take(other, "b", now.Add(time.Hour)).retry)
	require.Len(t, l.tenants, 1, "what says nothing any more is forgotten")
	require.Zero(t, l.take(other, "c", now.Add(3*time.Hour)).retry)
	require.Less(t, budget.Stats().Used, int64(64<<10))
}
