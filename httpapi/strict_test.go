package httpapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every object that can be changed has an ETag, and each route that changes one honours If-Match.
func TestEveryChangeHonoursIfMatch(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	user := jsonNumber(acme.post("/api/v1/users", map[string]any{"name": "u", "email": "u@example.org", "role": "viewer"}).is(201).json()["id"])
	organization := acme.post("/api/v1/organizations", map[string]any{"name": "second"}).is(201).str("id")
	for _, object := range []struct {
		path  string
		who   caller
		patch map[string]any
	}{
		{"/api/v1/scripts/" + acme.script("job", nil), acme, map[string]any{"description": "other"}},
		{"/api/v1/organizations/" + organization, acme, map[string]any{"name": "third"}},
		{"/api/v1/users/" + user, acme, map[string]any{"name": "v"}},
		{"/api/v1/tenants/acme", n.operator(), map[string]any{"plan": map[string]any{"max_scripts": 7}}},
	} {
		who, path := object.who, object.path
		first := who.do("GET", path, nil, "Accept-Encoding", "identity").is(200)
		old := first.header.Get("ETag")
		require.Regexp(t, `^"[0-9a-f.]+"$`, old, path)
		require.Equal(t, old, who.do("HEAD", path, nil, "Accept-Encoding", "identity").is(200).header.Get("ETag"), path)

		require.Empty(t, who.do("GET", path, nil, "If-None-Match", old).is(304).body)
		who.do("GET", path, nil, "If-None-Match", `"x", W/`+old).is(304)
		who.do("GET", path, nil, "If-None-Match", "*").is(304)
		who.do("GET", path, nil, "If-None-Match", `"x"`).is(200)

		empty := who.patch(path, map[string]any{}, "Accept-Encoding", "identity").is(200)
		require.Equal(t, old, empty.header.Get("ETag"), "an empty patch of %s changes nothing", path)
		require.JSONEq(t, string(first.body), string(empty.body))

		fresh := who.patch(path, object.patch, "If-Match", `"a", `+old+`, "b"`, "Accept-Encoding", "identity").is(200).header.Get("ETag")
		require.NotEqual(t, old, fresh, path)
		for _, header := range []string{old, `"a", "b"`, `"a,b"`, "17", "W/" + fresh, `"`} {
			refused := who.patch(path, map[string]any{}, "If-Match", header)
			refused.refused(412, "precondition_failed")
			require.NotEmpty(t, refused.header.Get("ETag"))
			who.do("DELETE", path, nil, "If-Match", header).refused(412, "precondition_failed")
		}
		require.NotEqual(t, first.json(), who.get(path).is(200).json(), "the change is there")
		who.do("DELETE", path, nil, "If-Match", `"x", `+fresh).is(204)
		who.get(path).is(404)
	}
	acme = n.tenant("beta")
	script := acme.script("other", nil)
	acme.post("/api/v1/scripts/"+script+"/versions/1/restore", map[string]any{}, "If-Match", `"99"`).refused(412, "precondition_failed")
	acme.do("POST", "/api/v1/scripts/"+script+"/release", nil, "If-Match", `"99"`).refused(412, "precondition_failed")
	acme.patch("/api/v1/scripts/"+script, map[string]any{"name": "any"}, "If-Match", "*").is(200)
}

// What the document says of conditions is what the routes do.
func TestDocumentNamesConditions(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
			Responses  map[string]struct{ Headers map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(n.as("").get("/openapi.json").is(200).body, &doc))
	for path, item := range doc.Paths {
		patch, ok := item["patch"]
		if !ok {
			continue
		}
		names := func(of string) (names []string) {
			for _, p := range item[of].Parameters {
				names = append(names, p.Name)
			}
			return names
		}
		require.Contains(t, names("patch"), "If-Match", path)
		require.Contains(t, names("delete"), "If-Match", path)
		require.Contains(t, names("get"), "If-None-Match", path)
		require.Contains(t, patch.Responses["200"].Headers, "ETag", path)
		require.Contains(t, item["get"].Responses["200"].Headers, "ETag", path)
	}
}

