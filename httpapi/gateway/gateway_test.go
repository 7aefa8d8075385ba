package gateway_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/origin"
)

// parts is a gateway's surroundings, each part replaceable.
type parts struct {
	route   func(slug, method, path string) (catalog.Match, error)
	script  engine.Script
	execute func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error)
	record  func(inv *engine.Invocation, res *engine.Result) error
}

func (p *parts) Route(slug, method, path string) (catalog.Match, error) {
	return p.route(slug, method, path)
}

func (p *parts) RouteHost(host, method, path string) (catalog.Match, error) {
	return p.route("host "+host, method, path)
}

func (p *parts) Script(context.Context, uuid.UUID, uuid.UUID, int) (*engine.Script, error) {
	return &p.script, nil
}

func (p *parts) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	return p.execute(ctx, inv)
}

func (p *parts) Record(_ context.Context, inv *engine.Invocation, res *engine.Result) error {
	if p.record == nil {
		return nil
	}
	return p.record(inv, res)
}

var tenantID = uuid.MustParse("01890000-0000-7000-8000-000000000001")

func (p *parts) Authenticate(_ *http.Request, key string, _ uuid.UUID, scope string) (uuid.UUID, error) {
	switch key {
	case "own":
		return tenantID, nil
	case "narrow":
		if scope != "" {
			return uuid.Nil, gateway.ErrOutOfScope
		}
		return tenantID, nil
	case "broken":
		return uuid.Nil, errors.New("database is away")
	}
	return uuid.Nil, gateway.ErrBadKey
}

// start serves a gateway with one endpoint at every path of tenant acme.
func start(t *testing.T, p *parts, endpoint catalog.Endpoint, change func(*gateway.Config)) *httptest.Server {
	t.Helper()
	endpoint.TenantID = tenantID
	if endpoint.Auth == "" {
		endpoint.Auth = catalog.AuthNone
	}
	if p.route == nil {
		p.route = func(slug, method, _ string) (catalog.Match, error) {
			switch {
			case slug != "acme":
				return catalog.Match{}, catalog.ErrTenantUnknown
			case method == "OPTIONS" && endpoint.CORS != nil:
				return catalog.Match{Endpoint: &endpoint, Preflight: true}, nil
			case method == "TRACE":
				return catalog.Match{}, &catalog.MethodError{Allow: "GET, HEAD"}
			}
			return catalog.Match{Endpoint: &endpoint, Params: map[string]string{"a": "b"}}, nil
		}
	}
	if p.script.Limits == (engine.Limits{}) {
		p.script.Limits = engine.DefaultLimits()
	}
	cfg := gateway.Config{Router: p, Executor: p, Recorder: p, Keys: p, OperatorKey: func(key string) bool { return key == "the operator's own words" }}
	if change != nil {
		change(&cfg)
	}
	var err error
	cfg.Origins, err = origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}, Proxies: cfg.TrustedProxies})
	require.NoError(t, err)
	g, err := gateway.New(cfg)
	require.NoError(t, err)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s
}

func answering(resp engine.Response) func(context.Context, *engine.Invocation) (*engine.Result, error) {
	return func(context.Context, *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Response: &resp}, nil
	}
}

