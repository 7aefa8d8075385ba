package cluster_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/migrations/dbtest"
)

const soon = time.Minute

// TestANodesRow: two nodes count each other, one that drains or cannot run gives its share away at once, and a node that ends takes its
// row away.
func TestANodesRow(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	start := func(able func() bool) (*cluster.Node, *cluster.Members, func()) {
		members := new(cluster.Members)
		node, err := cluster.New(cluster.Config{
			DB: db, Heartbeat: 50 * time.Millisecond, Lease: time.Minute, Members: members, Able: able, Log: slog.New(slog.DiscardHandler),
			Load: func() any { return cluster.Load{Running: 7} },
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- node.Run(ctx) }()
		stop := func() {
			cancel()
			require.NoError(t, <-ended)
		}
		return node, members, stop
	}
	var unable atomic.Bool
	first, seenByFirst, stopFirst := start(nil)
	second, seenBySecond, stopSecond := start(func() bool { return !unable.Load() })
	<-first.Joined()
	<-second.Joined()
	count := func(want int) {
		t.Helper()
		require.Eventually(t, func() bool { return seenByFirst.Count() == want }, soon, time.Millisecond)
	}
	count(2)
	require.Eventually(t, func() bool { return seenBySecond.Count() == 2 && first.TakesWork() && second.TakesWork() }, soon, time.Millisecond)

	unable.Store(true)
	require.False(t, second.TakesWork())
	count(1)
	unable.Store(false)
	count(2)
	second.Drain()
	second.Drain()
	count(1)
	var running int
	var draining bool
	require.NoError(t, db.QueryRow(t.Context(), `SELECT (load->>'running')::int, draining FROM nodes WHERE id = $1`, second.ID()).Scan(&running, &draining))
	require.Equal(t, 7, running)
	require.True(t, draining)
	_, err := db.Exec(t.Context(), `WITH t AS (INSERT INTO tenants (slug, name) VALUES ('a', 'a') RETURNING id),
		o AS (INSERT INTO organizations (tenant_id, name) SELECT id, 'o' FROM t RETURNING id, tenant_id),
		s AS (INSERT INTO scripts (tenant_id, organization_id, name, source, type, status) SELECT tenant_id, id, 's', '', 'scheduled', 'active' FROM o RETURNING id, tenant_id),
		e AS (INSERT INTO script_executions (script_id, tenant_id, status, trigger_type) SELECT id, tenant_id, 'pending', 'cron' FROM s RETURNING id, script_id)
		INSERT INTO script_scheduled_jobs (script_id, tenant_id, cron_expression, is_running, execution_id, lease_token, lease_expires_at, node_id)
		SELECT s.id, s.tenant_id, '* * * * *', true, e.id, e.id, now() + interval '1 hour', $1 FROM s, e`, second.ID())
	require.NoError(t, err)
	stopSecond()
	var kept bool
	require.NoError(t, db.QueryRow(t.Context(), `SELECT lease_expires_at > now() FROM script_scheduled_jobs`).Scan(&kept))
	require.False(t, kept, "the lease of its schedule ends with it")
	stopFirst()
	var rows int
	require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM nodes`).Scan(&rows))
	require.Zero(t, rows)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := cluster.New(cluster.Config{})
	require.EqualError(t, err, "DB is required")
	_, err = cluster.NewListener(nil, nil)
	require.EqualError(t, err, "DB is required")
	_, err = cluster.New(cluster.Config{DB: dbtest.DB(t), Lease: time.Second, Heartbeat: time.Second})
	require.ErrorContains(t, err, "Heartbeat must be at most half of Lease")
}

// TestListen: subscribers hear their channel, and "" after each new connection.
func TestListen(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	listener, err := cluster.NewListener(db, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	heard := make(chan string, 10)
	for range 2 {
		listener.Subscribe("one", func(payload string) { heard <- payload })
	}
	listener.Subscribe("two", func(string) {})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- listener.Run(ctx) }()
	hears := func(payload string) {
		t.Helper()
		for range 2 {
			select {
			case got := <-heard:
				require.Equal(t, payload, got)
			case <-time.After(soon):
				t.Fatal("nothing heard")
			}
		}
	}
	exec := func(sql string) {
		_, err := db.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	hears("")
	exec(`SELECT pg_notify('two', 'x'), pg_notify('one', 'a')`)
	hears("a")
	exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'jsruntime listen'`)
	hears("")
	exec(`SELECT pg_notify('one', 'b')`)
	hears("b")
	cancel()
	require.NoError(t, <-ended)
}
