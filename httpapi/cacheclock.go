package httpapi

import "time"

// cacheClock is the clock of caches whose entries expire. It has no ticks: each cache would sweep once a second for good, which wakes an idle
// node seven times a second. An entry that has expired is not found, and goes with a later write, at the latest where the cache is full.
type cacheClock struct{}

// NowNano implements otter.Clock.
func (cacheClock) NowNano() int64 { return time.Now().UnixNano() }

// Tick implements otter.Clock.
func (cacheClock) Tick(time.Duration) <-chan time.Time { return nil }
