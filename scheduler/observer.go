package scheduler

import (
	"time"

	"example.com/jsruntime/engine"
)

// Observer is told what the scheduler does, for metrics. Its methods are called on hot paths: they return at once and are safe
// for concurrent use. NopObserver is one to embed.
type Observer interface {
	// Claimed is called after each claim: how many executions, and what the statement took.
	Claimed(executions int, took time.Duration)
	// Begun is called when a worker is about to begin an execution: how long it had been accepted, and how long it had been due
	// (for a tick its lateness: start minus due).
	Begun(trigger engine.Trigger, queued, late time.Duration)
	// Ended is called for every ending that was written, by this node's runs or when it took executions from a lost node, with what
	// followed it: "", "retry" or "dead_letter".
	Ended(trigger engine.Trigger, code engine.Code, followed string)
	// GivenBack is called for executions that went back to the queue without an attempt: because "overloaded", "concurrency_limit",
	// "quarantined", "worker_lost", "drained" or "claim_in_doubt".
	GivenBack(trigger engine.Trigger, reason string)
	// LeaseLost is called for runs that this node ended itself, or whose ending came too late.
	LeaseLost(executions int)
	// TickDecided is called for each tick: started, queued, skipped_overlap, skipped_quota, missed or coalesced.
	TickDecided(outcome string)
	// Rescued is called for each execution that was taken from a lost node, and for each schedule that was freed.
	Rescued(what string)
	// Backlog is called every few seconds: executions that are due, wait and may be claimed, each tenant's up to 1,000, and schedules that
	// are due; each up to 10,000.
	Backlog(executions, schedules int)
	// Pruned is called after rows of a table were deleted.
	Pruned(table string, rows int64)
}

// NopObserver ignores everything.
type NopObserver struct{}

var _ Observer = NopObserver{}

// Claimed implements Observer.
func (NopObserver) Claimed(int, time.Duration) {}

// Begun implements Observer.
func (NopObserver) Begun(engine.Trigger, time.Duration, time.Duration) {}

// Ended implements Observer.
func (NopObserver) Ended(engine.Trigger, engine.Code, string) {}

// GivenBack implements Observer.
func (NopObserver) GivenBack(engine.Trigger, string) {}

// LeaseLost implements Observer.
func (NopObserver) LeaseLost(int) {}

// TickDecided implements Observer.
func (NopObserver) TickDecided(string) {}

// Rescued implements Observer.
func (NopObserver) Rescued(string) {}

// Backlog implements Observer.
func (NopObserver) Backlog(int, int) {}

// Pruned implements Observer.
func (NopObserver) Pruned(string, int64) {}
