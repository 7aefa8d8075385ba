package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// A tenant with a lower level of compilation has workers that were started with it, beside those of the others; a change takes effect
// when its workers are retired.
func TestTenantsOwnLevel(t *testing.T) {
	t.Parallel()
	lower, plain := enginetest.NewTenant(), enginetest.NewTenant()
	var level atomic.Value
	level.Store("baseline")
	e := enginetest.Start(t, func(c *engine.Config) {
		c.Sandbox = "off" // a worker's own number is then the machine's
		c.MaxWorkers, c.Spares = 4, 2
		c.TenantJIT = func(tenant uuid.UUID) string {
			if tenant == lower.ID {
				return level.Load().(string)
			}
			return ""
		}
	})
	arguments := func(tenant *enginetest.Tenant) string {
		res := enginetest.Execute(t, e, enginetest.Invocation(tenant.Script("identity", nil), "null"))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		var id struct{ PID int }
		require.NoError(t, json.Unmarshal(res.Output, &id))
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id.PID))
		require.NoError(t, err)
		return strings.ReplaceAll(string(b), "\x00", " ")
	}
	require.NotContains(t, arguments(plain), "--jit=")
	require.Contains(t, arguments(lower), "--jit=baseline")
	require.NotContains(t, arguments(plain), "--jit=")
	level.Store("off")
	e.RetireTenant(lower.ID)
	require.Contains(t, arguments(lower), "--jit=off")
	level.Store("")
	e.RetireTenant(lower.ID)
	require.NotContains(t, arguments(lower), "--jit=")
}