func do(t *testing.T, s *httptest.Server, method, path string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	require.NoError(t, err)
	for name, values := range header {
		if name == "Host" {
			req.Host = values[0]
			continue
		}
		req.Header[name] = values
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

func code(t *testing.T, resp *http.Response, body string) string {
	t.Helper()
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	var p struct {
		Type, Title, Code string
		Status            int
	}
	require.NoError(t, json.Unmarshal([]byte(body), &p), body)
	require.Equal(t, resp.StatusCode, p.Status)
	require.NotEmpty(t, p.Title)
	return p.Code
}

func TestRequestReachesTheScriptAndItsAnswerTheClient(t *testing.T) {
	t.Parallel()
	var got *engine.Invocation
	var recorded *engine.Invocation
	p := &parts{
		execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
			got = inv
			return &engine.Result{Response: &engine.Response{Status: 201, Headers: []string{"x-own", "1", "x-own", "2"}, Body: []byte("hello")}}, nil
		},
		record: func(inv *engine.Invocation, _ *engine.Result) error { recorded = inv; return nil },
	}
	s := start(t, p, catalog.Endpoint{Methods: []string{"POST"}}, nil)
	resp, body := do(t, s, "POST", "/t/acme/a%2Fb/c?x=%20&y", http.Header{
		"X-Custom": {"one", "two"}, "Connection": {"x-hop"}, "X-Hop": {"1"}, "X-Forwarded-For": {"1.2.3.4"}, "Authorization": {"Bearer mine"},
	}, strings.NewReader("bytes\x00"))
	require.Equal(t, 201, resp.StatusCode)
	require.Equal(t, "hello", body)
	require.Equal(t, []string{"1", "2"}, resp.Header["X-Own"])
	require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	require.Equal(t, got.ExecutionID.String(), resp.Header.Get("X-Execution-Id"))
	require.Same(t, got, recorded)
	require.Equal(t, engine.TriggerHTTP, got.Trigger)
	require.Equal(t, engine.HandlerFetch, got.Handler)
	require.Equal(t, s.URL+"/a%2Fb/c?x=%20&y", got.Request.URL)
	require.Equal(t, "POST", got.Request.Method)
	require.Equal(t, "bytes\x00", string(got.Request.Body))
	require.Equal(t, "b", got.Request.Params["a"])
	headers := map[string][]string{}
	for i := 0; i < len(got.Request.Headers); i += 2 {
		headers[got.Request.Headers[i]] = append(headers[got.Request.Headers[i]], got.Request.Headers[i+1])
	}
	require.Equal(t, []string{"one", "two"}, headers["x-custom"])
	require.Equal(t, []string{"Bearer mine"}, headers["authorization"])
	require.Equal(t, []string{"127.0.0.1"}, headers["x-forwarded-for"])
	require.NotContains(t, headers, "x-hop")
	require.NotContains(t, headers, "connection")
}

// What goes on to whom the script calls is a trace context, or nothing.
func TestTraceContextIsPassedOnIfItIsOne(t *testing.T) {
	t.Parallel()
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for sent, want := range map[string][2]string{valid: {valid, "a=1"}, valid + "-more": {}, "nonsense": {}} {
		var got *engine.Invocation
		s := start(t, &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
			got = inv
			return &engine.Result{Response: &engine.Response{Status: 200}}, nil
		}}, catalog.Endpoint{}, nil)
		resp, _ := do(t, s, "GET", "/t/acme/", http.Header{"Traceparent": {sent}, "Tracestate": {"a=1"}}, nil)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, want, [2]string{got.TraceParent, got.TraceState}, sent)
	}
}

