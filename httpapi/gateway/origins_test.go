package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
)

const ownHost = "acme.localhost"

// Below /t/ every answer gives its document an opaque origin, for each status and each part of the node that answers.
func TestEveryAnswerOnTheSharedHostIsSandboxed(t *testing.T) {
	t.Parallel()
	refused := &engine.RefusedError{Code: engine.CodeOverloaded, Detail: "because"}
	mine := []string{"content-security-policy", "sandbox allow-scripts allow-same-origin", "content-type", "text/html"}
	for name, c := range map[string]struct {
		path, method string
		status       int
		endpoint     catalog.Endpoint
		answer       func(context.Context, *engine.Invocation) (*engine.Result, error)
		record       error
	}{
		"a page":          {status: 200, answer: answering(engine.Response{Status: 200, Headers: mine})},
		"no content":      {status: 204, answer: answering(engine.Response{Status: 204, Headers: mine})},
		"not modified":    {status: 304, answer: answering(engine.Response{Status: 304, Headers: mine[:2]})},
		"a redirect":      {status: 302, answer: answering(engine.Response{Status: 302, Headers: append(mine, "location", "javascript:1")})},
		"an error's page": {status: 500, answer: answering(engine.Response{Status: 500, Headers: mine})},
		"a stream": {status: 200, answer: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
			return &engine.Result{Streamed: true}, inv.Response.Head(200, mine)
		}},
		"no endpoint":   {status: 404, path: "/t/nobody/x"},
		"no slug":       {status: 404, path: "/t/"},
		"dot segments":  {status: 404, path: "/t/acme/a/.%2E"},
		"no method":     {status: 405, method: "TRACE"},
		"no key":        {status: 401, endpoint: catalog.Endpoint{Auth: catalog.AuthAPIKey}},
		"a preflight":   {status: 204, method: "OPTIONS", endpoint: catalog.Endpoint{CORS: &catalog.CORS{Origins: []string{"*"}}}},
		"overloaded":    {status: 503, answer: func(context.Context, *engine.Invocation) (*engine.Result, error) { return nil, refused }},
		"a broken node": {status: 503, answer: func(context.Context, *engine.Invocation) (*engine.Result, error) { return nil, errors.New("x") }},
		"a throw": {status: 500, answer: func(context.Context, *engine.Invocation) (*engine.Result, error) {
			return &engine.Result{Code: engine.CodeException}, nil
		}},
		"not recorded": {status: 503, answer: answering(engine.Response{Status: 200, Headers: mine}), record: errors.New("full")},
	} {
		p := &parts{execute: c.answer, record: func(*engine.Invocation, *engine.Result) error { return c.record }}
		if c.path == "" {
			c.path = "/t/acme/x"
		}
		if c.method == "" {
			c.method = "GET"
		}
		resp, _ := do(t, start(t, p, c.endpoint, nil), c.method, c.path, nil, nil)
		require.Equal(t, c.status, resp.StatusCode, name)
		policies := resp.Header["Content-Security-Policy"]
		require.NotEmpty(t, policies, name)
		require.True(t, strings.HasPrefix(policies[0], "sandbox allow-scripts allow-forms"), "%s: %s", name, policies)
		require.NotContains(t, policies[0], "allow-same-origin", name)
		if c.status == 304 {
			require.Equal(t, mine[1:2], policies[1:], "a script's policy is added")
		}
	}
}

func TestContentTypesAreWrittenAnewOnTheSharedHost(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"text/html":                            "text/html",
		"TEXT/HTML ; Charset=UTF-8":            "text/html; charset=UTF-8",
		"application/json; charset=\"utf-8\"":  "application/json; charset=utf-8",
		"text/plain; a=\"x;y\"":                "text/plain; a=\"x;y\"",
		"multipart/form-data; boundary=x":      "multipart/form-data; boundary=x",
		"text/html; broken":                    "text/html",
		"text/plain;":                          "text/plain",
		"text/plain, text/html":                "application/octet-stream",
		"text/html,":                           "application/octet-stream",
		"text/plain text/html":                 "application/octet-stream",
		"text/html;charset=a;charset=b":        "application/octet-stream",
		"*/*":                                  "application/octet-stream",
		"html":                                 "application/octet-stream",
		"/html":                                "application/octet-stream",
		"unknown/unknown":                      "application/octet-stream",
		"multipart/x-mixed-replace;boundary=x": "application/octet-stream",
		"text/\"html\"":                        "application/octet-stream",
		"":                                     "application/octet-stream",
	} {
		p := &parts{execute: answering(engine.Response{Status: 200, Body: []byte("<html>"), Headers: []string{"content-type", given}})}
		s := start(t, p, catalog.Endpoint{}, nil)
		resp, _ := do(t, s, "GET", "/t/acme/x", nil, nil)
		require.Equal(t, []string{want}, resp.Header["Content-Type"], given)
		resp, _ = do(t, s, "GET", "/", http.Header{"Host": {ownHost}}, nil)
		require.Equal(t, []string{given}, resp.Header["Content-Type"], "a tenant's own host gives it as it is")
	}
	p := &parts{execute: answering(engine.Response{Status: 200, Headers: []string{"content-type", "text/plain", "Content-Type", "text/html"}})}
	resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
	require.Equal(t, []string{"application/octet-stream"}, resp.Header["Content-Type"])
}

