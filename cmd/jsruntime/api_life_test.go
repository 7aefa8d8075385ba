//go:build linux

package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

type object = map[string]any

// TestWholeLifeOfATenant lives a tenant's life through the API and checks each answer against the OpenAPI document.
func TestWholeLifeOfATenant(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	api := contractOf(t, n)
	api.must(t, 201, "POST", "/api/v1/tenants", testAdminKey, object{"slug": "acme", "name": "Acme"}, nil)
	var made struct{ Key string }
	api.must(t, 201, "POST", "/api/v1/tenants/acme/api-keys", testAdminKey, object{"name": "admin", "role": "admin"}, &made)
	call := func(status int, method, path string, body, into any) {
		t.Helper()
		api.must(t, status, method, path, made.Key, body, into)
	}
	var who struct{ Role string }
	call(200, "GET", "/api/v1/whoami", nil, &who)
	require.Equal(t, "admin", who.Role)

	// The five types.
	create := func(script object) (id string) {
		t.Helper()
		script["status"] = "active"
		var answer struct{ ID string }
		call(201, "POST", "/api/v1/scripts", script, &answer)
		return answer.ID
	}
	scheduled := create(object{"name": "tick", "type": "scheduled", "cron_expression": "* * * * * *",
		"source": "export default { scheduled(c) { console.log('tick', c.cron); return 'ticked' } }"})
	web := create(object{"name": "web", "type": "http", "http_path": "/hello/:who", "http_methods": []string{"GET"},
		"source": "export default { fetch(r, env, ctx) { return new Response('hello ' + ctx.params.who) } }"})
	failing := create(object{"name": "orders", "type": "event", "event_types": []string{"order.*"},
		"source": "export default { event() { throw new Error('not yet') } }", "retry": object{"max_attempts": 1}})
	oneoff := create(object{"name": "once", "type": "oneoff", "source": "export default { run(input) { return input.n + 1 } }"})
	create(object{"name": "twice", "type": "embedded", "source": "export default (input) => input * 2"})

	// What compiles and will fail all the same is stored with a warning.
	var warned struct {
		ID       string
		Warnings []struct{ Location, Message string }
	}
	call(201, "POST", "/api/v1/scripts", object{"name": "broken", "type": "oneoff", "source": "const c = {};\nconst p = c.server.port;\nexport default { run() { return p } }"}, &warned)
	require.Len(t, warned.Warnings, 1)
	require.Equal(t, "source:2:20", warned.Warnings[0].Location)
	require.Contains(t, warned.Warnings[0].Message, "Cannot read properties of undefined (reading 'port')")
	call(200, "PATCH", "/api/v1/scripts/"+warned.ID, object{"source": "export default { run() {} }"}, &warned)
	warned.Warnings = nil
	call(200, "GET", "/api/v1/scripts/"+warned.ID, nil, &warned)
	require.Empty(t, warned.Warnings)
	call(200, "PATCH", "/api/v1/scripts/"+warned.ID, object{"source": "await import('pg'); export default { run() {} }"}, &warned)
	require.Len(t, warned.Warnings, 1)
	require.Contains(t, warned.Warnings[0].Message, "Cannot find module 'pg'")

	// Each runs.
	var ran struct {
		Status string
		Output any
	}
	call(200, "POST", "/api/v1/scripts/"+oneoff+"/executions?wait=true", object{"input": object{"n": 41}}, &ran)
	require.Equal(t, "completed", ran.Status)
	require.EqualValues(t, 42, ran.Output)
	call(200, "POST", "/api/v1/invoke/twice", 21, &ran)
	require.EqualValues(t, 42, ran.Output)
	n.live("/t/acme/hello/you")
	status, text := n.try("GET", "/t/acme/hello/you", "", nil)
	require.Equal(t, 200, status)
	require.Equal(t, "hello you", text)
	var event struct{ Executions int }
	call(202, "POST", "/api/v1/events", object{"type": "order.paid", "data": object{"id": 7}}, &event)
	require.Equal(t, 1, event.Executions)

	// And is on record: the cron tick with its log, the request, the event's failure.
	type execution struct {
		ID       string
		ScriptID string `json:"script_id"`
		Output   any
	}
	history := func(trigger, state string) []execution {
		var list struct{ Items []execution }
		call(200, "GET", "/api/v1/executions?trigger_type="+trigger+"&status="+state, nil, &list)
		return list.Items
	}
	require.Eventually(t, func() bool { return len(history("cron", "completed")) > 0 }, 30*time.Second, 50*time.Millisecond)
	var tick execution
	call(200, "GET", "/api/v1/executions/"+history("cron", "completed")[0].ID, nil, &tick)
	require.Equal(t, scheduled, tick.ScriptID)
	require.Equal(t, "ticked", tick.Output)
	var logs struct{ Items []struct{ Message string } }
	call(200, "GET", "/api/v1/executions/"+tick.ID+"/logs", nil, &logs)
	require.Contains(t, logs.Items[0].Message, "tick")
	require.Eventually(t, func() bool { return len(history("http", "completed")) > 0 }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, web, history("http", "completed")[0].ScriptID)

	// The dead letter, its cause mended, its redrive.
	type letter struct{ ID, Error string }
	letters := func() []letter {
		var list struct{ Items []letter }
		call(200, "GET", "/api/v1/dead-letters?event_type=order.paid", nil, &list)
		return list.Items
	}
	require.Eventually(t, func() bool { return len(letters()) == 1 }, 30*time.Second, 50*time.Millisecond)
	require.Contains(t, letters()[0].Error, "not yet")
	var mended struct{ Version int }
	call(200, "PATCH", "/api/v1/scripts/"+failing, object{"source": "export default { event(e) { return e.data } }", "change_description": "mended"}, &mended)
	require.Equal(t, 2, mended.Version)
	call(202, "POST", "/api/v1/dead-letters/"+letters()[0].ID+"/retry", nil, nil)
	require.Eventually(t, func() bool { return len(letters()) == 0 }, 30*time.Second, 50*time.Millisecond)

	// Versions and restore.
	var versions struct{ Items []any }
	call(200, "GET", "/api/v1/scripts/"+failing+"/versions", nil, &versions)
	require.Len(t, versions.Items, 2)
	var diff string
	call(200, "GET", "/api/v1/scripts/"+failing+"/versions/2/diff?against=1", nil, &diff)
	require.Contains(t, diff, "+export default { event(e) { return e.data } }")
	var restored struct {
		VersionNumber int `json:"version_number"`
		Source        string
	}
	call(201, "POST", "/api/v1/scripts/"+failing+"/versions/1/restore", object{}, &restored)
	require.Equal(t, 3, restored.VersionNumber)
	require.Contains(t, restored.Source, "not yet")

	// The end of a script, and of the tenant.
	call(204, "DELETE", "/api/v1/scripts/"+scheduled, nil, nil)
	var missing struct{ Code string }
	call(404, "GET", "/api/v1/scripts/"+scheduled, nil, &missing)
	require.Equal(t, "not_found", missing.Code)
	api.must(t, 204, "DELETE", "/api/v1/tenants/acme", testAdminKey, nil, nil)
	require.Eventually(t, func() bool {
		status, _ := n.try("GET", "/t/acme/hello/you", "", nil)
		return status == http.StatusNotFound
	}, 5*time.Second, 10*time.Millisecond)
}