func TestTrustedProxySaysWhoTheClientIs(t *testing.T) {
	t.Parallel()
	var got *engine.Request
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		got = inv.Request
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}
	s := start(t, p, catalog.Endpoint{}, func(c *gateway.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	do(t, s, "GET", "/t/acme", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"api.example.com"}, "X-Forwarded-For": {"1.2.3.4"}}, nil)
	require.Equal(t, "https://api.example.com/", got.URL)
	require.Contains(t, got.Headers, "1.2.3.4")
	require.False(t, got.HasBody)
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	for c, status := range map[engine.Code]int{
		engine.CodeException: 500, engine.CodeUnsettled: 500, engine.CodeInvalidOutput: 500, engine.CodeOutputTooLarge: 500,
		engine.CodeHandlerMissing: 500, engine.CodeLoopDetected: 508, engine.CodeExceededMemory: 503, engine.CodeExceededCPU: 503,
		engine.CodeBootError: 503, engine.CodeWorkerLost: 503, engine.CodeSandboxViolation: 503, engine.CodeQuarantined: 503,
		engine.CodeExceededWallTime: 504,
	} {
		p := &parts{execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
			return &engine.Result{Code: c, Message: "because", Stack: "at secret.ts:1:1"}, nil
		}}
		resp, body := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
		require.Equal(t, status, resp.StatusCode, c)
		require.Equal(t, string(c), code(t, resp, body))
		require.Contains(t, body, "because")
		require.NotContains(t, body, "secret.ts")
		require.NotEmpty(t, resp.Header.Get("X-Execution-Id"))
	}
	for c, status := range map[engine.Code]int{engine.CodeConcurrencyLimit: 429, engine.CodeOverloaded: 503, engine.CodeQuarantined: 503} {
		p := &parts{execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
			return nil, &engine.RefusedError{Code: c, RetryAfter: 1500 * time.Millisecond, Detail: "because"}
		}}
		resp, body := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
		require.Equal(t, status, resp.StatusCode, c)
		require.Equal(t, string(c), code(t, resp, body))
		require.Equal(t, "2", resp.Header.Get("Retry-After"))
	}
}

// TestWhatIsRefusedHasNoExecution: an id leads to an execution. What is refused is counted by its script and reason.
func TestWhatIsRefusedHasNoExecution(t *testing.T) {
	t.Parallel()
	var refusal error
	var recorded error
	p := &parts{
		execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
			return &engine.Result{Response: &engine.Response{Status: 200}}, refusal
		},
		record: func(*engine.Invocation, *engine.Result) error { return recorded },
	}
	p.script.Limits = engine.DefaultLimits()
	p.script.Limits.MaxRequestBodyBytes = 1000
	counted := map[string]int{}
	script := uuid.New()
	s := start(t, p, catalog.Endpoint{ScriptID: script, Auth: catalog.AuthAPIKey, Allow: "GET"}, func(cfg *gateway.Config) {
		cfg.Refused = func(tenant, of uuid.UUID, code string) {
			require.Equal(t, tenantID, tenant)
			require.Equal(t, script, of)
			counted[code]++
		}
	})
	own := http.Header{"Authorization": {"Bearer own"}}
	ask := func(status int, method, path string, header http.Header, body io.Reader) {
		t.Helper()
		resp, text := do(t, s, method, path, header, body)
		require.Equal(t, status, resp.StatusCode, text)
		require.Empty(t, resp.Header.Get("X-Execution-Id"), text)
		require.NotContains(t, text, "execution_id")
	}
	for _, c := range []engine.Code{engine.CodeConcurrencyLimit, engine.CodeOverloaded, engine.CodeQuarantined} {
		refusal = &engine.RefusedError{Code: c, RetryAfter: time.Second}
		ask(map[engine.Code]int{engine.CodeConcurrencyLimit: 429}[c]+map[engine.Code]int{engine.CodeOverloaded: 503, engine.CodeQuarantined: 503}[c], "GET", "/t/acme/x", own, nil)
	}
	refusal = nil
	ask(413, "POST", "/t/acme/x", own, strings.NewReader(strings.Repeat("x", 1001)))
	ask(401, "GET", "/t/acme/x", nil, nil)
	ask(404, "GET", "/t/nobody/x", own, nil)
	ask(405, "TRACE", "/t/acme/x", own, nil)
	recorded = errors.New("full")
	ask(503, "GET", "/t/acme/x", own, nil)
	require.Equal(t, map[string]int{"concurrency_limit": 1, "overloaded": 2, "quarantined": 1, "body_too_large": 1, "unauthorized": 1}, counted)
	recorded = nil
	resp, _ := do(t, s, "GET", "/t/acme/x", own, nil)
	require.NotEmpty(t, resp.Header.Get("X-Execution-Id"))
}

