package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/text"
)

var scriptMethods = []method{
	{"scripts.invoke", (*Host).invoke}, // {name, input} → {output}
}

const (
	// maxDepth is the longest chain of events and invocations.
	maxDepth = 16
	// recordTimeout is how long a full ledger may hold up a call: as long as an outage that it is meant to outlast.
	recordTimeout = time.Minute
)

// FromCatalog has scripts.invoke find scripts in the node's catalog.
func FromCatalog(c *catalog.Catalog) Scripts { return catalogScripts{c} }

type catalogScripts struct{ catalog *catalog.Catalog }

// ScriptByName implements Scripts.
func (s catalogScripts) ScriptByName(ctx context.Context, tenantID uuid.UUID, name string) (*engine.Script, error) {
	head, err := s.catalog.HeadByName(ctx, tenantID, name)
	if err == nil && head.Status != "active" {
		return nil, ErrScriptNotFound
	}
	if err == nil {
		var script *engine.Script
		if script, err = s.catalog.Script(ctx, tenantID, head.ID, 0); err == nil {
			return script, nil
		}
	}
	if errors.Is(err, catalog.ErrScriptUnknown) {
		return nil, ErrScriptNotFound
	}
	return nil, err
}

// invoke runs an embedded or one-off script of the caller's tenant to its answer. It is cancelled when the caller ends: ctx is the
// caller's, so that the inner execution outlives the outer one only to clean up, or for its own work of waitUntil.
func (h *Host) invoke(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	args, err := invocationOf(call)
	if err != nil {
		return nil, err
	}
	outer := call.Invocation
	if err := checkDepth(outer); err != nil {
		return nil, err
	}
	if h.cfg.Execute == nil {
		return nil, errors.New("scripts.invoke: no executor")
	}

	script, err := h.callee(ctx, outer, args.Name)
	if err != nil {
		return nil, err
	}
	if limit := script.Limits.MaxRequestBodyBytes; limit > 0 && int64(len(args.Input)) > limit {
		return nil, &engine.HostError{
			Name: "RangeError", Code: "input_too_large",
			Message: fmt.Sprintf("scripts.invoke: the input is %d bytes of JSON, max_request_body_bytes of %s is %d bytes", len(args.Input), args.Name, limit),
		}
	}

	link, err := h.chains.extend(outer, script, h.cfg.Members.Serve(script.Limits.MaxConcurrentRuns, script.ID))
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make execution id: %w", err)
	}
	inner := &engine.Invocation{
		ExecutionID: id,
		Script:      script,
		Trigger:     engine.TriggerAPI,
		Handler:     engine.HandlerRun,
		Attempt:     1,
		Depth:       outer.Depth + 1,
		ParentID:    outer.ExecutionID,
		QueuedAt:    time.Now(),
		Live:        outer.Live,
		TraceParent: outer.TraceParent,
		TraceState:  outer.TraceState,
		Input:       args.Input,
	}
	record := func(inv *engine.Invocation, res *engine.Result) error {
		// The caller may be gone by now; what ran is recorded all the same.
		recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		return h.cfg.Recorder.Record(recording, inv, res)
	}
	inner.OnEnd = func(inv *engine.Invocation, res *engine.Result) {
		h.chains.drop(id)
		if err := record(inv, res); err != nil {
			h.cfg.Log.Error("recording an invoked execution", "tenant_id", inv.Script.TenantID, "script_id", inv.Script.ID, "execution_id", id, "error", err)
		}
	}
	h.chains.put(id, link)
	res, err := h.cfg.Execute(ctx, inner)
	if err != nil || !res.GoesOn {
		h.chains.drop(id)
	}
	if err != nil {
		return nil, notInvoked(args.Name, err)
	}
	if !res.GoesOn {
		if err := record(inner, res); err != nil {
			return nil, fmt.Errorf("record invoked execution: %w", err)
		}
	}
	return invoked(args.Name, res)
}

