package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

const httpSource = "export default { fetch() { return new Response('%d') } }"

// TestVersionHoldsAllThatDecides: a change of each setting makes a version, and a version that is restored or activated brings all of its settings
// back, with what triggers the script.
func TestVersionHoldsAllThatDecides(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("shop", map[string]any{"type": "http", "source": fmt.Sprintf(httpSource, 1), "http_path": "/one", "http_methods": []string{"GET"}, "status": "active"})
	path := "/api/v1/scripts/" + id
	one := acme.get(path + "/versions/1").is(200).json()
	for i, change := range []map[string]any{
		{"http_path": "/two"}, {"http_methods": []string{"POST"}}, {"http": map[string]any{"cors": true}}, {"resource_limits": map[string]any{"max_execution_time_ms": 1000}},
		{"history": map[string]any{"store": "errors"}}, {"source": fmt.Sprintf(httpSource, 2)},
	} {
		require.EqualValues(t, i+2, acme.do("PATCH", path, change).is(200).json()["version"], "%v", change)
	}
	for _, change := range []map[string]any{
		{"name": "shop2"}, {"description": "d"}, {"tags": []string{"x"}}, {"metadata": map[string]any{"a": 1}}, {"status": "paused"}, {"status": "active"},
		{"http_path": "/two"}, {"resource_limits": map[string]any{"max_execution_time_ms": 1000}},
	} {
		require.EqualValues(t, 7, acme.do("PATCH", path, change).is(200).json()["version"], "%v", change)
	}
	settings := []string{"source", "http_path", "http_methods", "http", "resource_limits", "history"}
	same := func(want, got map[string]any) {
		t.Helper()
		for _, name := range settings {
			require.Equal(t, want[name], got[name], name)
		}
	}
	restored := acme.post(path+"/versions/1/restore", nil).is(201).json()
	require.EqualValues(t, 8, restored["version_number"])
	same(one, restored)
	script := acme.get(path).is(200).json()
	same(one, script)
	require.Equal(t, "shop2", script["name"])
	require.Equal(t, []any{"x"}, script["tags"])
	require.Equal(t, "/one", acme.get("/api/v1/http-endpoints").items()[0]["http_path"])

	// Version 7 again, by activation: no new version.
	d := acme.post(path+"/versions/7/activate", nil).is(200).json()
	require.EqualValues(t, 7, d["version"])
	require.EqualValues(t, 8, d["previous_version"])
	same(acme.get(path+"/versions/7").is(200).json(), acme.get(path).is(200).json())
	endpoint := acme.get("/api/v1/http-endpoints").items()[0]
	require.Equal(t, "/two", endpoint["http_path"])
	require.Equal(t, []any{"POST"}, endpoint["http_methods"])
	require.Equal(t, d["id"], acme.post(path+"/versions/7/activate", nil).is(200).json()["id"], "it is live already")
	script = acme.get(path).json()
	require.EqualValues(t, 7, script["version"])
	require.EqualValues(t, 8, script["latest_version"])
	require.EqualValues(t, 9, acme.do("PATCH", path, map[string]any{"http_path": "/three"}).is(200).json()["version"])

	deployments := acme.get(path + "/deployments").is(200).items()
	require.Len(t, deployments, 10)
	for i, d := range deployments {
		require.Equal(t, map[bool]string{true: "active", false: "superseded"}[i == 0], d["status"])
	}
	require.Len(t, acme.get(path+"/deployments?limit=3").is(200).items(), 3)
}