// TestTheStatusIsOnRecord: the record of a run has the status that its client got, whatever ended it.
func TestTheStatusIsOnRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		result   engine.Result
		streamed int
		want     int
	}{
		"a response":       {engine.Result{Response: &engine.Response{Status: 404}}, 0, 404},
		"an exception":     {engine.Result{Code: engine.CodeException}, 0, 500},
		"out of time":      {engine.Result{Code: engine.CodeExceededWallTime}, 0, 504},
		"no response":      {engine.Result{}, 0, 500},
		"a streamed one":   {engine.Result{Streamed: true}, 206, 206},
		"failed half-way":  {engine.Result{Streamed: true, Code: engine.CodeException}, 200, 200},
		"out of memory":    {engine.Result{Code: engine.CodeExceededMemory}, 0, 503},
		"a failed promise": {engine.Result{Code: engine.CodeUnsettled}, 0, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded := make(chan int, 1)
			p := &parts{
				execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
					if c.streamed != 0 {
						if err := inv.Response.Head(c.streamed, nil); err != nil {
							return nil, err
						}
					}
					return &c.result, nil
				},
				record: func(_ *engine.Invocation, res *engine.Result) error {
					recorded <- res.HTTPStatus()
					return nil
				},
			}
			req, err := http.NewRequestWithContext(t.Context(), "GET", start(t, p, catalog.Endpoint{}, nil).URL+"/t/acme/x", nil)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, c.want, resp.StatusCode)
			require.Equal(t, c.want, <-recorded)
		})
	}
}

func TestUnroutedRequests(t *testing.T) {
	t.Parallel()
	p := &parts{}
	p.route = func(string, string, string) (catalog.Match, error) {
		return catalog.Match{}, catalog.ErrTenantSuspended
	}
	resp, body := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
	require.Equal(t, 403, resp.StatusCode)
	require.Equal(t, "tenant_suspended", code(t, resp, body))

	s := start(t, &parts{execute: answering(engine.Response{Status: 200})}, catalog.Endpoint{}, nil)
	resp, body = do(t, s, "TRACE", "/t/acme/x", nil, nil)
	require.Equal(t, 405, resp.StatusCode)
	require.Equal(t, "GET, HEAD", resp.Header.Get("Allow"))
	require.Equal(t, "method_not_allowed", code(t, resp, body))
	for _, path := range []string{"/t/nobody/x", "/t/", "/t//x", "/t/acme/%2e%2e/x", "/t/acme/a/.%2E"} {
		resp, body = do(t, s, "GET", path, nil, nil)
		require.Equal(t, 404, resp.StatusCode, path)
		require.Equal(t, "not_found", code(t, resp, body))
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	var length int
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		length = len(inv.Request.Body)
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}
	p.script.Limits = engine.DefaultLimits()
	p.script.Limits.MaxRequestBodyBytes = 100_000
	s := start(t, p, catalog.Endpoint{}, nil)
	resp, _ := do(t, s, "POST", "/t/acme/x", nil, strings.NewReader(strings.Repeat("x", 100_000)))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, 100_000, length)
	for _, body := range []io.Reader{
		strings.NewReader(strings.Repeat("x", 100_001)),
		io.MultiReader(strings.NewReader(strings.Repeat("x", 100_001))), // chunked
	} {
		resp, text := do(t, s, "POST", "/t/acme/x", nil, body)
		require.Equal(t, 413, resp.StatusCode)
		require.Equal(t, "body_too_large", code(t, resp, text))
		require.Contains(t, text, "100000")
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Response: &engine.Response{Status: 200, Body: []byte(fmt.Sprint(inv.Request.Headers))}}, nil
	}}
	s := start(t, p, catalog.Endpoint{Auth: catalog.AuthAPIKey}, nil)
	for header, status := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer other": 401, "Basic own": 401, "Bearer broken": 503, "bearer own": 200} {
		resp, body := do(t, s, "GET", "/t/acme/x", http.Header{"Authorization": {header}}, nil)
		require.Equal(t, status, resp.StatusCode, header)
		require.NotContains(t, body, "own")
		if status == 401 {
			require.NotEmpty(t, resp.Header.Get("WWW-Authenticate"))
		}
	}

	// A key without the scope that the endpoint asks for is known, and may not.
	options, err := catalog.HTTPOf(json.RawMessage(`{"auth": {"type": "api_key", "scope": "invoke:checkout"}}`))
	require.NoError(t, err)
	counted := map[string]int{}
	narrow := start(t, &parts{execute: p.execute}, catalog.Endpoint{Auth: options.Auth, AuthRule: options.AuthRule}, func(cfg *gateway.Config) {
		cfg.Refused = func(_, _ uuid.UUID, code string) { counted[code]++ }
	})
	for key, want := range map[string]int{"own": 200, "narrow": 403, "wrong": 401} {
		for _, server := range []*httptest.Server{narrow, s} {
			resp, body := do(t, server, "GET", "/t/acme/x", http.Header{"Authorization": {"Bearer " + key}}, nil)
			if server == s && key == "narrow" {
				want = 200 // that endpoint takes any key
			}
			require.Equal(t, want, resp.StatusCode, "%s: %s", key, body)
			if want == 403 {
				require.Equal(t, "out_of_scope", code(t, resp, body))
				require.Contains(t, body, "invoke:checkout")
				require.Contains(t, resp.Header.Get("WWW-Authenticate"), "insufficient_scope")
				require.Empty(t, resp.Header.Get("X-Execution-Id"))
			}
		}
	}
	require.Equal(t, map[string]int{"out_of_scope": 1, "unauthorized": 1}, counted)
}

