package engine

import "time"

// Limits bound one execution of a script. They are what API.md calls effective_limits.
type Limits struct {
	MaxExecutionTime     time.Duration // wall time
	MaxCPUTime           time.Duration // 0 = none of its own
	MaxMemoryBytes       int64
	MaxConcurrentRuns    int // across all nodes
	MaxAPICallsPerMinute int // across all nodes, all host calls of the script together
	MaxOutputSizeBytes   int64
	MaxLogBytes          int64
	MaxRequestBodyBytes  int64
}

// DefaultLimits are the data model's defaults and those that DESIGN.md adds.
func DefaultLimits() Limits {
	return Limits{
		MaxExecutionTime:     30 * time.Second,
		MaxMemoryBytes:       64 << 20,
		MaxConcurrentRuns:    5,
		MaxAPICallsPerMinute: 60,
		MaxOutputSizeBytes:   1 << 20,
		MaxLogBytes:          64 << 10,
		MaxRequestBodyBytes:  1 << 20,
	}
}

// CeilingLimits are the most that a script may ask for, unless the operator sets others.
func CeilingLimits() Limits {
	return Limits{
		MaxExecutionTime:     15 * time.Minute,
		MaxCPUTime:           15 * time.Minute,
		MaxMemoryBytes:       512 << 20,
		MaxConcurrentRuns:    1000,
		MaxAPICallsPerMinute: 100_000,
		MaxOutputSizeBytes:   16 << 20,
		MaxLogBytes:          1 << 20,
		MaxRequestBodyBytes:  16 << 20,
	}
}

// MinMemoryBytes is the least max_memory_bytes: below it V8 does not start an isolate.
const MinMemoryBytes = 8 << 20
