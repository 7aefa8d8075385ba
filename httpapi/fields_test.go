package httpapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

// Lists carry no sources, inputs, outputs and events' data but where they are asked for; the objects do.
func TestListsCarryNoBodies(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	long := strings.Repeat("long and <longer> ", 1000)
	script := acme.script("big", map[string]any{"status": "active", "source": runSource + "\n// " + long})
	execution := acme.post("/api/v1/scripts/"+script+"/executions?wait=true", map[string]any{"input": long}).is(200).str("id")
	event := acme.script("listener", map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": []string{"a.b"}, "status": "active"})
	letter := n.deadLetter(event)
	for _, list := range []struct {
		path, id string
		heavy    []string
	}{{"/api/v1/scripts", script, []string{"source"}}, {"/api/v1/executions", execution, []string{"input", "output"}}, {"/api/v1/dead-letters", letter, []string{"event_data"}}} {
		object := acme.get(list.path + "/" + list.id).is(200).json()
		find := func(query string) map[string]any {
			for _, item := range acme.get(list.path + query).is(200).items() {
				if item["id"] == list.id {
					return item
				}
			}
			t.Fatalf("%s%s does not list it", list.path, query)
			return nil
		}
		item := find("")
		for name, v := range object {
			heavy := false
			for _, h := range list.heavy {
				heavy = heavy || h == name
			}
			if heavy {
				require.NotNil(t, v, "%s of %s", name, list.path)
				require.NotContains(t, item, name, list.path)
				whole := find("?fields=id," + name)
				require.Equal(t, map[string]any{"id": list.id, name: v}, whole, "fields give what the object has")
				continue
			}
			require.Equal(t, v, item[name], "%s of %s", name, list.path)
		}
		require.Less(t, len(fmt.Sprint(item)), 4000, list.path)
		require.Len(t, find("?fields=id"), 1)

		require.Contains(t, acme.get(list.path+"?fields=id,scrpt_id,x").refused(422, "validation_failed")["detail"], "query.fields: \"scrpt_id\" is no field")
		require.Contains(t, acme.get(list.path+"?fields=id,id").refused(422, "validation_failed")["detail"], "id is given twice")
		require.Contains(t, acme.get(list.path+"?fields=id,").refused(422, "validation_failed")["detail"], "query.fields")
		acme.get(list.path+"?fields="+list.heavy[0]+"s").refused(422, "validation_failed")
	}
	require.Contains(t, acme.get("/api/v1/scripts?fields=sourc").refused(422, "validation_failed")["detail"], "did you mean source?")
	require.Len(t, acme.get("/api/v1/scripts?name=big").is(200).items(), 1)
	require.Empty(t, acme.get("/api/v1/scripts?name=bi").is(200).items())
	viewer := n.key("acme", "viewer")
	require.Nil(t, viewer.get("/api/v1/executions?fields=id,output").is(200).items()[0]["output"], "fields ask for no more than a role may read")
}

// Executions are found by how they failed, by their event and by their path.
func TestExecutionFilters(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	script := acme.script("job", map[string]any{"status": "active"})
	run := func(code engine.Code) string {
		n.exec.set(func(context.Context, *engine.Invocation) (*engine.Result, error) {
			now := time.Now()
			return &engine.Result{Code: code, Message: "m", Began: true, StartedAt: now, EndedAt: now}, nil
		})
		return acme.post("/api/v1/scripts/"+script+"/executions?wait=true", map[string]any{}).is(200).str("id")
	}
	memory, thrown := run(engine.CodeExceededMemory), run(engine.CodeException)
	ids := func(query string) []string {
		found := []string{}
		for _, item := range acme.get("/api/v1/executions?" + query).is(200).items() {
			found = append(found, item["id"].(string))
		}
		return found
	}
	require.Equal(t, []string{memory}, ids("error_code=exceeded_memory"))
	require.Equal(t, []string{thrown}, ids("error_code=exception&status=failed&script_id="+script))
	require.Empty(t, ids("error_code=exceeded_memory&status=completed"))
	require.Contains(t, acme.get("/api/v1/executions?error_code=exceded_memory").refused(422, "validation_failed")["detail"], "did you mean exceeded_memory?")

	acme.script("listener", map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": []string{"a.b"}, "status": "active"})
	acme.post("/api/v1/events", map[string]any{"type": "a.b", "data": 1, "id": "first"}).is(202)
	acme.post("/api/v1/events", map[string]any{"type": "a.b", "data": 1, "id": "second"}).is(202)
	require.Len(t, ids("event_id=first"), 1)
	require.Empty(t, ids("event_id=third"))

	// Forty requests to two paths, newest first, in pages.
	_, err := n.pool.Exec(t.Context(), `INSERT INTO script_executions (script_id, tenant_id, status, trigger_type, trigger_data, queued_at, completed_at)
		SELECT s.id, s.tenant_id, 'completed', 'http', jsonb_build_object('method', 'GET', 'path', '/orders/' || i % 2), now() - make_interval(secs => i), now()
		FROM scripts s, generate_series(1, 40) i WHERE s.id = $1`, script)
	require.NoError(t, err)
	seen := map[string]bool{}
	pages := 0
	for cursor := ""; ; pages++ {
		a := acme.get("/api/v1/executions?path=/orders/1&limit=7" + cursor).is(200)
		for _, item := range a.items() {
			require.Equal(t, "/orders/1", item["trigger_data"].(map[string]any)["path"])
			require.False(t, seen[item["id"].(string)])
			seen[item["id"].(string)] = true
		}
		next, _ := a.json()["next_cursor"].(string)
		if next == "" {
			break
		}
		cursor = "&cursor=" + next
	}
	require.Len(t, seen, 20)
	require.Equal(t, 2, pages)
	require.Empty(t, ids("path=/orders/1&trigger_type=event"))
	require.Empty(t, ids("path=/orders"))
}