func TestCORS(t *testing.T) {
	t.Parallel()
	p := &parts{execute: answering(engine.Response{Status: 200, Headers: []string{"Access-Control-Allow-Origin", "https://evil.example"}})}
	s := start(t, p, catalog.Endpoint{
		Auth: catalog.AuthAPIKey, Methods: []string{"GET"}, Allow: "GET, HEAD, OPTIONS",
		CORS: &catalog.CORS{Origins: []string{"https://a.example"}, Credentials: true, MaxAge: time.Minute},
	}, nil)
	resp, _ := do(t, s, "OPTIONS", "/t/acme/x", http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Headers": {"x-a"}}, nil)
	require.Equal(t, 204, resp.StatusCode)
	require.Equal(t, "https://a.example", resp.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", resp.Header.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "x-a", resp.Header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, "60", resp.Header.Get("Access-Control-Max-Age"))
	require.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "GET")
	resp, _ = do(t, s, "OPTIONS", "/t/acme/x", http.Header{"Origin": {"https://b.example"}}, nil)
	require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
	resp, _ = do(t, s, "GET", "/t/acme/x", http.Header{"Origin": {"https://a.example"}, "Authorization": {"Bearer own"}}, nil)
	require.Equal(t, []string{"https://a.example"}, resp.Header["Access-Control-Allow-Origin"])
	require.Equal(t, "Origin", resp.Header.Get("Vary"))
}

func TestHead(t *testing.T) {
	t.Parallel()
	var method string
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		method = inv.Request.Method
		return &engine.Result{Response: &engine.Response{Status: 200, Body: []byte("hello")}}, nil
	}}
	resp, body := do(t, start(t, p, catalog.Endpoint{Methods: []string{"GET"}}, nil), "HEAD", "/t/acme/x", nil, nil)
	require.Equal(t, "GET", method)
	require.Equal(t, int64(5), resp.ContentLength)
	require.Empty(t, body)
	p.route = nil
	do(t, start(t, p, catalog.Endpoint{Methods: []string{"HEAD"}}, nil), "HEAD", "/t/acme/x", nil, nil)
	require.Equal(t, "HEAD", method)
}

func TestHeadOfANullBody(t *testing.T) {
	t.Parallel()
	for length, want := range map[string][]string{"": nil, "1234": {"1234"}, "x": nil} {
		resp, _ := do(t, start(t, &parts{execute: answering(engine.Response{Status: 200, Headers: []string{"content-length", length}})}, catalog.Endpoint{}, nil), "HEAD", "/t/acme/x", nil, nil)
		require.Equal(t, want, resp.Header["Content-Length"], length)
	}
}

