//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/migrations/dbtest"
)

// someone is a person at a shell: with a folder, a config folder and variables.
type someone struct {
	t      *testing.T
	dir    string
	config string
	env    map[string]string
	stdin  string
}

func newSomeone(t *testing.T, n *process, key string) *someone {
	return &someone{t: t, dir: t.TempDir(), config: t.TempDir(), env: map[string]string{"JSRUNTIME_URL": n.base, "JSRUNTIME_KEY": key}}
}

// try runs a command line and returns its exit code, stdout and stderr.
func (s *someone) try(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	code = execute(s.t.Context(), args, &author.Program{Dir: s.dir}, &streams{in: strings.NewReader(s.stdin), out: &out, err: &errs, getenv: func(name string) string {
		if name == "XDG_CONFIG_HOME" {
			return s.config
		}
		return s.env[name]
	}})
	s.stdin = ""
	if key := s.env["JSRUNTIME_KEY"]; key != "" {
		require.NotContains(s.t, out.String()+errs.String(), key, "a key is in no output: %v", args)
	}
	return code, out.String(), errs.String()
}

// must is try with exit code 0. It returns stdout.
func (s *someone) must(args ...string) string {
	s.t.Helper()
	code, out, errs := s.try(args...)
	require.Zero(s.t, code, "%v:\n%s%s", args, out, errs)
	return out
}

// answer is must with --json, decoded.
func (s *someone) answer(args ...string) map[string]any {
	s.t.Helper()
	out := s.must(append(args, "--json")...)
	var v map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(out), &v), out)
	return v
}

func (s *someone) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(s.t, os.WriteFile(file, []byte(text), 0o600))
}

// TestAuthor runs the commands of authors against one node. Each subtest has a tenant of its own.
func TestAuthor(t *testing.T) {
	t.Parallel()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	for _, part := range []struct {
		name string
		test func(t *testing.T, n *process, s *someone)
	}{
		{"login", authorLogin},
		{"deploy", authorDeploy},
		{"templates", authorTemplates},
		{"wrangler", authorWrangler},
		{"workers", authorWorkers},
		{"runs", authorRuns},
		{"data", authorData},
		{"versions", authorVersions},
		{"compare", authorCompare},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, n, newSomeone(t, n, n.tenant("author-"+part.name)))
		})
	}
}

func authorLogin(t *testing.T, n *process, s *someone) {
	key := s.env["JSRUNTIME_KEY"]
	require.Equal(t, "author-login", s.answer("whoami")["tenant"].(map[string]any)["slug"])
	require.Contains(t, s.must("whoami"), "author-login")

	s.env = map[string]string{}
	code, _, errs := s.try("whoami")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "jsruntime login")
	s.stdin = "jsr_wrong\n"
	code, _, errs = s.try("login", "--url", n.base)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "unauthorized")
	require.NotContains(t, errs, "jsr_wrong")
	s.stdin = key + "\n"
	out := s.must("login", "--url", n.base+"/")
	require.NotContains(t, out, key)
	file := filepath.Join(s.config, "jsruntime", "profiles.json")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Contains(t, s.must("whoami"), "author-login")
	// A kept key goes to the URL that it was kept with, and nowhere else.
	code, _, errs = s.try("whoami", "--url", "http://127.0.0.1:1")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no key for http://127.0.0.1:1")
	code, _, errs = s.try("whoami", "--profile", "other")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "--profile other")
	s.must("logout")
	code, _, _ = s.try("whoami")
	require.Equal(t, 1, code)

	code, _, errs = s.try("whoami", "--url", "ftp://x")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "url: must be an http or https URL")
	code, _, _ = s.try("whoami", "--nonsense")
	require.Equal(t, 2, code)
	s.env["JSRUNTIME_URL"], s.env["JSRUNTIME_KEY"] = n.base, "jsr_nobody"
	code, out, _ = s.try("whoami", "--json")
	require.Equal(t, 1, code)
	var failed struct{ Error struct{ Code string } }
	require.NoError(t, json.Unmarshal([]byte(out), &failed), out)
	require.Equal(t, "unauthorized", failed.Error.Code)
}

