package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

// Bounds of the calls that one execution keeps. Calls beyond them are made all the same, and counted in Metrics.APICalls.
const (
	// MaxCalls is how many calls are kept, the first ones.
	MaxCalls = 250
	// MaxCallsBytes bounds their targets and errors together.
	MaxCallsBytes = 64 << 10
	// MaxCallTarget and MaxCallError bound one target and one error, in bytes.
	MaxCallTarget = 1 << 10
	MaxCallError  = 500
	// MaxCallBody bounds one body that is kept, and MaxCallBodies those of one execution together. A longer one is left out.
	MaxCallBody   = 64 << 10
	MaxCallBodies = 512 << 10
)

// Kinds of calls.
const (
	CallFetch   = "fetch"
	CallKV      = "kv"
	CallEvents  = "events"
	CallScripts = "scripts"
)

// Call is a host call as the history keeps it. Target and Error are masked and cut; bodies are as they were.
type Call struct {
	Seq           int    // from 0, in the order in which the calls began
	Kind          string // CallFetch, …
	Operation     string // a fetch's method; "get", "put", "publish", "invoke", …
	Target        string // a URL; a key or prefix of kv; an event's type; a script's name
	Status        int    // of a fetch's answer; 0: there was none
	StartedAt     time.Time
	Duration      time.Duration // until the answer was whole
	RequestBytes  int64         // of a fetch's body; of any other call's arguments as JSON
	ResponseBytes int64
	Error         string // what the script was told; empty: the call went well
	ErrorCode     string
	Bodies        *CallBodies // nil: they are not kept

	done bool // it was answered
}

// CallBodies are what a fetch sent and got, so that it can be answered from the record.
type CallBodies struct {
	RequestType string // the media type of Request
	Request     []byte
	Response    json.RawMessage // as fetch answers the worker: {status, statusText, headers, url, redirected, hasBody}
	Body        []byte
	// NoRequest and NoBody say that the body was not kept: it was too long, or the script streamed it.
	NoRequest, NoBody bool
}

// CallNote is what a Host says of a call for the record, as it is: the engine masks it.
type CallNote struct {
	Operation   string // empty: what follows the point in the method's name
	Target      string
	Status      int
	RequestType string // media type of the request's body
}

// callsKept are the calls that an execution keeps. hostCalls.mu guards them.
type callsKept struct {
	calls  []Call
	bytes  int // of targets and errors
	bodies int // bytes of bodies
	full   bool
}

// begin notes a call that begins, and returns its place, less than 0 where it is not kept.
func (k *callsKept) begin(inv *Invocation, method string, now time.Time) int {
	if k.full || !inv.Script.History.KeepsCalls() {
		return -1
	}
	if len(k.calls) >= MaxCalls || k.bytes >= MaxCallsBytes {
		k.full = true
		return -1
	}
	kind, operation, _ := strings.Cut(method, ".")
	switch kind {
	case CallFetch, CallKV, CallEvents, CallScripts:
	default:
		return -1 // no call of ours: it is refused
	}
	k.calls = append(k.calls, Call{Seq: len(k.calls), Kind: kind, Operation: text.CleanTo(operation, maxMethodName), StartedAt: now})
	return len(k.calls) - 1
}

// end returns the calls once the execution has ended.
func (k *callsKept) end(now time.Time) []Call {
	for i := range k.calls {
		if c := &k.calls[i]; !c.done {
			c.done, c.Duration = true, now.Sub(c.StartedAt)
			c.Error, c.ErrorCode = errExecutionEnded.Error(), string(CodeCancelled)
		}
	}
	return k.calls
}

// noted is what is known of a call when it has been answered.
type noted struct {
	call     *HostCall
	uploaded int64
	reply    *HostReply
	err      *HostError
}