// A header's bytes are characters to the script, whatever encoding the client meant.
func TestRequestHeadersAreLatin1(t *testing.T) {
	t.Parallel()
	var got map[string]string
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		got = map[string]string{}
		for i := 0; i < len(inv.Request.Headers); i += 2 {
			got[inv.Request.Headers[i]] = inv.Request.Headers[i+1]
		}
		return &engine.Result{Response: &engine.Response{Status: 200, Headers: []string{"x-back", "caf\xe9"}}}, nil
	}}
	resp, _ := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", http.Header{"X-Name": {"caf\xe9"}, "X-Utf": {"é"}, "Cookie": {"t.acme.a=\xff"}}, nil)
	require.Equal(t, "café", got["x-name"])
	require.Equal(t, "Ã©", got["x-utf"])
	require.Equal(t, "a=ÿ", got["cookie"])
	require.Equal(t, "caf\xe9", resp.Header.Get("X-Back"))
}

// What a script calls /x is /t/{slug}/x to a client of the shared host.
func TestRedirectsOfTheSharedHost(t *testing.T) {
	t.Parallel()
	var location string
	p := &parts{execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Response: &engine.Response{Status: 302, Headers: []string{"location", location}}}, nil
	}}
	s := start(t, p, catalog.Endpoint{}, nil)
	for in, want := range map[string]string{
		"http://localhost:1/x?y#z": "http://localhost:1/t/acme/x?y#z", "HTTP://LOCALHOST:1/": "HTTP://LOCALHOST:1/t/acme/", "http://localhost:1": "http://localhost:1/t/acme",
		"http://localhost:1?q": "http://localhost:1/t/acme?q", "//localhost:1/x": "//localhost:1/t/acme/x", "/x": "/t/acme/x", "/": "/t/acme/", "/t/acmex": "/t/acme/t/acmex", "/t/b/x": "/t/acme/t/b/x",
		"/t/acme": "/t/acme", "/t/acme/x": "/t/acme/x", "/t/acme?x": "/t/acme?x", "http://localhost:1/t/acme/x": "http://localhost:1/t/acme/x",
		"http://localhost:12/x": "http://localhost:12/x", "https://localhost:1/x": "https://localhost:1/x", "http://localhost:1.evil/x": "http://localhost:1.evil/x", "http://localhost:1@evil/": "http://localhost:1@evil/",
		"https://example.com/x": "https://example.com/x", "//example.com/x": "//example.com/x", "next": "next", "../x": "../x", "?x": "?x", "mailto:a@b": "mailto:a@b",
	} {
		location = in
		resp, _ := do(t, s, "GET", "/t/acme/a", http.Header{"Host": {"localhost:1"}}, nil)
		require.Equal(t, want, resp.Header.Get("Location"), in)
		resp, _ = do(t, s, "GET", "/a", http.Header{"Host": {"acme.localhost:1"}}, nil)
		require.Equal(t, in, resp.Header.Get("Location"), "on a host of the tenant's own")
	}
}

func TestHeadersOfTheConnectionAreTheNodes(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "acme.localhost"} {
		p := &parts{execute: answering(engine.Response{Status: 200, Body: []byte("<b>"), Headers: []string{
			"connection", "upgrade", "upgrade", "h2c", "transfer-encoding", "chunked", "content-length", "100000", "trailer", "x", "Trailer:x-late", "1",
			"strict-transport-security", "max-age=1", "x-execution-id", "forged", "x-content-type-options", "off", "content-type", "text/html; charset=utf-8",
		}})}
		resp, body := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", http.Header{"Host": {host}}, nil)
		require.Equal(t, "<b>", body)
		require.Equal(t, int64(3), resp.ContentLength)
		for _, name := range []string{"Connection", "Upgrade", "Trailer", "X-Late", "Strict-Transport-Security"} {
			require.Empty(t, resp.Header[name], name)
		}
		require.NotEqual(t, "forged", resp.Header.Get("X-Execution-Id"))
		require.Equal(t, []string{"nosniff"}, resp.Header["X-Content-Type-Options"])
	}
}

