package httpapi

import (
	"encoding/json"
	"fmt"

	"jsruntime/engine"
)

// ResourceLimits is what a script's author asks for; what is not there has the default.
type ResourceLimits struct {
	MaxExecutionTimeMS   *int64 `json:"max_execution_time_ms,omitempty" minimum:"1" maximum:"86400000" doc:"Wall time of one execution."`
	MaxMemoryBytes       *int64 `json:"max_memory_bytes,omitempty" minimum:"8388608" maximum:"17179869184" doc:"Memory of one execution."`
	MaxConcurrentRuns    *int64 `json:"max_concurrent_runs,omitempty" minimum:"1" maximum:"1000000" doc:"Executions at once, over all nodes."`
	MaxAPICallsPerMinute *int64 `json:"max_api_calls_per_minute,omitempty" minimum:"0" maximum:"1000000000" doc:"Host calls (fetch, kv, events, scripts) a minute, over all nodes."`
	MaxOutputSizeBytes   *int64 `json:"max_output_size_bytes,omitempty" minimum:"1" maximum:"1073741824" doc:"Size of the output."`
	MaxCPUTimeMS         *int64 `json:"max_cpu_time_ms,omitempty" minimum:"1" maximum:"86400000" doc:"CPU time of one execution. None of its own by default."`
	MaxLogBytes          *int64 `json:"max_log_bytes,omitempty" minimum:"0" maximum:"1073741824" doc:"Log of one execution; what is over it is cut."`
	MaxRequestBodyBytes  *int64 `json:"max_request_body_bytes,omitempty" minimum:"0" maximum:"1073741824" doc:"Body of a request to the script's endpoint."`
}

// EffectiveLimits are the limits that bite: what the author asked for, the defaults for the rest, and no more than the
// operator's ceiling.
type EffectiveLimits struct {
	MaxExecutionTimeMS   int64  `json:"max_execution_time_ms"`
	MaxMemoryBytes       int64  `json:"max_memory_bytes"`
	MaxConcurrentRuns    int64  `json:"max_concurrent_runs"`
	MaxAPICallsPerMinute int64  `json:"max_api_calls_per_minute"`
	MaxOutputSizeBytes   int64  `json:"max_output_size_bytes"`
	MaxCPUTimeMS         *int64 `json:"max_cpu_time_ms" doc:"Null where CPU time has no limit of its own."`
	MaxLogBytes          int64  `json:"max_log_bytes"`
	MaxRequestBodyBytes  int64  `json:"max_request_body_bytes"`
}

// defaultResourceLimits is the data model's default of scripts.resource_limits.
func defaultResourceLimits() json.RawMessage {
	return json.RawMessage(`{"max_execution_time_ms":30000,"max_memory_bytes":67108864,"max_concurrent_runs":5,"max_api_calls_per_minute":60,"max_output_size_bytes":1048576}`)
}

// check names the first limit that is beyond the operator's ceiling.
func (r *ResourceLimits) check(ceiling engine.Limits) error {
	for _, l := range []struct {
		name    string
		value   *int64
		ceiling int64
	}{
		{"max_execution_time_ms", r.MaxExecutionTimeMS, ceiling.MaxExecutionTime.Milliseconds()},
		{"max_memory_bytes", r.MaxMemoryBytes, ceiling.MaxMemoryBytes},
		{"max_concurrent_runs", r.MaxConcurrentRuns, int64(ceiling.MaxConcurrentRuns)},
		{"max_api_calls_per_minute", r.MaxAPICallsPerMinute, int64(ceiling.MaxAPICallsPerMinute)},
		{"max_output_size_bytes", r.MaxOutputSizeBytes, ceiling.MaxOutputSizeBytes},
		{"max_cpu_time_ms", r.MaxCPUTimeMS, ceiling.MaxCPUTime.Milliseconds()},
		{"max_log_bytes", r.MaxLogBytes, ceiling.MaxLogBytes},
		{"max_request_body_bytes", r.MaxRequestBodyBytes, ceiling.MaxRequestBodyBytes},
	} {
		if l.value != nil && *l.value > l.ceiling {
			return invalid("body.resource_limits."+l.name, fmt.Sprintf("%d is beyond this server's ceiling of %d", *l.value, l.ceiling))
		}
	}
	return nil
}

func effectiveLimits(l engine.Limits) EffectiveLimits {
	e := EffectiveLimits{
		MaxExecutionTimeMS:   l.MaxExecutionTime.Milliseconds(),
		MaxMemoryBytes:       l.MaxMemoryBytes,
		MaxConcurrentRuns:    int64(l.MaxConcurrentRuns),
		MaxAPICallsPerMinute: int64(l.MaxAPICallsPerMinute),
		MaxOutputSizeBytes:   l.MaxOutputSizeBytes,
		MaxLogBytes:          l.MaxLogBytes,
		MaxRequestBodyBytes:  l.MaxRequestBodyBytes,
	}
	if l.MaxCPUTime > 0 {
		ms := l.MaxCPUTime.Milliseconds()
		e.MaxCPUTimeMS = &ms
	}
	return e
}
