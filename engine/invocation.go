package engine

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/redact"
)

// Script is one version of a script, ready to run. It is immutable and shared.
type Script struct {
	ID             uuid.UUID
	TenantID       uuid.UUID
	TenantSlug     string
	OrganizationID uuid.UUID
	Name           string
	Type           string // scheduled, http, event, oneoff, embedded
	Version        int
	Compiled       string // what the worker runs: see package compile
	SourceMap      string // of Compiled, as package compile gives it; empty if there is none
	Handlers       []string
	Limits         Limits
	History        *History // nil: everything is kept
	// Egress is where it may send data, within what the operator allows. nil: wherever the operator does.
	Egress *egress.Policy
	// Place names what a worker loads, so that versions of one script live beside each other; zero: ID, which is the live version's. All versions
	// share the script's limits of concurrency.
	Place uuid.UUID
	// KVNamespaces are names of env that are namespaces of kv: the prefix of each one's keys.
	KVNamespaces map[string]string
	// Deployment rolls this version out to a share of executions, and counts them; zero: none does.
	Deployment uuid.UUID
	// QuarantinedUntil is until when no node runs this version, because it killed workers; zero: it may run.
	QuarantinedUntil time.Time
}

// History says what is kept of a script's executions. Usage is counted in any case. The zero value keeps everything.
type History struct {
	// Store is HistoryAll, HistoryErrors or HistoryNone; empty means HistoryAll.
	Store string
	// Sample is the share of completed executions that is kept, above 0 and at most 1; 0 means 1. Others than completed are all kept.
	Sample float64
	// NoBodies leaves out input and output.
	NoBodies bool
	// Redact are members of input and output that are masked: see redact.ParsePath.
	Redact []redact.Path
	// Calls says which host calls are kept with an execution that is kept; empty means CallsAll.
	Calls string
}

// What History.Calls may be.
const (
	CallsAll    = "all"    // without bodies
	CallsBodies = "bodies" // fetches with what they sent and got, unless NoBodies
	CallsNone   = "none"
)

// KeepsCalls reports whether host calls are kept with executions that are.
func (h *History) KeepsCalls() bool {
	return h == nil || h.Calls != CallsNone && h.Store != HistoryNone
}

// KeepsCallBodies reports whether fetches are kept with their bodies.
func (h *History) KeepsCallBodies() bool {
	return h != nil && h.Calls == CallsBodies && !h.NoBodies && h.Store != HistoryNone
}

// What History.Store may be.
const (
	HistoryAll    = "all"
	HistoryErrors = "errors" // failed and timeout
	HistoryNone   = "none"
)

// Keeps reports whether an execution that ended with code is kept. The same id is always answered alike.
func (h *History) Keeps(executionID uuid.UUID, code Code) bool {
	switch {
	case h == nil:
		return true
	case h.Store == HistoryNone:
		return false
	case h.Store == HistoryErrors:
		return code.Status() == StatusFailed || code.Status() == StatusTimeout
	case code != CodeNone:
		return true
	case h.Sample > 0 && h.Sample < 1:
		// The last bytes of a UUID are random.
		return float64(binary.BigEndian.Uint32(executionID[12:])) < h.Sample*(1<<32)
	}
	return true
}

// Rules are what is masked in the execution's input (of: "input") or output ("output").
func (h *History) Rules(of string, secrets *redact.Values) redact.Rules {
	rules := redact.Rules{Values: secrets}
	if h != nil {
		for _, path := range h.Redact {
			if path[0] == of {
				rules.Paths = append(rules.Paths, path[1:])
			}
		}
	}
	return rules
}

// Changes reports whether input or output may be kept otherwise than they were.
func (h *History) Changes() bool { return h != nil && (h.NoBodies || len(h.Redact) > 0) }

// Bodies reports whether input and output are kept.
func (h *History) Bodies() bool { return h == nil || !h.NoBodies }

// Trigger says why an execution runs, as the data model names it.
type Trigger string