func TestBodylessStatusAndNoGuessedType(t *testing.T) {
	t.Parallel()
	for _, status := range []int{204, 304} {
		resp, body := do(t, start(t, &parts{execute: answering(engine.Response{Status: status, Body: []byte("x")})}, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
		require.Equal(t, status, resp.StatusCode)
		require.Empty(t, body)
	}
	resp, _ := do(t, start(t, &parts{execute: answering(engine.Response{Status: 200, Body: []byte("<html>")})}, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
	require.Empty(t, resp.Header["Content-Type"])
}

func TestStreamedResponse(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	var fail atomic.Bool
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		if err := inv.Response.Head(200, []string{"content-type", "text/event-stream"}); err != nil {
			return nil, err
		}
		if err := inv.Response.Write([]byte("one\n")); err != nil {
			return nil, err
		}
		<-more
		_ = inv.Response.Write([]byte("two\n"))
		res := &engine.Result{Streamed: true}
		if fail.Load() {
			res.Code = engine.CodeException
		}
		return res, nil
	}}
	s := start(t, p, catalog.Endpoint{}, nil)
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/t/acme/x", nil)
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		body := bufio.NewReader(resp.Body)
		line, err := body.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "one\n", line)
		more <- struct{}{}
		rest, err := io.ReadAll(body)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "two\n", string(rest))
		if fail.Load() {
			require.Error(t, err, "a stream that broke must not look whole")
		} else {
			require.NoError(t, err)
		}
		fail.Store(true)
	}
}

func TestClientThatGoesAwayCancels(t *testing.T) {
	t.Parallel()
	began, ended, recorded := make(chan struct{}), make(chan error, 1), make(chan engine.Code, 1)
	p := &parts{
		execute: func(ctx context.Context, _ *engine.Invocation) (*engine.Result, error) {
			close(began)
			<-ctx.Done()
			ended <- ctx.Err()
			return &engine.Result{Code: engine.CodeCancelled}, nil
		},
		record: func(_ *engine.Invocation, res *engine.Result) error { recorded <- res.Code; return nil },
	}
	s := start(t, p, catalog.Endpoint{}, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET /t/acme/x HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	<-began
	require.NoError(t, conn.Close())
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Equal(t, engine.CodeCancelled, <-recorded)
}

func TestRunThatCannotBeWrittenDownIs503(t *testing.T) {
	t.Parallel()
	p := &parts{execute: answering(engine.Response{Status: 200}), record: func(*engine.Invocation, *engine.Result) error { return errors.New("full") }}
	resp, body := do(t, start(t, p, catalog.Endpoint{}, nil), "GET", "/t/acme/x", nil, nil)
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "overloaded", code(t, resp, body))
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
}

