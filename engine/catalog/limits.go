package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/text"
)

// LimitError says what is wrong with one limit.
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

// Level is who decided a limit's value.
type Level string

// Levels, from the most general on. A value is the script's own, else the plan's default, else the operator's; and no more than the plan's
// ceiling and the operator's, which is then who decided it.
const (
	LevelDefault Level = "default" // --limit-default, or what is built in
	LevelCeiling Level = "ceiling" // --limit-ceiling, or what is built in
	LevelPlan    Level = "plan"    // the tenant's plan.limits
	LevelScript  Level = "script"  // the script's resource_limits
)

// Bounds are the operator's defaults and ceilings, for all tenants of a node.
type Bounds struct{ Default, Ceiling engine.Limits }

// BuiltIn are the bounds of a node without --limit-default and --limit-ceiling.
func BuiltIn() Bounds {
	return Bounds{Default: engine.DefaultLimits(), Ceiling: engine.CeilingLimits()}
}

// orBuiltIn replaces the zero value.
func (b Bounds) orBuiltIn() Bounds {
	if b == (Bounds{}) {
		return BuiltIn()
	}
	return b
}

// PlanLimit is what a tenant's plan says of one limit.
type PlanLimit struct {
	Default *int64 `json:"default"` // nil: the operator's
	Ceiling *int64 `json:"ceiling"` // nil: the operator's
}

// UnmarshalJSON takes a bare number for the ceiling.
func (p *PlanLimit) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] != '{' {
		n, ok := wholeNumber(json.Number(b))
		if !ok {
			return fmt.Errorf("%s is no whole number", b)
		}
		*p = PlanLimit{Ceiling: &n}
		return nil
	}
	type plain PlanLimit
	return json.Unmarshal(b, (*plain)(p))
}

