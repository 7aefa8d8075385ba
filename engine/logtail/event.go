package logtail

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

// Kind says what an Event is.
type Kind string

// Kinds of events.
const (
	KindLog     Kind = "log"
	KindStarted Kind = "execution.started" // of an execution that has run for a second
	KindEnded   Kind = "execution.ended"   // of each execution, and of each that was refused
)

// Statuses of events beside those of executions that have ended.
const (
	StatusRunning = string(engine.StatusRunning) // of lines and of KindStarted
	StatusRefused = "refused"                    // it was not run, and is not on record
)

// Event is one line of an execution's log, or the start or end of an execution. Dropped counts the events before it that were left out;
// where they were lost between nodes it counts those of all scripts of the tenant.
type Event struct {
	Kind        Kind      `json:"kind" enum:"log,execution.started,execution.ended"`
	TenantID    uuid.UUID `json:"-"`
	ScriptID    uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName  string    `json:"script_name"`
	ExecutionID uuid.UUID `json:"execution_id" format:"uuid"`
	Seq         int       `json:"seq,omitempty" doc:"A line's number in its log."`
	Level       string    `json:"level" enum:"debug,info,warn,error" doc:"Of an end: error where it failed, warn where it was cancelled or refused."`
	Message     string    `json:"message" doc:"The line; of a start or an end, what happened in one line."`
	At          time.Time `json:"at"`
	Dropped     int       `json:"dropped,omitempty" doc:"Events before this one that were left out."`
	*Execution
}

// Execution is what an event says of an execution that runs or has ended.
type Execution struct {
	Version        int       `json:"version,omitempty"`
	TriggerType    string    `json:"trigger_type,omitempty" enum:"cron,http,event,manual,api"`
	Method         string    `json:"method,omitempty"`
	Path           string    `json:"path,omitempty"`
	EventType      string    `json:"event_type,omitempty"`
	Attempt        int       `json:"attempt,omitempty"`
	Status         string    `json:"status,omitempty" enum:"running,completed,failed,timeout,cancelled,refused"`
	Outcome        string    `json:"outcome,omitempty" doc:"completed, or the error_code."`
	ResponseStatus int       `json:"response_status,omitempty" doc:"The HTTP status that the script answered with."`
	StartedAt      time.Time `json:"started_at,omitzero"`
	DurationMS     *float64  `json:"duration_ms,omitempty" doc:"Of an end: from its begin to its end."`
	ErrorCode      string    `json:"error_code,omitempty"`
	Error          string    `json:"error,omitempty"`
	ErrorStack     string    `json:"error_stack,omitempty" doc:"In places of the script's sources."`
}

// Bounds of an event's texts in bytes: a notification of Postgres has room for one event.
const (
	maxMessage = 2 << 10
	maxError   = 1 << 10
	maxStack   = 3 << 10
	maxPath    = 512
	maxName    = 256
)

// size is about what the event takes in memory and in a notification.
func (e *Event) size() int {
	n := len(e.Message) + lineBytes
	if x := e.Execution; x != nil {
		n += lineBytes + len(x.Path) + len(x.EventType) + len(x.Error) + len(x.ErrorStack)
	}
	return n
}

// shorten leaves out what an event has of long texts: escaped, they take more room than a notification has.
func (e *Event) shorten() {
	e.Message = "(too long to be shown here)"
	if e.Execution != nil {
		x := *e.Execution
		x.Path, x.EventType, x.Error, x.ErrorStack = text.Clip(x.Path, maxName), text.Clip(x.EventType, maxName), "(too long to be shown here)", ""
		e.Execution = &x
	}
}

// facts are what is known of an execution. Strings and input do not change after the Invocation is used again.
type facts struct {
	script      *engine.Script
	id          uuid.UUID
	trigger     engine.Trigger
	handler     engine.Handler
	attempt     int
	method, url string
	input       json.RawMessage
}

func factsOf(inv *engine.Invocation) facts {
	f := facts{script: inv.Script, id: inv.ExecutionID, trigger: inv.Trigger, handler: inv.Handler, attempt: max(inv.Attempt, 1), input: inv.Input}
	if inv.Request != nil {
		f.method, f.url = inv.Request.Method, inv.Request.URL
	}
	return f
}

