package admission

import "time"

// Scope says whose limit refuses work.
type Scope uint8

// The scopes of a refusal, from the narrowest to the widest.
const (
	ScopeNone   Scope = iota
	ScopeScript       // another script of the tenant may be served
	ScopeTenant       // another tenant may be served: 429
	ScopeNode         // no tenant is served now: 503
)

// String is the scope's name in metrics and answers.
func (s Scope) String() string {
	switch s {
	case ScopeScript:
		return "script"
	case ScopeTenant:
		return "tenant"
	case ScopeNode:
		return "node"
	default:
		return ""
	}
}

// Reason says what stood between a call and a worker.
type Reason uint8

// The reasons of a Refusal. Each has one scope, but for ReasonConcurrency.
const (
	ReasonConcurrency Reason = iota + 1 // the script, or the tenant, runs as often as it may on this node: Limit
	ReasonShare                         // tenant: it has its fair share of the node's workers, Limit, and waits behind its own calls
	ReasonQueue                         // tenant: it has its part of the node's queue: Limit calls
	ReasonLost                          // tenant: the call lost too many workers before it began: the tenant's other calls ended them
	ReasonLease                         // tenant: its environment could not be read: Err
	ReasonWorkers                       // node: it has no worker for a tenant that has less than its share
	ReasonClosing                       // node: it shuts down
)

// Refusal says why a call got no worker.
type Refusal struct {
	Reason Reason
	Scope  Scope
	Limit  int
	Err    error
	// Wait is when to try again.
	Wait time.Duration
}
