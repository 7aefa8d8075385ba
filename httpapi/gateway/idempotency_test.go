package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/gateway/auth"
)

// shelf keeps answers in memory.
type shelf struct {
	mu     sync.Mutex // guards what follows
	rows   map[[32]byte]*gateway.KeptAnswer
	ttl    time.Duration
	queued []*engine.Invocation
	down   error
}

func (s *shelf) Take(_ context.Context, k *gateway.Key, _ time.Duration) (*gateway.KeptAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	if found := s.rows[k.ID]; found != nil {
		return found, nil
	}
	s.rows[k.ID] = &gateway.KeptAnswer{Fingerprint: k.Fingerprint, ExecutionID: k.ExecutionID}
	return nil, nil
}

func (s *shelf) Finish(_ context.Context, k *gateway.Key, answer *gateway.KeptAnswer, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[k.ID], s.ttl = answer, ttl
	return nil
}

func (s *shelf) Release(_ context.Context, k *gateway.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, k.ID)
	return nil
}

func (s *shelf) Enqueue(ctx context.Context, inv *engine.Invocation, k *gateway.Key, answer *gateway.KeptAnswer, ttl time.Duration) error {
	s.mu.Lock()
	if s.down != nil {
		defer s.mu.Unlock()
		return s.down
	}
	s.queued = append(s.queued, inv)
	s.mu.Unlock()
	if k != nil {
		return s.Finish(ctx, k, answer, ttl)
	}
	return nil
}

// endpointOf is an endpoint with settings.
func endpointOf(t *testing.T, settings string) catalog.Endpoint {
	t.Helper()
	o, err := catalog.HTTPOf(json.RawMessage(settings))
	require.NoError(t, err)
	return catalog.Endpoint{ScriptID: uuid.New(), Auth: o.Auth, AuthRule: o.AuthRule, CORS: o.CORS, RateLimit: o.RateLimit, Idempotency: o.Idempotency, Async: o.Async, Methods: []string{"*"}}
}