// authorTemplates: what init makes deploys and runs, and a second deployment says unchanged.
func authorTemplates(t *testing.T, n *process, s *someone) {
	root := s.dir
	for template, script := range map[string]string{"hello": "hello", "cron": "nightly", "events": "order", "typescript": "price"} {
		s.dir = root
		require.Contains(t, s.must("init", template, "--template", template), "jsruntime deploy")
		code, _, errs := s.try("init", template)
		require.Equal(t, 1, code)
		require.Contains(t, errs, "is a project already")
		s.dir = filepath.Join(root, template)
		ignored, err := os.ReadFile(filepath.Join(s.dir, ".gitignore"))
		require.NoError(t, err)
		require.Contains(t, string(ignored), ".dev.vars", "secrets of dev stay out of a repository")
		out := s.must("deploy")
		require.Regexp(t, `created +`+script, out)
		require.Contains(t, out, "1 created, 0 changed, 0 unchanged")
		require.Regexp(t, `unchanged +`+script, s.must("deploy"), template)
	}
	n.live("/t/author-templates/hello/you")
	_, text := n.try("GET", "/t/author-templates/hello/you", "", nil)
	require.JSONEq(t, `{"hello": "you"}`, text)
	out := n.must(200, "POST", "/api/v1/invoke/price", s.env["JSRUNTIME_KEY"], map[string]any{"country": "de", "lines": []any{map[string]any{"price": 10, "quantity": 2}}})
	require.Equal(t, map[string]any{"total": 23.8}, out["output"])
	s.dir = root
	code, _, _ := s.try("init", "x", "--template", "cobol")
	require.Equal(t, 2, code)
}

