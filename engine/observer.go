package engine

import (
	"time"

	"github.com/google/uuid"
)

// Observer is told what the engine does, for metrics. Its methods are called on hot paths: they return at once and are safe for
// concurrent use. NopObserver is one to embed.
type Observer interface {
	// ExecutionEnded is called once for every Execute that returned a Result.
	ExecutionEnded(inv *Invocation, res *Result)
	// ExecutionRefused is called once for every Execute that returned a *RefusedError.
	ExecutionRefused(inv *Invocation, err *RefusedError)
	// HostCallEnded is called when a host call was answered; err is nil, a *HostError or an error of ours.
	HostCallEnded(method string, took time.Duration, err error)
	// WorkerStarted is called when a worker said Hello, with the time from spawn to then.
	WorkerStarted(took time.Duration)
	// WorkerEnded is called when a worker process is gone. Cause is one of: retired, evicted, tenant_changed, shutdown, deadline,
	// cancelled, protocol, start_failed, sandbox_violation, memory, crashed.
	WorkerEnded(cause string)
	// ScriptQuarantined is called when a script killed too many workers.
	ScriptQuarantined(tenantID, scriptID uuid.UUID)
}

// NopObserver ignores everything.
type NopObserver struct{}

var _ Observer = NopObserver{}

// ExecutionEnded implements Observer.
func (NopObserver) ExecutionEnded(*Invocation, *Result) {}

// ExecutionRefused implements Observer.
func (NopObserver) ExecutionRefused(*Invocation, *RefusedError) {}

// HostCallEnded implements Observer.
func (NopObserver) HostCallEnded(string, time.Duration, error) {}

// WorkerStarted implements Observer.
func (NopObserver) WorkerStarted(time.Duration) {}

// WorkerEnded implements Observer.
func (NopObserver) WorkerEnded(string) {}

// ScriptQuarantined implements Observer.
func (NopObserver) ScriptQuarantined(uuid.UUID, uuid.UUID) {}
