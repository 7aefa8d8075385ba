package host

import (
	"context"
	"errors"
	"strings"
	"testing"

	"encoding/json"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/migrations/dbtest"
)

// TestApart: an execution that is kept apart reads what is there and what it has written itself, and nothing of it is left.
func TestApart(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	inv := newTenant(t, db, "a")
	inv.Script.Limits.MaxAPICallsPerMinute = 1000
	for _, key := range []string{"a", "b", "c", "d"} {
		call(t, h, inv, "kv.put", `{"key":"`+key+`","value":"real"}`)
	}
	call(t, h, inv, "kv.put", `{"key":"n","value":5}`)
	fetched := 0
	apart := h.Apart(func(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
		fetched++
		return nil, &engine.HostError{Name: "TypeError", Message: call.Note.Operation + " " + call.Note.Target}
	})
	try := func(method, args string) (string, error) {
		r, err := apart.Call(t.Context(), &engine.HostCall{Invocation: inv, Method: method, Args: json.RawMessage(args)})
		if err != nil {
			return "", err
		}
		return string(r.Payload), nil
	}
	do := func(method, args string) string {
		t.Helper()
		reply, err := try(method, args)
		require.NoError(t, err, "%s %s", method, args)
		return reply
	}
	refused := func(method, args, code string) {
		t.Helper()
		_, err := try(method, args)
		var he *engine.HostError
		require.True(t, errors.As(err, &he), "%s %s: %v", method, args, err)
		require.Contains(t, he.Name+" "+he.Code, code)
	}
	names := func(args string) (out []string, cursor string) {
		var page kvListReply
		require.NoError(t, json.Unmarshal([]byte(do("kv.list", args)), &page))
		for _, k := range page.Keys {
			out = append(out, k.Name)
		}
		require.Equal(t, page.Complete, page.Cursor == "")
		return out, page.Cursor
	}

	require.Contains(t, do("kv.get", `{"key":"a"}`), `"value":"real"`)
	do("kv.put", `{"key":"a","value":{"x":1},"metadata":7}`)
	require.JSONEq(t, `{"present":true,"value":{"x":1},"expiration":null,"metadata":7}`, do("kv.get", `{"key":"a"}`))
	require.JSONEq(t, `{"deleted":true}`, do("kv.delete", `{"key":"b"}`))
	require.JSONEq(t, `{"deleted":false}`, do("kv.delete", `{"key":"b"}`))
	require.Contains(t, do("kv.get", `{"key":"b"}`), `"present":false`)
	do("kv.put", `{"key":"bb","value":1,"expirationTtl":60}`)
	require.NotContains(t, do("kv.get", `{"key":"bb"}`), `"expiration":null`)
	require.JSONEq(t, `{"value":7}`, do("kv.increment", `{"key":"n","delta":2}`))
	require.JSONEq(t, `{"value":8}`, do("kv.increment", `{"key":"n"}`))
	require.JSONEq(t, `{"value":1}`, do("kv.increment", `{"key":"new"}`))
	require.JSONEq(t, `{"written":false}`, do("kv.compareAndSet", `{"key":"c","expected":"other","value":1}`))
	require.JSONEq(t, `{"written":true}`, do("kv.compareAndSet", `{"key":"c","expected":"real","value":"mine"}`))
	require.JSONEq(t, `{"written":true}`, do("kv.compareAndSet", `{"key":"b","expected":null,"value":"again"}`))
	do("kv.delete", `{"key":"b"}`)
	all, _ := names(`{}`)
	require.Equal(t, []string{"a", "bb", "c", "d", "n", "new"}, all)
	var paged []string
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		var some []string
		some, cursor = names(`{"limit":2,"cursor":"` + cursor + `"}`)
		paged = append(paged, some...)
		require.LessOrEqual(t, len(some), 2)
	}
	require.Equal(t, all, paged)
	some, _ := names(`{"prefix":"b"}`)
	require.Equal(t, []string{"bb"}, some)

	var published publishReply
	require.NoError(t, json.Unmarshal([]byte(do("events.publish", `{"type":"x.y","data":1}`)), &published))
	require.NotEmpty(t, published.EventID)
	require.Zero(t, published.Executions)
	require.JSONEq(t, `{"output":null}`, do("scripts.invoke", `{"name":"other","input":1}`))
	refused("fetch", `{"url":"https://example.com/","method":"POST"}`, "TypeError")
	require.Equal(t, 1, fetched)
	for method, args := range map[string]string{
		"kv.put": `{"key":""}`, "kv.increment": `{"key":"a"}`, "kv.compareAndSet": `{"key":"a"}`, "kv.list": `{"limit":-1}`, "events.publish": `{}`, "scripts.invoke": `{}`, "no.such": `{}`,
	} {
		refused(method, args, "TypeError")
	}
	refused("kv.put", `{"key":"k","value":"`+strings.Repeat("x", 65<<10)+`"}`, "kv_value_too_large")
	big := `","value":"` + strings.Repeat("x", 60<<10) + `"}`
	for i := range 100 {
		if _, err := try("kv.put", `{"key":"big`+string(rune('a'+i%26))+string(rune('a'+i/26))+big); err != nil {
			require.ErrorContains(t, err, "at most")
			require.Greater(t, i, 30)
			break
		}
		require.Less(t, i, 90, "what it writes is bounded")
	}
	inv.Script.Limits.MaxAPICallsPerMinute = 10
	refused("kv.get", `{"key":"a"}`, "rate_limited")
	inv.Script.Limits.MaxAPICallsPerMinute = 1000

	// Nothing is left of it.
	for _, key := range []string{"a", "b", "c", "d"} {
		require.Contains(t, call(t, h, inv, "kv.get", `{"key":"`+key+`"}`), `"value":"real"`, key)
	}
	require.Contains(t, call(t, h, inv, "kv.get", `{"key":"n"}`), `"value":5`)
	var events int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM script_events").Scan(&events))
	require.Zero(t, events)
}
