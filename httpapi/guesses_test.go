package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/forwarded"
	"example.com/jsruntime/migrations/dbtest"
)

// linesLog is a log whose lines can be counted while others write.
type linesLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *linesLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *linesLog) with(text string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// guess is a key in the right form that does not exist; with a prefix, that key's with another secret.
func guess(i int, prefix string) string {
	if prefix == "" {
		prefix = fmt.Sprintf("jsr_%08d", i)
	}
	return prefix + "_" + fmt.Sprintf("%043d", i)
}

func TestGuessesOfKeysAreSlowedAndSeen(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	lines := &linesLog{}
	log := slog.New(slog.NewTextHandler(lines, nil))
	keys, err := httpapi.NewKeys(httpapi.KeysConfig{DB: pool, AdminKeys: []string{adminKey}, Log: log})
	require.NoError(t, err)
	n := startNodeOn(t, pool, func(c *httpapi.Config) {
		c.Keys = keys
		c.TrustedProxies = forwarded.Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	})
	acme := n.tenant("acme")
	acme.get("/api/v1/whoami").is(200)
	prefix := acme.key[:12]
	const guesser, bystander = "203.0.113.7", "198.51.100.1"
	from := func(key, address string) answer {
		return n.as(key).do("GET", "/api/v1/whoami", nil, "X-Forwarded-For", "192.0.2.99, "+address)
	}

	statuses := map[int]int{}
	for i := range 200 {
		a := from(guess(i, []string{"", prefix}[i%2]), guesser)
		if statuses[a.status]++; a.status == 429 {
			require.Contains(t, a.refused(429, "too_many_attempts")["detail"], "unknown_keys: limit 60")
			require.NotEmpty(t, a.header.Get("Retry-After"))
		} else {
			a.refused(401, "unauthorized")
		}
	}
	require.Positive(t, statuses[401])
	require.Greater(t, statuses[429], 100, "%v", statuses)
	// Who has a valid key from the same address goes on, and so does everybody else.
	from(acme.key, guesser).is(200)
	from(adminKey, guesser).is(200)
	from(guess(1000, ""), bystander).refused(401, "unauthorized")
	require.Equal(t, int64(statuses[429]), keys.Guesses().Refused)

	require.Empty(t, lines.with("unknown keys"), "no line a guess")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, keys.Run(ctx)) // the last report
	require.Len(t, lines.with("unknown keys"), 1)
	require.Contains(t, lines.with("unknown keys")[0], "network="+guesser+"/32")

	audit := acme.get("/api/v1/audit-log?action=key.guessed").is(200).items()
	require.Len(t, audit, 1)
	after := audit[0]["after"].(map[string]any)
	require.Equal(t, prefix, after["prefix"])
	require.Equal(t, guesser+"/32", after["last_from"])
	require.NotContains(t, string(acme.get("/api/v1/audit-log").body), acme.key[13:])
}

func TestTenantsRateIsSharedByItsKeys(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(c *httpapi.Config) { c.RatePerMinute, c.TenantRatePerMinute = 100, 110 })
	acme, second, other := n.tenant("acme"), n.key("acme", "viewer"), n.tenant("other")
	for range 80 {
		acme.get("/api/v1/whoami").is(200)
	}
	refused := 0
	for range 80 {
		if a := second.get("/api/v1/whoami"); a.status != 200 {
			require.Contains(t, a.refused(429, "rate_limited")["detail"], "api_requests_per_minute: limit 110 of this tenant")
			require.Equal(t, "110", a.header.Get("RateLimit-Limit"))
			refused++
		}
	}
	require.Positive(t, refused)
	other.get("/api/v1/whoami").is(200)
	n.operator().in("acme").get("/api/v1/whoami").is(200)
}

func TestKeysOfATenantAreBounded(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme, other := n.tenant("acme"), n.tenant("other")
	insert := func(count int, expires string) {
		_, err := n.pool.Exec(t.Context(), `INSERT INTO api_keys (id, tenant_id, name, role, prefix, key_hash, expires_at)
			SELECT gen_random_uuid(), t.id, 'k', 'viewer', 'jsr_' || left(md5(random()::text), 8), sha256(g::text::bytea), now() + $2::interval
			FROM tenants t, generate_series(1, $1) g WHERE t.slug = 'acme'`, count, expires)
		require.NoError(t, err)
	}
	insert(94, "1 day")
	// Ten at one time for five places.
	var all sync.WaitGroup
	statuses := make([]int, 10)
	for i := range statuses {
		all.Go(func() {
			statuses[i] = acme.post("/api/v1/api-keys", map[string]any{"name": "more", "role": "viewer"}).status
		})
	}
	all.Wait()
	made := 0
	for _, s := range statuses {
		if s == 201 {
			made++
		}
	}
	require.Equal(t, 5, made, "%v", statuses)
	full := acme.post("/api/v1/api-keys", map[string]any{"name": "more", "role": "viewer"})
	require.Contains(t, full.refused(409, "key_limit")["detail"], "max_active_keys: limit 100")
	n.operator().post("/api/v1/tenants/acme/api-keys", map[string]any{"name": "more", "role": "viewer"}).refused(409, "key_limit")
	other.post("/api/v1/api-keys", map[string]any{"name": "more", "role": "viewer"}).is(201)

	// Keys that have expired count as stored ones only.
	_, err := n.pool.Exec(t.Context(), "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE name = 'k'")
	require.NoError(t, err)
	acme.post("/api/v1/api-keys", map[string]any{"name": "more", "role": "viewer"}).is(201)
	insert(950, "-1 day")
	full = acme.post("/api/v1/api-keys", map[string]any{"name": "more", "role": "viewer"})
	require.Contains(t, full.refused(409, "key_limit")["detail"], "max_stored_keys: limit 1000")
}
