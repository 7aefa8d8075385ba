package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/browsertest"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/origin"
)

// What a page of a tenant may do is decided by a browser. These tests ask one.

// town is a gateway with two tenants and, on the operator's hosts, a page that stands for the console: it has a secret in its storage
// and a cookie.
type town struct {
	*parts
	*httptest.Server
	port string
}

const secret = "the operator's"

func newTown(t *testing.T, execute func(*engine.Request) engine.Response) *town {
	t.Helper()
	town := &town{}
	town.parts = &parts{
		execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
			resp := execute(inv.Request)
			return &engine.Result{Response: &resp}, nil
		},
		route: func(slug, method, _ string) (catalog.Match, error) {
			if slug != "a" && slug != "b" {
				return catalog.Match{}, catalog.ErrTenantUnknown
			}
			return catalog.Match{Endpoint: &catalog.Endpoint{TenantID: uuid.NewSHA1(uuid.Nil, []byte(slug)), Auth: catalog.AuthNone, Methods: []string{method}}}, nil
		},
	}
	town.parts.script.Limits = engine.DefaultLimits()
	origins, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}})
	require.NoError(t, err)
	g, err := gateway.New(gateway.Config{Router: town, Executor: town, Recorder: town, Keys: town, Origins: origins})
	require.NoError(t, err)
	town.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := origins.Of(r)
		if o.Kind != origin.Operator || strings.HasPrefix(r.URL.Path, gateway.Prefix) {
			g.ServeHTTP(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "jsr_session", Value: "secret", Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "<script>localStorage.key = %q; document.cookie = 'plain=secret'</script><p id=operator>operator: %s", secret, r.Header.Get("Cookie"))
	}))
	town.Config.MaxHeaderBytes = 32 << 10 // as serve's; set before the server reads it
	town.Start()
	t.Cleanup(town.Close)
	town.port = town.URL[strings.LastIndexByte(town.URL, ':'):]
	return town
}

// Invocation's executor is the parts' own.
var _ engine.Executor = (*town)(nil)

// attempt says what the document before the visitor is, and what it could take.
type attempt struct {
	Href, Origin, Title, Key, Cookie string
}

const attempting = `(() => {
	const of = (f) => { try { return String(f()) } catch (e) { return e.name } };
	return {
		Href: location.href, Origin: self.origin, Title: document.title, Key: of(() => localStorage.key),
		Cookie: of(() => document.cookie),
	};
})()`