func authorDeploy(t *testing.T, n *process, s *someone) {
	key := s.env["JSRUNTIME_KEY"]
	code, _, errs := s.try("deploy")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "jsruntime init")

	config := func(extra string) string {
		return `{
  // the shop
  "name": "shop",
  "vars": { "REGION": "eu", "RATES": [1, 2] },
  "scripts": {
    "greet": { "type": "http", "main": "src/greet.ts", "http_path": "/greet/:name", "http_methods": ["GET"] },` + extra + `
    "double": { "type": "embedded", "main": "src/double.js", "tags": ["math"] },
  },
  "environments": { "staging": { "vars": { "REGION": "eu-test" }, "scripts": { "greet": { "http_path": "/staging/:name" } } } },
}`
	}
	s.write("jsruntime.jsonc", config(`
    "old": { "type": "oneoff", "main": "src/double.js" },`))
	s.write("src/greet.ts", `import { shout } from "shout";
import text from "./note.txt";
export default { async fetch(request: Request, env: any, ctx: any) {
  if (ctx.params.name === "boom") throw new Error("boom");
  return Response.json({ hello: shout(ctx.params.name as string), region: env.REGION, rates: env.RATES, text });
} };
`)
	s.write("src/note.txt", "a note")
	s.write("src/double.js", "export default { run: (n) => n * 2 };\n")
	s.write("node_modules/shout/package.json", `{"name": "shout", "main": "index.js"}`)
	s.write("node_modules/shout/index.js", "exports.shout = (s) => s.toUpperCase();\n")

	plan := s.answer("deploy", "--dry-run")
	require.Equal(t, map[string]any{"created": 3.0, "changed": 0.0, "unchanged": 0.0, "orphaned": 0.0}, plan["counts"])
	require.Empty(t, n.must(200, "GET", "/api/v1/scripts", key, nil)["items"], "a dry run changes nothing")
	require.Contains(t, s.must("deploy"), "3 created")
	n.live("/t/author-deploy/greet/you")
	_, text := n.try("GET", "/t/author-deploy/greet/you", "", nil)
	require.JSONEq(t, `{"hello": "YOU", "region": "eu", "rates": [1, 2], "text": "a note"}`, text)
	require.Contains(t, s.must("deploy"), "Nothing to do: 3 unchanged")

	// A thrown error's stack names the author's file and line, through the bundle's map.
	resp, _, err := n.request("GET", "/t/author-deploy/greet/boom", "", nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		status, text := n.try("GET", "/api/v1/executions/"+resp.Header.Get("X-Execution-Id"), key, nil)
		return status == 200 && strings.Contains(text, "src/greet.ts:4:")
	}, time.Minute, 20*time.Millisecond)

	// Fields and sources that differ are told; what is gone is orphaned, and archived on demand only.
	s.write("jsruntime.jsonc", strings.Replace(config(""), `"/greet/:name"`, `"/greet/:name/now"`, 1))
	s.write("src/double.js", "export default { run: (n) => n + n };\n")
	out := s.must("deploy", "--dry-run")
	require.Regexp(t, `changed +double\n +source +\+1 −1 lines`, out)
	require.Regexp(t, `http_path +"/greet/:name" → "/greet/:name/now"`, out)
	require.Regexp(t, `orphaned +old`, out)
	code, _, errs = s.try("deploy", "--prune")
	require.Equal(t, 2, code, "nobody can be asked: %s", errs)
	require.Contains(t, errs, "--yes")
	require.Contains(t, s.must("deploy", "--only", "double"), "1 changed")
	require.Contains(t, s.must("deploy", "--prune", "--yes"), "1 archived")
	require.Equal(t, "archived", n.must(200, "GET", "/api/v1/scripts?name=old", key, nil)["items"].([]any)[0].(map[string]any)["status"])
	require.Equal(t, 0.0, s.answer("deploy")["counts"].(map[string]any)["orphaned"])
	s.write("jsruntime.jsonc", strings.Replace(config(`
    "old": { "type": "oneoff", "main": "src/double.js" },`), `"/greet/:name"`, `"/greet/:name/now"`, 1))
	require.Contains(t, s.must("deploy"), "1 changed", "an archived script comes back")
	require.Equal(t, "active", n.must(200, "GET", "/api/v1/scripts?name=old", key, nil)["items"].([]any)[0].(map[string]any)["status"])

	out = s.must("deploy", "--env", "staging", "--dry-run")
	require.Contains(t, out, `"/staging/:name"`)
	code, _, errs = s.try("deploy", "--env", "nowhere")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "nowhere")

	// All or nothing: one script that the node refuses keeps the others from going live.
	s.write("src/double.js", "export default { run: (n) => 2 * n };\n")
	s.write("jsruntime.jsonc", strings.Replace(config(""), `"/greet/:name"`, `"greet"`, 1))
	code, _, errs = s.try("deploy")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "jsruntime.jsonc:6:69")
	require.Contains(t, errs, "^^^^^^^")
	require.NotContains(t, n.must(200, "GET", "/api/v1/scripts?name=double&fields=source", key, nil)["items"].([]any)[0].(map[string]any)["source"], "2 * n")

	// A syntax error has its code frame, before anything is sent.
	s.env["JSRUNTIME_URL"] = "http://127.0.0.1:1"
	s.write("src/greet.ts", "export default {\n  async fetch() {\n    return Response.json({ a: 1 ;\n  },\n};\n")
	code, out, errs = s.try("deploy")
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, errs, "src/greet.ts:3:33")
	require.Contains(t, errs, ">     3 │     return Response.json({ a: 1 ;\n        │                                 ^")
	code, out, _ = s.try("deploy", "--json")
	require.Equal(t, 1, code)
	require.Contains(t, out, `"line": 3`)
	s.write("jsruntime.jsonc", "{\n  \"scripts\": {\n    \"a\": { \"type\": \"http\" \"main\": \"a.ts\" }\n  }\n}\n")
	code, _, errs = s.try("deploy")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "jsruntime.jsonc:3:")
	s.write("jsruntime.jsonc", "{ \"script\": {} }")
	_, _, errs = s.try("deploy")
	require.Contains(t, errs, "jsruntime.jsonc:1:13: script: is no field of jsruntime.jsonc")
	s.write("jsruntime.jsonc", "{\n  \"scripts\": { \"a\": { \"type\": \"http\", \"main\": \"missing.ts\" } }\n}")
	_, _, errs = s.try("deploy")
	require.Contains(t, errs, "jsruntime.jsonc:2:47: a: main: there is no file missing.ts")
}