func shelved(t *testing.T, p *parts, settings string, change func(*gateway.Config)) (*httptest.Server, *shelf) {
	t.Helper()
	kept := &shelf{rows: map[[32]byte]*gateway.KeptAnswer{}}
	return start(t, p, endpointOf(t, settings), func(cfg *gateway.Config) {
		cfg.Durable = kept
		if change != nil {
			change(cfg)
		}
	}), kept
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	var result atomic.Pointer[engine.Result]
	p := &parts{execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
		ran.Add(1)
		return result.Load(), nil
	}}
	s, kept := shelved(t, p, `{"idempotency": {"ttl_seconds": 60}, "rate_limit": {"requests": 1000, "per": "hour", "key": "ip"}}`, nil)
	good := &engine.Result{Response: &engine.Response{Status: 201, Headers: []string{"x-made", "1", "x-made", "2", "set-cookie", "a=1", "content-type", "application/json"}, Body: []byte("{\"n\":\"\n\x00é\"}")}}
	result.Store(good)
	send := func(key, path, body string, header ...string) (*http.Response, string) {
		t.Helper()
		h := http.Header{"Idempotency-Key": {key}}
		for i := 0; i < len(header); i += 2 {
			h[header[i]] = []string{header[i+1]}
		}
		return do(t, s, "POST", path, h, strings.NewReader(body))
	}
	first, text := send("k1", "/t/acme/pay?a=1", "body")
	require.Equal(t, 201, first.StatusCode)
	require.Empty(t, first.Header["Idempotent-Replayed"])
	require.Equal(t, time.Minute, kept.ttl)
	for range 2 {
		again, same := send("k1", "/t/acme/pay?a=1", "body")
		require.Equal(t, 201, again.StatusCode)
		require.Equal(t, text, same)
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		require.NotEqual(t, first.Header.Get("Ratelimit-Remaining"), again.Header.Get("Ratelimit-Remaining"), "it is a request of its own")
		for _, name := range []string{"X-Made", "Set-Cookie", "Content-Type", "X-Execution-Id", "Content-Length", "Content-Security-Policy", "X-Content-Type-Options"} {
			require.Equal(t, first.Header[name], again.Header[name], name)
		}
	}
	require.EqualValues(t, 1, ran.Load())
	for _, row := range kept.rows {
		require.NotContains(t, string(row.Sealed), "made", "it cannot be read without the key")
	}

	// Another request under the key, and a key that is none.
	for path, body := range map[string]string{"/t/acme/pay?a=1": "other", "/t/acme/pay?a=2": "body", "/t/acme/pays?a=1": "body"} {
		resp, text := send("k1", path, body)
		require.Equal(t, 422, resp.StatusCode)
		require.Equal(t, "idempotency_key_reused", code(t, resp, text))
		require.Empty(t, resp.Header.Get("X-Execution-Id"))
	}
	for _, key := range []string{"", strings.Repeat("k", 256), "k\xff"} {
		resp, text := send(key, "/t/acme/pay", "body")
		require.Equal(t, 422, resp.StatusCode, "%q", key)
		require.Contains(t, text, "header.Idempotency-Key")
	}
	require.EqualValues(t, 1, ran.Load())

	// The key is its caller's: who has not the first one's credentials runs a request of its own.
	for _, credentials := range [][]string{{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}, {"Cookie", "t.acme.session=1"}, {"Host", "acme.localhost"}} {
		before := ran.Load()
		path := "/t/acme/pay?a=1"
		if credentials[0] == "Host" {
			path = "/pay?a=1"
		}
		for range 2 {
			resp, _ := send("k1", path, "body", credentials...)
			require.Equal(t, 201, resp.StatusCode, credentials)
		}
		require.Equal(t, before+1, ran.Load(), credentials)
	}

	// Without a key, and where a method has none, each request runs.
	before := ran.Load()
	for range 2 {
		do(t, s, "POST", "/t/acme/pay", nil, strings.NewReader("body"))
		do(t, s, "GET", "/t/acme/pay", http.Header{"Idempotency-Key": {"g"}}, nil)
	}
	require.Equal(t, before+4, ran.Load())

	// An answer that says "try again" frees the key; any other is kept.
	for key, c := range map[string]struct {
		result *engine.Result
		status int
		runs   int64
	}{
		"thrown": {&engine.Result{Code: engine.CodeException, Message: "no"}, 500, 2}, "time": {&engine.Result{Code: engine.CodeExceededWallTime}, 504, 2},
		"lost": {&engine.Result{Code: engine.CodeWorkerLost}, 503, 2}, "503": {&engine.Result{Response: &engine.Response{Status: 503}}, 503, 2},
		"429": {&engine.Result{Response: &engine.Response{Status: 429}}, 429, 2}, "402": {&engine.Result{Response: &engine.Response{Status: 402, Body: []byte("no money")}}, 402, 1},
		"204": {&engine.Result{Response: &engine.Response{Status: 204}}, 204, 1},
	} {
		result.Store(c.result)
		before := ran.Load()
		for range 2 {
			resp, _ := send(key, "/t/acme/pay", "body")
			require.Equal(t, c.status, resp.StatusCode, key)
		}
		require.Equal(t, before+c.runs, ran.Load(), key)
	}

	// What is too large is sent, and not given again.
	result.Store(&engine.Result{Response: &engine.Response{Status: 200, Body: []byte(strings.Repeat("x", 300<<10))}})
	resp, text := send("large", "/t/acme/pay", "body")
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, text, 300<<10)
	before = ran.Load()
	resp, text = send("large", "/t/acme/pay", "body")
	require.Equal(t, 409, resp.StatusCode)
	require.Equal(t, "idempotency_answer_not_kept", code(t, resp, text))
	require.Contains(t, text, "execution_id")
	require.Equal(t, before, ran.Load())

	// Where nothing can be kept nothing runs.
	kept.down = errors.New("Postgres is away")
	resp, text = send("down", "/t/acme/pay", "body")
	require.Equal(t, 503, resp.StatusCode, text)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Equal(t, before, ran.Load())
}