func (p PlanLimit) equal(o PlanLimit) bool {
	same := func(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(p.Default, o.Default) && same(p.Ceiling, o.Ceiling)
}

// PlanLimits are a tenant's plan.limits, by name.
type PlanLimits map[string]PlanLimit

// Check says what is wrong with a plan's limits under the operator's bounds. Its fields are NAME, NAME.default or NAME.ceiling.
func (p PlanLimits) Check(b Bounds) LimitErrors {
	b = b.orBuiltIn()
	var problems LimitErrors
	table := engine.LimitTable()
	for _, name := range slices.Sorted(maps.Keys(p)) {
		at := slices.IndexFunc(table, func(l engine.Limit) bool { return l.Name == name })
		if at < 0 {
			problems = append(problems, unknownLimit(name, nil))
			continue
		}
		l, own := table[at], p[name]
		top, whose := l.Of(b.Ceiling), "the operator's ceiling"
		for _, given := range []struct {
			field string
			value *int64
		}{{".ceiling", own.Ceiling}, {".default", own.Default}} {
			switch {
			case given.value == nil:
				continue
			case *given.value < l.Min:
				problems = append(problems, &LimitError{Field: name + given.field, Value: *given.value, Message: fmt.Sprintf("must be at least %d", l.Min)})
			case *given.value > top:
				problems = append(problems, &LimitError{Field: name + given.field, Value: *given.value, Message: fmt.Sprintf("must be at most %d, %s", top, whose)})
			}
			if given.field == ".ceiling" {
				top, whose = min(top, *given.value), "the plan's own ceiling"
			}
		}
	}
	return problems
}

// EffectiveLimits are the limits that a script runs with, and who decided them.
type EffectiveLimits struct {
	Limits   engine.Limits
	Levels   map[string]Level // of each limit, by name
	Ceilings engine.Limits    // the most that its author may ask for
	// CeilingLevels say whose ceiling that is: LevelCeiling or LevelPlan.
	CeilingLevels map[string]Level
}

// Effective resolves a script's resource_limits within the plan of its tenant and the operator's bounds. A value beyond a ceiling, which was
// lowered since, is cut to it. What cannot be read is as absent, and among the errors, which are those of an author who asks for it now.
func (b Bounds) Effective(plan PlanLimits, resourceLimits json.RawMessage) (EffectiveLimits, LimitErrors) {
	b = b.orBuiltIn()
	table := engine.LimitTable()
	out := EffectiveLimits{Levels: make(map[string]Level, len(table)), CeilingLevels: make(map[string]Level, len(table))}
	asked, problems := askedLimits(resourceLimits, table)
	for _, l := range table {
		ceiling, whose := l.Of(b.Ceiling), LevelCeiling
		own := plan[l.Name]
		if own.Ceiling != nil && *own.Ceiling <= ceiling {
			ceiling, whose = *own.Ceiling, LevelPlan
		}
		value, level := l.Of(b.Default), LevelDefault
		if own.Default != nil {
			value, level = *own.Default, LevelPlan
		}
		if v, ok := asked[l.Name]; ok {
			if value, level = v, LevelScript; v > ceiling {
				problems = append(problems, &LimitError{Field: l.Name, Value: v, Message: fmt.Sprintf("must be at most %d, %s", ceiling, ceilingOf(whose))})
			}
		}
		// No limit at all is more than a ceiling that is set.
		if value > ceiling || value == 0 && l.Optional && (whose == LevelPlan || ceiling != l.Ceiling) {
			value, level = ceiling, whose
		}
		l.Set(&out.Limits, value)
		l.Set(&out.Ceilings, ceiling)
		out.Levels[l.Name], out.CeilingLevels[l.Name] = level, whose
	}
	slices.SortStableFunc(problems, func(a, b *LimitError) int { return strings.Compare(a.Field, b.Field) })
	return out, problems
}

// Limits are those of Effective.
func (b Bounds) Limits(plan PlanLimits, resourceLimits json.RawMessage) engine.Limits {
	effective, _ := b.Effective(plan, resourceLimits)
	return effective.Limits
}

func ceilingOf(whose Level) string {
	if whose == LevelPlan {
		return "the ceiling of the tenant's plan"
	}
	return "the operator's ceiling"
}

func unknownLimit(name string, value any) *LimitError {
	e := &LimitError{Field: name, Value: value, Message: "is not a limit"}
	if near := text.Nearest(name, engine.LimitNames()); near != "" {
		e.Message += "; did you mean " + near + "?"
	}
	return e
}

// askedLimits reads resource_limits: the values that are whole numbers and not below the least.
func askedLimits(raw json.RawMessage, table []engine.Limit) (map[string]int64, LimitErrors) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var given map[string]any
	if err := decoder.Decode(&given); err != nil {
		return nil, LimitErrors{{Value: string(raw), Message: "must be an object of whole numbers"}}
	}
	asked := make(map[string]int64, len(given))
	var problems LimitErrors
	for name, value := range given {
		if value == nil {
			continue
		}
		at := slices.IndexFunc(table, func(l engine.Limit) bool { return l.Name == name })
		if at < 0 {
			problems = append(problems, unknownLimit(name, value))
			continue
		}
		switch n, ok := wholeNumber(value); {
		case !ok:
			problems = append(problems, &LimitError{Field: name, Value: value, Message: "must be a whole number"})
		case n < table[at].Min:
			problems = append(problems, &LimitError{Field: name, Value: value, Message: fmt.Sprintf("must be at least %d", table[at].Min)})
		default:
			asked[name] = n
		}
	}
	return asked, problems
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

// ParseBounds reads --limit-default and --limit-ceiling, each a list of NAME=VALUE. An error begins with the flag's name.
func ParseBounds(defaults, ceilings []string) (Bounds, error) {
	b := BuiltIn()
	setDefault, err := parseLimits("limit-default", defaults, &b.Default)
	if err != nil {
		return b, err
	}
	if _, err := parseLimits("limit-ceiling", ceilings, &b.Ceiling); err != nil {
		return b, err
	}
	for _, l := range engine.LimitTable() {
		ceiling := l.Of(b.Ceiling)
		switch v := l.Of(b.Default); {
		case v <= ceiling:
		case setDefault[l.Name]:
			return b, fmt.Errorf("limit-default: %s=%d is more than the ceiling of %d; raise it with --limit-ceiling %s=%d", l.Name, v, ceiling, l.Name, v)
		default:
			l.Set(&b.Default, ceiling)
		}
	}
	return b, nil
}

func parseLimits(flag string, list []string, into *engine.Limits) (map[string]bool, error) {
	given := map[string]bool{}
	table := engine.LimitTable()
	for _, item := range list {
		name, value, found := strings.Cut(strings.TrimSpace(item), "=")
		name = strings.TrimSpace(name)
		if !found {
			return nil, fmt.Errorf("%s: %q is not NAME=VALUE, such as max_memory_bytes=134217728", flag, item)
		}
		at := slices.IndexFunc(table, func(l engine.Limit) bool { return l.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("%s: %s %s", flag, name, unknownLimit(name, nil).Message)
		}
		l := table[at]
		n, ok := wholeNumber(json.Number(strings.TrimSpace(value)))
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: %s=%s: must be a whole number", flag, name, value)
		case n < l.Min || n > l.Most:
			return nil, fmt.Errorf("%s: %s=%d: must be from %d to %d", flag, name, n, l.Min, l.Most)
		case given[name]:
			return nil, fmt.Errorf("%s: %s is given twice", flag, name)
		}
		given[name] = true
		l.Set(into, n)
	}
	return given, nil
}
