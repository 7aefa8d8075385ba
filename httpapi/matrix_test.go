package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/forwarded"
)

// apiRoute is a route of the OpenAPI document.
type apiRoute struct {
	method, path, id, permission string
	body                         map[string]any // the schema of its body, nil if it has none
}

// apiRoutes reads the document that the node serves, not the code: what is on it is what clients see.
func apiRoutes(t *testing.T, n *node) []apiRoute {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Permission  string `json:"x-permission"`
			RequestBody struct {
				Content map[string]struct {
					Schema map[string]any `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(n.as("").get("/openapi.json").is(200).body, &doc))
	var routes []apiRoute
	for path, item := range doc.Paths {
		for method, op := range item {
			r := apiRoute{method: strings.ToUpper(method), path: path, id: op.OperationID, permission: op.Permission}
			if c, ok := op.RequestBody.Content["application/json"]; ok {
				r.body = c.Schema
				for r.body["$ref"] != nil {
					r.body = doc.Components.Schemas[strings.TrimPrefix(r.body["$ref"].(string), "#/components/schemas/")]
				}
			}
			routes = append(routes, r)
		}
	}
	slices.SortFunc(routes, func(a, b apiRoute) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return routes
}

// objects are ids of one tenant, by what a path asks for.
type objects map[string]string

// fillTenant gives a tenant one of everything that a path can name.
func fillTenant(t *testing.T, n *node, c caller) objects {
	t.Helper()
	o := objects{}
	o["scripts"] = c.script("job", map[string]any{"type": "scheduled", "source": "export default { scheduled() {} }", "cron_expression": "0 0 * * *", "status": "active"})
	event := c.script("listener", map[string]any{"type": "event", "source": "export default { event() {} }", "event_types": []string{"a.b"}, "status": "active"})
	c.script("callee", map[string]any{"type": "embedded", "status": "active"})
	o["executions"] = c.post("/api/v1/scripts/"+o["scripts"]+"/executions", map[string]any{}).is(202).str("id")
	o["api-keys"] = c.post("/api/v1/api-keys", map[string]any{"name": "spare", "role": "viewer"}).is(201).str("id")
	o["organizations"] = c.post("/api/v1/organizations", map[string]any{"name": "second"}).is(201).str("id")
	o["users"] = jsonNumber(c.post("/api/v1/users", map[string]any{"name": "u", "email": "u@example.org", "role": "viewer"}).is(201).json()["id"])
	c.do("PUT", "/api/v1/kv/cart%2F1", map[string]any{"value": 1}).is(204)
	o["webhooks"] = c.post("/api/v1/webhooks", map[string]any{"url": "https://hooks.example.org", "events": []string{"quota.warning"}}).is(201).str("id")
	var delivery string
	require.NoError(t, n.pool.QueryRow(t.Context(), `INSERT INTO webhook_deliveries (webhook_id, tenant_id, event, payload, status)
		SELECT id, tenant_id, 'quota.warning', '{}', 'failed' FROM webhooks WHERE id = $1 RETURNING id::text`, o["webhooks"]).Scan(&delivery))
	o["deliveries"] = delivery
	c.do("PUT", "/api/v1/secrets/TOKEN", map[string]any{"value": "s3cret"}).is(204)
	c.do("PUT", "/api/v1/vars/REGION", map[string]any{"value": "eu"}).is(204)
	var letter string
	require.NoError(t, n.pool.QueryRow(t.Context(), `INSERT INTO script_event_dead_letters (script_id, tenant_id, event_type, event_data, error)
		SELECT id, tenant_id, 'a.b', '{"n":1}', 'boom' FROM scripts WHERE id = $1 RETURNING id::text`, event).Scan(&letter))
	o["dead-letters"] = letter
	var comparison string
	require.NoError(t, n.pool.QueryRow(t.Context(), `INSERT INTO script_comparisons (id, tenant_id, script_id, version_number, status, options, node_id)
		SELECT gen_random_uuid(), tenant_id, id, 1, 'completed', '{"last": 1, "fetch": "deny"}', id FROM scripts WHERE id = $1 RETURNING id::text`, event).Scan(&comparison))
	o["comparisons"] = comparison
	return o
}

func jsonNumber(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

var segmentOf = regexp.MustCompile(`^/api/v1/([a-z-]+)/\{id\}`)

// fill puts one tenant's ids into a path.
func (o objects) fill(path, slug string) string {
	if m := segmentOf.FindStringSubmatch(path); m != nil {
		path = strings.Replace(path, "{id}", o[m[1]], 1)
	}
	path = strings.Replace(path, "{version}", "1", 1)
	path = strings.Replace(path, "{tenant}", slug, 1)
	path = strings.Replace(path, "{delivery}", o["deliveries"], 1)
	path = strings.Replace(path, "{key}", "cart%2F1", 1)
	if strings.Contains(path, "/secrets/") {
		return strings.Replace(path, "{name}", "TOKEN", 1)
	}
	if strings.Contains(path, "/vars/") {
		return strings.Replace(path, "{name}", "REGION", 1)
	}
	return strings.Replace(path, "{name}", "callee", 1)
}

// bodies are requests that succeed, by operation. A route with a body that is not here fails the test.
func bodies() map[string]any {
	return map[string]any{
		"session-create": map[string]any{"link": "jsl_" + strings.Repeat("A", 43)}, "session-link-create": map[string]any{},
		"webhook-create": map[string]any{"url": "https://hooks.example.org/x", "events": []string{"script.failing"}},
		"tenant-create":  map[string]any{"slug": "new", "name": "New"}, "tenant-update": map[string]any{}, "tenant-key-create": map[string]any{"name": "k", "role": "viewer"},
		"key-create": map[string]any{"name": "k", "role": "viewer"}, "organization-create": map[string]any{"name": "o"}, "organization-update": map[string]any{},
		"user-create": map[string]any{"name": "n", "email": "n@example.org", "role": "viewer"}, "user-update": map[string]any{},
		"script-create": map[string]any{"name": "n", "type": "oneoff", "source": runSource}, "script-update": map[string]any{},
		"version-create": map[string]any{}, "version-activate": map[string]any{}, "version-execution-create": map[string]any{}, "version-restore": map[string]any{}, "version-compare": map[string]any{"last": 1}, "script-import": map[string]any{"format": "jsruntime.export.v1", "scripts": []any{}},
		"event-publish": map[string]any{"type": "x.y", "data": 1}, "execution-create": map[string]any{}, "script-invoke": map[string]any{},
		"execution-replay": map[string]any{}, "dead-letter-retry": map[string]any{}, "dead-letter-retry-many": map[string]any{}, "secret-put": map[string]any{"value": "v"}, "kv-put": map[string]any{"value": 1},
		"var-replace": map[string]any{"vars": map[string]any{"REGION": "eu"}}, "var-put": map[string]any{"value": "eu"},
	}
}

func withQuery(id, path string) string {
	switch id {
	case "version-diff":
		return path + "?against=1"
	case "schedule-preview":
		return path + "?cron_expression=0+3+*+*+*"
	case "script-activity":
		return path + "?ids=00000000-0000-7000-8000-000000000000"
	}
	return path
}

// allowed says what a role may do, as the contract has it and not as routes.go does.
func allowed(role, permission string) bool {
	roles := map[string][]string{
		"public": {"viewer", "developer", "admin"}, "known": {"viewer", "developer", "admin"}, "manage": {"admin"}, "read": {"viewer", "developer", "admin"}, "write": {"developer", "admin"},
		"execute": {"developer", "admin"}, "inspect": {"developer", "admin"}, "admin": {"admin"}, "operate": {},
	}
	return slices.Contains(roles[permission], role)
}

// permissions pins what each route asks for: a new route fails the test until somebody has thought about it here.
func permissions() map[string]string {
	return map[string]string{
		"tenant-create": "operate", "tenant-list": "operate", "tenant-get": "operate", "tenant-update": "operate", "tenant-enter": "operate", "tenant-delete": "operate",
		"tenant-key-create": "operate", "node-list": "operate", "secret-rekey": "operate", "tenant-usage": "operate", "whoami": "known",
		"webhook-list": "manage", "webhook-create": "manage", "webhook-get": "manage", "webhook-delete": "manage", "webhook-test": "manage", "webhook-delivery-list": "manage", "webhook-redrive": "manage", "webhook-delivery-redrive": "manage",
		"session-create": "public", "session-get": "known", "session-delete": "known", "session-link-create": "manage",
		"key-list": "admin", "key-create": "admin", "key-delete": "admin", "audit-list": "manage",
		"organization-list": "read", "organization-create": "write", "organization-get": "read", "organization-update": "write", "organization-delete": "admin",
		"user-list": "read", "user-create": "admin", "user-get": "read", "user-update": "admin", "user-delete": "admin",
		"script-create": "write", "script-list": "read", "script-get": "read", "script-update": "write", "script-delete": "admin",
		"version-list": "read", "version-get": "read", "version-create": "write", "version-activate": "write", "deployment-list": "read", "version-execution-create": "execute", "version-diff": "read", "version-restore": "write", "version-compare": "execute", "comparison-get": "inspect", "script-release": "write", "script-export": "read", "script-import": "write",
		"schedule-list": "read", "schedule-preview": "read", "script-activity": "read", "schedule-get": "read", "endpoint-list": "read", "subscription-list": "read", "event-publish": "execute",
		"execution-create": "execute", "script-invoke": "execute", "execution-list": "read", "execution-get": "read", "execution-logs": "read", "execution-calls": "read", "activity-get": "read",
		"execution-cancel": "execute", "execution-replay": "execute",
		"dead-letter-list": "read", "dead-letter-get": "read", "dead-letter-delete": "admin", "dead-letter-retry": "execute", "dead-letter-retry-many": "execute",
		"kv-list": "inspect", "kv-get": "inspect", "kv-put": "write", "kv-delete": "write", "secret-list": "read", "secret-put": "write", "secret-delete": "admin", "var-list": "read", "var-replace": "write", "var-put": "write", "var-delete": "write", "usage": "read", "health-report": "read", "refusal-list": "read", "log-tail": "read",
	}
}

func TestEveryRouteRoleAndTenant(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(c *httpapi.Config) {
		c.TrustedProxies = forwarded.Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	})
	// Credentials that are none come from many clients: one may not try so many.
	strangers := 0
	stranger := func() (string, string) {
		strangers++
		return "X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", strangers/250, strangers%250+1)
	}
	refusedTo := func(do func(method, path string, body any, headers ...string) answer, r apiRoute, path string, body any) {
		t.Helper()
		name, client := stranger()
		do(r.method, path, body, name, client).refused(401, "unauthorized")
	}
	mine, theirs := n.tenant("mine"), n.tenant("theirs")
	ours, foreign := fillTenant(t, n, mine), fillTenant(t, n, theirs)
	roles := map[string]caller{"admin": mine, "developer": n.key("mine", "developer"), "viewer": n.key("mine", "viewer")}
	sessions := map[string]browser{}
	for role, c := range roles {
		sessions[role] = n.signIn(c.key)
	}
	dead := n.signIn(n.key("mine", "admin").key)
	dead.do("DELETE", "/api/v1/session?all=true", nil).is(204)
	routes := apiRoutes(t, n)
	require.Greater(t, len(routes), 50)
	known := permissions()
	missing := mine.get("/api/v1/scripts/00000000-0000-7000-8000-000000000000").is(404)
	// Reads first and deletions last, so that what a route needs is still there when it is tried.
	order := map[string]int{"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}
	slices.SortStableFunc(routes, func(a, b apiRoute) int {
		// Before what concerns all objects, what concerns one.
		if c := order[a.method] - order[b.method]; c != 0 {
			return c
		}
		return strings.Count(b.path, "{") - strings.Count(a.path, "{")
	})
	for i, r := range routes {
		require.Equal(t, known[r.id], r.permission, "%s %s (%s) asks for another permission than this test knows", r.method, r.path, r.id)
		delete(known, r.id)
		var body any
		if r.body != nil {
			var ok bool
			body, ok = bodies()[r.id]
			require.True(t, ok, "%s has a body that this test does not know", r.id)
		}
		path := withQuery(r.id, ours.fill(r.path, "mine"))

		if r.permission == "public" {
			// Anyone may try to sign in, and who has a session already as well.
			refusedTo(n.as("").do, r, path, body)
			refusedTo(sessions["viewer"].do, r, path, body)
			sessions["admin"].do(r.method, path, body, "Sec-Fetch-Site", "cross-site").refused(403, "cross_origin")
			continue
		}
		refusedTo(n.as("").do, r, path, body)
		refusedTo(n.as("jsr_AAAAAAAA_"+strings.Repeat("A", 43)).do, r, path, body)

		// A session is let in as its key is, and only where the request is the console's own.
		for _, role := range slices.Sorted(maps.Keys(roles)) {
			s := sessions[role]
			s.do(r.method, path, body, "Sec-Fetch-Site", "cross-site").refused(403, "cross_origin")
			s.do(r.method, path, body, "Origin", "null").refused(403, "cross_origin")
			if r.method != "GET" {
				for _, token := range []string{"", dead.csrf} {
					s.do(r.method, path, body, "X-CSRF-Token", token).refused(403, "csrf_token_invalid")
				}
			}
			if !allowed(role, r.permission) {
				s.do(r.method, path, body).refused(403, "forbidden")
			}
			if strings.Contains(r.path, "{id}") && allowed(role, r.permission) {
				a := s.do(r.method, withQuery(r.id, foreign.fill(r.path, "theirs")), body)
				a.refused(404, "not_found")
				require.Equal(t, string(missing.body), string(a.body), "%s %s", r.method, r.path)
			}
			if r.method == "GET" && allowed(role, r.permission) && r.id != "log-tail" {
				require.Less(t, s.do(r.method, path, body).status, 300, "%s %s", r.method, r.path)
			}
		}
		refusedTo(dead.do, r, path, body)

		// A neighbour's ids: the same bytes as for ids that nobody has.
		if strings.Contains(r.path, "{id}") {
			a := mine.do(r.method, withQuery(r.id, foreign.fill(r.path, "theirs")), body)
			a.refused(404, "not_found")
			require.Equal(t, string(missing.body), string(a.body), "%s %s", r.method, r.path)
		}
		if r.permission == "operate" {
			theirs.do(r.method, path, body).refused(403, "forbidden")
		}
		for _, role := range slices.Sorted(maps.Keys(roles)) {
			if allowed(role, r.permission) {
				continue
			}
			roles[role].do(r.method, path, body).refused(403, "forbidden")
		}
		if r.id == "log-tail" {
			continue // it does not end
		}
		// And those who may, can: the admin's own objects are still there, and the answer is no failure of ours. What is of sessions
		// needs one; every second route is tried with one.
		if r.permission != "operate" {
			var a answer
			if i%2 == 0 || strings.HasSuffix(r.path, "/session") {
				a = sessions["admin"].do(r.method, path, body)
			} else {
				a = roles["admin"].do(r.method, path, body)
			}
			require.Less(t, a.status, 300, "%s %s: %d %s", r.method, path, a.status, a.body)
		}
		if r.id == "session-delete" {
			sessions["admin"] = n.signIn(mine.key)
		}
	}
	require.Empty(t, known, "routes that this test knows and the document does not have")

	// All of the neighbour's things are as they were.
	require.Len(t, theirs.get("/api/v1/scripts").items(), 3)
	require.Len(t, theirs.get("/api/v1/secrets").items(), 1)
	require.Equal(t, map[string]any{"vars": map[string]any{"REGION": "eu"}}, theirs.get("/api/v1/vars").is(200).json())
	require.Len(t, theirs.get("/api/v1/dead-letters").items(), 1)
	theirs.get("/api/v1/executions/" + foreign["executions"]).is(200)
}

func TestListsShowOneTenant(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	mine, theirs := n.tenant("mine"), n.tenant("theirs")
	fillTenant(t, n, theirs)
	for _, r := range apiRoutes(t, n) {
		if r.method != "GET" || strings.Contains(r.path, "{") || r.permission == "operate" || r.id == "log-tail" {
			continue
		}
		a := mine.get(withQuery(r.id, r.path))
		if r.id == "session-get" {
			a = n.signIn(mine.key).get(r.path)
		}
		a.is(200)
		require.NotContains(t, string(a.body), "listener", r.path)
		require.NotContains(t, string(a.body), "u@example.org", r.path)
		require.NotContains(t, string(a.body), "TOKEN", r.path)
		require.NotContains(t, string(a.body), "boom", r.path)
	}
}

func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	spec, err := httpapi.Document()
	require.NoError(t, err)
	stored, err := readFile("openapi.json")
	require.NoError(t, err)
	require.Equal(t, string(stored), string(spec), "openapi.json is stale: run make generate")
	n := startNode(t)
	require.Equal(t, string(spec), string(n.as("").get("/openapi.json").is(200).body))
}
