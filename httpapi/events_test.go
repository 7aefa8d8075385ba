package httpapi_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestActivationsAreEvents: a version that goes live is told to the scripts that subscribe to it, its own script among them, once each.
func TestActivationsAreEvents(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme, other := n.tenant("acme"), n.tenant("other")
	const source = "export default { event(e) { return e.data } }"
	listener := map[string]any{"type": "event", "status": "active", "source": source, "event_types": []string{"jsruntime.script.activated"}}
	told := func(c caller, want ...string) {
		t.Helper()
		var got []string
		for _, e := range c.get("/api/v1/executions?trigger_type=event&fields=input").is(200).items() {
			in := e["input"].(map[string]any)
			require.Equal(t, "jsruntime.script.activated", in["type"])
			data := in["data"].(map[string]any)
			require.NotEmpty(t, data["script_id"])
			got = append(got, fmt.Sprint(data["name"], " ", data["type"], " ", data["version"]))
		}
		require.ElementsMatch(t, want, got)
	}

	acme.script("before", map[string]any{"status": "active"})
	acme.script("all", map[string]any{"type": "event", "status": "active", "source": source, "event_types": []string{"*"}}) // of its own events
	told(acme)                                                                                                              // no script subscribes
	acme.script("deploys", listener)
	told(acme, "deploys event 1") // itself

	id := acme.script("job", nil)
	acme.patch("/api/v1/scripts/"+id, map[string]any{"source": runSource + "\n// a draft's second"}).is(200)
	told(acme, "deploys event 1")
	acme.patch("/api/v1/scripts/"+id, map[string]any{"status": "active"}).is(200)
	told(acme, "deploys event 1", "job oneoff 2")
	acme.patch("/api/v1/scripts/"+id, map[string]any{"description": "no new version"}).is(200)
	acme.patch("/api/v1/scripts/"+id, map[string]any{"source": runSource}).is(200)
	told(acme, "deploys event 1", "job oneoff 2", "job oneoff 3")
	acme.post("/api/v1/scripts/"+id+"/versions/2/restore", nil).is(201)
	told(acme, "deploys event 1", "job oneoff 2", "job oneoff 3", "job oneoff 4")

	// Another tenant hears its own alone, and no caller can say that something was activated.
	other.script("deploys", listener)
	told(other, "deploys event 1")
	p := acme.post("/api/v1/events", map[string]any{"type": "jsruntime.script.activated", "data": map[string]any{"name": "evil"}}).refused(422, "validation_failed")
	require.Contains(t, p["detail"], "body.type: names that begin with jsruntime. are those of built-in events")
	told(acme, "deploys event 1", "job oneoff 2", "job oneoff 3", "job oneoff 4")
}
