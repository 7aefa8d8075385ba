package admission_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine/admission"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	var e admission.Estimate
	require.Equal(t, 1, e.Depth(), "nothing known: nothing queues")
	require.Equal(t, 1, e.Workers(10, 0), "one shows what they are like")
	require.Equal(t, 0, e.Workers(10, 1))

	for range 10 {
		e.Observe(20*time.Microsecond, 0, false)
	}
	require.Equal(t, 26, e.Depth())
	require.Equal(t, 0, e.Workers(16, 1), "sixteen short ones stay at one worker")
	require.Equal(t, 3, e.Workers(100, 1))

	e.Observe(3*time.Millisecond, 0, false)
	require.Greater(t, e.Depth(), 1, "one that was held up does not make the script a slow one")
	e.Observe(time.Second, 0, false)
	require.Equal(t, 1, e.Depth(), "a long one does")
	require.Equal(t, 10, e.Workers(10, 3))
	for range 20 {
		e.Observe(20*time.Microsecond, 0, false)
	}
	require.Greater(t, e.Depth(), 1, "short again")

	for range 10 {
		e.Observe(20*time.Microsecond, 0, true)
	}
	require.Equal(t, 1, e.Depth(), "executions that wait for host calls get a worker each")
}

// Whatever tenants want, the tenant with the fewest workers for its weight is next, and none is refused its fair share while the pool is
// not twice full.
func TestWorkersAreDividedFairly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pool := rapid.IntRange(1, 16).Draw(t, "workers")
		wants := rapid.SliceOfN(rapid.IntRange(1, 50), 1, 10).Draw(t, "wants")
		weights := rapid.SliceOfN(rapid.IntRange(1, 4), len(wants), len(wants)).Draw(t, "weights")
		total := 0
		for _, w := range weights {
			total += w
		}
		// The first tenant comes first and takes what it can.
		has := make([]int, len(wants))
		active := 0
		for has[0] < wants[0] && admission.Allow(has[0], active, pool, weights[0], weights[0]) {
			has[0]++
			active++
		}
		for served := int64(1); ; served++ {
			best := -1
			for i := range wants {
				if has[i] < wants[i] && (best < 0 || admission.Before(
					admission.Load{Active: has[i], Weight: weights[i], Served: served},
					admission.Load{Active: has[best], Weight: weights[best], Served: served})) {
					best = i
				}
			}
			if best < 0 || !admission.Allow(has[best], active, pool, weights[best], total) {
				break
			}
			has[best]++
			active++
		}
		if active > 2*pool {
			t.Fatalf("%d workers in a pool of %d", active, pool)
		}
		for i := range wants {
			if fair := pool * weights[i] / total; has[i] < min(wants[i], fair) && active < 2*pool {
				t.Fatalf("tenant %d has %d of %d, fair are %d: %v", i, has[i], wants[i], fair, has)
			}
		}
	})
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	q := admission.NewQuarantine(admission.QuarantineConfig{
		After: 3, Window: time.Minute, For: 5 * time.Minute, Now: func() time.Time { return now },
	})
	tenant, script := uuid.New(), uuid.New()
	in := func(version int) bool { _, ok := q.Check(script, version); return ok }

	dies := func(q *admission.Quarantine) bool {
		stay, put := q.Death(tenant, script, 1)
		held, ok := q.Check(script, 1)
		require.Equal(t, put, put && ok && held == stay, "the returned stay holds")
		return put
	}
	require.False(t, dies(q))
	now = now.Add(40 * time.Second)
	require.False(t, dies(q))
	now = now.Add(40 * time.Second)
	require.False(t, dies(q), "the first one is forgotten")
	require.False(t, in(1))
	require.True(t, dies(q))
	require.True(t, in(1))
	require.False(t, in(2), "a new version may run")
	require.Len(t, q.List(), 1)
	require.Equal(t, now.Add(5*time.Minute), q.List()[0].Until)

	now = now.Add(5 * time.Minute)
	require.False(t, in(1), "its time is over")
	require.Empty(t, q.List())
	require.False(t, dies(q), "and the count begins again")

	for range 2 {
		q.Death(tenant, script, 1)
	}
	require.True(t, in(1))
	q.Release(script)
	require.False(t, in(1))

	never := admission.NewQuarantine(admission.QuarantineConfig{After: -1})
	for range 100 {
		require.False(t, dies(never))
	}
}
