package catalog_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/migrations/dbtest"
)

func TestCanonicalHost(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"api.customer.com": "api.customer.com", "API.Customer.COM": "api.customer.com", "münchen.example": "xn--mnchen-3ya.example", "xn--mnchen-3ya.example": "xn--mnchen-3ya.example",
		"a-1.b.c.example": "a-1.b.c.example", "例え.テスト": "xn--r8jz45g.xn--zckzah",
		"localhost": "", "a.localhost": "", "LOCALHOST": "", "*.example.com": "", "*": "", "example.com:80": "", "https://example.com": "", "a@example.com": "", "example.com/x": "",
		"127.0.0.1": "", "[::1]": "", "::1": "", "1.2.3": "", "0x7f.1": "", "2130706433": "", "host": "", "": "", ".": "", "example.com.": "", ".example.com": "", "a..example.com": "", "a_b.example.com": "",
		"-a.example.com": "", "a b.example.com": "", "xn--a.example": "", "a\x00.example.com": "", "ⅼocalhost": "", "x.ⅼocalhost": "", "１２７.0.0.1": "", "a.example。com": "a.example.com",
	} {
		got, err := catalog.CanonicalHost(given)
		require.Equal(t, want, got, "%q", given)
		require.Equal(t, want == "", err != nil, "%q", given)
	}
	for stored, why := range map[string]string{
		`{"hosts":["API.example.com"]}`: "must be written as api.example.com", `{"hosts":["a.example.com","a.example.com"]}`: "twice", `{"hosts":["*.example.com"]}`: "wildcard", `{"hosts":"a.example.com"}`: "http",
	} {
		options, err := catalog.HTTPOf(json.RawMessage(stored))
		require.ErrorContains(t, err, why)
		require.Equal(t, catalog.AuthAPIKey, options.Auth, "what cannot be read stays closed")
		require.Empty(t, options.Hosts)
	}
}

// A host has the endpoints that name it and no others, and follows its script: to another path, to another tenant, and away.
func TestRouteHost(t *testing.T) {
	t.Parallel()
	w := world{t: t, db: dbtest.DB(t)}
	acme, other := w.tenant("acme"), w.tenant("other")
	app, api, admin := w.endpoint(acme, "/*rest", "GET"), w.endpoint(acme, "/api/:id", "GET"), w.endpoint(acme, "/admin", "GET")
	theirs := w.endpoint(other, "/", "GET")
	w.exec(`UPDATE scripts SET http = '{"hosts":["a.example.com"]}' WHERE id = ANY($1)`, []uuid.UUID{app, api})
	c := start(t, catalog.Config{Pool: w.db, Poll: 10 * time.Millisecond})
	at := func(host, path string) uuid.UUID {
		match, err := c.RouteHost(host, "GET", path)
		if err != nil {
			return uuid.Nil
		}
		return match.Endpoint.ScriptID
	}
	require.Equal(t, app, at("a.example.com", "/x"))
	require.Equal(t, api, at("a.example.com", "/api/7"))
	require.Equal(t, app, at("a.example.com", "/admin"), "an endpoint that does not name the host is not there")
	match, err := c.Route("acme", "GET", "/admin")
	require.NoError(t, err)
	require.Equal(t, admin, match.Endpoint.ScriptID)
	slug, ok := c.HostTenant("a.example.com")
	require.True(t, ok)
	require.Equal(t, "acme", slug)
	_, err = c.RouteHost("b.example.com", "GET", "/")
	require.ErrorIs(t, err, catalog.ErrTenantUnknown)
	_, err = c.RouteHost("a.example.com", "POST", "/x")
	var method *catalog.MethodError
	require.ErrorAs(t, err, &method)

	// Another tenant cannot take it, whatever the status of the script that names it.
	w.exec(`UPDATE scripts SET status = 'archived' WHERE id = $1`, api)
	taking := `UPDATE scripts SET http = '{"hosts":["b.example.com", "a.example.com"]}' WHERE id = $1`
	_, err = w.db.Exec(t.Context(), taking, theirs)
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, "JSR06", pg.Code)
	require.Equal(t, "a.example.com", pg.Message)
	w.exec(`UPDATE scripts SET http = '{}' WHERE id = $1`, app)
	_, err = w.db.Exec(t.Context(), taking, theirs)
	require.ErrorAs(t, err, &pg, "the archived script still names it")
	w.exec("DELETE FROM scripts WHERE id = $1", api)
	require.Eventually(t, func() bool { _, ok := c.HostTenant("a.example.com"); return !ok }, soon, time.Millisecond)
	w.exec(taking, theirs)
	require.Eventually(t, func() bool { return at("a.example.com", "/") == theirs && at("b.example.com", "/") == theirs }, soon, time.Millisecond)

	w.exec("UPDATE tenants SET status = 'suspended' WHERE id = $1", other)
	require.Eventually(t, func() bool {
		_, err := c.RouteHost("a.example.com", "GET", "/")
		return err == catalog.ErrTenantSuspended
	}, soon, time.Millisecond)
	w.exec("DELETE FROM scripts WHERE tenant_id = $1", other)
	require.Eventually(t, func() bool { _, ok := c.HostTenant("b.example.com"); return !ok }, soon, time.Millisecond)
	w.exec(`UPDATE scripts SET http = '{"hosts":["b.example.com"]}' WHERE id = $1`, app)
	require.Eventually(t, func() bool { return at("b.example.com", "/x") == app }, soon, time.Millisecond)

	// A node that starts later finds it.
	later := start(t, catalog.Config{Pool: w.db})
	slug, ok = later.HostTenant("b.example.com")
	require.True(t, ok)
	require.Equal(t, "acme", slug)
}
