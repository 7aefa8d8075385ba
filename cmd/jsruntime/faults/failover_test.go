package faults

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest/pgserver"
)

// synchronous makes every commit wait for any one standby.
func synchronous(t *testing.T, primary *pgserver.Server) {
	t.Helper()
	primary.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
	primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		return primary.Query(t, "EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'quorum' AND state = 'streaming')") == "true"
	}, time.Minute, 50*time.Millisecond, "the standby does not stream")
}

// promoteStandby is a failover and, some seconds later, the way back: the nodes know both servers by one connection string, and nobody
// tells them which is the primary. What was accepted had been confirmed by the standby, so nothing of it may be lost.
func promoteStandby(t *testing.T, w *world) {
	dir := t.TempDir()
	first := newDatabase(t, dir).Server
	second := first.Standby(t, dir, "standby")
	w.db = &database{Server: first, others: []*pgserver.Server{second}}
	w.db.exec(t, "postgres", "CREATE DATABASE "+w.name)
	synchronous(t, first)
	// Without target_session_attrs: the nodes ask for it themselves.
	both := pgserver.URL(w.name, second, first)
	both = both[:len(both)-len("&target_session_attrs=read-write")]
	w.open(nodeConfig{name: "node1", database: both}, nodeConfig{name: "node2", database: both})

	w.failover(t, "the primary is killed", first, second, syscall.SIGKILL)
	first.Follow(t, second)
	synchronous(t, second)
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		w.submit(context.Background(), map[string]any{"n": 1})
	}
	w.failover(t, "the new primary is shut down", second, first, syscall.SIGINT)
	w.wakeup(t)
}

// failover ends a primary in the middle of executions, promotes its standby, and looks for how long nothing was accepted.
func (w *world) failover(t *testing.T, what string, primary, standby *pgserver.Server, signal syscall.Signal) {
	t.Helper()
	ids := w.busy(20, 4000)
	w.paused.Store(true)
	begun := time.Now()
	primary.Stop(signal)
	for _, n := range w.nodes {
		require.Eventually(t, func() bool { return n.status("/readyz", 5*time.Second) == http.StatusServiceUnavailable }, 30*time.Second, 10*time.Millisecond,
			"/readyz of %s stays green without a primary", n.name)
		require.Equal(t, http.StatusOK, n.status("/healthz", 5*time.Second), "/healthz of %s", n.name)
	}
	standby.Promote(t)
	promoted := time.Now()
	w.paused.Store(false)
	require.Eventually(t, func() bool {
		_, ok := w.submit(context.Background(), map[string]any{"n": 1})
		return ok
	}, time.Minute, 10*time.Millisecond, "nothing is accepted after the standby was promoted")
	accepted := time.Now()
	w.note("%s: the standby is primary after %.1f s, an execution is accepted after %.1f s, which is %.1f s after the promotion",
		what, promoted.Sub(begun).Seconds(), accepted.Sub(begun).Seconds(), accepted.Sub(promoted).Seconds())
	w.recovered(t, begun)
	w.rescued(ids, begun, time.Minute)
	twice := 0
	for _, id := range ids {
		if w.sink.began(id) > 1 {
			twice++
		}
	}
	w.note("%s: of %d executions that ran meanwhile, %d began again", what, len(ids), twice)
}