// event makes an event without level and message, and the words that say which execution it is of.
func (f *facts) event(kind Kind, at time.Time, secrets *redact.Values) (e Event, subject string) {
	x := &Execution{Version: f.script.Version, TriggerType: string(f.trigger), Attempt: f.attempt}
	subject = string(f.trigger)
	switch {
	case f.method != "":
		path := f.url
		if u, err := url.Parse(f.url); err == nil {
			path = u.EscapedPath()
		}
		x.Method, x.Path = text.Clip(f.method, maxName), text.Clip(secrets.Plain(path), maxPath)
		subject = x.Method + " " + x.Path
	case f.handler == engine.HandlerEvent:
		var input struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(f.input, &input) == nil {
			x.EventType = text.Clip(secrets.Plain(input.Type), maxName)
			subject = "event " + x.EventType
		}
	}
	return Event{
		Kind: kind, TenantID: f.script.TenantID, ScriptID: f.script.ID, ScriptName: f.script.Name, ExecutionID: f.id, At: at, Level: "info", Execution: x,
	}, subject
}

func (f *facts) started(secrets *redact.Values) Event {
	e, subject := f.event(KindStarted, time.Now(), secrets)
	e.Status = StatusRunning
	e.Message = subject + " is running"
	return e
}

func (f *facts) ended(res *engine.Result) Event {
	at := res.EndedAt
	if at.IsZero() {
		at = time.Now()
	}
	e, subject := f.event(KindEnded, at, res.Secrets)
	x := e.Execution
	duration := float64(res.Metrics.Duration.Microseconds()) / 1000
	x.Status, x.Outcome, x.StartedAt, x.DurationMS = string(res.Code.Status()), res.Code.Outcome(), res.StartedAt, &duration
	if res.Response != nil {
		x.ResponseStatus = res.Response.Status
		subject = fmt.Sprintf("%s %d", subject, x.ResponseStatus)
	}
	e.Message = fmt.Sprintf("%s %s in %g ms", subject, x.Outcome, duration)
	switch res.Code.Status() {
	case engine.StatusCompleted:
		return e
	case engine.StatusCancelled:
		e.Level = "warn"
	default:
		e.Level = "error"
	}
	e.fail(res.Code, res.Message)
	x.ErrorStack = text.Clip(res.Stack, maxStack)
	return e
}

func (f *facts) refused(err *engine.RefusedError, secrets *redact.Values) Event {
	e, subject := f.event(KindEnded, time.Now(), secrets)
	e.Level, e.Status, e.Outcome = "warn", StatusRefused, string(err.Code)
	e.Message = subject + " refused, " + string(err.Code)
	e.fail(err.Code, err.Detail)
	return e
}

func (e *Event) fail(code engine.Code, message string) {
	e.ErrorCode, e.Error = string(code), text.Clip(message, maxError)
	e.Message = text.Clip(e.Message+": "+e.Error, maxMessage)
}

// Filter says what a watcher sees. The zero value lets everything pass.
type Filter struct {
	// ScriptID is the one script whose events pass; zero: those of all.
	ScriptID uuid.UUID
	// Statuses lists the statuses that pass: lines and starts have StatusRunning, ends the status of the execution, or StatusRefused. Empty: all.
	Statuses []string
	// Level is the least that passes: debug, info, warn or error. Empty: all.
	Level string
	// Text must be in an event's message, error, stack, path, type of event or script's name, in upper or lower case. Empty: all pass.
	Text string
}

// filter is a Filter that is made ready.
type filter struct {
	script   uuid.UUID
	statuses map[string]bool
	level    int
	text     string
}

func (f Filter) ready() filter {
	r := filter{script: f.ScriptID, level: rank(f.Level), text: strings.ToLower(f.Text)}
	for _, s := range f.Statuses {
		if r.statuses == nil {
			r.statuses = map[string]bool{}
		}
		r.statuses[s] = true
	}
	return r
}

func rank(level string) int {
	switch level {
	case "info":
		return 1
	case "warn":
		return 2
	case "error":
		return 3
	default:
		return 0
	}
}

// passes reports whether the event is one that the watcher wants. searched returns what Filter.Text is looked for in.
func (f *filter) passes(e *Event, searched func() string) bool {
	if f.script != uuid.Nil && f.script != e.ScriptID || rank(e.Level) < f.level {
		return false
	}
	if f.statuses != nil {
		status := StatusRunning
		if e.Execution != nil {
			status = e.Status
		}
		if !f.statuses[status] {
			return false
		}
	}
	return f.text == "" || strings.Contains(searched(), f.text)
}

// searched is what Filter.Text is looked for in, in lower case.
func (e *Event) searched() string {
	parts := []string{e.ScriptName, e.Message}
	if x := e.Execution; x != nil {
		parts = append(parts, x.Path, x.EventType, x.Error, x.ErrorStack)
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}
