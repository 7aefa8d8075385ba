package host

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/migrations/dbtest"
)

func newTenant(t *testing.T, db *pgxpool.Pool, slug string) *engine.Invocation {
	t.Helper()
	inv := newInvocation()
	inv.Script.TenantSlug = slug
	_, err := db.Exec(t.Context(), `INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)`, inv.Script.TenantID, slug)
	require.NoError(t, err)
	return inv
}

func tryCall(ctx context.Context, h *Host, inv *engine.Invocation, method, args string) (string, error) {
	r, err := h.Call(ctx, &engine.HostCall{Invocation: inv, Method: method, Args: json.RawMessage(args)})
	if err != nil {
		return "", err
	}
	return string(r.Payload), nil
}

func call(t *testing.T, h *Host, inv *engine.Invocation, method, args string) string {
	t.Helper()
	reply, err := tryCall(t.Context(), h, inv, method, args)
	require.NoError(t, err, "%s %s", method, args)
	return reply
}

// nested is an array n levels deep.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestKV(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	a, b := newTenant(t, db, "a"), newTenant(t, db, "b")

	require.JSONEq(t, `{"present":false,"value":null,"expiration":null}`, call(t, h, a, "kv.get", `{"key":"k"}`))
	// Values come back byte for byte: order of members, NUL, lone surrogates, depth.
	for _, value := range []string{`{"z":1,"a":[true,null]}`, `"\u0000\ud800"`, `""`, `null`, `1e308`, nested(text.MaxDepth)} {
		require.Equal(t, `{}`, call(t, h, a, "kv.put", `{"key":"k","value":`+value+`}`))
		require.Equal(t, `{"present":true,"value":`+value+`,"expiration":null}`, call(t, h, a, "kv.get", `{"key":"k"}`))
	}
	// Each call that takes a value has the same depth and the same number rule.
	for method, args := range map[string]string{
		"kv.put": `{"key":"k","value":%s}`, "events.publish": `{"type":"a.b","data":%s}`, "scripts.invoke": `{"name":"n","input":%s}`,
	} {
		for value, why := range map[string]string{nested(text.MaxDepth + 1): text.TooDeep.Error(), `1e400`: text.NumberTooLarge.Error()} {
			_, err := tryCall(t.Context(), h, a, method, fmt.Sprintf(args, value))
			var refused *engine.HostError
			require.ErrorAs(t, err, &refused, method)
			require.Equal(t, "TypeError", refused.Name)
			require.Contains(t, refused.Message, why, method)
		}
	}
	require.Contains(t, call(t, h, a, "events.publish", `{"type":"a.b","data":`+nested(text.MaxDepth)+`}`), "eventId")
	require.Contains(t, call(t, h, b, "kv.get", `{"key":"k"}`), `"present":false`, "another tenant's key")
	require.Equal(t, `{"deleted":false}`, call(t, h, b, "kv.delete", `{"key":"k"}`))
	require.Equal(t, `{"deleted":true}`, call(t, h, a, "kv.delete", `{"key":"k"}`))
	require.Equal(t, `{"deleted":false}`, call(t, h, a, "kv.delete", `{"key":"k"}`))

	for method, args := range map[string]string{
		"kv.get":       `{"key":""}`,
		"kv.put":       `{"key":"a","value":1,"expirationTtl":-1}`,
		"kv.delete":    `{"key":"` + strings.Repeat("é", 257) + `"}`,
		"kv.list":      `{"limit":1001}`,
		"kv.increment": `{"key":"a\u0000b"}`,
		"kv.nope":      `{}`,
	} {
		_, err := tryCall(t.Context(), h, a, method, args)
		var he *engine.HostError
		require.ErrorAs(t, err, &he, method)
		require.Equal(t, "TypeError", he.Name)
		require.True(t, strings.HasPrefix(he.Message, method+": "), he.Message)
	}
	_, err := tryCall(t.Context(), h, a, "kv.put", `{"key":"k"}`)
	require.ErrorContains(t, err, "value is missing")
	_, err = tryCall(t.Context(), h, a, "kv.list", `{"cursor":"*"}`)
	require.ErrorContains(t, err, "cursor")
	_, err = tryCall(t.Context(), h, a, "kv.put", `{"key":"k","value":"`+strings.Repeat("x", 64<<10)+`"}`)
	he := requireHostError(t, err, "kv_value_too_large")
	require.Equal(t, "kv.put: the value is 65538 bytes of JSON, the limit of a kv value is 65536 bytes", he.Message)
}