// invokeArgs are what scripts.invoke takes.
type invokeArgs struct {
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

// invocationOf reads and checks the arguments of scripts.invoke.
func invocationOf(call *engine.HostCall) (args invokeArgs, err error) {
	if err := decode(call, &args); err != nil {
		return args, err
	}
	call.Note.Target = args.Name
	if args.Name == "" {
		return args, typeError(call.Method, "name must be a string that is not empty")
	}
	if len(args.Input) == 0 {
		args.Input = json.RawMessage("null")
	}
	if err := text.CheckJSON(args.Input); err != nil {
		return args, typeError(call.Method, "input "+err.Error())
	}
	return args, nil
}

// callee finds the script that is invoked.
func (h *Host) callee(ctx context.Context, outer *engine.Invocation, name string) (*engine.Script, error) {
	script, err := h.cfg.Scripts.ScriptByName(ctx, outer.Script.TenantID, name)
	switch {
	case errors.Is(err, ErrScriptNotFound), err == nil && script == nil,
		err == nil && script.TenantID != outer.Script.TenantID,
		err == nil && script.Type != "embedded" && script.Type != "oneoff":
		return nil, &engine.HostError{
			Name: "NotFoundError", Code: "script_not_found",
			Message: fmt.Sprintf("scripts.invoke: there is no active embedded or oneoff script named %q", name),
		}
	case err != nil:
		return nil, fmt.Errorf("find script: %w", err)
	}
	return script, nil
}

// notInvoked is the error of an execution that was not begun.
func notInvoked(name string, err error) error {
	var refused *engine.RefusedError
	if errors.As(err, &refused) {
		return &engine.HostError{
			Name: "Error", Code: string(refused.Code), RetryAfter: refused.RetryAfter.Milliseconds(),
			Message: fmt.Sprintf("scripts.invoke: %s was not accepted: %s", name, refused.Detail),
		}
	}
	return fmt.Errorf("execute %s: %w", name, err)
}

// invoked is the answer of an execution that ended, or whose answer is there.
func invoked(name string, res *engine.Result) (*engine.HostReply, error) {
	if res.Code == engine.CodeNone {
		output := res.Output
		if len(output) == 0 {
			output = json.RawMessage("null")
		}
		return reply(struct {
			Output json.RawMessage `json:"output"`
		}{output})
	}
	failure := &engine.HostError{
		Name: "ScriptError", Code: string(res.Code),
		Message: fmt.Sprintf("scripts.invoke: %s ended with %s: %s", name, res.Code, res.Message),
	}
	if res.Code == engine.CodeLoopDetected {
		// The whole chain ends, not only its deepest link.
		failure.Fatal = engine.CodeLoopDetected
	}
	return nil, failure
}

// checkDepth refuses to make a chain longer than maxDepth.
func checkDepth(inv *engine.Invocation) error {
	if inv.Depth < maxDepth {
		return nil
	}
	return &engine.HostError{
		Name: "Error", Code: string(engine.CodeLoopDetected), Fatal: engine.CodeLoopDetected,
		Message: fmt.Sprintf("a chain of events and invocations is at most %d long", maxDepth),
	}
}

// chains knows of each execution that scripts.invoke made which scripts wait for it.
type chains struct {
	mu    sync.Mutex
	links map[uuid.UUID]*link
}

// link is one script of a chain; above it is the script that invoked it.
type link struct {
	script uuid.UUID
	above  *link
}

func newChains() *chains { return &chains{links: map[uuid.UUID]*link{}} }

// extend adds a script to outer's chain. limit is how many runs the script may have at one time on this node, 0 any number: a chain
// that holds them all would wait for itself: that is a loop, and said so at once.
func (c *chains) extend(outer *engine.Invocation, script *engine.Script, limit int) (*link, error) {
	c.mu.Lock()
	above := c.links[outer.ExecutionID]
	c.mu.Unlock()
	if above == nil {
		above = &link{script: outer.Script.ID}
	}
	held := 0
	for l := above; l != nil; l = l.above {
		if l.script == script.ID {
			held++
		}
	}
	if limit > 0 && held >= limit {
		return nil, &engine.HostError{
			Name: "Error", Code: string(engine.CodeLoopDetected), Fatal: engine.CodeLoopDetected,
			Message: fmt.Sprintf("the chain of invocations holds all %d runs that script %s may have at one time here (max_concurrent_runs %d)",
				limit, script.Name, script.Limits.MaxConcurrentRuns),
		}
	}
	return &link{script: script.ID, above: above}, nil
}

func (c *chains) put(execution uuid.UUID, l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[execution] = l
}

func (c *chains) drop(execution uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, execution)
}
