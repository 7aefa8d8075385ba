//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/migrations/dbtest"
)

// site is where scripts of a test fetch. It keeps the values of the header X-Key.
type site struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string
}

func newSite(t *testing.T) *site {
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.keys = append(s.keys, r.Header.Get("X-Key"))
		s.mu.Unlock()
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) host() string { return strings.TrimPrefix(s.URL, "http://") }

// taken are the values since the last call.
func (s *site) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.keys
	s.keys = nil
	return taken
}

// whole is every row of every table that may hold what an execution leaves, as text.
func whole(t *testing.T, url string) string {
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND s.nspname = 'public'`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var all strings.Builder
	for _, table := range tables {
		var text *string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT string_agg(x::text, E'\n') FROM "+table+" x").Scan(&text))
		if text != nil {
			all.WriteString(*text)
		}
	}
	return all.String()
}

// TestSecretsOfHostsOverANode: a secret with hosts reaches its host from every kind of run, and is nowhere else: no answer, log, row, call,
// comparison or audit entry has it. One for named scripts is on the env of these alone.
func TestSecretsOfHostsOverANode(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	mine, other := newSite(t), newSite(t)
	n := start(t, nodeConfig{databaseURL: url, env: []string{"JSRUNTIME_FETCH_ALLOW=127.0.0.1", "JSRUNTIME_LOG_LEVEL=debug"}})
	key := n.tenant("acme")
	const canary = "sk-live-canary-0123456789"
	n.must(204, "PUT", "/api/v1/secrets/PAY", key, map[string]any{"value": canary, "hosts": []string{mine.host()}})
	n.must(204, "PUT", "/api/v1/secrets/MINE", key, map[string]any{"value": "for-pay-alone", "scripts": []string{"pay"}})
	listed := fmt.Sprint(n.must(200, "GET", "/api/v1/secrets", key, nil)["items"])
	require.Contains(t, listed, "hosts:["+mine.host()+"]")
	require.Contains(t, listed, "scripts:[pay]")
	source := fmt.Sprintf(`const mine = %q, other = %q;
		const send = async (to, headers) => { try { return (await fetch(to, { headers })).status; } catch (e) { return e.name + " " + e.code; } };
		const go = async (env) => {
			console.log("key", env.PAY, env.MINE ?? "none");
			return {
				sent: await send(mine, { "x-key": "k " + env.PAY }), elsewhere: await send(other, { "x-key": env.PAY }), query: await send(mine + "/?k=" + env.PAY),
				redirected: await send(mine + "/?to=" + encodeURIComponent(other + "/"), { "x-key": env.PAY }), same: await send(mine + "/?to=/again", { "x-key": env.PAY }),
				body: await fetch(mine, { method: "POST", body: env.PAY }).then(() => "sent", (e) => e.code), placeholder: env.PAY, own: env.MINE ?? null,
			};
		};
		export default { async fetch(request, env) { return Response.json(await go(env)); }, async run(input, env) { return go(env); } };`, mine.URL, other.URL)
	n.endpoint(key, "/pay", source, nil)
	n.live("/t/acme/pay")
	mine.taken()
	other.taken()
	job := n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "job", "type": "oneoff", "status": "active", "source": source})["id"].(string)

	placeholders := map[string]bool{}
	judge := func(what string, out map[string]any, own any) {
		t.Helper()
		placeholders[out["placeholder"].(string)] = true
		delete(out, "placeholder")
		require.Equal(t, map[string]any{
			"sent": 200.0, "elsewhere": "TypeError secret_refused", "query": "TypeError secret_refused", "redirected": 200.0, "same": 200.0, "body": "secret_refused", "own": own,
		}, out, what)
		require.Equal(t, []string{"k " + canary, canary, canary, canary}, mine.taken(), what)
		require.Equal(t, []string{""}, other.taken(), "%s: only the redirect, without the header", what)
	}
	judge("endpoint", n.must(200, "GET", "/t/acme/pay", "", nil), "for-pay-alone")
	ran := n.must(200, "POST", "/api/v1/scripts/"+job+"/executions?wait=true", key, map[string]any{})
	judge("waited for", ran["output"].(map[string]any), nil)
	replay := n.must(202, "POST", "/api/v1/executions/"+ran["id"].(string)+"/replay", key, map[string]any{})
	judge("replay", n.ended(key, replay["id"].(string))["output"].(map[string]any), nil)
	calls := fmt.Sprint(n.must(200, "GET", "/api/v1/executions/"+ran["id"].(string)+"/calls", key, nil)["items"])
	require.Contains(t, calls, "secret_refused")
	require.Len(t, placeholders, 1, "one for all scripts of the tenant")

	comparison := n.must(202, "POST", "/api/v1/scripts/"+job+"/versions/1/compare", key, map[string]any{"last": 1, "fetch": "live"})
	compared(t, n, key, "/api/v1/comparisons/"+comparison["id"].(string))
	require.Equal(t, []string{"k " + canary, canary, canary, canary}, mine.taken())
	require.Equal(t, []string{""}, other.taken())

	// A renamed script has what is for its new name.
	n.must(200, "PATCH", "/api/v1/scripts/"+job, key, map[string]any{"name": "elsewhere"})
	n.must(204, "PUT", "/api/v1/secrets/MINE", key, map[string]any{"value": "for-another-alone", "scripts": []string{"elsewhere"}})
	require.Eventually(t, func() bool {
		out := n.must(200, "POST", "/api/v1/scripts/"+job+"/executions?wait=true", key, map[string]any{})["output"].(map[string]any)
		return out["own"] == "for-another-alone" && n.must(200, "GET", "/t/acme/pay", "", nil)["own"] == nil
	}, time.Minute, 50*time.Millisecond)
	n.must(200, "PATCH", "/api/v1/scripts/"+job, key, map[string]any{"name": "nameless"})
	require.Nil(t, n.must(200, "POST", "/api/v1/scripts/"+job+"/executions?wait=true", key, map[string]any{})["output"].(map[string]any)["own"])

	// Vars are on env beside them, and a change reaches running workers.
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{"name": "vars", "type": "embedded", "status": "active", "source": `export default { run(input, env) { return [env.REGION ?? null, Object.isFrozen(env)]; } }`})
	region := func() any {
		return n.must(200, "POST", "/api/v1/invoke/vars", key, map[string]any{})["output"].([]any)[0]
	}
	require.Nil(t, region())
	n.must(200, "PUT", "/api/v1/vars", key, map[string]any{"vars": map[string]any{"REGION": "eu"}})
	require.Eventually(t, func() bool { return region() == "eu" }, time.Minute, 20*time.Millisecond)
	n.must(204, "PUT", "/api/v1/vars/REGION", key, map[string]any{"value": "us"})
	require.Eventually(t, func() bool { return region() == "us" }, time.Minute, 20*time.Millisecond)
	n.must(204, "DELETE", "/api/v1/vars/REGION", key, nil)
	require.Eventually(t, func() bool { return region() == nil }, time.Minute, 20*time.Millisecond)

	n.stop(syscall.SIGTERM) // what is buffered is written
	kept := whole(t, url)
	require.Contains(t, kept, "secret_refused")
	for _, value := range []string{canary, "for-pay-alone", "for-another-alone"} {
		require.NotContains(t, kept, value)
		require.NotContains(t, n.log.String()+n.out.String(), value)
	}
}

// TestRekeyWhileNodesRun: two nodes go from one secret key to another while they serve a script that needs its secret. A node that encrypts
// with the old key refuses the rewriting; a node that is killed in the middle loses nothing; at the end the old key is not needed.
func TestRekeyWhileNodesRun(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	keys := func(current, old string) []string {
		env := []string{"JSRUNTIME_SECRET_KEY=" + strings.Repeat(current, 32)}
		if old != "" {
			env = append(env, "JSRUNTIME_SECRET_KEY_OLD="+strings.Repeat(old, 32))
		}
		return env
	}
	const one, two = "a1", "b2"
	first := start(t, nodeConfig{databaseURL: url, env: keys(one, two)})
	key := first.tenant("acme")
	first.must(204, "PUT", "/api/v1/secrets/TOKEN", key, map[string]any{"value": "s3cret-value"})
	first.must(204, "PUT", "/api/v1/secrets/SIGN", key, map[string]any{"value": "signing-secret"})
	first.endpoint(key, "/token", `export default { fetch(request, env) { return new Response(env.TOKEN) } }`, nil)
	ring, err := keyring.Parse(strings.Repeat(one, 32), "")
	require.NoError(t, err)
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer pool.Close()
	bulk := host.NewSecrets(pool, ring)
	for i := range 8 { // of tenants that only have secrets
		id := uuid.New()
		_, err := pool.Exec(t.Context(), `INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)`, id, fmt.Sprintf("bulk-%d", i))
		require.NoError(t, err)
		for j := range 60 {
			require.NoError(t, bulk.Put(t.Context(), id, fmt.Sprintf("S%d", j), host.Secret{Value: strings.Repeat("x", 500)}))
		}
	}
	second := start(t, nodeConfig{databaseURL: url, env: keys(two, one)})
	for _, n := range []*process{first, second} {
		n.live("/t/acme/token")
	}
	// Step 2 is not done on all nodes.
	status, text := second.try("POST", "/api/v1/secrets/rekey", testAdminKey, nil)
	require.Equal(t, []any{409, "keys_differ"}, []any{status, code(t, text)})
	first.stop(syscall.SIGTERM)
	first = start(t, nodeConfig{databaseURL: url, env: keys(two, one)})
	first.live("/t/acme/token")

	ended, stop := make(chan struct{}), make(chan struct{})
	go func() { // traffic, all the time
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if status, text := second.try("GET", "/t/acme/token", "", nil); status != 200 || text != "s3cret-value" {
				t.Errorf("%d %s", status, text)
				return
			}
		}
	}()
	nonces := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(DISTINCT s.nonce) FROM script_secrets s JOIN script_secrets_before b USING (tenant_id, name) WHERE s.nonce <> b.nonce`).Scan(&n))
		return n
	}
	_, err = pool.Exec(t.Context(), `CREATE TABLE script_secrets_before AS SELECT tenant_id, name, nonce FROM script_secrets`)
	require.NoError(t, err)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		first.try("POST", "/api/v1/secrets/rekey", testAdminKey, nil)
	}()
	require.Eventually(t, func() bool { return nonces() > 0 }, time.Minute, time.Millisecond)
	first.stop(syscall.SIGKILL)
	<-asked
	second.must(204, "PUT", "/api/v1/secrets/SIGN", key, map[string]any{"value": "signing-secret-2"})
	done := second.must(200, "POST", "/api/v1/secrets/rekey", testAdminKey, nil)
	require.Zero(t, done["unreadable"])
	require.Equal(t, 0.0, second.must(200, "POST", "/api/v1/secrets/rekey", testAdminKey, nil)["rewritten"])
	require.Equal(t, 8*60+2, nonces(), "every row")
	require.Contains(t, fmt.Sprint(second.must(200, "GET", "/api/v1/audit-log", testAdminKey, nil)["items"]), "secrets.rekey")
	close(stop)
	<-ended
	second.stop(syscall.SIGTERM)

	last := start(t, nodeConfig{databaseURL: url, env: keys(two, "")})
	last.live("/t/acme/token")
	_, text = last.try("GET", "/t/acme/token", "", nil)
	require.Equal(t, "s3cret-value", text)
	require.NotContains(t, last.log.String(), "deciphered")
}
