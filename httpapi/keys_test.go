package httpapi_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/sqlc"
)

// gate is a database that can be made to hang or to fail.
type gate struct {
	sqlc.DBTX
	mu     sync.Mutex
	hangs  chan struct{} // closed when it answers again; nil: it does
	fails  bool
	begun  int // lookups
	ended  int
	failed int
}

func (g *gate) set(hangs chan struct{}, fails bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hangs, g.fails = hangs, fails
}

func (g *gate) count() (begun, ended, failed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.begun, g.ended, g.failed
}

type noRow struct{ err error }

func (r noRow) Scan(...any) error { return r.err }

func (g *gate) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	g.mu.Lock()
	hangs, fails := g.hangs, g.fails
	g.begun++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ended++
	}()
	if hangs != nil {
		select {
		case <-hangs:
		case <-ctx.Done():
			return noRow{ctx.Err()}
		}
	}
	if fails {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.failed++
		return noRow{errors.New("connection refused")}
	}
	return g.DBTX.QueryRow(ctx, sql, args...)
}

func TestKnownKeysDoNotWaitForADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.tenant("acme")
	key := n.key("acme", "developer").key
	g := &gate{DBTX: n.pool}
	keys, err := httpapi.NewKeys(httpapi.KeysConfig{DB: g, Log: testLog(t)})
	require.NoError(t, err)
	valid := func() bool {
		_, err := keys.Authenticate(t.Context(), key)
		require.True(t, err == nil || errors.Is(err, httpapi.ErrUnknownKey), "%v", err)
		return err == nil
	}
	require.True(t, valid())

	// It hangs: what is known is used while the one lookup, begun once the key is not fresh, is still under way.
	answers := make(chan struct{})
	g.set(answers, false)
	require.Eventually(t, func() bool {
		require.True(t, valid())
		begun, _, _ := g.count()
		return begun == 2
	}, 30*time.Second, time.Millisecond)
	for range 100 {
		require.True(t, valid())
	}
	begun, ended, _ := g.count()
	require.Equal(t, 1, ended, "nobody waited for the lookup")
	require.Equal(t, 2, begun, "one lookup for all")

	// It refuses: the same.
	g.set(nil, true)
	close(answers)
	require.Eventually(t, func() bool {
		require.True(t, valid())
		_, _, failed := g.count()
		return failed > 0
	}, 30*time.Second, time.Millisecond)

	// It answers again, and the key was deleted meanwhile.
	_, err = n.pool.Exec(t.Context(), "DELETE FROM api_keys")
	require.NoError(t, err)
	g.set(nil, false)
	require.Eventually(t, func() bool { return !valid() }, 30*time.Second, time.Millisecond)
}

// A change of one tenant's keys takes nothing from the others, who may need it in an outage.
func TestForgettingOneTenantsKeysKeepsTheOthers(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.tenant("acme")
	n.tenant("other")
	acme := uuid.MustParse(n.operator().get("/api/v1/tenants/acme").is(200).str("id"))
	g := &gate{DBTX: n.pool}
	keys, err := httpapi.NewKeys(httpapi.KeysConfig{DB: g, Log: testLog(t)})
	require.NoError(t, err)
	mine, theirs := n.key("acme", "developer").key, n.key("other", "developer").key
	known := func(key string) error {
		_, err := keys.Authenticate(t.Context(), key)
		return err
	}
	require.NoError(t, known(mine))
	require.NoError(t, known(theirs))
	g.set(nil, true)
	keys.Forget(acme)
	require.ErrorContains(t, known(mine), "connection refused")
	require.NoError(t, known(theirs))
	keys.Forget(uuid.Nil)
	require.ErrorContains(t, known(theirs), "connection refused")
	g.set(nil, false)
	require.NoError(t, known(mine))
	require.NoError(t, known(theirs))

	// A lookup that began before the change and ends after it is made again.
	keys.Forget(uuid.Nil)
	answers := make(chan struct{})
	g.set(answers, false)
	before, _, _ := g.count()
	ended := make(chan error, 1)
	go func() { ended <- known(mine) }()
	require.Eventually(t, func() bool { begun, _, _ := g.count(); return begun > before }, 30*time.Second, time.Millisecond)
	keys.Forget(acme)
	close(answers)
	require.NoError(t, <-ended)
	begun, _, _ := g.count()
	require.Equal(t, before+2, begun)
}