// While the first request runs another one under its key is refused; a client that leaves finds the answer when it asks again.
func TestIdempotencyKeyOfARunningRequest(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	var ran atomic.Int64
	var streamed atomic.Bool
	p := &parts{execute: func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
		ran.Add(1)
		if streamed.Load() {
			if err := inv.Response.Head(200, []string{"x-s", "1"}); err != nil {
				return nil, err
			}
			for _, chunk := range []string{"one ", "two"} {
				if err := inv.Response.Write([]byte(chunk)); err != nil {
					return nil, err
				}
			}
			return &engine.Result{Streamed: true}, nil
		}
		begun <- struct{}{}
		<-end
		if ctx.Err() != nil {
			return &engine.Result{Code: engine.CodeCancelled}, nil
		}
		return &engine.Result{Response: &engine.Response{Status: 200, Body: []byte("paid")}}, nil
	}}
	s, kept := shelved(t, p, `{"idempotency": {"header": "x-request-key", "ttl_seconds": 60}}`, nil)
	send := func(ctx context.Context, key string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/t/acme/pay", strings.NewReader("body"))
		require.NoError(t, err)
		req.Header.Set("X-Request-Key", key)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return nil, err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, string(text)
	}
	impatient, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = send(impatient, "k")
	}()
	<-begun
	resp, text := send(t.Context(), "k")
	require.Equal(t, 409, resp.StatusCode)
	require.Equal(t, "idempotency_in_progress", code(t, resp, text))
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	leave()
	<-gone
	close(end)
	require.Eventually(t, func() bool {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		for _, row := range kept.rows {
			return row.Status == 200
		}
		return false
	}, time.Minute, time.Millisecond)
	resp, text = send(t.Context(), "k")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "paid", text)
	require.EqualValues(t, 1, ran.Load())

	// A streamed answer leaves as it comes, and is kept.
	streamed.Store(true)
	for i := range 2 {
		resp, text = send(t.Context(), "stream")
		require.Equal(t, "one two", text)
		require.Equal(t, "1", resp.Header.Get("X-S"))
		require.Equal(t, map[int]string{1: "true"}[i], resp.Header.Get("Idempotent-Replayed"))
	}
	require.EqualValues(t, 2, ran.Load())
}

// Keys of callers that an endpoint knows: a token that was renewed is the same caller's.
func TestIdempotencyKeysOfCallers(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	p := &parts{execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
		ran.Add(1)
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}
	l := &lock{secrets: map[string]string{"KEY": "shared"}, claimed: map[string]bool{}, now: time.Unix(1000, 0)}
	verifier, err := auth.New(l.config())
	require.NoError(t, err)
	s, _ := shelved(t, p, `{"auth": {"type": "jwt", "secret": "KEY"}, "idempotency": {}}`, func(cfg *gateway.Config) { cfg.Auth = verifier })
	head := `{"alg":"HS256"}`
	for i, c := range []struct {
		claims string
		runs   int64
	}{
		{`{"iss":"a","sub":"u1","exp":2000}`, 1}, {`{"iss":"a","sub":"u1","exp":3000}`, 1}, {`{"iss":"a","sub":"u2"}`, 2}, {`{"iss":"b","sub":"u1"}`, 3}, {`{"iss":"a"}`, 4}, {`{"iss":"a","n":1}`, 5}, {`{"iss":"a","n":1}`, 5},
	} {
		resp, text := do(t, s, "POST", "/t/acme/pay", http.Header{"Idempotency-Key": {"k"}, "Authorization": {"Bearer " + jwtOf(head, c.claims, hs256("shared"))}}, strings.NewReader("x"))
		require.Equal(t, 200, resp.StatusCode, text)
		require.Equal(t, c.runs, ran.Load(), i)
	}
	resp, _ := do(t, s, "POST", "/t/acme/pay", http.Header{"Idempotency-Key": {"k"}}, strings.NewReader("x"))
	require.Equal(t, 401, resp.StatusCode, "auth comes before")
}

