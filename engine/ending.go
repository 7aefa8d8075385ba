package engine

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"example.com/jsruntime/engine/internal/pool"
	"example.com/jsruntime/engine/internal/wire"
)

const (
	maxMessageBytes = 8 << 10
	maxStackBytes   = 16 << 10
)

// scriptCode reports whether a worker may say that an execution ended so. What is ours to say, or would spare the script an
// attempt, it may not.
func scriptCode(c Code) bool {
	switch c {
	case CodeNone, CodeException, CodeBackgroundError, CodeExceededWallTime, CodeExceededCPU, CodeExceededMemory, CodeOutputTooLarge,
		CodeInvalidOutput, CodeBootError, CodeHandlerMissing, CodeUnsettled:
		return true
	}
	return false
}

// limitMessage names a limit that bit.
func limitMessage(limit, unit string, value, observed int64) string {
	return fmt.Sprintf("%s: limit %d%s, observed %d%s", limit, value, unit, observed, unit)
}

func wallMessage(l Limits, observed time.Duration) string {
	return limitMessage("max_execution_time_ms", " ms", l.MaxExecutionTime.Milliseconds(), observed.Milliseconds())
}

// judgeDeath says how an execution ended whose worker died, and whether the script did that.
func judgeDeath(d *pool.Death, l Limits, ran time.Duration) (code Code, message string, guilty bool) {
	switch d.Cause {
	case pool.CauseDeadline:
		return CodeExceededWallTime, wallMessage(l, ran) + "; the worker was killed", true
	case pool.CauseCPU:
		return CodeExceededCPU, fmt.Sprintf("max_cpu_time_ms: limit %d ms; the worker was killed", l.MaxCPUTime.Milliseconds()), true
	case pool.CauseCancelled:
		return CodeCancelled, "cancelled; the worker was killed", false
	case pool.CauseMemory:
		return CodeExceededMemory, limitMessage("max_memory_bytes", "", l.MaxMemoryBytes, d.Memory) + "; " + d.Reason, true
	case pool.CauseNotReading:
		return CodeWorkerLost, d.Reason, true
	case pool.CauseThreads, pool.CauseIdle, pool.CauseFlood:
		return CodeSandboxViolation, d.Reason, true
	case pool.CauseProtocol:
		return CodeWorkerLost, "the worker broke the protocol: " + d.Reason, true
	case pool.CauseDied:
	default:
		return CodeWorkerLost, "the worker was ended: " + d.Cause, false
	}
	memory := limitMessage("max_memory_bytes", "", l.MaxMemoryBytes, l.MaxMemoryBytes)
	if i := strings.LastIndex(memory, ", observed"); i >= 0 {
		memory = memory[:i] + "; the worker was out of memory"
	}
	switch syscall.Signal(d.Signal) {
	case 0:
	case syscall.SIGSYS:
		return CodeSandboxViolation, "the worker was killed for a forbidden system call", true
	case syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL:
		return CodeExceededMemory, memory, true
	default:
		return CodeWorkerLost, fmt.Sprintf("the worker was killed by signal %d", d.Signal), false
	}
	switch {
	case d.ExitCode == wire.ExitMemory:
		return CodeExceededMemory, memory, true
	case d.ExitCode == wire.ExitCrash:
		return CodeWorkerLost, "the worker crashed in native code", true
	case d.ExitCode == 2 && outOfMemory(d.Output):
		return CodeExceededMemory, memory, true
	}
	return CodeWorkerLost, fmt.Sprintf("the worker ended with exit status %d", d.ExitCode), true
}

// outOfMemory finds what V8 and Go's runtime print before they give up for want of memory. Go's handlers turn V8's trap and abort
// into exit status 2.
func outOfMemory(output string) bool {
	for _, s := range []string{
		"SIGTRAP", "SIGABRT", "SIGSEGV", "SIGILL", "SIGBUS",
		"Fatal JavaScript", "Fatal process", "Fatal error in", "out of memory", "cannot allocate memory", "Check failed",
	} {
		if strings.Contains(output, s) {
			return true
		}
	}
	return false
}