// Triggers.
const (
	TriggerCron   Trigger = "cron"
	TriggerHTTP   Trigger = "http"
	TriggerEvent  Trigger = "event"
	TriggerManual Trigger = "manual"
	TriggerAPI    Trigger = "api"
)

// Handler is the function of the script's default export that is called.
type Handler string

// Handlers.
const (
	HandlerFetch     Handler = "fetch"
	HandlerScheduled Handler = "scheduled"
	HandlerEvent     Handler = "event"
	HandlerRun       Handler = "run"

	handlerLoad Handler = "load" // none: see Engine.TryLoad
)

// HandlerOf returns the handler that a script's type requires.
func HandlerOf(scriptType string) Handler {
	switch scriptType {
	case "http":
		return HandlerFetch
	case "scheduled":
		return HandlerScheduled
	case "event":
		return HandlerEvent
	default:
		return HandlerRun
	}
}

// Invocation is one request to run a script.
type Invocation struct {
	ExecutionID uuid.UUID
	Script      *Script
	Trigger     Trigger
	Handler     Handler
	Attempt     int // 1 for the first
	Depth       int // of the chain of events and invocations that led here
	ParentID    uuid.UUID
	QueuedAt    time.Time
	TraceParent string // W3C trace context of the caller: valid, or empty if there is none
	TraceState  string // belongs to TraceParent; at most 512 bytes

	// Request is what a fetch handler gets; Input (JSON) what the others get.
	Request *Request
	Input   json.RawMessage

	// Response, when set, gets a streamed response's head and chunks while the script still runs. A response that was complete
	// at once is in the Result either way.
	Response ResponseSink
	// Lines, when set, sees log lines as they come.
	Lines LineWatcher
	// OnEnd, when set, lets Execute return once the answer is whole while work goes on that the script registered by waitUntil: the
	// Result of Execute has GoesOn then, and OnEnd gets the final one, once, from another goroutine or before Execute returns. Until
	// OnEnd has returned the Invocation must not change. A ctx that ends after Execute has returned changes nothing.
	OnEnd func(inv *Invocation, res *Result)
	// OnBegin, when set, is called once, when the worker is about to begin the execution.
	OnBegin func()
	// Live, when set, is asked before each host call: false means that another node may have the execution by now, and that nothing
	// it asks for may be done.
	Live func() bool
	// Host, when set, serves this execution's host calls in place of the engine's.
	Host Host
	// Unlisted executions are no part of the history: they have no row, not even while they run. Their usage counts.
	Unlisted bool
	// Lease is the token under which an execution of the queue runs; zero: it is not of the queue. Host calls write for it while the
	// database has the execution under this token.
	Lease uuid.UUID
}

// Request is an HTTP request as the script sees it.
type Request struct {
	Method  string
	URL     string            // absolute; its path is what follows /t/{slug}
	Params  map[string]string // of the endpoint's pattern
	Headers []string          // name (lower case), value, name, value, …
	Body    []byte
	HasBody bool
	// Auth is ctx.auth, a JSON object: what the endpoint's auth knows of the request, without credentials. nil: nothing.
	Auth json.RawMessage
}

// Response is what a fetch handler answered, cleaned of what no client may get.
type Response struct {
	Status  int
	Headers []string // name, value, name, value, …
	Body    []byte
}

// ResponseSink receives a streamed response. Both methods are called from one goroutine, before Execute returns. An error cancels the
// execution; ErrClientGone does so as a ctx that ends does.
type ResponseSink interface {
	Head(status int, headers []string) error
	Write(chunk []byte) error
}

// LogLine is one line of an execution's log.
type LogLine struct {
	Seq     int
	Level   string // debug, info, warn, error
	Message string
	At      time.Time
}

