package engine

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Calls never wait for each other, goroutines make several of them, and none is left.
func TestCallers(t *testing.T) {
	t.Parallel()
	c := newCallers()
	const crowd = 3 * maxIdleCallers
	var made atomic.Int32
	release := make(chan struct{})
	for range crowd {
		c.run(func() {
			made.Add(1)
			<-release
		})
	}
	require.Eventually(t, func() bool { return made.Load() == crowd }, time.Minute, time.Millisecond, "each has a goroutine")
	close(release)
	c.busy.Wait()
	require.Eventually(t, func() bool { return c.idle.Load() == maxIdleCallers }, time.Minute, time.Millisecond, "a bounded number stays")

	where := func() (id string) {
		done := make(chan struct{})
		c.run(func() {
			defer close(done)
			b := make([]byte, 64)
			id = string(b[:runtime.Stack(b, false)])
		})
		<-done
		return id
	}
	seen := map[string]bool{}
	for range 20 * maxIdleCallers {
		seen[where()] = true
	}
	require.LessOrEqual(t, len(seen), 10*maxIdleCallers, "most calls are made by a goroutine that has made others")
	c.close()
	require.Zero(t, c.idle.Load())
}