// authorWrangler deploys a project of the shape that create-cloudflare makes, as it is.
func authorWrangler(t *testing.T, n *process, s *someone) {
	s.write("wrangler.jsonc", `/**
 * For more details on how to configure Wrangler, refer to its docs.
 */
{
	"$schema": "node_modules/wrangler/config-schema.json",
	"name": "worker",
	"main": "src/index.ts",
	"compatibility_date": "2025-10-08",
	"compatibility_flags": ["nodejs_compat"],
	"observability": { "enabled": true },
	"triggers": { "crons": ["0 3 * * *"] },
	"vars": { "MY_VARIABLE": "production_value" },
	"kv_namespaces": [{ "binding": "CACHE", "id": "abc" }],
	"routes": [{ "pattern": "shop.example.com/api/*", "zone_name": "example.com" }],
}`)
	s.write("src/index.ts", `interface Env { CACHE: any; MY_VARIABLE: string }
export default {
  async fetch(request: Request, env: Env, ctx: any): Promise<Response> {
    await env.CACHE.put("text", "value", { metadata: { by: "me" }, expirationTtl: 600 });
    await env.CACHE.put("json", JSON.stringify({ a: 1 }));
    await env.CACHE.put("bytes", new Uint8Array([1, 2, 255]));
    await env.CACHE.put("gone", "x");
    await env.CACHE.delete("gone");
    const { value, metadata } = await env.CACHE.getWithMetadata("text");
    const list = await env.CACHE.list({ prefix: "" });
    return Response.json({
      path: new URL(request.url).pathname, value, metadata, json: await env.CACHE.get("json", "json"), text: await env.CACHE.get("json", { type: "text" }),
      bytes: [...new Uint8Array(await env.CACHE.get("bytes", "arrayBuffer"))], stream: await new Response(await env.CACHE.get("text", "stream")).text(),
      gone: await env.CACHE.get("gone"), keys: list.keys.map((k: any) => k.name), complete: list.list_complete, expires: list.keys.at(-1).expiration > Date.now() / 1000,
      many: [...(await env.CACHE.get(["text", "gone"]))], variable: env.MY_VARIABLE,
    });
  },
  async scheduled(controller: any, env: Env, ctx: any) { return env.MY_VARIABLE; },
};
`)
	code, out, errs := s.try("deploy")
	require.Zero(t, code, errs)
	require.Regexp(t, `created +worker .*/api/\*rest`, out)
	require.Regexp(t, `created +worker-cron .*0 3 \* \* \*`, out)
	for _, warned := range []string{"compatibility_date", "observability", "shop.example.com"} {
		require.Equal(t, 1, strings.Count(errs, "warning: wrangler.jsonc: "+warned)+strings.Count(errs, "warning: wrangler.jsonc: routes: "+warned), errs)
	}
	require.Equal(t, 3, strings.Count(errs, "warning:"), errs)
	n.live("/t/author-wrangler/api/x")
	_, text := n.try("GET", "/t/author-wrangler/api/x", "", nil)
	require.JSONEq(t, `{"path": "/api/x", "value": "value", "metadata": {"by": "me"}, "json": {"a": 1}, "text": "{\"a\":1}", "bytes": [1, 2, 255], "stream": "value",
		"gone": null, "keys": ["bytes", "json", "text"], "complete": true, "expires": true, "many": [["text", "value"], ["gone", null]], "variable": "production_value"}`, text)
	require.Contains(t, s.must("deploy"), "2 unchanged")

	require.NoError(t, os.Remove(filepath.Join(s.dir, "wrangler.jsonc")))
	s.write("wrangler.toml", `name = "worker"
main = "src/index.ts"
[vars]
MY_VARIABLE = "toml"
[[kv_namespaces]]
binding = "CACHE"
id = "abc"
[[d1_databases]]
binding = "DB"
[env.staging]
route = "*/staging"
[env.staging.vars]
MY_VARIABLE = "staging"
`)
	code, out, errs = s.try("deploy", "--dry-run")
	require.Zero(t, code, errs)
	require.Contains(t, errs, "d1_databases: has no counterpart")
	require.Contains(t, out, "/*rest")
	out = s.must("deploy", "--env", "staging", "--dry-run")
	require.Regexp(t, `created +worker-staging .*/staging`, out)
	s.write("wrangler.toml", "name = \"worker\"\nmain = \n")
	code, _, errs = s.try("deploy")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "wrangler.toml:2:")
}