// TestVersionSavedIsNotLive: a version that is saved is checked and can be run, and changes nothing of what is live.
func TestVersionSavedIsNotLive(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("tick", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "0 0 * * *", "status": "active"})
	path := "/api/v1/scripts/" + id
	before := acme.get(path).is(200)
	v := acme.post(path+"/versions", map[string]any{
		"source": "export default { scheduled() { return 2 }, run() {} }", "cron_expression": "0 1 * * *", "timezone": "Europe/Berlin", "tag": "v2",
		"resource_limits": map[string]any{"max_execution_time_ms": 1234, "max_request_body_bytes": 10}, "change_description": "later",
	}).is(201)
	require.Equal(t, path+"/versions/2", v.header.Get("Location"))
	for name, want := range map[string]any{"version_number": 2.0, "tag": "v2", "percent": 0.0, "cron_expression": "0 1 * * *", "timezone": "Europe/Berlin", "change_description": "later"} {
		require.Equal(t, want, v.json()[name], name)
	}
	script := acme.get(path).is(200).json()
	for name, want := range before.json() {
		if name != "latest_version" && name != "updated_at" {
			require.Equal(t, want, script[name], name)
		}
	}
	require.EqualValues(t, 2, script["latest_version"])
	require.NotEqual(t, before.header.Get("ETag"), acme.get(path).header.Get("ETag"))
	require.Equal(t, "0 0 * * *", acme.get(path + "/schedule").json()["cron_expression"])
	require.Len(t, acme.get(path+"/deployments").items(), 1)

	// It runs by number and by tag, at once and from the queue, with its own handlers, trigger and limits.
	n.exec.set(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		now := time.Now()
		out, err := json.Marshal(map[string]any{"version": inv.Script.Version, "handler": inv.Handler, "time": inv.Script.Limits.MaxExecutionTime.Milliseconds(), "beside": inv.Script.Place != inv.Script.ID})
		return &engine.Result{Began: true, StartedAt: now, EndedAt: now, Output: out}, err
	})
	run := acme.post(path+"/versions/v2/executions?wait=true", map[string]any{}).is(200).json()
	require.EqualValues(t, 2, run["version"])
	require.Equal(t, map[string]any{"version": 2.0, "handler": "run", "time": 1234.0, "beside": true}, run["output"])
	require.EqualValues(t, 2, acme.post(path+"/versions/2/executions", map[string]any{}).is(202).json()["version"])
	acme.post(path+"/versions/v2/executions?wait=true", map[string]any{"input": "longer than 10"}).refused(413, "body_too_large")
	require.EqualValues(t, 1, acme.post(path+"/executions?wait=true", map[string]any{}).is(200).json()["version"])
	acme.post(path+"/versions/nope/executions", map[string]any{}).refused(404, "not_found")
	acme.get(path + "/versions/v2").is(200)
	require.Contains(t, string(acme.get(path+"/versions/v2/diff?against=1").is(200).body), "+export default { scheduled() { return 2 }")
	acme.get(path+"/versions/1/diff?against=nope").refused(404, "not_found")

	// What is refused is refused when it is saved.
	acme.post(path+"/versions", map[string]any{"tag": "v2"}).refused(409, "tag_taken")
	for _, tag := range []string{"12", "", "-x", "a b", "ä"} {
		acme.post(path+"/versions", map[string]any{"tag": tag}).refused(422, "validation_failed")
	}
	acme.post(path+"/versions", map[string]any{"source": "export default {"}).refused(422, "source_invalid")
	acme.post(path+"/versions", map[string]any{"source": "export default { fetch() {} }"}).refused(422, "handler_missing")
	acme.post(path+"/versions", map[string]any{"http_path": "/x"}).refused(422, "validation_failed")
	acme.post(path+"/versions", map[string]any{"name": "x"}).refused(422, "validation_failed")
	acme.post(path+"/versions", map[string]any{"cron_expression": "61 * * * *"}).refused(422, "validation_failed")
	late := acme.post(path+"/versions", map[string]any{}, "If-Match", before.header.Get("ETag")).refused(412, "precondition_failed")
	require.Equal(t, acme.get("/api/v1/whoami").json()["key"].(map[string]any)["name"], late["changed_by"]) //nolint:forcetypeassert // a wrong one fails the test
	require.NotEmpty(t, late["changed_at"])
	acme.post(path+"/versions/2/activate", map[string]any{}, "If-Match", before.header.Get("ETag")).refused(412, "precondition_failed")
	require.EqualValues(t, 2, acme.get(path).json()["latest_version"])

	// It goes live by its tag, with its schedule.
	d := acme.post(path+"/versions/v2/activate", map[string]any{"percent": 100}).is(200).json()
	require.EqualValues(t, 2, d["version"])
	require.Equal(t, "0 1 * * *", acme.get(path + "/schedule").json()["cron_expression"])
	require.EqualValues(t, 100, acme.get(path + "/versions/2").json()["percent"])
	live := acme.post(path+"/versions", map[string]any{"cron_expression": "0 2 * * *", "activate": true}).is(201).json()
	require.EqualValues(t, 100, live["percent"])
	require.EqualValues(t, 3, acme.get(path).json()["version"])
	actions := []any{}
	for _, row := range acme.get("/api/v1/audit-log?object_id=" + id).is(200).items() {
		actions = append(actions, row["action"])
	}
	require.Equal(t, []any{"version.create", "script.activate", "execution.create", "version.create", "script.create"}[:2], actions[:2])
	require.Contains(t, actions, "version.create")

	// Another script's path is taken when the version goes live.
	acme.script("a", map[string]any{"type": "http", "source": fmt.Sprintf(httpSource, 1), "http_path": "/a", "http_methods": []string{"GET"}})
	b := acme.script("b", map[string]any{"type": "http", "source": fmt.Sprintf(httpSource, 1), "http_path": "/b", "http_methods": []string{"GET"}})
	acme.post("/api/v1/scripts/"+b+"/versions", map[string]any{"http_path": "/a"}).is(201)
	acme.post("/api/v1/scripts/"+b+"/versions/2/activate", nil).refused(409, "http_path_taken")
	require.EqualValues(t, 1, acme.get("/api/v1/scripts/" + b).json()["version"])
}

