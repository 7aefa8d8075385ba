package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/migrations/dbtest"
)

// Scripts in a real worker call a real host: what package webapi sends is what this package reads.

type books struct{}

func (books) Record(context.Context, *engine.Invocation, *engine.Result) error { return nil }

type shelf map[string]*engine.Script

func (s shelf) ScriptByName(_ context.Context, _ uuid.UUID, name string) (*engine.Script, error) {
	if script := s[name]; script != nil {
		return script, nil
	}
	return nil, host.ErrScriptNotFound
}

func TestScriptsCallTheHost(t *testing.T) {
	t.Parallel()
	path := os.Getenv("JSRUNTIME_WORKER")
	if _, err := os.Stat(path); path == "" || err != nil {
		t.Skip("JSRUNTIME_WORKER names no worker: make test builds one")
	}
	db := dbtest.DB(t)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Method", r.Method)
			_, _ = fmt.Fprintf(w, "%s|%s", r.Header.Get("X-One"), body)
		case "/count":
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
		case "/long":
			chunk := []byte(strings.Repeat("x", 1<<16))
			for range 160 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "/slow":
			select {
			case <-time.After(20 * time.Second):
			case <-r.Context().Done():
			}
		case "/away":
			http.Redirect(w, r, "http://10.1.2.3/", http.StatusFound)
		}
	}))
	t.Cleanup(site.Close)

	var e *engine.Engine
	library := shelf{}
	h, err := host.New(host.Config{
		DB: db, FetchAllow: []string{strings.TrimPrefix(site.URL, "http://")}, Scripts: library, Recorder: books{},
		Execute: func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) { return e.Execute(ctx, inv) },
	})
	require.NoError(t, err)
	ring, err := keyring.Parse(strings.Repeat("0f", 32), "")
	require.NoError(t, err)
	secrets := host.NewSecrets(db, ring)
	e, err = engine.New(engine.Config{WorkerPath: path, Host: h, Env: secrets.Env, MaxWorkers: 4, Logger: enginetest.Logger(t)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})

	tenant := uuid.New()
	_, err = db.Exec(t.Context(), `INSERT INTO tenants (id, slug, name) VALUES ($1, 'acme', 'Acme')`, tenant)
	require.NoError(t, err)
	require.NoError(t, secrets.Put(t.Context(), tenant, "TOKEN", host.Secret{Value: "s3cret"}))
	script := func(name, source string) *engine.Script {
		out, err := compile.Compile(t.Context(), compile.Input{Source: source, Handler: "run"})
		require.NoError(t, err)
		limits := engine.DefaultLimits()
		limits.MaxAPICallsPerMinute = 1000
		s := &engine.Script{ID: uuid.New(), TenantID: tenant, TenantSlug: "acme", Name: name, Type: "embedded", Version: 1, Compiled: out.Compiled, Handlers: out.Handlers, Limits: limits}
		library[name] = s
		return s
	}
	run := func(source string) *engine.Result {
		t.Helper()
		s := script(uuid.NewString(), `import { kv, events, scripts } from "jsruntime"; const site = "`+site.URL+`"; export default { async run(input, env, ctx) { `+source+` } }`)
		if strings.Contains(source, "/* limit 3 */") {
			s.Limits.MaxAPICallsPerMinute = 3
		}
		res, err := e.Execute(t.Context(), &engine.Invocation{
			ExecutionID: uuid.New(), Script: s, Trigger: engine.TriggerAPI, Handler: engine.HandlerRun, Attempt: 1, QueuedAt: time.Now(), Input: json.RawMessage(`null`),
		})
		require.NoError(t, err)
		return res
	}
	script("double", `export default { run(n) { return n * 2; } }`)
	script("bad", `export default { run() { throw new Error("no good"); } }`)
	script("again", `import { scripts } from "jsruntime"; export default { async run() { try { return await scripts.invoke("again"); } catch (e) { return e.code; } } }`)

	for name, tc := range map[string]struct{ source, want string }{
		"env":       {`return env;`, `{"TOKEN":"s3cret"}`},
		"kv":        {`await kv.put("k", {b: 1, a: "é\ud83d\ude00"}); const v = await kv.get("k"); return [v, await kv.get("none"), await kv.delete("k"), await kv.delete("k")];`, `[{"b":1,"a":"é\ud83d\ude00"},null,true,false]`},
		"increment": {`await kv.increment("n"); return await kv.increment("n", 4);`, `5`},
		"list":      {`await kv.put("l/1", 1); await kv.put("l/2", 1, {expirationTtl: 60}); const r = await kv.list({prefix: "l/", limit: 1}); const s = await kv.list({prefix: "l/", cursor: r.cursor}); return [r.keys[0].name, r.complete, s.keys[0].name, s.keys[0].expiration > 1e9, s.complete];`, `["l/1",false,"l/2",true,true]`},
		"kv limit":  {`try { await kv.put("k", "x".repeat(70000)); } catch (e) { return [e.name, e.code, e.message]; }`, `["RangeError","kv_value_too_large","kv.put: the value is 70002 bytes of JSON, the limit of a kv value is 65536 bytes"]`},
		"events":    {`return (await events.publish("a.b", {n: 1}, {id: "e1"})).executions;`, `0`},
		"fetch":     {`const r = await fetch(site + "/echo", {method: "POST", headers: {"x-one": "1"}, body: "hello"}); return [r.status, r.ok, r.headers.get("x-method"), await r.text(), r.url === site + "/echo"];`, `[200,true,"POST","1|hello",true]`},
		"bytes":     {`const r = await fetch(site + "/echo", {method: "PUT", body: new Uint8Array([0, 255, 128])}); return [...new Uint8Array(await r.arrayBuffer())];`, `[124,0,255,128]`},
		"stream":    {`const r = await fetch(site + "/long"); let n = 0; for await (const c of r.body) n += c.length; return n;`, `10485760`},
		"upload":    {`let i = 0; const body = new ReadableStream({pull(c) { if (i === 80) c.close(); else c.enqueue(new Uint8Array(100000).fill(97 + i++ % 3)) }}); const r = await fetch(site + "/echo", {method: "POST", body, duplex: "half"}); const t = await r.text(); return [t.length, t.slice(0, 2), t.slice(-1)];`, `[8000001,"|a","b"]`},
		"piped":     {`const r = await fetch(site + "/count", {method: "POST", body: (await fetch(site + "/long")).body.pipeThrough(new TransformStream()), duplex: "half"}); return await r.json();`, `10485760`},
		"too long":  {`const body = new ReadableStream({pull(c) { c.enqueue(new Uint8Array(100000)) }}); try { await fetch(site + "/echo", {method: "POST", body, duplex: "half"}) } catch (e) { return [e.name, e.code]; }`, `["RangeError","fetch_too_large"]`},
		"abort":     {`const c = new AbortController(); setTimeout(() => c.abort(), 100); try { await fetch(site + "/slow", {signal: c.signal}); } catch (e) { return e.name; }`, `"AbortError"`},
		"blocked":   {`const out = []; for (const u of ["http://169.254.169.254/latest", "http://[::1]:5432/", "http://0x7f.1/", site + "/away"]) { try { await fetch(u); out.push("?"); } catch (e) { out.push(e.name + ": " + e.message); } } return [...new Set(out)];`, `["TypeError: fetch blocked: the host does not resolve or is not allowed"]`},
		"many":      {`const all = await Promise.all(Array.from({length: 60}, (_, i) => fetch(site + "/echo", {headers: {"x-one": String(i)}}).then((r) => r.text()))); return all.join("").length;`, `170`},
		"invoke":    {`return await scripts.invoke("double", 21);`, `42`},
		"not there": {`try { await scripts.invoke("nothing"); } catch (e) { return [e.name, e.code]; }`, `["NotFoundError","script_not_found"]`},
		"it throws": {`try { await scripts.invoke("bad"); } catch (e) { return [e.name, e.code, e.message]; }`, `["ScriptError","exception","scripts.invoke: bad ended with exception: Error: no good"]`},
		"rate":      {`/* limit 3 */ const out = []; for (let i = 0; i < 4; i++) { try { await kv.get("x"); out.push("ok"); } catch (e) { out.push(e.name, e.code, e.retryAfter > 1000); } } return out;`, `["ok","ok","ok","RateLimitError","rate_limited",true]`},
	} {
		t.Run(name, func(t *testing.T) {
			res := run(tc.source)
			require.Equal(t, engine.CodeNone, res.Code, res.Message)
			require.JSONEq(t, tc.want, string(res.Output))
		})
	}
	t.Run("loop", func(t *testing.T) {
		res := run(`try { return await scripts.invoke("again"); } catch (e) { return "caught"; }`)
		require.Equal(t, engine.CodeLoopDetected, res.Code, res.Message)
	})
}