// Each parameter of each list, given twice, misspelt or undecodable, is named.
func TestQueriesAreStrict(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	objects := fillTenant(t, n, acme)
	var doc struct {
		Paths map[string]map[string]struct {
			Permission string `json:"x-permission"`
			Parameters []struct{ Name, In string }
		}
	}
	require.NoError(t, json.Unmarshal(n.as("").get("/openapi.json").is(200).body, &doc))
	tried := 0
	for path, item := range doc.Paths {
		op, ok := item["get"]
		if !ok {
			continue
		}
		who := acme
		if op.Permission == "operate" {
			who = n.operator()
		}
		for _, p := range op.Parameters {
			if p.In != "query" {
				continue
			}
			tried++
			where := objects.fill(path, "acme") + "?"
			problem := who.get(where+p.Name+"=1&"+p.Name+"=1").refused(422, "validation_failed")
			require.Equal(t, "query."+p.Name, problem["errors"].([]any)[0].(map[string]any)["location"], path)
			require.Contains(t, problem["detail"], "2 times")
			require.Contains(t, who.get(where+p.Name+"x=1").refused(422, "validation_failed")["detail"], "did you mean "+p.Name+"?", path)
			who.get(where+p.Name+"=%zz").refused(400, "bad_request")
			who.get(where+p.Name+"=%00").refused(422, "validation_failed")
		}
	}
	require.Greater(t, tried, 30)
	require.Contains(t, acme.get("/api/v1/scripts?limit=1;status=active").refused(400, "bad_request")["detail"], "semicolon")
	acme.get("/api/v1/scripts?zzz=1").refused(422, "validation_failed")
	n.as("").get("/api/v1/scripts?zzz=1").refused(401, "unauthorized")
}

// No message about a time or a date has a layout of Go's, in whatever part of a request it stands.
func TestTimesAreAskedForInWords(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	for _, wrong := range []string{"yesterday", "2026-11-30", "2026-11-30T08:00:00", "2026-13-01T00:00:00Z", "2026-11-30t08:00:00z", "2026-11-30T24:00:00Z", "1", "12026-01-01T00:00:00Z"} {
		for _, a := range []answer{
			acme.get("/api/v1/executions?since=" + url.QueryEscape(wrong)), acme.get("/api/v1/executions?until=" + url.QueryEscape(wrong)),
			acme.post("/api/v1/events", map[string]any{"type": "a.b", "data": 1, "deliver_at": wrong}),
			acme.post("/api/v1/api-keys", map[string]any{"name": "k", "role": "viewer", "expires_at": wrong}),
		} {
			detail := a.refused(422, "validation_failed")["detail"].(string)
			require.NotRegexp(t, `2006|15:04|layout|Go |time\.Time`, detail, wrong)
			require.Contains(t, detail, "RFC 3339", wrong)
			require.Contains(t, detail, "2026-11-30T08:15:00Z", wrong)
		}
	}
	require.Contains(t, acme.get("/api/v1/executions?since=2026-11-30T08:00:00+01:00").refused(422, "validation_failed")["detail"], "%2B")
	acme.get("/api/v1/executions?since=2026-11-30T08:00:00%2B01:00").is(200)
	for _, path := range []string{"/api/v1/usage?from=", "/api/v1/usage?to="} {
		for _, wrong := range []string{"x", "2026-11", "2026-02-30", "2026-11-30T00:00:00Z"} {
			require.Contains(t, acme.get(path+wrong).refused(422, "validation_failed")["detail"], "such as 2026-11-30", path+wrong)
		}
	}
	require.NotContains(t, string(n.operator().get("/api/v1/tenants/usage?period=2026-13").is(422).body), "2006")
}

// HEAD is answered wherever GET is, with its headers and without a body.
func TestHeadIsAnsweredWhereGetIs(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	objects := fillTenant(t, n, acme)
	tried := 0
	for _, r := range apiRoutes(t, n) {
		if r.method != http.MethodGet {
			continue
		}
		tried++
		who := acme
		if r.permission == "operate" {
			who = n.operator()
		}
		path := withQuery(r.id, objects.fill(r.path, "acme"))
		head := who.do("HEAD", path, nil, "Accept-Encoding", "identity")
		require.Empty(t, head.body, r.id)
		if r.id == "log-tail" { // this node has none
			head.is(503)
			continue
		}
		get := who.do("GET", path, nil, "Accept-Encoding", "identity")
		require.Equal(t, get.status, head.status, r.id)
		for _, name := range []string{"Content-Type", "ETag", "Vary", "X-Content-Type-Options", "Cache-Control"} {
			require.Equal(t, get.header.Values(name), head.header.Values(name), "%s of %s", name, r.id)
		}
		n.as("").do("HEAD", path, nil).is(n.as("").do("GET", path, nil).status)
	}
	require.Greater(t, tried, 25)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/docs", "/jsruntime.d.ts"} {
		require.Empty(t, n.as("").do("HEAD", path, nil).is(200).body, path)
	}
	refused := acme.do("PUT", "/api/v1/scripts", nil).is(405)
	require.Contains(t, refused.header.Get("Allow"), "HEAD")
	require.NotEmpty(t, n.as("").do("HEAD", "/healthz", nil).header.Get("Content-Length"))
}