// authorRuns: run, trigger, events, executions, dead letters, schedules and tail.
func authorRuns(t *testing.T, n *process, s *someone) {
	s.write("jsruntime.jsonc", `{ "scripts": {
  "sum": { "type": "oneoff", "main": "sum.js" },
  "tick": { "type": "scheduled", "main": "tick.js", "cron_expression": "0 3 * * *" },
  "order": { "type": "event", "main": "order.js", "event_types": ["order.placed"], "retry": { "max_attempts": 1 } },
} }`)
	s.write("sum.js", `export default { run({ a, b }) { console.log("adding\x1b[31m"); if (b === 0) throw new Error("b is nothing"); return { sum: a + b }; } };`)
	s.write("tick.js", `export default { scheduled: (c) => ({ cron: c.cron }) };`)
	s.write("order.js", `export default { event(e) { if (e.data.bad) throw new Error("a bad order"); return e.type; } };`)
	s.must("deploy")

	code, out, errs := s.try("run", "sum", "--input", `{"a": 1, "b": 2}`)
	require.Zero(t, code, errs)
	require.JSONEq(t, `{"sum": 3}`, out)
	require.Contains(t, errs, `adding\x1b[31m`, "a script's text cannot drive the terminal")
	require.Regexp(t, `completed +version 1 +.* ms CPU`, errs)
	s.stdin = `{"a": 2, "b": 3}`
	require.JSONEq(t, `{"sum": 5}`, s.must("run", "sum", "--input", "-"))
	s.write("in.json", `{"a": 3, "b": 4}`)
	require.Equal(t, map[string]any{"sum": 7.0}, s.answer("run", "sum", "--input", "@in.json")["execution"].(map[string]any)["output"])
	code, out, errs = s.try("run", "sum", "--input", `{"a": 1, "b": 0}`)
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, errs, "b is nothing")
	require.Contains(t, errs, "sum.js:1:")
	code, _, errs = s.try("run", "sum", "--input", `{"a"`)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "input: is not JSON")
	code, _, errs = s.try("run", "none")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "script none: there is none of this name")

	require.JSONEq(t, `{"cron": "0 3 * * *"}`, s.must("trigger", "tick", "--cron"))
	require.JSONEq(t, `"order.placed"`, s.must("trigger", "order", "--event", "order.placed", `{"bad": false}`))
	code, _, _ = s.try("trigger", "order", "--cron")
	require.Equal(t, 1, code)
	code, _, _ = s.try("trigger", "order")
	require.Equal(t, 2, code)

	require.Contains(t, s.must("schedules"), "0 3 * * *")
	require.Contains(t, s.must("events", "publish", "order.placed", `{"bad": true}`, "--id", "one"), "1 executions")
	require.Equal(t, true, s.answer("events", "publish", "order.placed", `{"bad": true}`, "--id", "one")["duplicate"])
	var letter map[string]any
	require.Eventually(t, func() bool {
		items := s.answer("dead-letters", "list", "order")["items"].([]any)
		if len(items) == 1 {
			letter = items[0].(map[string]any)
		}
		return letter != nil
	}, time.Minute, 50*time.Millisecond)
	require.Contains(t, s.must("dead-letters", "list"), "a bad order")
	require.Contains(t, s.must("dead-letters", "retry", letter["id"].(string)), "tried again")
	code, _, _ = s.try("dead-letters", "retry")
	require.Equal(t, 2, code)
	code, _, _ = s.try("dead-letters", "delete", letter["id"].(string))
	require.Equal(t, 2, code, "deleting asks")

	added := s.answer("webhooks", "add", "https://example.org/hook", "script.failing", "dead_letter.created")
	hook := added["id"].(string)
	require.Contains(t, added["secret"], "whsec_")
	require.Contains(t, s.must("webhooks", "list"), "https://example.org/hook")
	require.Contains(t, s.must("webhooks", "test", hook), "A test is sent")
	require.Contains(t, s.must("webhooks", "deliveries", hook), "webhook.test")
	require.Contains(t, s.must("webhooks", "redrive", hook), "sent again")
	code, _, errs = s.try("webhooks", "redrive", hook, "01900000-0000-7000-8000-000000000000")
	require.Equal(t, 1, code, errs)
	require.Contains(t, s.must("webhooks", "rm", hook, "--yes"), "deleted")
	require.Contains(t, []any{"ok", "warning"}, s.answer("report")["verdict"])

	var failed map[string]any
	require.Eventually(t, func() bool {
		items := s.answer("executions", "list", "sum", "--status", "failed")["items"].([]any)
		if len(items) == 1 {
			failed = items[0].(map[string]any)
		}
		return failed != nil
	}, time.Minute, 50*time.Millisecond)
	id := failed["id"].(string)
	require.Contains(t, s.must("executions", "list", "--since", "1h", "--limit", "500"), id)
	require.Len(t, s.answer("executions", "list", "sum", "--error", "exception", "--text", "B IS not")["items"], 1)
	require.Empty(t, s.answer("executions", "list", "sum", "--http-status", "5xx", "--path", "/none")["items"])
	require.Contains(t, s.must("executions", "get", id), "b is nothing")
	require.NotEmpty(t, s.answer("executions", "replay", id)["id"])
	code, _, errs = s.try("executions", "cancel", id)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "(")

	// The tail ends by itself after --count events; the runs go on until it has.
	done := make(chan string)
	go func() {
		watcher := *s
		_, out, _ := watcher.try("tail", "sum", "--grep", "ADDING", "--count", "2")
		done <- out
	}()
	for {
		select {
		case out := <-done:
			require.Equal(t, 2, strings.Count(out, `adding\x1b[31m`), out)
			return
		default:
			s.must("run", "sum", "--input", `{"a": 1, "b": 2}`)
		}
	}
}

