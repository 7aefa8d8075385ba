package httpapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// routeScopes reads the scope that each operation of the document asks for.
func routeScopes(t *testing.T, n *node) map[string]string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Scope       string `json:"x-scope"`
		} `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(n.as("").get("/openapi.json").is(200).body, &doc))
	scopes := map[string]string{}
	for _, item := range doc.Paths {
		for _, op := range item {
			scopes[op.OperationID] = op.Scope
		}
	}
	return scopes
}

// TestEveryRouteAndScope: a key with a route's scope alone is let in, one with all scopes but that is not, whatever the object is.
func TestEveryRouteAndScope(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	mine := n.tenant("mine")
	ours := fillTenant(t, n, mine)
	scopes := routeScopes(t, n)
	for id, scope := range map[string]string{
		"script-get": "scripts:read", "script-export": "scripts:read", "version-restore": "scripts:write", "script-delete": "scripts:write", "execution-create": "executions:run",
		"execution-cancel": "executions:run", "execution-list": "executions:read", "event-publish": "events:publish", "script-invoke": "invoke:*", "secret-put": "secrets:write",
		"kv-get": "kv:read", "var-list": "vars:read", "var-replace": "vars:write", "key-create": "keys:write", "audit-list": "audit:read", "whoami": "", "tenant-create": "", "log-tail": "executions:read",
	} {
		require.Equal(t, scope, scopes[id], id)
	}
	all := map[string]bool{"run": true}
	for _, scope := range scopes {
		if scope != "" {
			all[scope] = true
		}
	}
	require.Greater(t, len(all), 15)
	admin := mine.get("/api/v1/whoami").is(200).json()["scopes"].([]any)
	require.Len(t, admin, len(all), "an admin has every scope")
	key := func(scopes ...string) caller {
		return n.as(mine.post("/api/v1/api-keys", map[string]any{"name": "scoped", "scopes": scopes}).is(201).str("key"))
	}
	only, others := map[string]caller{}, map[string]caller{}
	for scope := range all {
		only[scope] = key(scope)
		rest := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(other string) bool {
			return other == scope || scope == "invoke:*" && other == "executions:run" // which may run every script
		})
		others[scope] = key(rest...)
	}
	routes := apiRoutes(t, n)
	order := map[string]int{"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}
	slices.SortStableFunc(routes, func(a, b apiRoute) int {
		if c := order[a.method] - order[b.method]; c != 0 {
			return c
		}
		return strings.Count(b.path, "{") - strings.Count(a.path, "{")
	})
	for _, r := range routes {
		var body any
		if r.body != nil {
			body = bodies()[r.id]
		}
		path := withQuery(r.id, ours.fill(r.path, "mine"))
		scope := scopes[r.id]
		switch {
		case r.permission == "public":
			continue
		case r.permission == "known":
			if r.id == "whoami" {
				require.Equal(t, []any{"run"}, only["run"].get(path).is(200).json()["scopes"])
			}
			continue
		case r.permission == "operate":
			require.Empty(t, scope)
			others["run"].do(r.method, path, body).refused(403, "forbidden")
			continue
		}
		require.NotEmpty(t, scope, r.id)
		p := others[scope].do(r.method, path, body).refused(403, "out_of_scope")
		require.Contains(t, p["detail"], scope)
		if r.id == "log-tail" {
			continue // it does not end
		}
		a := only[scope].do(r.method, path, body)
		if r.id == "key-create" { // its role may more than the key that makes it
			a.refused(403, "out_of_scope")
			continue
		}
		require.Less(t, a.status, 300, "%s %s with %s: %d %s", r.method, path, scope, a.status, a.body)
	}
}

// TestScopesOfKeys: unknown scopes are refused with what was meant; a key makes none that may more than itself; invoke:NAME is one script's.
func TestScopesOfKeys(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	mine := n.tenant("mine")
	mine.script("callee", map[string]any{"type": "embedded", "status": "active"})
	mine.script("other", map[string]any{"type": "embedded", "status": "active"})
	create := func(by caller, body map[string]any) answer {
		body["name"] = "k"
		return by.post("/api/v1/api-keys", body)
	}
	p := create(mine, map[string]any{"scopes": []string{"scripts:reed"}}).refused(422, "validation_failed")
	require.Contains(t, p["detail"], "body.scopes[0]: is not a scope; did you mean scripts:read?")
	for _, bad := range []map[string]any{
		{}, {"scopes": []string{}}, {"role": "admin", "scopes": []string{"run"}}, {"scopes": []string{"invoke:"}}, {"scopes": []string{"operate"}}, {"scopes": []string{"tenants:write"}},
		{"scopes": []string{"invoke:a\nb"}}, {"scopes": []string{"*"}}, {"role": "custom"}, {"role": "superadmin"}, {"scopes": slices.Repeat([]string{"run"}, 101)},
	} {
		create(mine, bad).refused(422, "validation_failed")
	}
	made := create(mine, map[string]any{"scopes": []string{"invoke:callee", "executions:read", "invoke:callee"}}).is(201)
	require.Equal(t, []any{"executions:read", "invoke:callee"}, made.json()["scopes"])
	require.Equal(t, "custom", made.str("role"))
	narrow := n.as(made.str("key"))
	narrow.post("/api/v1/invoke/callee", `1`).is(200)
	refused := narrow.post("/api/v1/invoke/other", `1`).refused(403, "out_of_scope")
	require.Contains(t, refused["detail"], "invoke:other")
	narrow.get("/api/v1/scripts").refused(403, "out_of_scope")
	listed := narrow.get("/api/v1/executions").is(200)
	require.NotEmpty(t, listed.body)

	keeper := n.as(create(mine, map[string]any{"scopes": []string{"keys:write", "keys:read", "invoke:*"}}).is(201).str("key"))
	create(keeper, map[string]any{"scopes": []string{"scripts:read"}}).refused(403, "out_of_scope")
	create(keeper, map[string]any{"role": "viewer"}).refused(403, "out_of_scope")
	create(keeper, map[string]any{"scopes": []string{"invoke:callee", "keys:read"}}).is(201)

	// A session has its key's scopes.
	session := n.signIn(keeper.key)
	session.do("GET", "/api/v1/api-keys", nil).is(200)
	session.do("GET", "/api/v1/scripts", nil).refused(403, "out_of_scope")

	// A key that ends soon says so.
	soon := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	ending := n.as(create(mine, map[string]any{"role": "viewer", "expires_at": soon}).is(201).str("key"))
	who := ending.get("/api/v1/whoami").is(200)
	at, err := time.Parse(time.RFC3339, who.header.Get("X-Key-Expires"))
	require.NoError(t, err)
	require.WithinDuration(t, soon, at, time.Minute)
	require.NotNil(t, who.json()["key"].(map[string]any)["expires_at"])
	lasting := mine.get("/api/v1/whoami").is(200)
	require.Empty(t, lasting.header.Get("X-Key-Expires"))
	require.Nil(t, lasting.json()["key"].(map[string]any)["expires_at"])
}
