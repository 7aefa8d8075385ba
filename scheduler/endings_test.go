package scheduler

import (
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/sqlc"
)

func anEnding(output int) *ending {
	return &ending{held: &held{row: &sqlc.ExecutionClaimRow{}}, result: &engine.Result{Output: make([]byte, output)}}
}

// TestEndingsGatherWhileABatchIsWritten: a second writer begins only when there is enough for a large batch of its own, and what has gathered is
// the next batch of the first.
func TestEndingsGatherWhileABatchIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q endings
		q.begin()
		q.add(anEnding(0))
		first := q.take()
		require.Len(t, first, 1, "a single ending waits for nothing")

		var second []*ending
		var writer sync.WaitGroup
		writer.Go(func() { second = q.take() })
		for range secondBatch - 1 {
			q.add(anEnding(0))
		}
		synctest.Wait()
		require.Nil(t, second, "too few for a second writer")
		q.add(anEnding(0))
		writer.Wait()
		require.Len(t, second, secondBatch)

		q.add(anEnding(0))
		var third []*ending
		writer.Go(func() { third = q.take() })
		synctest.Wait()
		require.Nil(t, third)
		q.wrote(first)
		q.wrote(second)
		writer.Wait()
		require.Len(t, third, 1)

		q.close()
		q.wrote(third)
		require.Nil(t, q.take())
	})
}

// TestWhatIsLeftIsWritten: endings that are left at the close are taken, also while another batch is written.
func TestWhatIsLeftIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q endings
		q.begin()
		for range 2*finishBatch + 1 {
			q.add(anEnding(0))
		}
		q.close()
		var mu sync.Mutex
		var sizes []int
		var writers sync.WaitGroup
		for range endingWriters {
			writers.Go(func() {
				for batch := q.take(); batch != nil; batch = q.take() {
					time.Sleep(time.Millisecond)
					mu.Lock()
					sizes = append(sizes, len(batch))
					mu.Unlock()
					q.wrote(batch)
				}
			})
		}
		writers.Wait()
		require.ElementsMatch(t, []int{finishBatch, finishBatch, 1}, sizes)
	})
}

// TestEndingsAreBoundedByTheirBytes: nothing is claimed while outputs that wait to be written take as much memory as they may.
func TestEndingsAreBoundedByTheirBytes(t *testing.T) {
	t.Parallel()
	s := &Scheduler{cfg: Config{Concurrency: 4}, held: map[uuid.UUID]*held{}}
	s.endings.begin()
	require.Equal(t, 4, s.room())
	s.endings.add(anEnding(endingsBytes - 1))
	require.Equal(t, 4, s.room())
	small := anEnding(0)
	small.result.Logs = []engine.LogLine{{Message: "x"}}
	s.endings.add(small)
	require.Zero(t, s.room())
	batch := s.endings.take()
	require.Zero(t, s.room(), "it is not written yet")
	batch[0].result = &engine.Result{} // written without its content
	s.endings.wrote(batch)
	require.Equal(t, 4, s.room())
	require.Zero(t, s.endings.bytes)
}

// TestTicksNeedNoDiscovery: the scripts of executions that this node's ticks have queued are known to its dispatcher, and no floor hides their rows.
func TestTicksNeedNoDiscovery(t *testing.T) {
	t.Parallel()
	d := &dispatcher{Scheduler: &Scheduler{cfg: Config{TenantConcurrency: 7}, members: new(cluster.Members)}, pairs: map[pair]*queued{}}
	now := time.Now()
	fresh, behind, ahead := pair{uuid.New(), uuid.New()}, pair{uuid.New(), uuid.New()}, pair{uuid.New(), uuid.New()}
	before, after := uuid.New(), uuid.New()
	d.pairs[behind] = &queued{floorRunAt: now.Add(-time.Second), floorID: before}
	d.pairs[ahead] = &queued{floorRunAt: now.Add(time.Second), floorID: after}
	plan := json.RawMessage(`{"max_concurrent_runs": 3}`)
	d.born.add([]born{{fresh, now, nil, nil}, {behind, now, plan, nil}, {ahead, now, plan, nil}})
	d.adopt()
	require.Empty(t, d.born.take())
	for p, want := range map[pair]queued{
		fresh:  {floorRunAt: now, tenantLimit: 7},
		behind: {floorRunAt: now.Add(-time.Second), floorID: before, tenantLimit: 3},
		ahead:  {floorRunAt: now, tenantLimit: 3},
	} {
		q := d.pairs[p]
		require.True(t, q.ready)
		require.Equal(t, want.floorRunAt, q.floorRunAt)
		require.Equal(t, want.floorID, q.floorID)
		require.Equal(t, want.tenantLimit, q.tenantLimit)
	}
	d.born.add(make([]born, bornLimit+1))
	d.born.add(make([]born, 1))
	require.Len(t, d.born.take(), bornLimit)
}