func TestAsync(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	p := &parts{execute: func(context.Context, *engine.Invocation) (*engine.Result, error) {
		ran.Add(1)
		return &engine.Result{Response: &engine.Response{Status: 200}}, nil
	}}
	p.script.Limits = engine.DefaultLimits()
	p.script.Limits.MaxRequestBodyBytes = 1000
	always, queue := shelved(t, p, `{"async": true, "idempotency": {}}`, nil)
	resp, text := do(t, always, "POST", "/t/acme/job?a=1", http.Header{"X-A": {"1"}}, strings.NewReader("input"))
	require.Equal(t, 202, resp.StatusCode, text)
	id := resp.Header.Get("X-Execution-Id")
	require.Equal(t, "/api/v1/executions/"+id, resp.Header.Get("Location"))
	require.JSONEq(t, `{"execution_id":"`+id+`","status":"pending"}`, text)
	require.Empty(t, resp.Header["Preference-Applied"])
	require.Len(t, queue.queued, 1)
	inv := queue.queued[0]
	require.Equal(t, id, inv.ExecutionID.String())
	require.Equal(t, "input", string(inv.Request.Body))
	require.Equal(t, always.URL+"/job?a=1", inv.Request.URL)
	require.Equal(t, engine.TriggerHTTP, inv.Trigger)

	// With a key: the same 202 again, and one run.
	key := http.Header{"Idempotency-Key": {"k"}, "Prefer": {"wait=10, Respond-Async;foo=1"}}
	first, text := do(t, always, "POST", "/t/acme/job", key, strings.NewReader("input"))
	require.Equal(t, 202, first.StatusCode)
	require.Equal(t, "respond-async", first.Header.Get("Preference-Applied"))
	again, same := do(t, always, "POST", "/t/acme/job", key, strings.NewReader("input"))
	require.Equal(t, text, same)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	for _, name := range []string{"Location", "X-Execution-Id", "Preference-Applied", "Content-Type"} {
		require.Equal(t, first.Header[name], again.Header[name], name)
	}
	require.Len(t, queue.queued, 2)

	// Refused before: body, and what Durable refuses. Such a key is free again.
	resp, _ = do(t, always, "POST", "/t/acme/job", nil, strings.NewReader(strings.Repeat("x", 1001)))
	require.Equal(t, 413, resp.StatusCode)
	queue.down = &engine.RefusedError{Code: engine.CodeQuotaExceeded, RetryAfter: time.Second, Detail: "used up"}
	resp, text = do(t, always, "POST", "/t/acme/job", nil, strings.NewReader("x"))
	require.Equal(t, 429, resp.StatusCode)
	require.Equal(t, "quota_exceeded", code(t, resp, text))
	require.Empty(t, resp.Header["X-Execution-Id"])
	require.Empty(t, resp.Header["Location"])
	require.Len(t, queue.queued, 2)
	require.Zero(t, ran.Load())

	fresh := func() *parts { return &parts{execute: p.execute} }
	asked, queue := shelved(t, fresh(), `{"async": "prefer"}`, nil)
	for prefer, status := range map[string]int{"": 200, "respond-async": 202, "return=minimal, RESPOND-ASYNC": 202, "respond-asynchronous": 200, "wait=5": 200} {
		resp, _ := do(t, asked, "GET", "/t/acme/job", http.Header{"Prefer": {prefer}}, nil)
		require.Equal(t, status, resp.StatusCode, prefer)
	}
	require.Len(t, queue.queued, 2)
	never, queue := shelved(t, fresh(), `{}`, nil)
	resp, _ = do(t, never, "GET", "/t/acme/job", http.Header{"Prefer": {"respond-async"}}, nil)
	require.Equal(t, 200, resp.StatusCode, "an endpoint that does not say so answers at once")
	require.Empty(t, queue.queued)
	closed, queue := shelved(t, fresh(), `{"async": true, "auth": {"type": "api_key"}, "rate_limit": {"requests": 1, "per": "hour", "key": "endpoint"}}`, nil)
	for i, status := range []int{401, 202, 429} {
		header := http.Header{}
		if i > 0 {
			header["Authorization"] = []string{"Bearer own"}
		}
		resp, text := do(t, closed, "POST", "/t/acme/job", header, strings.NewReader("x"))
		require.Equal(t, status, resp.StatusCode, text)
	}
	require.Len(t, queue.queued, 1)
}
