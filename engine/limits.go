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

// MinMemoryBytes is the least max_memory_bytes: below it V8 does not start an isolate.
const MinMemoryBytes = 8 << 20

// Limit is one limit of Limits, with all that is said of it anywhere: the schema of the API, the operator's flags, tenants' plans,
// ctx.limits, the types of scripts and the documents loop over LimitTable.
type Limit struct {
	Name string // everywhere; its unit is in the name
	Min  int64  // the least that may be set
	// Default is what a script has whose author asks for nothing, unless the operator says otherwise. 0 of a limit that is Optional: none.
	Default int64
	Ceiling int64 // the most that an author may ask for, unless the operator says otherwise
	Most    int64 // the most that the operator may make the ceiling
	// Optional limits may be absent: 0 is no limit.
	Optional   bool
	Doc        string // one sentence
	EnforcedBy string // what happens where it is reached

	field func(*Limits) (get func() int64, set func(int64))
}

// Of is the limit's value.
func (l Limit) Of(limits Limits) int64 {
	get, _ := l.field(&limits)
	return get()
}

// Set sets the limit's value.
func (l Limit) Set(limits *Limits, v int64) {
	_, set := l.field(limits)
	set(v)
}

// number makes Limit.field of a field of Limits.
func number[T ~int | ~int64](field func(*Limits) *T) func(*Limits) (func() int64, func(int64)) {
	return func(l *Limits) (func() int64, func(int64)) {
		at := field(l)
		return func() int64 { return int64(*at) }, func(v int64) { *at = T(v) }
	}
}

// milliseconds is number of a time, in milliseconds.
func milliseconds(field func(*Limits) *time.Duration) func(*Limits) (func() int64, func(int64)) {
	return func(l *Limits) (func() int64, func(int64)) {
		at := field(l)
		return at.Milliseconds, func(v int64) { *at = time.Duration(v) * time.Millisecond }
	}
}

// LimitTable is the one list of limits, in the order in which they are shown.
func LimitTable() []Limit {
	const quarter, day = int64(15 * time.Minute / time.Millisecond), int64(24 * time.Hour / time.Millisecond)
	return []Limit{
		{
			Name: "max_execution_time_ms", Min: 1, Default: 30_000, Ceiling: quarter, Most: day,
			Doc: "Wall time of one execution.", EnforcedBy: "the node's timer: terminate, then after 250 ms SIGKILL",
			field: milliseconds(func(l *Limits) *time.Duration { return &l.MaxExecutionTime }),
		},
		{
			Name: "max_memory_bytes", Min: MinMemoryBytes, Default: 64 << 20, Ceiling: 512 << 20, Most: 16 << 30,
			Doc: "Memory of one execution.", EnforcedBy: "V8's heap limit, and RLIMIT_DATA for what V8 does not count",
			field: number(func(l *Limits) *int64 { return &l.MaxMemoryBytes }),
		},
		{
			Name: "max_concurrent_runs", Min: 1, Default: 5, Ceiling: 1000, Most: 1_000_000,
			Doc: "Executions of the script at one time, over all nodes.", EnforcedBy: "across nodes; queued work waits, HTTP gets 429",
			field: number(func(l *Limits) *int { return &l.MaxConcurrentRuns }),
		},
		{
			Name: "max_api_calls_per_minute", Min: 0, Default: 60, Ceiling: 100_000, Most: 1_000_000_000,
			Doc: "Host calls (fetch, kv, events, scripts) of the script a minute, over all nodes.", EnforcedBy: "across nodes: fetch, kv, events and scripts together; a catchable error",
			field: number(func(l *Limits) *int { return &l.MaxAPICallsPerMinute }),
		},
		{
			Name: "max_output_size_bytes", Min: 1, Default: 1 << 20, Ceiling: 16 << 20, Most: 1 << 30,
			Doc: "Size of the output or of the response's body.", EnforcedBy: "the worker, and the node again",
			field: number(func(l *Limits) *int64 { return &l.MaxOutputSizeBytes }),
		},
		{
			Name: "max_cpu_time_ms", Min: 1, Ceiling: quarter, Most: day, Optional: true,
			Doc: "CPU time of one execution; none of its own by default.", EnforcedBy: "the worker's CPU time in the execution",
			field: milliseconds(func(l *Limits) *time.Duration { return &l.MaxCPUTime }),
		},
		{
			Name: "max_log_bytes", Min: 0, Default: 64 << 10, Ceiling: 1 << 20, Most: 1 << 30,
			Doc: "Log of one execution; what is over it is cut.", EnforcedBy: "then truncated with a mark",
			field: number(func(l *Limits) *int64 { return &l.MaxLogBytes }),
		},
		{
			Name: "max_request_body_bytes", Min: 0, Default: 1 << 20, Ceiling: 16 << 20, Most: 1 << 30,
			Doc: "Body of a request to the script's endpoint, and any other input.", EnforcedBy: "413",
			field: number(func(l *Limits) *int64 { return &l.MaxRequestBodyBytes }),
		},
	}
}

// DefaultLimits are the defaults of the table.
func DefaultLimits() Limits {
	var limits Limits
	for _, l := range LimitTable() {
		l.Set(&limits, l.Default)
	}
	return limits
}

// CeilingLimits are the ceilings of the table.
func CeilingLimits() Limits {
	var limits Limits
	for _, l := range LimitTable() {
		l.Set(&limits, l.Ceiling)
	}
	return limits
}

// LimitNames are the names of the table.
func LimitNames() []string {
	var names []string
	for _, l := range LimitTable() {
		names = append(names, l.Name)
	}
	return names
}