func TestPDFsOfTheSharedHostAreDownloads(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"": "attachment", "inline": "attachment", "inline; filename=\"a b.pdf\"": "attachment; filename=\"a b.pdf\"", "\"": "attachment"} {
		headers := []string{"content-type", "Application/PDF; a=b"}
		if given != "" {
			headers = append(headers, "content-disposition", given)
		}
		s := start(t, &parts{execute: answering(engine.Response{Status: 200, Headers: headers})}, catalog.Endpoint{}, nil)
		resp, _ := do(t, s, "GET", "/t/acme/x", nil, nil)
		require.Equal(t, []string{want}, resp.Header["Content-Disposition"])
		resp, _ = do(t, s, "GET", "/", http.Header{"Host": {ownHost}}, nil)
		require.Equal(t, given, resp.Header.Get("Content-Disposition"))
	}
}

func TestWhichHeadersPass(t *testing.T) {
	t.Parallel()
	never := []string{
		"X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile", "X-Sendfile-Type", "X-LiteSpeed-Location", "X-Reproxy-Url", "X-Archive-Files", "Surrogate-Control",
		"Surrogate-Key", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Edge-Control", "Fastly-Restarts", "NEL", "Report-To", "Clear-Site-Data",
		"Strict-Transport-Security", "Public-Key-Pins", "Expect-CT", "Alt-Svc", "Proxy-Authenticate", "X-Forwarded-Host", "Server", "Date",
	}
	ownOnly := []string{
		"Refresh", "WWW-Authenticate", "Service-Worker-Allowed", "Origin-Agent-Cluster", "Document-Policy", "Speculation-Rules", "Set-Login",
		"Activate-Storage-Access", "Accept-CH", "Critical-CH", "Reporting-Endpoints", "Content-Security-Policy-Report-Only", "SourceMap", "X-SourceMap",
		"Use-As-Dictionary", "No-Vary-Search", "Cross-Origin-Opener-Policy", "My-Own",
	}
	always := []string{
		"X-Anything", "ETag", "Cache-Control", "Location", "Vary", "Link", "Content-Disposition", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers",
		"RateLimit-Limit", "Retry-After", "Allow", "Last-Modified", "Cross-Origin-Resource-Policy", "Referrer-Policy", "Permissions-Policy", "X-Frame-Options",
	}
	var given []string
	for _, names := range [][]string{never, ownOnly, always} {
		for _, name := range names {
			given = append(given, strings.ToLower(name), "a")
		}
	}
	s := start(t, &parts{execute: answering(engine.Response{Status: 200, Headers: given})}, catalog.Endpoint{}, nil)
	shared, _ := do(t, s, "GET", "/t/acme/x", nil, nil)
	own, _ := do(t, s, "GET", "/x", http.Header{"Host": {ownHost}}, nil)
	for _, name := range never {
		require.NotEqual(t, "a", shared.Header.Get(name), name)
		require.NotEqual(t, "a", own.Header.Get(name), name)
	}
	for _, name := range ownOnly {
		require.Empty(t, shared.Header.Get(name), name)
		require.Equal(t, "a", own.Header.Get(name), name)
	}
	for _, name := range always {
		require.Equal(t, "a", shared.Header.Get(name), name)
		require.Equal(t, "a", own.Header.Get(name), name)
	}
	require.Empty(t, own.Header["Content-Security-Policy"])
}