func TestKVCompareAndSet(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	inv, other := newTenant(t, db, "a"), newTenant(t, db, "b")
	written := func(want bool, args string) {
		t.Helper()
		require.Equal(t, fmt.Sprintf(`{"written":%t}`, want), call(t, h, inv, "kv.compareAndSet", args))
	}
	written(false, `{"key":"k","expected":1,"value":2}`)
	require.Contains(t, call(t, h, inv, "kv.get", `{"key":"k"}`), `"present":false`)
	written(true, `{"key":"k","expected":null,"value":{"b":1,"a":[2]}}`)
	written(false, `{"key":"k","expected":null,"value":3}`)
	written(false, `{"key":"k","expected":{"b":1},"value":3}`)
	written(true, `{"key":"k","expected":{"b":1,"a":[2]},"value":null,"expirationTtl":100}`)
	require.NotContains(t, call(t, h, inv, "kv.get", `{"key":"k"}`), `"expiration":null`)
	written(true, `{"key":"k","expected":null,"value":4}`)
	require.Contains(t, call(t, h, inv, "kv.get", `{"key":"k"}`), `"value":4,"expiration":null`)
	require.Equal(t, `{"written":false}`, call(t, h, other, "kv.compareAndSet", `{"key":"k","expected":4,"value":5}`), "another tenant's key")
	_, err := db.Exec(t.Context(), `UPDATE script_kv SET expires_at = now() - interval '1 s'`)
	require.NoError(t, err)
	written(false, `{"key":"k","expected":4,"value":5}`)
	written(true, `{"key":"k","expected":null,"value":0}`)

	// Of any number of writers that expect the same value one finds it.
	var won atomic.Int64
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for n := 0; n < 25; {
				reply := call(t, h, inv, "kv.get", `{"key":"k"}`)
				var got struct{ Value int }
				require.NoError(t, json.Unmarshal([]byte(reply), &got))
				reply = call(t, h, inv, "kv.compareAndSet", fmt.Sprintf(`{"key":"k","expected":%d,"value":%d}`, got.Value, got.Value+1))
				if reply == `{"written":true}` {
					won.Add(1)
					n++
				}
			}
		})
	}
	writers.Wait()
	require.EqualValues(t, 200, won.Load())
	require.Contains(t, call(t, h, inv, "kv.get", `{"key":"k"}`), `"value":200,`)
	for _, args := range []string{`{"key":"k","value":1}`, `{"key":"k","expected":1}`, `{"key":"","expected":1,"value":1}`} {
		_, err := tryCall(t.Context(), h, inv, "kv.compareAndSet", args)
		var refused *engine.HostError
		require.ErrorAs(t, err, &refused, args)
		require.Equal(t, "TypeError", refused.Name)
	}
}

func TestKVExpires(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	inv := newTenant(t, db, "a")
	call(t, h, inv, "kv.put", `{"key":"k","value":1,"expirationTtl":100}`)
	require.NotContains(t, call(t, h, inv, "kv.get", `{"key":"k"}`), `"expiration":null`)
	past := func() {
		_, err := db.Exec(t.Context(), `UPDATE script_kv SET expires_at = now() - interval '1 s'`)
		require.NoError(t, err)
	}
	past()
	require.Contains(t, call(t, h, inv, "kv.get", `{"key":"k"}`), `"present":false`)
	require.JSONEq(t, `{"keys":[],"cursor":"","complete":true}`, call(t, h, inv, "kv.list", `{}`))
	require.Equal(t, `{"deleted":false}`, call(t, h, inv, "kv.delete", `{"key":"k"}`))

	// An increment that meets an expired counter starts over, with the new window.
	require.Equal(t, `{"value":5}`, call(t, h, inv, "kv.increment", `{"key":"n","delta":5,"expirationTtl":100}`))
	past()
	require.Equal(t, `{"value":1}`, call(t, h, inv, "kv.increment", `{"key":"n","expirationTtl":100}`))
	require.Equal(t, `{"value":2}`, call(t, h, inv, "kv.increment", `{"key":"n"}`))
	require.NotContains(t, call(t, h, inv, "kv.get", `{"key":"n"}`), `"expiration":null`)

	call(t, h, inv, "kv.put", `{"key":"stays","value":1}`)
	past()
	call(t, h, inv, "kv.put", `{"key":"stays","value":1}`)
	h.sweepKV(t.Context())
	var keys []string
	require.NoError(t, db.QueryRow(t.Context(), `SELECT array_agg(key::text) FROM script_kv`).Scan(&keys))
	require.Equal(t, []string{"stays"}, keys)
}

