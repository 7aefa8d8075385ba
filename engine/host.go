package engine

import (
	"context"
	"encoding/json"
	"io"
)

// HostCall is something that a script asked of the node. The caller's identity is in Invocation, which the node made; nothing
// of it comes from the worker.
type HostCall struct {
	Invocation *Invocation
	Method     string // one of package host's Methods, as the worker names it
	Args       json.RawMessage
	Body       []byte
	// BodyStream gives what follows Body when the script streams its upload; nil otherwise.
	BodyStream io.Reader
	// Note is what the Host says of the call for the execution's record, before it returns.
	Note CallNote
}

// HostReply is the node's answer: a JSON payload, and bytes beside it.
type HostReply struct {
	Payload json.RawMessage
	Body    []byte
	// BodyStream is what follows Body, nil if nothing does. The engine reads it with back pressure and closes it.
	BodyStream io.ReadCloser
	// EgressBytes is what the call sent to the outside.
	EgressBytes int64
}

// Host serves host calls. An error that is a *HostError rejects the script's promise with that name and message; any other is
// ours: it is logged, and the script sees "internal error".
type Host interface {
	Call(ctx context.Context, call *HostCall) (*HostReply, error)
}

// HostError is an error that the script may see and catch.
type HostError struct {
	Name       string // the JavaScript error's name: "TypeError", "RateLimitError", "TimeoutError", …
	Message    string
	Code       string // of ours, e.g. "rate_limited"; empty if none
	RetryAfter int64  // milliseconds; 0 if none
	// Fatal, when set, ends the execution with that code (CodeLoopDetected) even if the script catches the error.
	Fatal Code
}

func (e *HostError) Error() string { return e.Name + ": " + e.Message }

// ErrLeaseLost ends the host calls of a queued execution whose lease another node may hold by now.
var ErrLeaseLost = &HostError{Name: "AbortError", Message: "the execution's lease is lost"}
