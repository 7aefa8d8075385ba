package httpapi_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/httpapi"
)

// busyCompiler refuses all but the first source, with scopes in turn, and notes whose turn was taken.
type busyCompiler struct {
	mu     sync.Mutex
	inputs []compile.Input
	fails  []error
}

func (c *busyCompiler) Compile(ctx context.Context, in compile.Input) (*compile.Output, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inputs = append(c.inputs, in)
	if len(c.fails) > 0 {
		err := c.fails[0]
		c.fails = c.fails[1:]
		return nil, err
	}
	return compile.Compile(ctx, in)
}

func TestBusyCompilerIsNamed(t *testing.T) {
	t.Parallel()
	compiler := &busyCompiler{}
	n := startNode(t, func(c *httpapi.Config) { c.Compiler = compiler })
	acme := n.tenant("acme")
	id := acme.script("first", nil)
	compiler.fails = []error{
		&compile.BusyError{Scope: admission.ScopeTenant, Limit: "compile_queue", Detail: "16 wait", RetryAfter: time.Second},
		&compile.BusyError{Scope: admission.ScopeNode, Limit: "compile_queue", Detail: "128 wait", RetryAfter: 2 * time.Second},
		&compile.BusyError{Scope: admission.ScopeNode, Limit: "compile_time", Detail: "10 s", RetryAfter: 10 * time.Second},
	}
	a := acme.patch("/api/v1/scripts/"+id, map[string]any{"source": "export default { run() {} }"})
	require.Contains(t, a.refused(429, "compile_queue")["detail"], "compile_queue: 16 wait")
	require.Equal(t, "1", a.header.Get("Retry-After"))
	a = acme.post("/api/v1/scripts", map[string]any{"name": "second", "type": "oneoff", "source": runSource})
	a.refused(503, "compile_queue")
	require.Equal(t, "2", a.header.Get("Retry-After"))
	acme.post("/api/v1/scripts", map[string]any{"name": "second", "type": "oneoff", "source": runSource}).refused(503, "compile_time")
	acme.script("second", nil)
	tenant := acme.get("/api/v1/whoami").is(200).json()["tenant"].(map[string]any)["id"]
	for _, in := range compiler.inputs {
		require.Equal(t, tenant, in.Tenant.String(), "a source takes its tenant's turn")
	}
}
