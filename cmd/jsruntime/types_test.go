//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// declared is what jsruntime.d.ts says: the members of each interface, constant and class by name, with the text of its type.
type declared map[string]map[string]string

var (
	declaredBlock  = regexp.MustCompile(`(?m)^ *(?:export |declare )?(?:interface|const|class|var) (\w+)(?:<.*?>)?(?: extends \w+)?:? \{\n((?s:.*?))^ *\};?$`)
	declaredMember = regexp.MustCompile(`^(?:readonly |static )?(\w+)(?:\?)?(?:<.*?>)?(?:: (.*);$|\()`)
)

func parseTypes(text string) declared {
	out := declared{}
	for _, m := range declaredBlock.FindAllStringSubmatch(text, -1) {
		members := out[m[1]] // an interface and a variable may have one name
		if members == nil {
			members = map[string]string{}
		}
		for line := range strings.Lines(m[2]) {
			if d := declaredMember.FindStringSubmatch(strings.TrimSpace(line)); d != nil && d[1] != "new" && d[1] != "constructor" && d[1] != "prototype" {
				members[d[1]] = d[2]
			}
		}
		out[m[1]] = members
	}
	return out
}

// TestTypesAreTrue compares jsruntime.d.ts with what scripts of every type meet. They run everything.ts, which uses all that is declared
// (see package webapi's test of the types).
func TestTypesAreTrue(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../engine/internal/webapi/testdata/samples/everything.ts")
	require.NoError(t, err)
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	status, declarations := n.try("GET", "/jsruntime.d.ts", "", nil)
	require.Equal(t, 200, status)
	types := parseTypes(declarations)
	for _, name := range []string{"Handlers", "Context", "Limits", "Usage", "ScheduledController", "Event", "KVList", "kv", "log", "URLPattern", "AsyncLocalStorage"} {
		require.NotEmpty(t, types[name], "%s is not read: %v", name, types)
	}
	for name, members := range types {
		for member := range members {
			require.Regexp(t, `\b`+member+`\b`, string(source), "the sample does not use %s.%s", name, member)
		}
	}

	key := n.tenant("acme")
	n.must(204, "PUT", "/api/v1/secrets/KEY", key, map[string]any{"value": "v"})
	script := func(fields map[string]any) string {
		fields["source"], fields["status"] = string(source), "active"
		return n.must(201, "POST", "/api/v1/scripts", key, fields)["id"].(string)
	}
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "doubles", "type": "embedded", "status": "active", "source": `export default { run: ({n}) => n * 2 }`})
	script(map[string]any{"name": "http", "type": "http", "http_path": "/every/:id", "http_methods": []string{"GET"}})
	tick := script(map[string]any{"name": "tick", "type": "scheduled", "cron_expression": "* * * * * *"})
	event := script(map[string]any{"name": "event", "type": "event", "event_types": []string{"every.one"}})
	once := script(map[string]any{"name": "once", "type": "oneoff"})

	keys := func(object any) []string { return slices.Collect(maps.Keys(object.(map[string]any))) }
	// same compares the members of a real object with those of a declaration, and the kinds of members with a plain type.
	same := func(name string, shape any) {
		t.Helper()
		real, ok := shape.(map[string]any)
		require.True(t, ok, "%s: %v", name, shape)
		require.NotEmpty(t, types[name], name)
		for member, kind := range types[name] {
			require.Contains(t, real, member, "%s.%s is declared and not there", name, member)
			switch kind {
			case "string", "number", "boolean":
				require.Equal(t, kind, real[member], "%s.%s", name, member)
			}
		}
		for member := range real {
			require.Contains(t, types[name], member, "%s.%s is there and not declared", name, member)
		}
	}
	checkContext := func(v any, trigger string) {
		t.Helper()
		c := v.(map[string]any)
		require.Equal(t, []any{trigger, true, true, false}, []any{c["trigger"], c["numbers"], c["texts"], c["aborted"]})
		for _, name := range []string{"Context", "Limits", "Usage"} {
			same(name, c[name])
		}
	}

	n.live("/t/acme/every/7")
	status, text := n.try("GET", "/t/acme/every/7", "", nil)
	require.Equal(t, 200, status, text)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.Equal(t, "v", got["secret"])
	require.Equal(t, map[string]any{"id": "7"}, got["context"].(map[string]any)["params"])
	checkContext(got["context"], "http")

	calls := got["calls"].(map[string]any)
	require.Equal(t, true, calls["first"], calls)
	require.Equal(t, []any{"every:a", true, true, 42.0}, []any{calls["name"], calls["expires"], calls["deleted"], calls["doubled"]})
	require.Equal(t, []any{"a", "a"}, []any{calls["tag"], calls["listed"]})
	for _, name := range []string{"kv", "events", "scripts", "log", "Published", "KVEntry"} {
		same(name, calls[name])
	}
	list := calls["KVList"].(map[string]any)
	list["cursor"] = "string" // only where the list goes on
	same("KVList", list)
	require.ElementsMatch(t, []string{"name", "expiration", "metadata"}, keys(calls["keys"]))
	exported := keys(calls["jsruntime"])
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^  export (?:const|class) (\w+)`).FindAllStringSubmatch(declarations, -1) {
		values = append(values, m[1])
	}
	exported = slices.DeleteFunc(exported, func(name string) bool { return name == "default" || name == "__esModule" })
	require.ElementsMatch(t, values, exported)
	for name, call := range map[string]string{"KVPutOptions": "KVPutOptions", "KVIncrementOptions": "KVIncrementOptions", "KVListOptions": "KVListOptions", "PublishOptions": "PublishOptions"} {
		_, known, ok := strings.Cut(calls[name].(string), "nope is not an option (")
		require.True(t, ok, calls[name])
		require.ElementsMatch(t, slices.Collect(maps.Keys(types[call])), strings.Split(strings.TrimSuffix(known, ")"), ", "), name)
	}

	globals := got["globals"].(map[string]any)
	for _, name := range []string{"URLPattern", "URLPatternResult", "AsyncLocalStorage"} {
		real := globals[name].(map[string]any)
		for _, ofFunctions := range []string{"length", "name", "prototype"} {
			if name == "AsyncLocalStorage" {
				delete(real, ofFunctions)
			}
		}
		same(name, real)
	}
	component := globals["URLPatternComponentResult"].(map[string]any)
	same("URLPatternComponentResult", component)
	require.Equal(t, "function", globals["SubtleCrypto"].(map[string]any)["timingSafeEqual"])
	require.Contains(t, globals["MessagePort"], "onclose")
	require.Equal(t, []any{"function", "function", true}, []any{globals["setImmediate"], globals["clearImmediate"], globals["equal"]})
	require.Equal(t, []any{"https", "*", "*", "*.test", "", "/:id", "*", "*"}, globals["parts"])
	require.Equal(t, []any{true, true, true}, globals["tests"])
	require.Equal(t, []any{2.0, 3.0, "left true", 4.0, nil}, globals["stores"])

	// The types of globals are made from what is there.
	dump, err := os.ReadFile("../../engine/internal/webapi/globaltypes/surface.js")
	require.NoError(t, err)
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "surface", "type": "embedded", "status": "active", "source": string(dump)})
	surface := n.must(200, "POST", "/api/v1/invoke/surface", key, nil)["output"].(map[string]any)
	lines := make([]string, 0, len(surface))
	for _, name := range slices.Sorted(maps.Keys(surface)) {
		line, err := json.Marshal(surface[name])
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%q: %s", name, line))
	}
	want := "{\n" + strings.Join(lines, ",\n") + "\n}\n"
	const surfaceFile = "../../engine/internal/webapi/globaltypes/surface.json"
	if os.Getenv("JSRUNTIME_UPDATE") != "" {
		require.NoError(t, os.WriteFile(surfaceFile, []byte(want), 0o644))
	}
	kept, err := os.ReadFile(surfaceFile)
	require.NoError(t, err)
	require.Equal(t, string(kept), want, "the globals of scripts changed: run this test with JSRUNTIME_UPDATE=1, then make global-types")

	output := func(script, trigger string) map[string]any {
		var out map[string]any
		require.Eventually(t, func() bool {
			items := n.must(200, "GET", "/api/v1/executions?status=completed&script_id="+script+"&trigger_type="+trigger, key, nil)["items"].([]any)
			if len(items) == 0 {
				return false
			}
			out, _ = n.must(200, "GET", "/api/v1/executions/"+items[0].(map[string]any)["id"].(string), key, nil)["output"].(map[string]any)
			return true
		}, time.Minute, 50*time.Millisecond, "%s by %s", script, trigger)
		return out
	}
	n.must(202, "POST", "/api/v1/events", key, map[string]any{"type": "every.one", "data": map[string]any{"n": 5}})
	out := output(event, "event")
	require.Equal(t, []any{5.0, 1.0}, []any{out["n"], out["attempt"]})
	same("Event", out["Event"])
	checkContext(out["context"], "event")

	out = output(tick, "cron")
	require.Equal(t, []any{"* * * * * *", true}, []any{out["cron"], out["due"]})
	same("ScheduledController", out["ScheduledController"])
	checkContext(out["context"], "cron")
	n.must(200, "PATCH", "/api/v1/scripts/"+tick, key, map[string]any{"status": "paused"})

	run := func(input any) map[string]any {
		return n.must(200, "POST", "/api/v1/scripts/"+once+"/executions?wait=true", key, map[string]any{"input": input})["output"].(map[string]any)
	}
	checkContext(run(nil)["context"], run(nil)["context"].(map[string]any)["trigger"].(string))
	limited := run(map[string]any{"limited": true})
	require.Equal(t, []any{"rate_limited", true, true}, []any{limited["code"], limited["after"], limited["error"]})
	same("RateLimitError", limited["own"])
}