// authorData: secrets, kv, export and import.
func authorData(t *testing.T, n *process, s *someone) {
	s.stdin = "a very secret value\n"
	require.NotContains(t, s.must("secret", "put", "TOKEN"), "very secret")
	require.Contains(t, s.must("secret", "list"), "TOKEN")
	code, _, errs := s.try("secret", "put", "EMPTY")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "nothing on stdin")
	code, _, _ = s.try("secret", "put", "TOKEN", "value")
	require.Equal(t, 2, code, "a value is no argument")
	s.write("env.js", `export default { run: (input, env) => env.TOKEN === "a very secret value" };`)
	s.write("jsruntime.jsonc", `{ "scripts": { "env": { "type": "oneoff", "main": "env.js" } } }`)
	s.must("deploy")
	require.Equal(t, "true\n", s.must("run", "env"))
	code, _, _ = s.try("secret", "delete", "TOKEN")
	require.Equal(t, 2, code)
	s.must("secret", "delete", "TOKEN", "--yes")
	require.Equal(t, "none\n", s.must("secret", "list"))

	s.stdin = "another secret value\n"
	s.must("secret", "put", "STRIPE", "--host", "api.stripe.com", "--host", "*.stripe.com:443", "--script", "env")
	require.Regexp(t, `STRIPE +env +api\.stripe\.com, \*\.stripe\.com:443`, s.must("secret", "list"))
	s.stdin = "another secret value\n"
	code, _, errs = s.try("secret", "put", "STRIPE", "--host", "10.0.0.0/8")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "hosts[0]")
	code, _, errs = s.try("secret", "rekey")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "forbidden")
	require.Contains(t, s.must("secret", "rekey", "--url", n.base, "--key", testAdminKey), "0 rows are encrypted")

	s.must("vars", "set", "REGION=eu", "URL=https://a.test/?x=y")
	s.must("vars", "set", "LEVEL", "debug info")
	require.Equal(t, "LEVEL=debug info\nREGION=eu\nURL=https://a.test/?x=y\n", s.must("vars", "list"))
	s.must("vars", "rm", "URL")
	require.Equal(t, map[string]any{"vars": map[string]any{"LEVEL": "debug info", "REGION": "eu"}}, s.answer("vars", "list"))
	code, _, errs = s.try("vars", "set", "STRIPE=x")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "name_taken")
	code, _, _ = s.try("vars", "set", "REGION")
	require.Equal(t, 2, code)
	s.must("vars", "rm", "LEVEL")
	s.must("vars", "rm", "REGION")
	s.must("secret", "delete", "STRIPE", "--yes")

	s.must("kv", "put", "a/b c", `{"n": 1}`, "--metadata", `{"by": "me"}`, "--ttl", "1h")
	require.JSONEq(t, `{"n": 1}`, s.must("kv", "get", "a/b c"))
	require.Regexp(t, `a/b c .*\{"by":"me"\}`, s.must("kv", "list", "a/"))
	s.must("kv", "delete", "a/b c")
	code, _, errs = s.try("kv", "get", "a/b c")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "there is no key a/b c")

	s.must("export", "all.json")
	code, _, errs = s.try("export", "all.json")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "--force")
	require.Contains(t, s.must("export"), `"jsruntime.export.v1"`)
	require.Contains(t, s.must("import", "all.json", "--on-conflict", "update", "--dry-run"), "0 created, 0 updated, 1 unchanged")
	code, _, errs = s.try("import", "all.json")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "name_taken")
}