func TestTenantsOwnHost(t *testing.T) {
	t.Parallel()
	var got *engine.Request
	s := start(t, &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		got = inv.Request
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}, catalog.Endpoint{}, nil)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, path := range []string{"/", "/console/", "/api/v1/tenants", "/t/other/x", "/metrics", "/a%2Fb?x=%20"} {
		for _, host := range []string{ownHost + port, "ACME.Apps.Example.com"} {
			resp, _ := do(t, s, "GET", path, http.Header{"Host": {host}}, nil)
			require.Equal(t, 200, resp.StatusCode, path)
			require.Equal(t, "http://"+strings.ToLower(host)+path, got.URL)
			require.Contains(t, got.Headers, strings.ToLower(host))
		}
	}
	for host, status := range map[string]int{"nobody.localhost": 404, "a.acme.localhost": 404, "apps.example.com": 404, "acme.localhost.": 400} {
		resp, body := do(t, s, "GET", "/t/acme/x", http.Header{"Host": {host}}, nil)
		require.Equal(t, status, resp.StatusCode, host)
		require.NotEmpty(t, code(t, resp, body))
	}
}

func header(headers []string, name string) (values []string) {
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == name {
			values = append(values, headers[i+1])
		}
	}
	return values
}

func TestCookiesOfTheSharedHost(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"a=1":                                   "t.acme.a=1; Path=/t/acme; Priority=Low",
		"a=1; Path=/":                           "t.acme.a=1; Path=/t/acme; Priority=Low",
		"a=1; path=/t/acme/x; HttpOnly; Secure": "t.acme.a=1; Path=/t/acme; Priority=Low; HttpOnly; Secure",
		"a=1; Path=/t/other; Max-Age=60":        "t.acme.a=1; Path=/t/acme; Priority=Low; Max-Age=60",
		"a=1; SameSite=Lax; Priority=High; foo=bar":    "t.acme.a=1; Path=/t/acme; Priority=Low; SameSite=Lax",
		"a=b=c; Expires=Wed, 21 Oct 2099 07:28:00 GMT": "t.acme.a=b=c; Path=/t/acme; Priority=Low; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
		"a=1; Domain=localhost":                        "",
		"a=1; Domain=evil.example; Domain=":            "",
		"a=1; \tdomain\t=\t.127.0.0.1":                 "",
		"__Host-a=1; Secure; Path=/":                   "",
		"__secure-a=1; Secure":                         "",
		"__HTTP-a=1":                                   "",
		"bare":                                         "",
		"=t.other.a=1":                                 "",
		"a b=1":                                        "",
		"a=" + strings.Repeat("x", 9000):               "",
		"jsr_session=1":                                "t.acme.jsr_session=1; Path=/t/acme; Priority=Low",
	} {
		p := &parts{execute: answering(engine.Response{Status: 200, Headers: []string{"set-cookie", given}})}
		resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
		require.Equal(t, want, strings.Join(resp.Header["Set-Cookie"], "\n"), given)
	}
}

func TestCookiesOfTheSharedHostAreBounded(t *testing.T) {
	t.Parallel()
	var given []string
	for i := range 60 {
		given = append(given, "set-cookie", strings.Repeat("n", i+1)+"=1", "set-cookie", "again="+strings.Repeat("x", i))
	}
	s := start(t, &parts{execute: answering(engine.Response{Status: 200, Headers: given})}, catalog.Endpoint{}, nil)
	names := func(cookie string) (names map[string]bool) {
		resp, _ := do(t, s, "GET", "/t/acme/x", http.Header{"Cookie": {cookie}}, nil)
		names = map[string]bool{}
		for _, line := range resp.Header["Set-Cookie"] {
			name, _, _ := strings.Cut(line, "=")
			names[name] = true
		}
		return names
	}
	require.Len(t, names(""), 20)
	require.Len(t, names("t.acme.one=1; t.acme.two=2; t.acme.n=3; t.other.x=1; a=b"), 18, "what the browser has counts")
	require.Len(t, names("t.acme.big="+strings.Repeat("x", 8<<10)), 0)
}

func TestAScriptSeesItsTenantsCookies(t *testing.T) {
	t.Parallel()
	var got []string
	s := start(t, &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		got = header(inv.Request.Headers, "cookie")
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}, catalog.Endpoint{}, nil)
	for _, c := range []struct {
		host string
		sent []string
		want []string
	}{
		{"localhost", []string{"t.acme.a=1; t.other.a=2; a=3; t.acme.b=x=y"}, []string{"a=1; b=x=y"}},
		{"localhost", []string{"t.acme.a=1", "t.acme.b=2"}, []string{"a=1; b=2"}},
		{"localhost", []string{"a=1; t.acme.; T.acme.a=1; t.acmex.a=1; t.acme=1; __Host-jsr_session=1"}, nil},
		{"localhost", []string{"t.acme.jsr_session=1; t.acme.k=jsr_0123456789012345678901234567890123456789"}, nil},
		{ownHost, []string{"a=1; b=\"2\";c"}, []string{"a=1; b=\"2\";c"}},
		{ownHost, []string{"a=1; jsr_session=2; __Host-jsr_session=3; JSR_Session=4; b=5"}, []string{"a=1; b=5"}},
		{ownHost, []string{"__Host-jsr_session=3"}, nil},
	} {
		do(t, s, "GET", "/t/acme/x", http.Header{"Host": {c.host}, "Cookie": c.sent}, nil)
		require.Equal(t, c.want, got, "%s: %s", c.host, c.sent)
	}
}

