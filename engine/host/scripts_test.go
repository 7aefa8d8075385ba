package host

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/migrations/dbtest"
)

type library map[string]*engine.Script

func (l library) ScriptByName(_ context.Context, tenantID uuid.UUID, name string) (*engine.Script, error) {
	if s := l[name]; s != nil && s.TenantID == tenantID {
		return s, nil
	}
	return nil, ErrScriptNotFound
}

type record struct {
	inv *engine.Invocation
	res *engine.Result
}

type recorder struct{ got []record }

func (r *recorder) Record(_ context.Context, inv *engine.Invocation, res *engine.Result) error {
	r.got = append(r.got, record{inv, res})
	return nil
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	outer := newInvocation()
	outer.Depth, outer.TraceParent = 3, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	script := func(name, kind string) *engine.Script {
		return &engine.Script{ID: uuid.New(), TenantID: outer.Script.TenantID, Name: name, Type: kind}
	}
	books := &recorder{}
	var answer func(*engine.Invocation) (*engine.Result, error)
	h := newTestHost(t, Config{
		Scripts:  library{"double": script("double", "embedded"), "once": script("once", "oneoff"), "web": script("web", "http")},
		Recorder: books,
		Execute:  func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) { return answer(inv) },
	})

	answer = func(inv *engine.Invocation) (*engine.Result, error) {
		require.Equal(t, 4, inv.Depth)
		require.Equal(t, outer.ExecutionID, inv.ParentID)
		require.NotEqual(t, outer.ExecutionID, inv.ExecutionID)
		require.Equal(t, outer.TraceParent, inv.TraceParent)
		require.Equal(t, engine.HandlerRun, inv.Handler)
		return &engine.Result{Output: inv.Input}, nil
	}
	require.Equal(t, `{"output":{"b":1,"a":2}}`, call(t, h, outer, "scripts.invoke", `{"name":"double","input":{"b":1,"a":2}}`))
	require.Equal(t, `{"output":null}`, call(t, h, outer, "scripts.invoke", `{"name":"once"}`))
	require.Len(t, books.got, 2)

	for _, name := range []string{"nope", "web"} {
		_, err := tryCall(t.Context(), h, outer, "scripts.invoke", `{"name":"`+name+`"}`)
		requireHostError(t, err, "script_not_found")
	}
	_, err := tryCall(t.Context(), h, newInvocation(), "scripts.invoke", `{"name":"double"}`)
	requireHostError(t, err, "script_not_found") // another tenant's
	_, err = tryCall(t.Context(), h, outer, "scripts.invoke", `{"name":7}`)
	require.ErrorContains(t, err, "TypeError: scripts.invoke: name must not be a number")

	answer = func(*engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Code: engine.CodeException, Message: "Error: no"}, nil
	}
	_, err = tryCall(t.Context(), h, outer, "scripts.invoke", `{"name":"double"}`)
	he := requireHostError(t, err, "exception")
	require.Equal(t, "ScriptError: scripts.invoke: double ended with exception: Error: no", he.Error())
	require.Empty(t, he.Fatal)
	require.Len(t, books.got, 3, "failures are on record too")

	answer = func(*engine.Invocation) (*engine.Result, error) {
		return nil, &engine.RefusedError{Code: engine.CodeOverloaded, RetryAfter: time.Second, Detail: "no worker"}
	}
	_, err = tryCall(t.Context(), h, outer, "scripts.invoke", `{"name":"double"}`)
	require.EqualValues(t, 1000, requireHostError(t, err, "overloaded").RetryAfter)
	require.Len(t, books.got, 3, "what never ran is not")

	answer = func(*engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Code: engine.CodeLoopDetected, Message: "deep"}, nil
	}
	_, err = tryCall(t.Context(), h, outer, "scripts.invoke", `{"name":"double"}`)
	require.Equal(t, engine.CodeLoopDetected, requireHostError(t, err, "loop_detected").Fatal)
}

// A script that invokes itself ends after 16 levels, or where it would wait for a run that it holds itself, and every level
// ends with it.
func TestInvokeLoop(t *testing.T) {
	t.Parallel()
	for concurrent, levels := range map[int]int{0: 16, 100: 16, 5: 5, 1: 1} {
		require.Equal(t, levels, invokeLoop(t, concurrent), "max_concurrent_runs %d", concurrent)
	}
}

func invokeLoop(t *testing.T, concurrent int) int {
	outer := newInvocation()
	outer.Script.Limits.MaxConcurrentRuns = concurrent
	deepest := 0
	var h *Host
	h = newTestHost(t, Config{
		Scripts:  library{"me": {ID: uuid.New(), TenantID: outer.Script.TenantID, Name: "me", Type: "embedded", Limits: outer.Script.Limits}},
		Recorder: &recorder{},
		Execute: func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
			deepest = max(deepest, inv.Depth)
			_, err := h.Call(ctx, &engine.HostCall{Invocation: inv, Method: "scripts.invoke", Args: json.RawMessage(`{"name":"me"}`)})
			var he *engine.HostError
			if errors.As(err, &he) && he.Fatal != "" {
				return &engine.Result{Code: he.Fatal, Message: he.Message}, nil
			}
			return &engine.Result{}, err
		},
	})
	_, err := tryCall(t.Context(), h, outer, "scripts.invoke", `{"name":"me"}`)
	require.Equal(t, engine.CodeLoopDetected, requireHostError(t, err, "loop_detected").Fatal)
	require.Empty(t, h.chains.links)
	return deepest
}

func TestFromCatalog(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	inv, other := newTenant(t, db, "a"), newTenant(t, db, "b")
	_, err := db.Exec(t.Context(), `
		WITH o AS (INSERT INTO organizations (tenant_id, name) VALUES ($1, 'o') RETURNING id),
		s AS (INSERT INTO scripts (tenant_id, organization_id, name, source, type, status)
			SELECT $1, o.id, x.name, '', 'embedded', x.status FROM o, (VALUES ('on', 'active'), ('off', 'paused')) x (name, status) RETURNING id)
		INSERT INTO script_versions (script_id, tenant_id, version_number, source, compiled) SELECT id, $1, 1, '', 'compiled' FROM s`, inv.Script.TenantID)
	require.NoError(t, err)
	c, err := catalog.New(catalog.Config{Pool: db})
	require.NoError(t, err)
	scripts := FromCatalog(c)
	script, err := scripts.ScriptByName(t.Context(), inv.Script.TenantID, "on")
	require.NoError(t, err)
	require.Equal(t, "compiled", script.Compiled)
	for _, name := range []string{"off", "none"} {
		_, err = scripts.ScriptByName(t.Context(), inv.Script.TenantID, name)
		require.ErrorIs(t, err, ErrScriptNotFound)
	}
	_, err = scripts.ScriptByName(t.Context(), other.Script.TenantID, "on")
	require.ErrorIs(t, err, ErrScriptNotFound)
}