// TestCompletion asks bash itself.
func TestCompletion(t *testing.T) {
	t.Parallel()
	s := &someone{t: t, dir: t.TempDir(), config: t.TempDir()}
	s.write("complete.bash", s.must("completion", "bash"))
	for line, want := range map[string]string{"jsruntime depl": "deploy", "jsruntime executions li": "list", "jsruntime deploy --dry": "--dry-run", "jsruntime serve --lis": "--listen"} {
		words := strings.Fields(line)
		ask := fmt.Sprintf(`source complete.bash; COMP_WORDS=(%s); COMP_CWORD=%d; _jsruntime; echo "${COMPREPLY[@]}"`, line, len(words)-1)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", ask)
		cmd.Dir = s.dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, want+"\n", string(out), line)
	}
	require.Contains(t, s.must("completion", "zsh"), "bashcompinit")
	require.Contains(t, s.must("completion", "fish"), "complete -c jsruntime -f -n '__fish_use_subcommand' -a deploy")
}

// TestHelpIsInGroups: help alone is a command too.
func TestHelpIsInGroups(t *testing.T) {
	t.Parallel()
	s := &someone{t: t, dir: t.TempDir(), config: t.TempDir()}
	out := s.must("help")
	for _, group := range []string{"Project:", "Scripts:", "Data:", "Server:"} {
		require.Contains(t, out, group)
	}
	require.Contains(t, s.must("help", "deploy"), "--dry-run")
	require.Contains(t, s.must("help", "deploy"), "($JSRUNTIME_KEY)")
	require.NotContains(t, s.must("help", "deploy"), "JSRUNTIME_DRY_RUN")
	code, _, errs := s.try("nonsense")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "nonsense")
}

// authorVersions: a deployment with a message and a tag, versions, diff, rollback, promote, and run of a version that is not live.
func authorVersions(t *testing.T, n *process, s *someone) {
	key := s.env["JSRUNTIME_KEY"]
	config := func(extra string) string {
		return `{ "scripts": {
  "price": { "type": "oneoff", "main": "price.js", "resource_limits": { "max_execution_time_ms": 5000 } },
  "rate": { "type": "oneoff", "main": "rate.js"` + extra + ` },
} }`
	}
	s.write("jsruntime.jsonc", config(""))
	s.write("price.js", "export default { run: () => 1 };\n")
	s.write("rate.js", "export default { run: () => 'a' };\n")
	require.Contains(t, s.must("deploy", "--message", "the first"), "2 created")
	require.Equal(t, "1\n", s.must("run", "price"))
	require.Contains(t, s.must("versions", "price"), "the first")

	s.write("price.js", "export default { run: () => 2 };\n")
	s.write("jsruntime.jsonc", strings.Replace(config(`, "tags": ["x"]`), "5000", "6000", 1))
	require.Contains(t, s.must("deploy", "--tag", "v2", "--message", "a new price"), "2 changed")
	require.Equal(t, "2\n", s.must("run", "price"))
	require.Contains(t, s.must("deploy"), "2 unchanged")
	out := s.must("versions", "price")
	require.Regexp(t, `2 +live +v2 .*a new price`, out)
	require.Contains(t, s.must("diff", "price"), "-export default { run: () => 1 };\n+export default { run: () => 2 };")
	require.Equal(t, "1\n", s.must("run", "price", "--version", "1"))

	require.Contains(t, s.must("rollback", "price"), "Version 1 of price is live")
	require.Equal(t, "1\n", s.must("run", "price"))
	limits := n.must(200, "GET", "/api/v1/scripts?name=price", key, nil)["items"].([]any)[0].(map[string]any)["resource_limits"]
	require.Equal(t, map[string]any{"max_execution_time_ms": 5000.0}, limits, "a version holds its limits too")
	require.Contains(t, s.must("promote", "price", "v2"), "Version 2 of price is live")
	require.Contains(t, s.must("rollback", "price", "1"), "Version 1")
	require.Contains(t, s.must("promote", "price"), "Version 2", "the newest")
	code, _, errs := s.try("rollback", "rate")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no version was live before")
	code, _, _ = s.try("promote", "price", "--percent", "0")
	require.Equal(t, 2, code)

	// Where the node refuses one version none goes live.
	s.write("price.js", "export default { run: () => 3 };\n")
	s.write("rate.js", "export default { run: () => 'b' };\n")
	s.write("jsruntime.jsonc", strings.Replace(strings.Replace(config(""), "5000", "6000", 1), `"rate.js"`, `"rate.js", "resource_limits": { "max_nonsense": 1 }`, 1))
	code, _, errs = s.try("deploy", "--message", "half of it")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "max_nonsense")
	require.Contains(t, errs, "jsruntime.jsonc:3:")
	require.Equal(t, "2\n", s.must("run", "price"))

	// A file that has another name is no change of its lines, and stacks have its whole name.
	s.write("jsruntime.jsonc", strings.Replace(strings.Replace(config(""), "5000", "6000", 1), `"rate.js"`, `"lib/rate.js"`, 1))
	s.write("lib/rate.js", "export default { run: () => 'a' };\n")
	out = s.must("deploy", "--message", "moved", "--only", "rate")
	require.Regexp(t, `changed +rate\n +main +"rate.js" → "lib/rate.js"\n`, out)
	require.NotContains(t, out, "source")
	require.Equal(t, "\"a\"\n", s.must("run", "rate"))
	s.write("lib/rate.js", "export default { run: (n) => n.no.such };\n")
	require.Regexp(t, `source +\+1 −1 lines`, s.must("deploy", "--only", "rate"))
	_, _, errs = s.try("run", "rate")
	require.Contains(t, errs, "lib/rate.js:1:")
}

