package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"jsruntime/engine"
)

// LimitError says what is wrong with one field of a script's resource_limits.
type LimitError struct {
	Field   string // max_memory_bytes, …; empty: the whole is no object
	Value   any    // as it was given
	Message string // names the bound that was passed
}

func (e *LimitError) Error() string {
	if e.Field == "" {
		return "resource_limits: " + e.Message
	}
	return "resource_limits." + e.Field + ": " + e.Message
}

// LimitErrors are all that is wrong with a script's resource_limits, in the order of their names.
type LimitErrors []*LimitError

func (e LimitErrors) Error() string {
	messages := make([]string, len(e))
	for i, one := range e {
		messages[i] = one.Error()
	}
	return strings.Join(messages, "; ")
}

// limitField is one name of resource_limits.
type limitField struct {
	name string
	min  int64
	get  func(*engine.Limits) int64
	set  func(*engine.Limits, int64)
}

func millis(d *time.Duration) (int64, func(int64)) {
	return d.Milliseconds(), func(v int64) { *d = time.Duration(v) * time.Millisecond }
}

// limitFields lists all limits in the order in which the API shows them.
func limitFields() []limitField {
	return []limitField{
		{"max_execution_time_ms", 1, func(l *engine.Limits) int64 { v, _ := millis(&l.MaxExecutionTime); return v },
			func(l *engine.Limits, v int64) { _, set := millis(&l.MaxExecutionTime); set(v) }},
		{"max_memory_bytes", engine.MinMemoryBytes, func(l *engine.Limits) int64 { return l.MaxMemoryBytes },
			func(l *engine.Limits, v int64) { l.MaxMemoryBytes = v }},
		{"max_concurrent_runs", 1, func(l *engine.Limits) int64 { return int64(l.MaxConcurrentRuns) },
			func(l *engine.Limits, v int64) { l.MaxConcurrentRuns = int(v) }},
		{"max_api_calls_per_minute", 0, func(l *engine.Limits) int64 { return int64(l.MaxAPICallsPerMinute) },
			func(l *engine.Limits, v int64) { l.MaxAPICallsPerMinute = int(v) }},
		{"max_output_size_bytes", 1, func(l *engine.Limits) int64 { return l.MaxOutputSizeBytes },
			func(l *engine.Limits, v int64) { l.MaxOutputSizeBytes = v }},
		{"max_cpu_time_ms", 0, func(l *engine.Limits) int64 { v, _ := millis(&l.MaxCPUTime); return v },
			func(l *engine.Limits, v int64) { _, set := millis(&l.MaxCPUTime); set(v) }},
		{"max_log_bytes", 0, func(l *engine.Limits) int64 { return l.MaxLogBytes },
			func(l *engine.Limits, v int64) { l.MaxLogBytes = v }},
		{"max_request_body_bytes", 0, func(l *engine.Limits) int64 { return l.MaxRequestBodyBytes },
			func(l *engine.Limits, v int64) { l.MaxRequestBodyBytes = v }},
	}
}

// LimitsFromJSON reads a script's resource_limits, which may be partial: what is absent or null has its default, or the
// ceiling where that is lower. Names that do not exist, values that are no whole numbers, and values outside of the least
// possible and the operator's ceiling are a LimitErrors.
func LimitsFromJSON(raw json.RawMessage, ceiling engine.Limits) (engine.Limits, error) {
	limits, problems := readLimits(raw, ceiling)
	if len(problems) > 0 {
		return limits, problems
	}
	return limits, nil
}

// EffectiveLimits are the limits that a stored script runs with: as LimitsFromJSON, with values beyond a ceiling that the
// operator has lowered since cut to it, and what cannot be read at its default.
func EffectiveLimits(raw json.RawMessage, ceiling engine.Limits) engine.Limits {
	limits, _ := readLimits(raw, ceiling)
	return limits
}

// LimitsJSON shows limits under their names in resource_limits, as the API does. max_cpu_time_ms is left out where there is
// none.
func LimitsJSON(limits engine.Limits) map[string]int64 {
	shown := make(map[string]int64)
	for _, f := range limitFields() {
		if v := f.get(&limits); v != 0 || f.name != "max_cpu_time_ms" {
			shown[f.name] = v
		}
	}
	return shown
}

func readLimits(raw json.RawMessage, ceiling engine.Limits) (engine.Limits, LimitErrors) {
	limits := engine.DefaultLimits()
	fields := limitFields()
	for _, f := range fields {
		if top := f.get(&ceiling); f.get(&limits) > top {
			f.set(&limits, top)
		}
	}
	if len(raw) == 0 || string(raw) == "null" {
		return limits, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var given map[string]any
	if err := decoder.Decode(&given); err != nil {
		return limits, LimitErrors{{Value: string(raw), Message: "must be an object of whole numbers"}}
	}
	var problems LimitErrors
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if value == nil {
			continue
		}
		at := slices.IndexFunc(fields, func(f limitField) bool { return f.name == name })
		if at < 0 {
			problems = append(problems, &LimitError{Field: name, Value: value, Message: "is not a limit"})
			continue
		}
		f, top := fields[at], fields[at].get(&ceiling)
		n, ok := wholeNumber(value)
		switch {
		case !ok:
			problems = append(problems, &LimitError{Field: name, Value: value, Message: "must be a whole number"})
		case n < f.min:
			problems = append(problems, &LimitError{Field: name, Value: value, Message: fmt.Sprintf("must be at least %d", f.min)})
		case n > top:
			problems = append(problems, &LimitError{Field: name, Value: value, Message: fmt.Sprintf("must be at most %d, the operator's ceiling", top)})
			f.set(&limits, top)
		default:
			f.set(&limits, n)
		}
	}
	return limits, problems
}

// wholeNumber reads a JSON number, 5.0 and 1e3 included, as JavaScript writes them.
func wholeNumber(value any) (int64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	if n, err := number.Int64(); err == nil {
		return n, true
	}
	f, err := number.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}