// note keeps a call's answer. It is called before the script can see it, so that what has been awaited is on record.
func (h *hostCalls) note(c *hostCall, n noted) {
	if c.kept < 0 {
		return
	}
	inv := h.x.inv
	secrets := h.x.engine.cfg.Secrets(inv.Script.TenantID)
	said := &n.call.Note
	target := CallTarget(n.call.Method, said.Target, secrets)
	var message, code string
	if n.err != nil {
		message = text.CleanTo(secrets.Text(n.err.Name+": "+n.err.Message), MaxCallError)
		code = text.CleanTo(n.err.Code, maxMethodName)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	k := &h.kept.calls[c.kept]
	k.done, k.Duration = true, time.Since(k.StartedAt)
	k.Target, k.Error, k.ErrorCode, k.Status = target, message, code, said.Status
	if said.Operation != "" {
		k.Operation = text.CleanTo(said.Operation, maxMethodName)
	}
	h.kept.bytes += len(target) + len(message)
	k.RequestBytes = int64(len(n.call.Args))
	if k.Kind == CallFetch {
		k.RequestBytes = int64(len(n.call.Body)) + n.uploaded
	}
	if n.reply == nil {
		return
	}
	k.ResponseBytes = int64(len(n.reply.Body))
	if k.Kind != CallFetch {
		k.ResponseBytes = int64(len(n.reply.Payload))
		return
	}
	if inv.Script.History.KeepsCallBodies() {
		h.keepBodies(k, n)
	}
}

// CallTarget is the target of a call as it is kept.
func CallTarget(method, target string, secrets *redact.Values) string {
	if method == CallFetch {
		return text.CleanTo(secrets.URL(target), MaxCallTarget)
	}
	return text.CleanTo(secrets.Plain(target), MaxCallTarget)
}

// keepBodies keeps what a fetch sent and got. h.mu is held.
func (h *hostCalls) keepBodies(k *Call, n noted) {
	fits := func(b []byte) bool { return len(b) <= MaxCallBody && h.kept.bodies+len(b) <= MaxCallBodies }
	if !fits(n.reply.Payload) {
		return
	}
	h.kept.bodies += len(n.reply.Payload)
	b := &CallBodies{RequestType: text.CleanTo(n.call.Note.RequestType, 200), Response: n.reply.Payload}
	if b.NoRequest = n.call.BodyStream != nil || !fits(n.call.Body); !b.NoRequest {
		h.kept.bodies += len(n.call.Body)
		b.Request = n.call.Body
	}
	if b.NoBody = !fits(n.reply.Body); !b.NoBody {
		h.kept.bodies += len(n.reply.Body)
		b.Body = n.reply.Body[:len(n.reply.Body):len(n.reply.Body)] // what follows is appended to a copy
	}
	k.Bodies = b
}

// noteChunk keeps what has come of an answer's body since, and with err why it ended early.
func (h *hostCalls) noteChunk(c *hostCall, chunk []byte, err error) {
	if c.kept < 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	k := &h.kept.calls[c.kept]
	k.ResponseBytes += int64(len(chunk))
	k.Duration = time.Since(k.StartedAt)
	if b := k.Bodies; b != nil && !b.NoBody {
		if len(b.Body)+len(chunk) > MaxCallBody || h.kept.bodies+len(chunk) > MaxCallBodies {
			b.Body, b.NoBody = nil, true
		} else {
			h.kept.bodies += len(chunk)
			b.Body = append(b.Body, chunk...)
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return
	}
	k.Error = "the body could not be read"
	var he *HostError
	if errors.As(err, &he) {
		k.Error, k.ErrorCode = text.CleanTo(h.x.engine.cfg.Secrets(h.x.inv.Script.TenantID).Text(he.Name+": "+he.Message), MaxCallError), text.CleanTo(he.Code, maxMethodName)
	}
	h.kept.bytes += len(k.Error)
	if k.Bodies != nil {
		k.Bodies.Body, k.Bodies.NoBody = nil, true
	}
}

// seenBy is a call's error as the script sees it, and as the history keeps it where the script sees none.
func seenBy(ctx context.Context, err error) (script, kept *HostError) {
	if err == nil {
		return nil, nil
	}
	var he *HostError
	if errors.As(err, &he) {
		return he, he
	}
	he = &HostError{Name: "Error", Message: "internal error"}
	if ctx.Err() != nil {
		return he, &HostError{Name: "AbortError", Code: string(CodeCancelled), Message: context.Cause(ctx).Error()}
	}
	return he, he
}

// counted counts what is read of an upload.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