// 120 answers of a tenant, each below /t/ and on a host of the tenant's own: not one runs in an origin that holds anything of another's.
func TestNoDocumentRunsInAnotherOrigin(t *testing.T) {
	t.Parallel()
	page := []byte("<!doctype html><title>quiet</title><script>document.title = 'ran'</script><body>")
	xml := []byte(`<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>quiet</title><script>document.title = 'ran'</script></head></html>`)
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><title>quiet</title><script>document.title = 'ran'</script></svg>`)
	type answer struct {
		engine.Response
		again *engine.Response // to a conditional request
	}
	var answers []answer
	for _, contentType := range []string{
		"text/html", "TEXT/HTML", "text/html;", "text/html,", ",text/html", "text/html,text/plain", "text/plain, text/html", "text/plain,text/html,", "text/plain; text/html",
		"text/plain;charset=utf-8,text/html", "text/html/", "text/html text/plain", "text/html\ttext/plain", " text/html", "\ttext/html", "text/html ;charset=x", "text/html;charset=utf-7",
		"text/html;charset=utf-16", "text/html; charset=\"", "text/html;;", "text/html;charset=utf-8;charset=utf-16", "application/json, text/html", "application/json;,text/html", "image/png,text/html",
		"*/*", "*/*, text/html", "text/*", "text", "html", "", "/", "/html", "text/", "a/b", "unknown/unknown", "application/unknown", "application/x-unknown-content-type", "content/unknown",
		"text/xsl", "text/xml", "application/xml", "application/xhtml+xml", "application/xhtml", "image/svg+xml", "image/svg+xml,text/html", "application/rss+xml", "application/atom+xml", "application/mathml+xml",
		"text/x-html", "text/html5", "text/vnd.html", "application/html", "text/htm", "text/javascript", "text/css", "text/cache-manifest", "text/vtt", "text/markdown", "text/event-stream", "text/plain",
		"multipart/x-mixed-replace;boundary=x", "multipart/x-mixed-replace; boundary=\"x\"", "multipart/mixed;boundary=x", "multipart/related;boundary=x", "message/rfc822", "application/x-mimearchive",
		"application/pdf", "application/pdf,text/html", "application/octet-stream", "application/octet-stream,text/html", "image/gif", "image/png", "video/mp4", "font/woff", "application/wasm",
		"text/plain\x80,text/html", "text/html\xa0", "\xa0text/html", "application/signed-exchange;v=b3", "application/webbundle;v=b2", "application/x-shockwave-flash", "text/html; Content-Type=text/plain",
	} {
		body := page
		switch {
		case strings.Contains(contentType, "svg"):
			body = svg
		case strings.Contains(contentType, "xml"), strings.Contains(contentType, "xsl"):
			body = xml
		case strings.HasPrefix(contentType, "multipart/"):
			body = []byte("--x\r\nContent-Type: text/html\r\nContent-Security-Policy: default-src *\r\n\r\n" + string(page) + "\r\n--x--\r\n")
		}
		answers = append(answers, answer{Response: engine.Response{Status: 200, Headers: []string{"content-type", contentType}, Body: body}})
	}
	html := []string{"content-type", "text/html"}
	for _, status := range []int{201, 202, 203, 206, 226, 300, 301, 302, 303, 305, 306, 307, 308, 400, 401, 403, 404, 405, 410, 418, 429, 451, 500, 501, 502, 503, 511, 599} {
		answers = append(answers, answer{Response: engine.Response{Status: status, Headers: html, Body: page}})
	}
	for _, extra := range [][]string{
		{"content-security-policy", "sandbox allow-scripts allow-same-origin allow-top-navigation"}, {"content-security-policy", "default-src *"}, {"content-security-policy", ""},
		{"content-security-policy", "sandbox allow-same-origin, sandbox allow-same-origin allow-scripts"}, {"Content-Security-Policy", "script-src 'unsafe-inline'"},
		{"content-security-policy-report-only", "sandbox"}, {"x-content-type-options", ""}, {"content-type", "text/plain"}, {"refresh", "0;url=/console/"},
		{"link", "</console/>;rel=preload"}, {"origin-agent-cluster", "?1"}, {"cross-origin-opener-policy", "same-origin"}, {"content-encoding", "identity"}, {"content-disposition", "inline"},
		{"x-frame-options", "ALLOWALL"}, {"location", "javascript:document.title='ran'"},
	} {
		answers = append(answers, answer{Response: engine.Response{Status: 200, Headers: slices.Concat(html, extra), Body: page}})
	}
	// A 304 replaces headers of the answer that the browser has kept.
	for _, headers := range [][]string{
		{}, {"content-security-policy", "default-src * 'unsafe-inline'"}, {"content-security-policy", ""}, {"content-security-policy", "sandbox allow-scripts allow-same-origin"},
		{"content-type", "text/html"}, {"content-type", "text/plain, text/html", "content-security-policy", "default-src *"},
	} {
		kept := slices.Concat(html, []string{"etag", `"1"`, "cache-control", "no-cache"})
		answers = append(answers, answer{
			Response: engine.Response{Status: 200, Headers: kept, Body: page},
			again:    &engine.Response{Status: 304, Headers: slices.Concat(headers, []string{"etag", `"1"`})},
		})
	}
	require.Greater(t, len(answers), 100)

	var confirmed sync.Map // URLs of which the browser asked whether its copy is fresh
	town := newTown(t, func(r *engine.Request) engine.Response {
		i, err := strconv.Atoi(r.URL[strings.LastIndexByte(r.URL, '=')+1:])
		if err != nil {
			return engine.Response{Status: 404}
		}
		if answers[i].again != nil && len(header(r.Headers, "if-none-match")) > 0 {
			confirmed.Store(r.URL, true)
			return *answers[i].again
		}
		return answers[i].Response
	})
	browser := browsertest.Start(t)
	visit := func(t *testing.T, kind, prefix, path string) {
		visitor := browser.Visitor(t)
		shown, ran := 0, 0
		for i, answer := range answers {
			if i%40 == 0 {
				visitor.Go("http://localhost" + town.port + "/console/")
				require.Equal(t, secret, browsertest.Eval[attempt](visitor, attempting).Key)
			}
			url := prefix + path + "?case=" + strconv.Itoa(i)
			visits := 1
			if answer.again != nil {
				visits = 3
			}
			for range visits {
				_ = visitor.Try(chromedp.Navigate(url)) // an error is a download, or a redirect to nowhere: nothing is shown
				got, err := browsertest.TryEval[attempt](visitor, attempting)
				if err != nil { // Refresh led away
					got = browsertest.Eval[attempt](visitor, attempting)
				}
				if got.Href != url {
					continue
				}
				shown++
				if got.Title == "ran" {
					ran++
				}
				name := fmt.Sprintf("%s %d %q: %+v", kind, answer.Status, answer.Headers, got)
				require.NotEqual(t, secret, got.Key, name)
				require.NotContains(t, got.Cookie, "secret", name)
				if kind == "shared" {
					require.Equal(t, "null", got.Origin, name)
					require.Equal(t, "SecurityError", got.Key, name)
					require.Equal(t, "SecurityError", got.Cookie, name)
				} else {
					require.Contains(t, []string{prefix, "null"}, got.Origin, name)
				}
			}
			if answer.again != nil {
				_, asked := confirmed.Load(prefix + "/?case=" + strconv.Itoa(i))
				require.True(t, asked, "%s: the browser asked whether its copy is fresh", kind)
			}
		}
		// That nothing was taken must not be because nothing ran.
		require.Greater(t, shown, 60, kind)
		require.Greater(t, ran, 40, kind)
		t.Logf("%s: %d answers, %d shown, %d of them ran a script", kind, len(answers), shown, ran)
	}
	for kind, at := range map[string][2]string{"shared": {"http://localhost" + town.port, "/t/a/"}, "own": {"http://a.localhost" + town.port, "/"}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			visit(t, kind, at[0], at[1])
		})
	}
}

// A page on a tenant's own host is one like any other: it keeps things, sets cookies, reads its own API, redirects to its own paths.
func TestAPageOnATenantsOwnHostWorks(t *testing.T) {
	t.Parallel()
	town := newTown(t, func(r *engine.Request) engine.Response {
		switch path := r.URL[strings.LastIndexByte(r.URL, '/'):]; path {
		case "/go":
			return engine.Response{Status: 302, Headers: []string{"location", strings.TrimSuffix(r.URL, "/go") + "/api"}}
		case "/api":
			return engine.Response{Status: 200, Headers: []string{"content-type", "application/json", "set-cookie", "from=api"}, Body: []byte(`{"n": 1}`)}
		}
		return engine.Response{Status: 200, Headers: []string{"content-type", "text/html"}, Body: []byte("<!doctype html>")}
	})
	visitor := browsertest.Start(t).Visitor(t)
	visitor.Go("http://a.localhost" + town.port + "/")
	require.Equal(t, "1 kept from=api; own=1", browsertest.Eval[string](visitor, `(async () => {
		localStorage.x = "kept";
		const n = (await (await fetch("/go")).json()).n;
		document.cookie = "own=1";
		return n + " " + localStorage.x + " " + document.cookie;
	})()`))
}

func TestCookiesDoNotCrossTenants(t *testing.T) {
	t.Parallel()
	var spellings []string
	for i, attributes := range []string{
		"", "; Path=/", "; Path=/t/b", "; Path=/t/", "; Path=/console", "; Path=", "; Path=//", "; path=/t/a/../b", "; Path=/t/a; Path=/", "; Path=/; Path=/t/b", "; Domain=localhost", "; Domain=.localhost",
		"; Domain=", "; Domain=apps.example.com; Path=/", "; Domain=.example.com", "; Domain=b.apps.example.com", "; Domain=com", "; Path=/; Max-Age=99999", "; Path=/; HttpOnly", "; Path=/; SameSite=Strict",
	} {
		spellings = append(spellings, fmt.Sprintf("c%d=stolen%s", i, attributes), fmt.Sprintf("t.b.d%d=stolen%s", i, attributes))
	}
	spellings = append(spellings, "stolen", "=t.b.x=stolen", "__Host-x=stolen; Path=/; Secure", "jsr_session=stolen; Path=/", "plain=stolen; Path=/")
	town := newTown(t, func(r *engine.Request) engine.Response {
		resp := engine.Response{Status: 200, Headers: []string{"content-type", "text/html"}}
		if _, list, ok := strings.Cut(r.URL, "?set="); ok {
			from, _ := strconv.Atoi(list)
			for _, cookie := range spellings[from:min(from+5, len(spellings))] {
				resp.Headers = append(resp.Headers, "set-cookie", cookie)
			}
		}
		seen, _ := json.Marshal(header(r.Headers, "cookie"))
		resp.Body = append([]byte("<!doctype html>seen: "), seen...)
		return resp
	})
	browser := browsertest.Start(t)
	at := func(host, path string) string { return "http://" + host + town.port + path }
	text := func(visitor *browsertest.Visitor, url string) string {
		visitor.Go(url)
		return browsertest.Eval[string](visitor, "document.body.innerText")
	}
	for _, evil := range []string{at("localhost", "/t/a/x"), at("a.localhost", "/x"), at("a.apps.example.com", "/x")} {
		visitor := browser.Visitor(t)
		visitor.Go(at("localhost", "/console/"))
		for from := 0; from < len(spellings); from += 5 {
			visitor.Go(evil + "?set=" + strconv.Itoa(from))
		}
		require.Contains(t, text(visitor, evil), "stolen", "its own cookies come back to %s", evil)
		others := []string{at("localhost", "/t/b/x"), at("b.localhost", "/x"), at("b.apps.example.com", "/x"), at("localhost", "/console/"), at("127.0.0.1", "/t/b/x")}
		for _, other := range others {
			require.NotContains(t, text(visitor, other), "stolen", "%s, after %s", other, evil)
		}
		require.Contains(t, text(visitor, at("localhost", "/console/")), "jsr_session=secret", "after %s", evil)
		for _, seen := range []string{evil, others[0], others[1], others[2]} {
			require.NotContains(t, text(visitor, seen), "secret", "a script sees nothing of the console's")
		}
	}

	// Scripts of a page: a sandboxed one has no cookies; one on its own host has the host's. Browsers let it plant cookies for the
	// domain above it, unless that is a public suffix, as localhost is. SECURITY.md says so.
	visitor := browser.Visitor(t)
	const planting = `(() => { try {
		for (const domain of ["", "; domain=localhost", "; domain=apps.example.com"])
			for (const path of ["/", "/t/b"]) document.cookie = "planted" + domain.length + "=1; path=" + path + domain;
		return document.cookie;
	} catch (e) { return e.name } })()`
	visitor.Go(at("localhost", "/t/a/x"))
	require.Equal(t, "SecurityError", browsertest.Eval[string](visitor, planting))
	visitor.Go(at("a.localhost", "/x"))
	require.Equal(t, "planted0=1", browsertest.Eval[string](visitor, planting))
	for _, other := range []string{at("localhost", "/t/b/x"), at("b.localhost", "/x"), at("localhost", "/console/")} {
		require.NotContains(t, text(visitor, other), "planted")
	}
	visitor.Go(at("a.apps.example.com", "/x"))
	require.Contains(t, browsertest.Eval[string](visitor, planting), "planted")
	require.Contains(t, text(visitor, at("b.apps.example.com", "/x")), "planted", "not promised: the domain is on no public suffix list")
}

// A request that a tenant's page starts carries no cookie of the operator's that is SameSite=Strict, as the console's session is: a
// sandboxed page has no site, and browsers take each name below localhost for a site of its own.
func TestATenantsPageDoesNotActAsTheOperator(t *testing.T) {
	t.Parallel()
	town := newTown(t, func(*engine.Request) engine.Response {
		return engine.Response{Status: 200, Headers: []string{"content-type", "text/html"}, Body: []byte("<!doctype html>")}
	})
	visitor := browsertest.Start(t).Visitor(t)
	console := "http://localhost" + town.port + "/console/"
	for range 2 {
		visitor.Go(console) // once it has set the cookie, its own requests carry it
	}
	require.Contains(t, browsertest.Eval[string](visitor, "document.body.innerText"), "jsr_session=secret")
	for _, page := range []string{"http://localhost" + town.port + "/t/a/", "http://a.localhost" + town.port + "/"} {
		for _, act := range []string{
			"location.href = CONSOLE",
			"const a = document.createElement('a'); a.href = CONSOLE; document.body.append(a); a.click()",
			"const f = document.createElement('form'); f.method = 'POST'; f.action = CONSOLE; document.body.append(f); f.submit()",
		} {
			visitor.Go(page)
			_, _ = browsertest.TryEval[chromedp.Void](visitor, "{ const CONSOLE = '"+console+"'; "+act+" }") // the page leaves meanwhile
			visitor.Do(chromedp.WaitVisible("#operator"))
			require.NotContains(t, browsertest.Eval[string](visitor, "document.body.innerText"), "jsr_session", "%s: %s", page, act)
		}
	}
}

// A tenant that sets cookies without end fills no head but its own.
func TestATenantsCookiesRefuseNobodysRequests(t *testing.T) {
	t.Parallel()
	town := newTown(t, func(r *engine.Request) engine.Response {
		resp := engine.Response{Status: 200, Headers: []string{"content-type", "text/html"}, Body: []byte("fine")}
		if _, n, ok := strings.Cut(r.URL, "?n="); ok {
			for i := range 60 {
				resp.Headers = append(resp.Headers, "set-cookie", fmt.Sprintf("c%s-%d=%s; Path=/; Max-Age=31536000", n, i, strings.Repeat("x", 200)))
			}
		}
		return resp
	})
	visitor := browsertest.Start(t).Visitor(t)
	for n := range 6 {
		visitor.Go("http://localhost" + town.port + "/t/a/x?n=" + strconv.Itoa(n))
	}
	for _, path := range []string{"/console/", "/t/b/x", "/t/a/x"} {
		visitor.Go("http://localhost" + town.port + path)
		require.Regexp(t, "fine|operator", browsertest.Eval[string](visitor, "document.body.innerText"), path)
	}
}