func TestCookiesOfTenantsOwnHost(t *testing.T) {
	t.Parallel()
	for given, passes := range map[string]bool{
		"a=1": true, "a=1; Path=/x": true, "__Host-a=1; Secure; Path=/": true, "a=1; Domain=acme.apps.example.com": true, "a=1; domain=.ACME.apps.example.com": true,
		"a=1; Domain=apps.example.com": false, "a=1; Domain=.example.com": false, "a=1; Domain=other.apps.example.com": false,
		"a=1; Domain=acme.apps.example.com; Domain=example.com": false, "a=1; Domain=com": false, "a=1; \tDomain \t= \texample.com": false,
	} {
		p := &parts{execute: answering(engine.Response{Status: 200, Headers: []string{"set-cookie", given}})}
		resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/x", http.Header{"Host": {"acme.apps.example.com:8080"}}, nil)
		want := []string{given}
		if !passes {
			want = nil
		}
		require.Equal(t, want, resp.Header["Set-Cookie"], given)
	}
	p := &parts{execute: answering(engine.Response{Status: 200, Headers: []string{"set-cookie", "a=1; Domain=localhost"}})}
	resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/x", http.Header{"Host": {ownHost}}, nil)
	require.Empty(t, resp.Header["Set-Cookie"])
}

// A key that is sent to an endpoint reaches neither its script nor its history, which both see the Invocation.
func TestKeysNeverReachAScript(t *testing.T) {
	t.Parallel()
	const key = "jsr_abcdefgh_0123456789012345678901234567890123456789012"
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	var got *engine.Request
	s := start(t, &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		got = inv.Request
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}, catalog.Endpoint{}, nil)
	for _, host := range []string{"localhost", ownHost} {
		do(t, s, "GET", "/t/acme/x?a=1&key="+key+"&b="+key, http.Header{
			"Host": {host}, "X-Tenant": {"acme"}, "X-Api-Key": {key, "mine"}, "Referer": {"http://x/?k=" + key},
			"Authorization": {"Bearer " + key, "bearer jsr_short", "JSR_X", "Token " + key, basic("u:" + key), basic("jsr_short:"), strings.TrimRight(basic("a:"+key), "="),
				"Bearer the operator's own words", basic("the operator's own words:"), "Bearer mine", basic("me:you")},
			"Cookie": {"jsr_session=" + key},
		}, nil)
		all := got.URL + strings.Join(got.Headers, "\n")
		require.NotContains(t, strings.ToLower(strings.ReplaceAll(all, "jsr_redacted", "")), "jsr_")
		require.True(t, strings.HasSuffix(got.URL, "/x?a=1&key=jsr_redacted&b=jsr_redacted"), got.URL)
		require.Empty(t, header(got.Headers, "x-tenant"))
		require.Equal(t, []string{"mine"}, header(got.Headers, "x-api-key"))
		require.Equal(t, []string{"Bearer mine", basic("me:you")}, header(got.Headers, "authorization"))
		require.Empty(t, header(got.Headers, "cookie"))
	}
}

func TestLengthOfHead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		headers []string
		body    string
		want    int64
	}{
		{nil, "hello", 5},
		{nil, "", -1},
		{[]string{"content-length", "1234"}, "", 1234},
		{[]string{"content-length", "1234"}, "hello", 5},
		{[]string{"content-length", "-1"}, "", -1},
		{[]string{"content-length", "1, 1"}, "", -1},
	} {
		p := &parts{execute: answering(engine.Response{Status: 200, Headers: c.headers, Body: []byte(c.body)})}
		resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "HEAD", "/t/acme/x", nil, nil)
		require.Equal(t, c.want, resp.ContentLength, "%v", c)
	}
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Streamed: true}, inv.Response.Head(200, []string{"content-length", "77"})
	}}
	resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "HEAD", "/t/acme/x", nil, nil)
	require.Equal(t, int64(77), resp.ContentLength)
}