func BenchmarkGateway(b *testing.B) {
	endpoint := catalog.Endpoint{Auth: catalog.AuthNone, Methods: []string{"GET"}}
	p := &parts{
		route:   func(string, string, string) (catalog.Match, error) { return catalog.Match{Endpoint: &endpoint}, nil },
		execute: answering(engine.Response{Status: 200, Headers: []string{"content-type", "application/json"}, Body: []byte(`{"hello":"world"}`)}),
	}
	origins, err := origin.New(origin.Config{})
	require.NoError(b, err)
	g, err := gateway.New(gateway.Config{Router: p, Executor: p, Recorder: p, Keys: p, Origins: origins})
	require.NoError(b, err)
	req := httptest.NewRequestWithContext(b.Context(), "GET", "/t/acme/hello?x=1", nil)
	req.Header.Set("User-Agent", "bench")
	req.Header.Set("Accept", "*/*")
	b.ReportAllocs()
	for b.Loop() {
		g.ServeHTTP(&discard{header: http.Header{}}, req)
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header              { return d.header }
func (d *discard) Write(b []byte) (int, error)      { return len(b), nil }
func (d *discard) WriteHeader(int)                  {}
func (d *discard) SetWriteDeadline(time.Time) error { return nil }

// A response of a run that goes on is whole at once, with HTTP/2 too, and the run is recorded when it has ended.
func TestResponseOfARunThatGoesOn(t *testing.T) {
	t.Parallel()
	var ends sync.Map // X-Execution-Id → func()
	recorded := make(chan engine.Result, 100)
	p := &parts{
		execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
			res := &engine.Result{GoesOn: true}
			ends.Store(inv.ExecutionID.String(), func() {
				inv.OnEnd(inv, &engine.Result{Code: cmp.Or(res.Code, engine.CodeBackgroundError), Response: res.Response})
			})
			switch {
			case strings.HasSuffix(inv.Request.URL, "/stream"):
				res.Streamed = true
				if err := inv.Response.Head(200, nil); err != nil {
					return nil, err
				}
				return res, inv.Response.Write([]byte("hello"))
			case strings.HasSuffix(inv.Request.URL, "/fails"):
				res.Code, res.Message = engine.CodeException, "no"
			default:
				res.Response = &engine.Response{Status: 200, Body: []byte("hello")}
			}
			return res, nil
		},
		record: func(_ *engine.Invocation, res *engine.Result) error {
			recorded <- *res
			return nil
		},
	}
	plain := start(t, p, catalog.Endpoint{}, nil)
	g := plain.Config.Handler
	secure := httptest.NewUnstartedServer(g)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, s := range []*httptest.Server{plain, secure} {
		for _, method := range []string{"GET", "HEAD"} {
			for path, status := range map[string]int{"/whole": 200, "/stream": 200, "/fails": 500} {
				req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/t/acme"+path, nil)
				require.NoError(t, err)
				resp, err := s.Client().Do(req)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, status, resp.StatusCode)
				if s == secure {
					require.Equal(t, 2, resp.ProtoMajor)
				}
				if method == "GET" && status == 200 {
					require.Equal(t, "hello", string(body))
				}
				if path == "/whole" {
					require.EqualValues(t, 5, resp.ContentLength)
				}
				require.Empty(t, recorded)
				end, ok := ends.Load(resp.Header.Get("X-Execution-Id"))
				require.True(t, ok)
				end.(func())()
				of := <-recorded
				require.NotEqual(t, engine.CodeNone, of.Code)
				require.Equal(t, status, of.HTTPStatus())
			}
		}
	}
}

// The memory of a request's body counts until a run that goes on after its answer has ended.
func TestBodyOfARunThatGoesOnIsCounted(t *testing.T) {
	t.Parallel()
	budget, err := admission.NewBudget(64 << 20)
	require.NoError(t, err)
	ends := make(chan func(), 1)
	goesOn := true
	p := &parts{execute: func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		ends <- func() { inv.OnEnd(inv, &engine.Result{}) }
		return &engine.Result{GoesOn: goesOn, Response: &engine.Response{Status: 204}}, nil
	}}
	s := start(t, p, catalog.Endpoint{}, func(c *gateway.Config) { c.Budget = budget })
	do(t, s, "POST", "/t/acme/x", nil, strings.NewReader(strings.Repeat("x", 200_000)))
	end := <-ends
	require.GreaterOrEqual(t, budget.Stats().Used, int64(200_000))
	end()
	require.Zero(t, budget.Stats().Used)
	goesOn = false
	do(t, s, "POST", "/t/acme/x", nil, strings.NewReader(strings.Repeat("x", 200_000)))
	require.Eventually(t, func() bool { return budget.Stats().Used == 0 }, time.Minute, time.Millisecond)
}