// A statement may reach the database when another node has the execution.
func TestKVWritesUnderTheLeaseOnly(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	inv := newTenant(t, db, "a")
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := db.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	inv.Lease = uuid.New()
	inv.Live = func() bool { return false } // asked for increments only: of what no row comes back, it says why
	exec(`INSERT INTO organizations (tenant_id, name, is_default) VALUES ($1, 'o', true)`, inv.Script.TenantID)
	exec(`INSERT INTO scripts (id, tenant_id, organization_id, name, source, type, status) SELECT $2, $1, id, 's', '', 'oneoff', 'active' FROM organizations`, inv.Script.TenantID, inv.Script.ID)
	exec(`INSERT INTO nodes (id, hostname, version) VALUES (gen_random_uuid(), 'h', 'v')`)
	exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, handler) VALUES ($1, $2, $3, 'pending', 'manual', 'run')`,
		inv.ExecutionID, inv.Script.ID, inv.Script.TenantID)
	exec(`UPDATE script_execution_queue SET started_at = now(), node_id = (SELECT id FROM nodes), lease_token = $1, lease_expires_at = now() + interval '15 seconds'`, inv.Lease)
	call(t, h, inv, "kv.put", `{"key":"n","value":1}`)
	require.Equal(t, `{"value":3}`, call(t, h, inv, "kv.increment", `{"key":"n","delta":2}`))
	call(t, h, inv, "kv.put", `{"key":"gone","value":1}`)
	require.Equal(t, `{"deleted":true}`, call(t, h, inv, "kv.delete", `{"key":"gone"}`))

	exec(`UPDATE script_execution_queue SET lease_token = gen_random_uuid()`)
	_, err := tryCall(t.Context(), h, inv, "kv.put", `{"key":"n","value":9}`)
	require.ErrorIs(t, err, engine.ErrLeaseLost)
	_, err = tryCall(t.Context(), h, inv, "kv.increment", `{"key":"n"}`)
	require.ErrorIs(t, err, engine.ErrLeaseLost)
	require.Equal(t, `{"deleted":false}`, call(t, h, inv, "kv.delete", `{"key":"n"}`))
	require.Contains(t, call(t, h, inv, "kv.get", `{"key":"n"}`), `"value":3`)
}

func TestKVIncrement(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	inv := newTenant(t, db, "a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				if _, err := tryCall(context.Background(), h, inv, "kv.increment", `{"key":"n"}`); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, `{"value":200.5}`, call(t, h, inv, "kv.increment", `{"key":"n","delta":0.5}`))
	require.Equal(t, `{"value":0}`, call(t, h, inv, "kv.increment", `{"key":"n","delta":-200.5}`))
	call(t, h, inv, "kv.put", `{"key":"s","value":"12"}`)
	_, err := tryCall(t.Context(), h, inv, "kv.increment", `{"key":"s"}`)
	require.ErrorContains(t, err, "TypeError: kv.increment: the value of this key is not a number")
	call(t, h, inv, "kv.put", `{"key":"big","value":1.7e308}`)
	_, err = tryCall(t.Context(), h, inv, "kv.increment", `{"key":"big","delta":1.7e308}`)
	require.ErrorContains(t, err, "RangeError")
	call(t, h, inv, "kv.put", `{"key":"max","value":9007199254740990}`)
	var out struct{ Value float64 }
	require.NoError(t, json.Unmarshal([]byte(call(t, h, inv, "kv.increment", `{"key":"max"}`)), &out))
	require.Equal(t, 9007199254740991.0, out.Value)
}

func TestKVListPages(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db})
	inv, other := newTenant(t, db, "a"), newTenant(t, db, "b")
	call(t, h, other, "kv.put", `{"key":"p/000","value":1}`)
	for i := range 25 {
		call(t, h, inv, "kv.put", fmt.Sprintf(`{"key":"p/%03d","value":1}`, i))
	}
	for _, key := range []string{"o", "p", "p0", "q", "p/é", "P/001", "p%001", "p_"} {
		call(t, h, inv, "kv.put", fmt.Sprintf(`{"key":%q,"value":1}`, key))
	}
	var seen []string
	cursor := ""
	for pages := 1; ; pages++ {
		var page kvListReply
		text := call(t, h, inv, "kv.list", fmt.Sprintf(`{"prefix":"p/","limit":7,"cursor":%q}`, cursor))
		require.NoError(t, json.Unmarshal([]byte(text), &page))
		for _, k := range page.Keys {
			seen = append(seen, k.Name)
		}
		if page.Complete {
			require.Empty(t, page.Cursor)
			require.Equal(t, 4, pages)
			break
		}
		require.Len(t, page.Keys, 7)
		cursor = page.Cursor
	}
	require.Len(t, seen, 26)
	require.Equal(t, "p/000", seen[0])
	require.Equal(t, "p/é", seen[25])
}

func TestKVQuota(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	h := newTestHost(t, Config{DB: db, KV: kv.NewQuota(kv.Config{MaxBytes: 1000})})
	inv := newTenant(t, db, "a")
	value := `"` + strings.Repeat("x", 298) + `"`
	for i := range 3 {
		call(t, h, inv, "kv.put", fmt.Sprintf(`{"key":"k%d","value":%s}`, i, value))
	}
	_, err := tryCall(t.Context(), h, inv, "kv.put", `{"key":"k3","value":`+value+`}`)
	he := requireHostError(t, err, "storage_quota")
	require.Equal(t, "kv.put: the tenant's kv holds 906 bytes and may hold 1000 (max_kv_bytes), the write needs 302 more", he.Message)
	call(t, h, inv, "kv.delete", `{"key":"k0"}`)
	call(t, h, inv, "kv.put", `{"key":"k3","value":`+value+`}`)
	call(t, h, newTenant(t, db, "b"), "kv.put", `{"key":"k3","value":`+value+`}`)

	_, err = db.Exec(t.Context(), `UPDATE tenants SET plan = '{"max_kv_bytes": 5000}' WHERE id = $1`, inv.Script.TenantID)
	require.NoError(t, err)
	call(t, h, inv, "kv.put", `{"key":"k4","value":`+value+`}`)
}

func TestRunSweeps(t *testing.T) {
	t.Parallel()
	h := newTestHost(t, Config{DB: dbtest.DB(t)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	cancel()
	require.NoError(t, <-ended)
}

func TestRates(t *testing.T) {
	t.Parallel()
	nodes := 1
	r := newRates(func() int { return nodes })
	script := func(limit int) *engine.Script {
		return &engine.Script{ID: uuid.New(), Limits: engine.Limits{MaxAPICallsPerMinute: limit}}
	}
	now := time.Now()
	spend := func(s *engine.Script, at time.Time) (n int) {
		for r.take(s, at) == nil {
			n++
		}
		return n
	}
	a, b := script(60), script(60)
	require.Equal(t, 60, spend(a, now))
	require.Equal(t, 60, spend(b, now), "another script has its own")
	he := requireHostError(t, r.take(a, now), "rate_limited")
	require.Equal(t, "RateLimitError", he.Name)
	require.Equal(t, "max_api_calls_per_minute: the limit of 60 calls a minute is used up; try again in 1000 ms", he.Message)
	require.EqualValues(t, 1000, he.RetryAfter)
	require.Error(t, r.take(a, now.Add(990*time.Millisecond)))
	require.NoError(t, r.take(a, now.Add(1001*time.Millisecond)), "after what RetryAfter says")
	require.Equal(t, 60, spend(a, now.Add(2*time.Hour)), "never more than a minute's worth")

	nodes = 3
	require.Equal(t, 20, spend(script(60), now), "a third of it")
	require.Equal(t, 20, spend(a, now.Add(4*time.Hour)))
	tiny := script(2)
	require.Equal(t, 1, spend(tiny, now))
	require.Error(t, r.take(tiny, now.Add(80*time.Second)))
	require.NoError(t, r.take(tiny, now.Add(91*time.Second)))
	require.Equal(t, 0, spend(script(0), now)-1, "a limit of 0 leaves the one call that a bucket holds at least")

	require.NotEmpty(t, r.buckets)
	r.prune(now.Add(24 * time.Hour))
	require.LessOrEqual(t, len(r.buckets), 1, "only the bucket that never fills up stays")
}
