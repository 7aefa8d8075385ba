package engine

import (
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/internal/pool"
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
	// WorkerEnded is called when a worker process is gone, or could not be started. Cause is one of WorkerCauses.
	WorkerEnded(cause string)
	// IsolateCondemned is called when a worker dropped an isolate that no further execution may use: it was terminated, came near its
	// memory limit or broke. Code is how the execution ended that was its last, one of CondemnedCodes.
	IsolateCondemned(code Code)
	// ScriptQuarantined is called when a script killed too many workers.
	ScriptQuarantined(tenantID, scriptID uuid.UUID)
}

// WorkerCauses are the causes that Observer.WorkerEnded is called with.
func WorkerCauses() []string {
	return []string{
		pool.CauseRetired, pool.CauseEvicted, pool.CauseTenant, pool.CauseShutdown, pool.CauseDeadline, pool.CauseCPU, pool.CauseCancelled,
		pool.CauseProtocol, pool.CauseStart, pool.CauseMemory, pool.CauseThreads, pool.CauseIdle, pool.CauseFlood, pool.CauseNotReading, string(CodeSandboxViolation), workerCrashed,
	}
}

// CondemnedCodes are the codes that Observer.IsolateCondemned is called with.
func CondemnedCodes() []Code {
	var codes []Code
	for _, c := range Codes() {
		if condemnedBy(c) == c {
			codes = append(codes, c)
		}
	}
	return codes
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

// IsolateCondemned implements Observer.
func (NopObserver) IsolateCondemned(Code) {}

// ScriptQuarantined implements Observer.
func (NopObserver) ScriptQuarantined(uuid.UUID, uuid.UUID) {}