func (n *node) raw(path string, accept ...string) (*http.Response, []byte) {
	n.t.Helper()
	req, err := http.NewRequest(http.MethodGet, n.server.URL+path, nil)
	require.NoError(n.t, err)
	req.Header["Accept-Encoding"] = accept
	req.Header.Set("Authorization", "Bearer "+adminKey)
	req.Header.Set("X-Tenant", "acme")
	res, err := (&http.Client{Transport: &http.Transport{DisableCompression: true}}).Do(req)
	require.NoError(n.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(n.t, err)
	return res, body
}

// Answers are compressed for clients that want it, and only for those; those with secrets never are.
func TestAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	script := acme.script("big", map[string]any{"source": "/* " + strings.Repeat("words and words ", 1000) + " */ " + runSource})
	path := "/api/v1/scripts/" + script
	plain, text := n.raw(path)
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Equal(t, []string{"Accept-Encoding"}, plain.Header.Values("Vary"))
	for accept, encoded := range map[string]bool{
		"gzip": true, "deflate, GZIP;q=0.5": true, "*": true, "x-gzip": true, "identity;q=0": false, "gzip;q=0": false, "gzip;q=0.4, identity;q=0.8": false,
		"gzip;q=1, identity;q=0.5": true, "*;q=0": false, "*;q=0.5, gzip;q=0": false, "gzip, *;q=0": true, "gzip;q=2": false, "gzip;q=x": false, "gzip;level=9": false, "br": false, "": false,
		"identity": false, ",,gzip": true,
	} {
		res, body := n.raw(path, accept)
		if !encoded {
			require.Empty(t, res.Header.Get("Content-Encoding"), accept)
			require.Equal(t, text, body, accept)
			continue
		}
		require.Equal(t, "gzip", res.Header.Get("Content-Encoding"), accept)
		require.Less(t, len(body), len(text)/5)
		z, err := gzip.NewReader(strings.NewReader(string(body)))
		require.NoError(t, err)
		read, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, text, read, accept)
		require.NotEqual(t, plain.Header.Get("ETag"), res.Header.Get("ETag"), "other bytes, another tag")
		acme.do("GET", path, nil, "If-None-Match", res.Header.Get("ETag")).is(304)
		acme.patch(path, map[string]any{}, "If-Match", res.Header.Get("ETag")).is(200)
	}
	several, _ := n.raw(path, "identity;q=0.1", "gzip;q=0.2")
	require.Equal(t, "gzip", several.Header.Get("Content-Encoding"))
	small, _ := n.raw("/api/v1/whoami", "gzip")
	require.Empty(t, small.Header.Get("Content-Encoding"), "too short")
	export, _ := n.raw("/api/v1/export", "gzip")
	require.Equal(t, "gzip", export.Header.Get("Content-Encoding"))
	document, _ := n.raw("/openapi.json", "gzip")
	require.Equal(t, "gzip", document.Header.Get("Content-Encoding"))

	long := strings.Repeat("n", 255)
	for _, secret := range []answer{
		acme.post("/api/v1/api-keys", map[string]any{"name": long, "role": "viewer"}, "Accept-Encoding", "gzip, identity;q=0").is(201),
		n.operator().post("/api/v1/tenants/acme/api-keys", map[string]any{"name": long, "role": "viewer"}, "Accept-Encoding", "gzip, identity;q=0").is(201),
		acme.post("/api/v1/session-links", map[string]any{}, "Accept-Encoding", "gzip, identity;q=0").is(201),
	} {
		require.Empty(t, secret.header.Get("Content-Encoding"))
		require.Empty(t, secret.header.Get("Vary"))
	}
}
