package compile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/compile"
)

// heavy is a source that keeps a compiler busy for a moment; no two are alike.
func heavy(i int) string {
	return fmt.Sprintf("export default { run() { return %d } };\n", i) + strings.Repeat("void [1, 2, 3];\n", 4_000)
}

// TestFloodOfOneTenantCostsAnotherNoTurn: 20 connections of one tenant keep the compiler busy, and another tenant compiles one source after
// the other. How long that takes is counted in the flooder's compilations, not in seconds: while the other waited for one of its own,
// the flooder was served with one at most that had not begun before.
func TestFloodOfOneTenantCostsAnotherNoTurn(t *testing.T) {
	t.Parallel()
	self, err := child()
	require.NoError(t, err)
	for _, places := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d places", places), func(t *testing.T) {
			t.Parallel()
			c, err := compile.New(compile.Config{Parallel: places, Command: []string{self, "compile-child"}})
			require.NoError(t, err)
			flooder, other := uuid.New(), uuid.New()
			ctx, stop := context.WithCancel(t.Context())
			var (
				flood   sync.WaitGroup
				mu      sync.Mutex
				busy    int
				done    int
				started = make(chan struct{})
			)
			for i := range 20 {
				flood.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						_, err := c.Compile(ctx, compile.Input{Source: heavy(i*1_000_000 + n), Handler: "run", Tenant: flooder})
						var refused *compile.BusyError
						mu.Lock()
						switch {
						case err == nil:
							if done++; done == 1 {
								close(started)
							}
						case errors.As(err, &refused):
							busy++
						}
						mu.Unlock()
					}
				})
			}
			<-started
			served := func() int {
				mu.Lock()
				defer mu.Unlock()
				return done
			}
			for i := range 3 {
				before := served()
				_, err := c.Compile(ctx, compile.Input{Source: heavy(-1 - i), Handler: "run", Tenant: other})
				require.NoError(t, err)
				// While the other one waited: the tenant in service, and one more. While it compiled, in the second place: as many
				// as take the same time, and of them there is one place only.
				// A third and a fourth may be counted late.
				require.LessOrEqual(t, served()-before, 4+10*(places-1), "compilations of the flooder while one of the other tenant waited")
			}
			stop()
			flood.Wait()
			require.Positive(t, busy, "the flooder's queue is bounded")
			stats := c.Stats()
			require.Zero(t, stats.Running)
			require.Zero(t, stats.Waiting)
			require.Zero(t, stats.BusyNode)
			require.GreaterOrEqual(t, stats.BusyTenant, int64(busy))
		})
	}
}

func TestRefusalsNameTheQueue(t *testing.T) {
	t.Parallel()
	self, err := child()
	require.NoError(t, err)
	c, err := compile.New(compile.Config{Parallel: 1, TenantQueue: 1, Queue: 2, Command: []string{self, "compile-child"}})
	require.NoError(t, err)
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		scopes = map[admission.Scope]string{}
	)
	tenants := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	for i := range 40 {
		all.Go(func() {
			_, err := c.Compile(t.Context(), compile.Input{Source: heavy(i), Handler: "run", Tenant: tenants[i%len(tenants)]})
			var busy *compile.BusyError
			if errors.As(err, &busy) {
				mu.Lock()
				defer mu.Unlock()
				scopes[busy.Scope] = busy.Error()
				return
			}
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Equal(t, map[admission.Scope]string{
		admission.ScopeTenant: "compile_queue: 1 sources of the tenant wait to be compiled, as many as may",
		admission.ScopeNode:   "compile_queue: 2 sources wait to be compiled on this node, as many as may",
	}, scopes)
}

func TestRefusalsAreRemembered(t *testing.T) {
	t.Parallel()
	c, err := compile.New(compile.Config{})
	require.NoError(t, err)
	in := compile.Input{Source: "export default {", Handler: "run"}
	var first, second *compile.Error
	_, err = c.Compile(t.Context(), in)
	require.ErrorAs(t, err, &first)
	_, err = c.Compile(t.Context(), in)
	require.ErrorAs(t, err, &second)
	require.Same(t, first, second)
	require.Equal(t, int64(1), c.Stats().Cached)

	// Bad sources push each other out, and no good one.
	good := compile.Input{Source: "export default () => 1", Handler: "run"}
	out, err := c.Compile(t.Context(), good)
	require.NoError(t, err)
	for i := range 6000 {
		_, err = c.Compile(t.Context(), compile.Input{Source: fmt.Sprintf("%d = {", i), Handler: "run"})
		require.Error(t, err)
	}
	again, err := c.Compile(t.Context(), good)
	require.NoError(t, err)
	require.Same(t, out, again)
	_, err = c.Compile(t.Context(), in)
	require.ErrorAs(t, err, &second)
	require.NotSame(t, first, second)
}

func TestWhoStopsWaitingTakesNoTurn(t *testing.T) {
	t.Parallel()
	self, err := child()
	require.NoError(t, err)
	c, err := compile.New(compile.Config{Parallel: 1, Command: []string{self, "compile-child"}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := c.Compile(ctx, compile.Input{Source: heavy(i), Handler: "run"})
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		})
	}
	cancel()
	all.Wait()
	require.Zero(t, c.Stats().Running+c.Stats().Waiting)
	_, err = c.Compile(t.Context(), compile.Input{Source: heavy(9), Handler: "run"})
	require.NoError(t, err)
}

// The memory of compilations counts against the node's budget, on behalf of their tenants, and is given back.
func TestCompilationsTakeMemory(t *testing.T) {
	t.Parallel()
	budget, err := admission.NewBudget(64 << 20)
	require.NoError(t, err)
	c, err := compile.New(compile.Config{Budget: budget})
	require.NoError(t, err)
	_, err = c.Compile(t.Context(), compile.Input{Source: "export default () => 1", Handler: "run"})
	require.NoError(t, err)
	_, err = c.Compile(t.Context(), compile.Input{Source: heavy(1) + strings.Repeat(" ", 500_000), Handler: "run"})
	var over *admission.OverBudgetError
	require.ErrorAs(t, err, &over)
	require.Equal(t, admission.UseCompile, over.Use)
	require.Zero(t, budget.Stats().Used)
}
