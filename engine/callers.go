package engine

import (
	"sync"
	"sync/atomic"
)

// maxIdleCallers is how many goroutines wait for the next host call.
const maxIdleCallers = 64

// callers are the goroutines that make host calls, one call after the other: a new goroutine grows its stack in each call, which took a
// twenty-fifth of the node's time where scripts read a key.
type callers struct {
	calls chan func() // without room: an idle goroutine takes what is sent
	done  chan struct{}
	idle  atomic.Int32
	all   sync.WaitGroup
	busy  sync.WaitGroup // calls under way
}

func newCallers() *callers { return &callers{calls: make(chan func()), done: make(chan struct{})} }

// run makes a call in a goroutine of its own. It does not wait for one: any number of calls may be under way.
func (c *callers) run(call func()) {
	c.busy.Add(1)
	select {
	case c.calls <- call:
	default:
		c.all.Go(func() { c.serve(call) })
	}
}

func (c *callers) serve(call func()) {
	for {
		c.one(call)
		if c.idle.Add(1) > maxIdleCallers {
			c.idle.Add(-1)
			return
		}
		select {
		case call = <-c.calls:
			c.idle.Add(-1)
		case <-c.done:
			c.idle.Add(-1)
			return
		}
	}
}

func (c *callers) one(call func()) {
	defer c.busy.Done()
	call()
}

// close waits for the calls that are under way, and ends the goroutines. No call is made afterwards.
func (c *callers) close() {
	c.busy.Wait()
	close(c.done)
	c.all.Wait()
}
