package engine

import "cmp"

// Status is an execution's state as the data model names it.
type Status string

// States of an execution. The last four are endings.
const (
	StatusPending   Status = "pending"
	StatusRunning   Status = "running"
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"
	StatusTimeout   Status = "timeout"
	StatusCancelled Status = "cancelled"
)

// Code says which kind of ending; empty for a completed execution.
type Code string

// Codes of endings.
const (
	CodeNone             Code = ""
	CodeException        Code = "exception"          // the script threw, or a rejection went unhandled
	CodeBackgroundError  Code = "background_error"   // the answer was given, and a promise of waitUntil was rejected
	CodeExceededWallTime Code = "exceeded_wall_time" // max_execution_time_ms
	CodeExceededCPU      Code = "exceeded_cpu"       // max_cpu_time_ms
	CodeExceededMemory   Code = "exceeded_memory"    // max_memory_bytes, by V8's heap limit or the kernel's
	CodeOutputTooLarge   Code = "output_too_large"   // max_output_size_bytes
	CodeInvalidOutput    Code = "invalid_output"     // not JSON (cycle, BigInt, function), or not a Response
	CodeBootError        Code = "boot_error"         // the module's own top level failed
	CodeHandlerMissing   Code = "handler_missing"
	CodeUnsettled        Code = "unsettled"         // nothing is left that could settle the handler's promise
	CodeSandboxViolation Code = "sandbox_violation" // the worker did what no script can: a forbidden system call, or a bound of the node's that it broke
	CodeLoopDetected     Code = "loop_detected"     // a chain of events or invocations deeper than 16
	CodeWorkerLost       Code = "worker_lost"       // ours: the worker or the node died; spends no attempt
	CodeCancelled        Code = "cancelled"
	CodeQuarantined      Code = "quarantined"       // the script killed too many workers; not run at all
	CodeOverloaded       Code = "overloaded"        // ours: no worker was free in time; never an ending of a queued execution
	CodeConcurrencyLimit Code = "concurrency_limit" // as CodeOverloaded
	CodeQuotaExceeded    Code = "quota_exceeded"    // the tenant has used what its plan allows in a day or month; never an ending of a queued execution
)

// Codes returns all of them.
func Codes() []Code {
	return []Code{
		CodeNone, CodeException, CodeBackgroundError, CodeExceededWallTime, CodeExceededCPU, CodeExceededMemory, CodeOutputTooLarge, CodeInvalidOutput, CodeBootError,
		CodeHandlerMissing, CodeUnsettled, CodeSandboxViolation, CodeLoopDetected, CodeWorkerLost, CodeCancelled, CodeQuarantined, CodeOverloaded,
		CodeConcurrencyLimit, CodeQuotaExceeded,
	}
}

// Status returns the ending that the data model has for the code.
func (c Code) Status() Status {
	switch c {
	case CodeNone:
		return StatusCompleted
	case CodeExceededWallTime, CodeExceededCPU:
		return StatusTimeout
	case CodeCancelled:
		return StatusCancelled
	default:
		return StatusFailed
	}
}

// Ours reports whether the ending is our failure and not the script's: it spends no attempt.
func (c Code) Ours() bool {
	return c == CodeWorkerLost || c == CodeOverloaded || c == CodeConcurrencyLimit || c == CodeQuotaExceeded
}

// Retryable reports whether a queue-backed execution that ended so may be tried again.
func (c Code) Retryable() bool {
	switch c {
	case CodeNone, CodeCancelled, CodeLoopDetected:
		return false
	default:
		return true
	}
}

// Outcome is a word for metrics: the code, or "completed".
func (c Code) Outcome() string { return cmp.Or(string(c), string(StatusCompleted)) }
