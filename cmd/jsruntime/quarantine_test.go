//go:build linux

package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestAQuarantineHoldsOnAllNodes: a script that kills workers is refused by every node, also after a restart, until a user releases it on
// any node, changes its status or uploads another version.
func TestAQuarantineHoldsOnAllNodes(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	first := start(t, nodeConfig{databaseURL: url})
	key := first.tenant("acme")
	// V8 aborts its process for want of memory, whatever the script catches.
	const killer = `export default { fetch() { "x".repeat(2 ** 29 - 24).split(""); return new Response("alive") } }`
	id := first.endpoint(key, "/kill", killer, nil)
	first.live("/t/acme/kill")
	refused := func(n *process) bool {
		status, text := n.try("GET", "/t/acme/kill", "", nil)
		return status == 503 && code(t, text) == "quarantined"
	}
	quarantine := func() {
		t.Helper()
		require.Eventually(t, func() bool { return refused(first) }, 2*time.Minute, time.Millisecond, "it kills a worker each time")
		require.Eventually(t, func() bool {
			script := first.must(200, "GET", "/api/v1/scripts/"+id, key, nil)
			return script["quarantined_until"] != nil
		}, time.Minute, 20*time.Millisecond, "the database says it")
	}
	quarantine()
	script := first.must(200, "GET", "/api/v1/scripts/"+id, key, nil)
	require.Contains(t, script["quarantine_reason"], "version 1 ended 5 workers")

	second := start(t, nodeConfig{databaseURL: url})
	require.True(t, refused(second), "a node that has seen nothing of it")
	first.stop(syscall.SIGTERM)
	again := start(t, nodeConfig{databaseURL: url})
	require.True(t, refused(again), "a restart forgets nothing")

	released := second.must(200, "POST", "/api/v1/scripts/"+id+"/release", key, nil)
	require.Nil(t, released["quarantined_until"])
	require.Eventually(t, func() bool { return !refused(again) }, time.Minute, 20*time.Millisecond, "released on another node")

	first = again
	quarantine()
	second.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"status": "paused"})
	script = second.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"status": "active"})
	require.Nil(t, script["quarantined_until"], "a change of status ends it")
	require.Eventually(t, func() bool {
		status, text := first.try("GET", "/t/acme/kill", "", nil)
		return status != 404 && code(t, text) != "quarantined"
	}, time.Minute, 20*time.Millisecond, "also in the memory of the node that put it there")

	quarantine()
	second.must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"source": `export default { fetch() { return new Response("mended") } }`})
	require.Eventually(t, func() bool {
		_, text := first.try("GET", "/t/acme/kill", "", nil)
		return text == "mended"
	}, time.Minute, 20*time.Millisecond)
}
