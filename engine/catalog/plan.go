package catalog

import (
	"encoding/json"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/redact"
)

// Plan is what a tenant may use, as tenants.plan has it. nil fields have the operator's defaults.
type Plan struct {
	MaxScripts        *int64     `json:"max_scripts"`
	MaxConcurrentRuns *int64     `json:"max_concurrent_runs"` // of all its scripts, over all nodes
	Weight            *int64     `json:"weight"`              // its share of a node's workers beside other tenants'; nil means 1
	MaxQueueDepth     *int64     `json:"max_queue_depth"`     // executions that wait
	MaxKVBytes        *int64     `json:"max_kv_bytes"`
	MaxHistoryBytes   *int64     `json:"max_history_bytes"` // of all tables but kv
	Retention         *Retention `json:"retention"`
	// Limits are defaults and ceilings of its scripts' limits, within the operator's.
	Limits PlanLimits `json:"limits"`
	// Quotas are what it may use in a day or month.
	Quotas Quotas `json:"quotas"`
	// Egress is where its scripts may send data, within what the operator allows; as egress.Parse reads it.
	Egress json.RawMessage `json:"egress"`
	// JIT is how far V8 compiles its scripts, where that is less than on the node.
	JIT *string `json:"jit"`
}

// Retention is how long history is kept, in days.
type Retention struct {
	ExecutionsDays *float64 `json:"executions_days"`
	FailedDays     *float64 `json:"failed_days"`
	LogsDays       *float64 `json:"logs_days"`
}

// PlanOf reads a stored plan. The API lets only valid ones in; of another nothing is taken.
func PlanOf(stored json.RawMessage) Plan {
	var plan Plan
	if json.Unmarshal(stored, &plan) != nil {
		return Plan{}
	}
	return plan
}

// KVNamespacesOf reads a stored scripts.kv_namespaces: the prefix of each name.
func KVNamespacesOf(stored json.RawMessage) map[string]string {
	var given map[string]*struct {
		Prefix *string `json:"prefix"`
	}
	if len(stored) <= 2 || json.Unmarshal(stored, &given) != nil {
		return nil
	}
	out := map[string]string{}
	for name, namespace := range given {
		switch {
		case namespace == nil:
		case namespace.Prefix == nil:
			out[name] = name + "/"
		default:
			out[name] = *namespace.Prefix
		}
	}
	return out
}

func (p *Plan) egress() *egress.List { return EgressOf(p.Egress) }

// EgressOf reads a stored egress. Of one that cannot be read, which the API lets not in, nothing is allowed: it may have been meant as a lock.
func EgressOf(stored json.RawMessage) *egress.List {
	list, err := egress.Parse(stored)
	if err != nil {
		return egress.Closed()
	}
	return list
}

// HistoryOf reads a stored scripts.history. nil: everything is kept.
func HistoryOf(stored json.RawMessage) *engine.History {
	var given struct {
		Store  string   `json:"store"`
		Sample *float64 `json:"sample"`
		Bodies *bool    `json:"bodies"`
		Redact []string `json:"redact"`
		Calls  string   `json:"calls"`
	}
	if len(stored) <= 2 || json.Unmarshal(stored, &given) != nil {
		return nil
	}
	history := &engine.History{Store: given.Store, NoBodies: given.Bodies != nil && !*given.Bodies, Calls: given.Calls}
	if given.Sample != nil {
		if history.Sample = *given.Sample; history.Sample == 0 && history.Store != engine.HistoryNone {
			history.Store = engine.HistoryErrors
		}
	}
	for _, text := range given.Redact {
		if path, ok := redact.ParsePath(text); ok {
			history.Redact = append(history.Redact, path)
		}
	}
	return history
}

// Quotas are what a tenant may use in a period, by name: see QuotaNames.
type Quotas map[string]Quota

// Quota bounds what is used in a period. Over Soft the tenant is warned, from Hard on nothing of it begins.
type Quota struct {
	Per  string   `json:"per"`
	Soft *float64 `json:"soft"` // nil: none
	Hard *float64 `json:"hard"` // nil: none
}

// Periods of quotas, in UTC.
const (
	PerDay   = "day"
	PerMonth = "month"
)

// Names of quotas.
const (
	QuotaExecutions = "executions"
	QuotaCPU        = "cpu_ms"
	QuotaEgress     = "egress_bytes"
)

// QuotaNames are the names of all quotas, in the order in which they are judged.
func QuotaNames() []string { return []string{QuotaExecutions, QuotaCPU, QuotaEgress} }