// TestVersionOfSQL: what is changed by SQL is a version's too.
func TestVersionOfSQL(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("job", map[string]any{"type": "oneoff", "source": "export default { run() {} }"})
	path := "/api/v1/scripts/" + id
	acme.post(path+"/versions", map[string]any{"source": "export default { run() { return 2 } }"}).is(201)
	_, err := n.pool.Exec(t.Context(), `UPDATE scripts SET resource_limits = '{"max_execution_time_ms": 77}' WHERE id = $1`, id)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"max_execution_time_ms": 77.0}, acme.get(path + "/versions/1").is(200).json()["resource_limits"])
	_, err = n.pool.Exec(t.Context(), `UPDATE scripts SET source = 'export default { run() { return 3 } }' WHERE id = $1`, id)
	require.NoError(t, err)
	require.EqualValues(t, 3, acme.get(path).json()["version"])
	require.EqualValues(t, 4, acme.do("PATCH", path, map[string]any{"resource_limits": map[string]any{"max_execution_time_ms": 78}}).is(200).json()["version"])
	require.EqualValues(t, 4, acme.get(path).json()["latest_version"])
}

// TestRolloutIsJudged: a share of executions goes only to a version that triggers the script as the live one does, and ends in each way.
func TestRolloutIsJudged(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("shop", map[string]any{"type": "http", "source": fmt.Sprintf(httpSource, 1), "http_path": "/one", "http_methods": []string{"GET"}, "status": "active"})
	path := "/api/v1/scripts/" + id
	save := func(change map[string]any) string {
		return path + "/versions/" + jsonNumber(acme.post(path+"/versions", change).is(201).json()["version_number"]) + "/activate"
	}
	for field, value := range map[string]any{"http_path": "/two", "http_methods": []string{"POST"}, "http": map[string]any{"sticky": "ip"}} {
		p := acme.post(save(map[string]any{field: value}), map[string]any{"percent": 10}).refused(409, "rollout_conflict")
		require.Contains(t, p["detail"], " another "+field+" than")
	}
	cron := acme.script("tick", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "0 0 * * *"})
	for field, value := range map[string]any{"cron_expression": "1 0 * * *", "timezone": "Europe/Berlin", "schedule": map[string]any{"overlap": "allow"}, "retry": map[string]any{"max_attempts": 2}} {
		v := acme.post("/api/v1/scripts/"+cron+"/versions", map[string]any{field: value}).is(201).json()["version_number"]
		p := acme.post("/api/v1/scripts/"+cron+"/versions/"+jsonNumber(v)+"/activate", map[string]any{"percent": 10}).refused(409, "rollout_conflict")
		require.Contains(t, p["detail"], " another "+field+" than")
	}
	acme.post(path+"/versions/1/activate", map[string]any{"percent": 10}).refused(409, "version_live")
	two := save(map[string]any{"source": fmt.Sprintf(httpSource, 2), "resource_limits": map[string]any{"max_execution_time_ms": 900}, "history": map[string]any{"store": "errors"}})
	rule := map[string]any{"error_rate": 0.05, "min_runs": 50}
	acme.post(two, map[string]any{"auto_rollback": rule}).refused(422, "validation_failed")
	for _, percent := range []any{0, -1, 101, "10"} {
		acme.post(two, map[string]any{"percent": percent}).refused(422, "validation_failed")
	}
	before := acme.get(path)
	d := acme.post(two, map[string]any{"percent": 12.5, "auto_rollback": rule}).is(200).json()
	require.Equal(t, map[string]any{"error_rate": 0.05, "min_runs": 50.0}, d["auto_rollback"])
	require.EqualValues(t, 1, d["previous_version"])
	script := acme.get(path)
	require.NotEqual(t, before.header.Get("ETag"), script.header.Get("ETag"))
	require.Equal(t, map[string]any{"version": 5.0, "percent": 12.5}, script.json()["candidate"])
	require.EqualValues(t, 1, script.json()["version"])
	require.Equal(t, before.json()["source"], script.json()["source"])
	require.EqualValues(t, 87.5, acme.get(path + "/versions/1").json()["percent"])
	require.EqualValues(t, 12.5, acme.get(path + "/versions/5").json()["percent"])

	// The rule holds on with a greater share, unless it is taken away. What makes no version leaves the rollout as it is.
	require.NotNil(t, acme.post(two, map[string]any{"percent": 50}).is(200).json()["auto_rollback"])
	require.Nil(t, acme.post(two, map[string]any{"percent": 60, "auto_rollback": nil}).is(200).json()["auto_rollback"])
	require.NotNil(t, acme.do("PATCH", path, map[string]any{"tags": []string{"x"}}).is(200).json()["candidate"])
	// Back to the live one, by hand.
	back := acme.post(path+"/versions/1/activate", nil).is(200).json()
	require.EqualValues(t, 1, back["version"])
	require.Nil(t, acme.get(path).json()["candidate"])
	// A version that goes live ends the rollout.
	acme.post(two, map[string]any{"percent": 50}).is(200)
	require.Nil(t, acme.do("PATCH", path, map[string]any{"source": fmt.Sprintf(httpSource, 3)}).is(200).json()["candidate"])
	// So does the version itself.
	acme.post(two, map[string]any{"percent": 50}).is(200)
	acme.post(two, map[string]any{"percent": 100}).is(200)
	script = acme.get(path)
	require.Nil(t, script.json()["candidate"])
	require.EqualValues(t, 5, script.json()["version"])
	active := 0
	for _, d := range acme.get(path + "/deployments").items() {
		if d["status"] == "active" {
			active++
		}
	}
	require.Equal(t, 1, active)
	acme.do("PATCH", path, map[string]any{"http": map[string]any{"sticky": "cookie"}}).refused(422, "validation_failed")
}