// LineWatcher sees log lines as they come.
type LineWatcher interface {
	// Wants is asked about each line, with the execution's lock held: it says at once whether the line is worth a call of Line.
	Wants(inv *Invocation) bool
	// Line gets the lines in their order, one at a time, from the goroutine that delivers the response. It must not wait.
	Line(inv *Invocation, line LogLine)
}

// Metrics are what an execution cost.
type Metrics struct {
	Duration        time.Duration // from the worker's begin to the end
	Response        time.Duration // from the worker's begin until the answer was whole; 0: there was none
	CPU             time.Duration // of the worker process during the execution
	Queue           time.Duration // from QueuedAt to the begin
	ColdStart       bool          // the isolate was made for this execution
	PeakMemoryBytes int64
	APICalls        int
	OutputBytes     int64
	LogBytes        int64
	EgressBytes     int64 // response body, plus what fetch sent
}

// Result says how an execution ended. Failures of the script are results, not errors.
type Result struct {
	Code      Code
	Message   string // bounded (8 KiB); names limit, value and observed where a limit bit
	Stack     string // of the author's sources, as the worker mapped it; bounded (16 KiB)
	NoRetry   bool   // the script threw NonRetryableError
	Output    json.RawMessage
	Response  *Response // fetch only
	Answered  int       // the HTTP status that the client of a request got, as its caller sets it; 0: no client waited
	Streamed  bool      // the response went through Invocation.Response
	GoesOn    bool      // this is the answer, and Invocation.OnEnd gets the ending; Metrics and Logs are there
	Metrics   Metrics
	Logs      []LogLine
	Calls     []Call // the first MaxCalls host calls, where the script's history keeps any; with GoesOn there are none yet
	Began     bool   // false: the script's code never ran, so that running it elsewhere repeats nothing
	StartedAt time.Time
	EndedAt   time.Time
	// Secrets are what is known of the tenant's secrets: Message, Stack and Logs are masked already, Output and Response are not, since
	// their caller gets them as they are. Whatever keeps or shows these masks them.
	Secrets *redact.Values
}

// HTTPStatus is the status of the answer to a request: what its client got, or what the script gave where no client waited. 0: there was none.
func (r *Result) HTTPStatus() int {
	if r.Answered == 0 && r.Response != nil {
		return r.Response.Status
	}
	return r.Answered
}

// Executor runs invocations. *Engine is one; tests have others.
type Executor interface {
	// Execute runs inv to its end, or to its answer where inv.OnEnd is set. It returns an error only where the execution was not
	// accepted: *RefusedError, or ctx's error before it was begun. A ctx that ends later cancels the execution, and the Result says so
	// (CodeCancelled, with the message of context.Cause): its script is told and may clean up for a second, unless the cause is made
	// by WithoutGrace. Where the ctx was cancelled without a cause, or by ErrClientGone, the client has left: work of waitUntil goes on then.
	Execute(ctx context.Context, inv *Invocation) (*Result, error)
}

// Scope says whose limit or want of room refused an execution.
type Scope string

// The scopes of a RefusedError.
const (
	ScopeScript Scope = "script"
	ScopeTenant Scope = "tenant" // another tenant's execution may be accepted at the same moment
	ScopeNode   Scope = "node"
	ScopeLedger Scope = "ledger" // the history has no room
)

// ErrClientGone is the cause of a cancellation because the client has left.
var ErrClientGone = errors.New("client disconnected")

// WithoutGrace makes err a cause that ends an execution at once: its script is not told, and nothing more of it runs.
func WithoutGrace(err error) error { return &withoutGrace{err} }

type withoutGrace struct{ error }

func (e *withoutGrace) Unwrap() error { return e.error }

// RefusedError says that an execution was not accepted, and when to try again.
type RefusedError struct {
	Code       Code // CodeOverloaded, CodeConcurrencyLimit, CodeQuotaExceeded, CodeQuarantined
	Scope      Scope
	Limit      int
	RetryAfter time.Duration
	Detail     string
}

func (e *RefusedError) Error() string { return string(e.Code) + ": " + e.Detail }