// authorCompare tries a changed price rule on the inputs that are on record.
func authorCompare(t *testing.T, n *process, s *someone) {
	s.write("jsruntime.jsonc", `{ "scripts": { "price": { "type": "oneoff", "main": "price.js" } } }`)
	s.write("price.js", "export default { run: ({ n }) => ({ price: n * 10 }) };\n")
	s.must("deploy")
	require.Contains(t, s.must("compare", "price"), "Nothing was compared: no execution with an input is on record.")
	for _, amount := range []string{"1", "5", "20"} {
		s.must("run", "price", "--input", `{"n": `+amount+`}`)
	}
	require.Eventually(t, func() bool {
		return len(s.answer("executions", "list", "price", "--status", "completed")["items"].([]any)) == 3
	}, time.Minute, 50*time.Millisecond)
	require.Contains(t, s.must("compare", "price"), "3 same, 0 different, 0 failed")
	s.write("price.js", "export default { run: ({ n }) => ({ price: n > 10 ? n * 9 : n * 10 }) };\n")
	out := s.must("compare", "price", "--last", "3")
	require.Contains(t, out, "2 same, 1 different, 0 failed")
	require.Regexp(t, `-.*200`, out)
	require.Regexp(t, `\+.*180`, out)
	require.Equal(t, "{\n  \"price\": 200\n}\n", s.must("run", "price", "--input", `{"n": 20}`), "the candidate is not live")
	s.write("price.js", "export default { run: ({ n }) => { if (n > 10) throw new Error('too many'); return { price: n * 10 }; } };\n")
	code, out, _ := s.try("compare", "price")
	require.Equal(t, 1, code)
	require.Contains(t, out, "too many")
	require.Contains(t, s.must("compare", "price", "--version", "1"), "0 different, 0 failed")
}

// TestEveryCommandHasJSON walks the whole command line. serve goes on, and completion's script is a document of its own.
func TestEveryCommandHasJSON(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&commandLine{}, kong.ExplicitGroups(helpGroups))
	require.NoError(t, err)
	leaves := 0
	for _, node := range parser.Model.Leaves(true) {
		if node.Name == "serve" || node.Name == "completion" {
			continue
		}
		leaves++
		names := []string{}
		for _, flag := range node.Flags {
			names = append(names, flag.Name)
		}
		require.Contains(t, names, "json", node.FullPath())
	}
	require.Greater(t, leaves, 30)
}