// TestScriptOfFiles: a script is made, changed, saved, restored, compared, exported and imported with its files.
func TestScriptOfFiles(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	files := map[string]any{"index.ts": `import { tax } from "./lib/tax"; export default { run: (n: number) => tax(n) }`, "lib/tax.ts": "export const tax = (n: number) => n * 2"}
	script := acme.post("/api/v1/scripts", map[string]any{"name": "shop", "type": "oneoff", "files": files}).is(201).json()
	path := "/api/v1/scripts/" + script["id"].(string)
	require.Equal(t, files, script["files"])
	require.Equal(t, "index.ts", script["main"])
	require.Equal(t, files["index.ts"], script["source"])
	// A patch merges, and null takes a file away.
	patched := acme.do("PATCH", path, map[string]any{"files": map[string]any{"lib/tax.ts": "export const tax = (n: number) => n * 3"}}).is(200).json()
	require.EqualValues(t, 2, patched["version"])
	require.Len(t, patched["files"], 2)
	p := acme.do("PATCH", path, map[string]any{"files": map[string]any{"lib/tax.ts": nil}}).refused(422, "unresolved_import")
	require.Contains(t, jsonNumber(p["errors"]), `"location":"index.ts:1:21"`)
	require.EqualValues(t, 2, acme.do("PATCH", path, map[string]any{"files": map[string]any{"lib/tax.ts": "export const tax = (n: number) => n * 3"}}).is(200).json()["version"])
	// A version has exactly the files that it is given.
	v := acme.post(path+"/versions", map[string]any{"files": map[string]any{"src/main.js": "export default { run() {} }"}, "main": "src/main.js"}).is(201).json()
	require.Equal(t, map[string]any{"src/main.js": "export default { run() {} }"}, v["files"])
	require.Equal(t, "src/main.js", v["main"])
	diff := string(acme.get(path + "/versions/2/diff?against=1").is(200).body)
	require.Contains(t, diff, "--- version 1 lib/tax.ts\n+++ version 2 lib/tax.ts\n")
	require.NotContains(t, diff, "index.ts")
	acme.post(path+"/versions", map[string]any{"files": map[string]any{"index.ts": "import 'zod'; export default { run() {} }"}}).refused(422, "unresolved_import")
	acme.post(path+"/versions", map[string]any{"files": map[string]any{"index.ts": "export default {"}}).refused(422, "source_invalid")
	acme.post(path+"/versions", map[string]any{"files": map[string]any{"a.ts": ""}}).refused(422, "source_invalid")
	acme.post(path+"/versions", map[string]any{"files": map[string]any{"../index.ts": "", "index.ts": ""}}).refused(422, "source_invalid")
	acme.post(path+"/versions", map[string]any{"files": files, "source": "x"}).refused(422, "validation_failed")
	acme.post("/api/v1/scripts", map[string]any{"name": "none", "type": "oneoff"}).refused(422, "validation_failed")

	// One source again, and back.
	one := acme.do("PATCH", path, map[string]any{"source": "export default { run() {} }"}).is(200).json()
	require.Nil(t, one["files"])
	restored := acme.post(path+"/versions/1/restore", nil).is(201).json()
	require.Equal(t, files, restored["files"])
	require.Equal(t, acme.get(path + "/versions/1").json()["source_sha256"], restored["source_sha256"])

	document := acme.get("/api/v1/export").is(200).json()
	other := n.tenant("other")
	require.EqualValues(t, 1, other.post("/api/v1/import", document).is(200).json()["created"])
	require.EqualValues(t, 1, other.post("/api/v1/import?on_conflict=update", document).is(200).json()["unchanged"])
	require.Equal(t, files, other.get("/api/v1/scripts/" + other.get("/api/v1/scripts").items()[0]["id"].(string)).json()["files"])
	require.Nil(t, other.get("/api/v1/scripts").items()[0]["files"])
}
