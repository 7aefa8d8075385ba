//go:build linux

package main

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/dbtest/pgserver"
)

// reads is how many lists a server answered.
func (n *process) reads(server string) string {
	for _, line := range n.metric("jsruntime_db_reads_total") {
		if value, ok := strings.CutPrefix(line, `jsruntime_db_reads_total{server="`+server+`"} `); ok {
			return value
		}
	}
	return ""
}

// usesReplica waits until a node has found out that its replica is there (1) or away (0).
func (n *process) usesReplica(usable string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		lines := n.metric("jsruntime_db_replica_usable")
		return len(lines) == 1 && strings.HasSuffix(lines[0], " "+usable)
	}, time.Minute, 50*time.Millisecond)
}

// Lists and usage are the replica's, row-level security and all, and what decides is the primary's. The replica stops following, goes away
// and comes back.
func TestReadReplica(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	primary := pgserver.New(t, dir)
	primary.Exec(t, "postgres", "CREATE DATABASE jsruntime")
	standby := primary.Standby(t, dir, "standby")
	url := primary.URL("jsruntime")
	t.Cleanup(func() { dbtest.Invariants(context.Background(), t, url) })
	n := start(t, nodeConfig{databaseURL: url, args: []string{"--read-database-url", standby.URL("jsruntime")}})
	key, other := n.tenant("acme"), n.tenant("other")
	id := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "job", "type": "oneoff", "status": "active", "source": `export default { run(input) { console.log("line " + input); return input } }`,
	})["id"].(string)
	run := func(input int) string {
		return n.must(200, "POST", "/api/v1/scripts/"+id+"/executions?wait=true", key, map[string]any{"input": input})["id"].(string)
	}
	n.usesReplica("1")
	count := func(path, key string) int { return len(n.must(200, "GET", path, key, nil)["items"].([]any)) }
	first := run(1)
	lists := map[string]int{
		"/api/v1/executions": 1, "/api/v1/executions/" + first + "/logs": 1, "/api/v1/usage": 1, "/api/v1/audit-log?action=script.create": 1,
	}
	require.Eventually(t, func() bool {
		for path, want := range lists {
			if count(path, key) < want {
				return false
			}
		}
		return true
	}, time.Minute, 50*time.Millisecond, "the replica does not follow")
	require.Equal(t, "0", n.reads("primary"))
	require.NotEqual(t, "0", n.reads("replica"))
	require.Zero(t, count("/api/v1/executions", other), "another tenant's")
	n.must(200, "GET", "/api/v1/tenants/usage", testAdminKey, nil)
	n.must(200, "GET", "/api/v1/dead-letters", key, nil)

	// A replica that stands still: lists are old, and an execution and its log are there by their id all the same.
	standby.Exec(t, "postgres", "SELECT pg_wal_replay_pause()")
	require.Eventually(t, func() bool { return standby.Query(t, "pg_get_wal_replay_pause_state()") == "paused" }, time.Minute, 10*time.Millisecond)
	second := run(2)
	require.Equal(t, "completed", n.must(200, "GET", "/api/v1/executions/"+second, key, nil)["status"])
	require.Equal(t, 1, count("/api/v1/executions", key), "the list is the replica's")
	require.Eventually(t, func() bool { return count("/api/v1/executions/"+second+"/logs", key) == 1 }, time.Minute, 50*time.Millisecond)

	// Away: the primary answers, and the log says so once.
	standby.Stop(syscall.SIGQUIT)
	require.Eventually(t, func() bool { return count("/api/v1/executions", key) == 2 }, time.Minute, 50*time.Millisecond)
	n.usesReplica("0")
	require.NotEqual(t, "0", n.reads("primary"))
	for range 5 {
		require.Equal(t, 2, count("/api/v1/executions", key))
	}
	require.Equal(t, 1, strings.Count(n.log.String(), "read replica is not used"), n.log.String())
	status, body := n.try("GET", "/readyz", "", nil)
	require.Equal(t, 200, status, body)
	standby.Start(t)
	n.usesReplica("1")
	before := n.reads("primary")
	require.Eventually(t, func() bool { return count("/api/v1/executions", key) == 2 }, time.Minute, 50*time.Millisecond)
	require.Equal(t, before, n.reads("primary"))
	require.Len(t, n.metric("jsruntime_db_replica_lag_seconds"), 1)
}

// TestScriptsReachNoDatabase: what fetch refuses are all servers that the connection strings name.
func TestScriptsReachNoDatabase(t *testing.T) {
	t.Parallel()
	var pools []*pgxpool.Pool
	for _, url := range []string{"postgres://u@a.example,b.example:6432/d", "host=c.example,d.example port=5433,5434 dbname=d sslmode=prefer"} {
		pool, err := connect.Open(t.Context(), connect.Pool{URL: url, Name: "x", Conns: 1})
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		pools = append(pools, pool)
	}
	require.Equal(t, []string{"a.example:5432", "b.example:6432", "c.example:5433", "d.example:5434"}, databaseHosts(append(pools, nil)...))
}
