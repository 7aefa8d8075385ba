package host

import (
	"bytes"
	"compress/gzip"
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
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

// noDB is for tests that must not reach the database.
type noDB struct{}

var errNoDB = errors.New("the database was asked")

func (noDB) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, errNoDB
}
func (noDB) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errNoDB }
func (noDB) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNoDB
}
func (noDB) QueryRow(context.Context, string, ...any) pgx.Row { panic(errNoDB) }

// names is a resolver with fixed answers; a name that it does not have does not exist.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if addrs, ok := n[strings.TrimSuffix(host, ".")]; ok {
		return append([]netip.Addr(nil), addrs...), nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

var public = netip.MustParseAddr("93.184.216.34")

// internet has public addresses answered by local servers: what the guard lets through to an address of site arrives there.
type internet struct {
	site  map[netip.AddrPort]net.Addr
	dials atomic.Int64
}

func (i *internet) dial(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	i.dials.Add(1)
	to, ok := i.site[addr]
	if !ok {
		return nil, fmt.Errorf("dial %v: no listener is there", addr)
	}
	return new(net.Dialer).DialContext(ctx, network, to.String())
}

func newTestHost(t *testing.T, cfg Config) *Host {
	t.Helper()
	if cfg.DB == nil {
		cfg.DB = noDB{}
	}
	h, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(h.pools.close)
	return h
}

func newInvocation() *engine.Invocation {
	limits := engine.DefaultLimits()
	limits.MaxAPICallsPerMinute = 100_000
	return &engine.Invocation{
		ExecutionID: uuid.New(), Trigger: engine.TriggerAPI, Handler: engine.HandlerRun, Attempt: 1,
		Script: &engine.Script{ID: uuid.New(), TenantID: uuid.New(), TenantSlug: "acme", Name: "s", Type: "oneoff", Limits: limits},
	}
}

type answer struct {
	fetchReply
	body []byte
	err  error
}

func (a answer) header(name string) string {
	for _, nv := range a.Headers {
		if nv[0] == name {
			return nv[1]
		}
	}
	return ""
}

// do fetches and reads the whole body.
func do(ctx context.Context, h *Host, inv *engine.Invocation, args fetchArgs, body []byte, stream io.Reader) answer {
	text, err := json.Marshal(args)
	if err != nil {
		return answer{err: err}
	}
	r, err := h.Call(ctx, &engine.HostCall{Invocation: inv, Method: "fetch", Args: text, Body: body, BodyStream: stream})
	if err != nil {
		return answer{err: err}
	}
	var a answer
	if err := json.Unmarshal(r.Payload, &a.fetchReply); err != nil {
		return answer{err: err}
	}
	a.body = r.Body
	if r.BodyStream != nil {
		rest, err := io.ReadAll(r.BodyStream)
		r.BodyStream.Close()
		a.body, a.err = append(a.body, rest...), err
	}
	return a
}

func get(t *testing.T, h *Host, url string) answer {
	t.Helper()
	return do(t.Context(), h, newInvocation(), fetchArgs{URL: url}, nil, nil)
}

func requireHostError(t *testing.T, err error, code string) *engine.HostError {
	t.Helper()
	var he *engine.HostError
	require.ErrorAs(t, err, &he)
	require.Equal(t, code, he.Code, he.Message)
	return he
}

// web starts a server that fetch reaches as http://site.test/ and https never.
func web(t *testing.T, cfg Config, handler http.HandlerFunc) (*Host, *internet) {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	at := netip.AddrPortFrom(public, 80)
	other := netip.MustParseAddrPort("93.184.216.35:80")
	world := &internet{site: map[netip.AddrPort]net.Addr{at: srv.Listener.Addr(), other: srv.Listener.Addr()}}
	cfg.Dial = world.dial
	if cfg.Resolver == nil {
		cfg.Resolver = names{"site.test": {public}, "other.test": {other.Addr()}, "inside.test": {netip.MustParseAddr("10.0.0.7")}}
	}
	return newTestHost(t, cfg), world
}

func TestFetchRoundTrip(t *testing.T) {
	t.Parallel()
	h, _ := web(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s len=%d ua=%s tenant=%s custom=%s host=%s proxy=%s",
			r.Method, r.URL.RequestURI(), r.ContentLength, r.UserAgent(), r.Header.Get(tenantHeader), r.Header.Get("X-Custom"), r.Host, r.Header.Get("Proxy-Authorization")))
		w.WriteHeader(201)
		w.Write(append([]byte("got "), body...))
	})
	a := do(t.Context(), h, newInvocation(), fetchArgs{
		URL: "http://site.test/p?q=1#frag", Method: "post", HasBody: true,
		Headers: [][2]string{{"x-custom", " yes "}, {"host", "evil.test"}, {"Content-Length", "99"}, {"proxy-authorization", "x"}, {"jsruntime-tenant", "other"}},
	}, []byte("hello"), nil)
	require.NoError(t, a.err)
	require.Equal(t, 201, a.Status)
	require.Equal(t, "Created", a.StatusText)
	require.Equal(t, "http://site.test/p?q=1", a.URL)
	require.False(t, a.Redirected)
	require.Equal(t, "got hello", string(a.body))
	require.Equal(t, "POST /p?q=1 len=5 ua=jsruntime (tenant acme) tenant=acme custom=yes host=site.test proxy=", a.header("x-seen"))
	var cookies []string
	for _, nv := range a.Headers {
		if nv[0] == "set-cookie" {
			cookies = append(cookies, nv[1])
		}
	}
	require.Equal(t, []string{"a=1", "b=2"}, cookies)
}

// Whom a script fetches is told of the trace that the execution belongs to, unless the script says otherwise.
func TestFetchSendsTheTraceContext(t *testing.T) {
	t.Parallel()
	h, _ := web(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Header.Get("Traceparent")+"|"+r.Header.Get("Tracestate"))
	})
	inv := newInvocation()
	seen := func(headers ...[2]string) string {
		a := do(t.Context(), h, inv, fetchArgs{URL: "http://site.test/", Headers: headers}, nil, nil)
		require.NoError(t, a.err)
		return a.header("x-seen")
	}
	require.Equal(t, "|", seen())
	inv.TraceParent, inv.TraceState = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1"
	require.Equal(t, inv.TraceParent+"|a=1", seen())
	require.Equal(t, "own|", seen([2]string{"traceparent", "own"}))
}

func TestFetchStreamsBothWays(t *testing.T) {
	t.Parallel()
	h, _ := web(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		io.Copy(w, r.Body)
	})
	up, feed := io.Pipe()
	go func() {
		feed.Write([]byte("two "))
		feed.Write([]byte("three"))
		feed.Close()
	}()
	a := do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/", Method: "PUT", HasBody: true, StreamBody: true}, []byte("one "), up)
	require.NoError(t, a.err)
	require.Equal(t, "one two three", string(a.body))
}

// A chunk must reach the script while the server still holds the next one back.
func TestFetchDoesNotWaitForTheWholeBody(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	h, _ := web(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("first"))
		w.(http.Flusher).Flush()
		<-next
		w.Write([]byte("second"))
	})
	text, _ := json.Marshal(fetchArgs{URL: "http://site.test/"})
	r, err := h.Call(t.Context(), &engine.HostCall{Invocation: newInvocation(), Method: "fetch", Args: text})
	require.NoError(t, err)
	buf := make([]byte, 5)
	_, err = io.ReadFull(r.BodyStream, buf)
	require.NoError(t, err)
	require.Equal(t, "first", string(buf))
	close(next)
	rest, err := io.ReadAll(r.BodyStream)
	require.NoError(t, err)
	require.Equal(t, "second", string(rest))
	require.NoError(t, r.BodyStream.Close())
}

func TestFetchRedirects(t *testing.T) {
	t.Parallel()
	h, _ := web(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/seen":
			fmt.Fprintf(w, "%s auth=%q key=%q cookie=%q plain=%q type=%q body=%q", r.Method, r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"),
				r.Header.Get("Cookie"), r.Header.Get("X-Plain"), r.Header.Get("Content-Type"), body)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			var code int
			var to string
			fmt.Sscanf(r.URL.RawQuery, "%d&%s", &code, &to)
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
	})
	headers := [][2]string{{"Authorization", "secret"}, {"X-Api-Key", "secret"}, {"Cookie", "secret"}, {"X-Plain", "kept"}, {"Content-Type", "text/plain"}}
	for _, tc := range []struct{ method, to, want string }{
		{"GET", "302&/seen", `GET auth="secret" key="secret" cookie="secret" plain="kept" type="text/plain" body=""`},
		{"GET", "302&http://other.test/seen", `GET auth="" key="" cookie="" plain="kept" type="text/plain" body=""`},
		{"POST", "301&/seen", `GET auth="secret" key="secret" cookie="secret" plain="kept" type="" body=""`},
		{"POST", "303&http://other.test/seen", `GET auth="" key="" cookie="" plain="kept" type="" body=""`},
		{"PUT", "302&/seen", `PUT auth="secret" key="secret" cookie="secret" plain="kept" type="text/plain" body="data"`},
		{"POST", "307&/seen", `POST auth="secret" key="secret" cookie="secret" plain="kept" type="text/plain" body="data"`},
		{"POST", "308&http://other.test/seen", `POST auth="" key="" cookie="" plain="kept" type="text/plain" body="data"`},
	} {
		t.Run(tc.method+" "+tc.to, func(t *testing.T) {
			args := fetchArgs{URL: "http://site.test/r?" + tc.to, Method: tc.method, Headers: headers}
			var body []byte
			if tc.method != "GET" {
				args.HasBody, body = true, []byte("data")
			}
			a := do(t.Context(), h, newInvocation(), args, body, nil)
			require.NoError(t, a.err)
			require.Equal(t, tc.want, string(a.body))
			require.True(t, a.Redirected)
			require.True(t, strings.HasSuffix(a.URL, "/seen"), a.URL)
		})
	}
	a := get(t, h, "http://site.test/loop")
	require.Contains(t, requireHostError(t, a.err, "fetch_redirect").Message, "more than 20 redirects")
	a = do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/loop", Redirect: "manual"}, nil, nil)
	require.NoError(t, a.err)
	require.Equal(t, 302, a.Status)
	require.Equal(t, "/loop", a.header("location"))
	require.False(t, a.Redirected)
	a = do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/loop", Redirect: "error"}, nil, nil)
	requireHostError(t, a.err, "fetch_redirect")
	a = do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/r?307&/seen", Method: "POST", HasBody: true, StreamBody: true}, nil, strings.NewReader("x"))
	requireHostError(t, a.err, "fetch_redirect")
	for _, to := range []string{"file:///etc/passwd", "gopher://site.test/", "//user@site.test/", "javascript:1"} {
		a = get(t, h, "http://site.test/r?302&"+to)
		requireHostError(t, a.err, "fetch_redirect")
	}
}

func TestFetchCapsBodies(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		z.Write(zeros)
	}
	z.Close()
	require.Less(t, bomb.Len(), 128<<10)
	h, _ := web(t, Config{MaxFetchBytes: 1 << 20}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		case "/twice":
			var outer bytes.Buffer
			z := gzip.NewWriter(&outer)
			z.Write(bomb.Bytes())
			z.Close()
			w.Header().Set("Content-Encoding", "gzip, gzip")
			w.Write(outer.Bytes())
		case "/known":
			w.Header().Set("Content-Length", "2000000")
		case "/unknown":
			for range 3 {
				if _, err := w.Write(zeros); err != nil {
					return
				}
			}
		case "/exact":
			w.(http.Flusher).Flush()
			w.Write(zeros)
		case "/small":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write([]byte("plain text"))
			z.Close()
		case "/head":
			w.Header().Set("X-Long", strings.Repeat("a", 200<<10))
		case "/upload":
			io.Copy(io.Discard, r.Body)
		}
	})
	for _, path := range []string{"/bomb", "/twice", "/known", "/unknown"} {
		a := get(t, h, "http://site.test"+path)
		require.Contains(t, requireHostError(t, a.err, "fetch_too_large").Message, "limit of 1048576 bytes", path)
		require.LessOrEqual(t, len(a.body), 1<<20)
	}
	a := get(t, h, "http://site.test/exact")
	require.NoError(t, a.err)
	require.Len(t, a.body, 1<<20)
	a = get(t, h, "http://site.test/small")
	require.NoError(t, a.err)
	require.Equal(t, "plain text", string(a.body))
	require.Empty(t, a.header("content-encoding"))
	require.Error(t, get(t, h, "http://site.test/head").err)
	a = do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/upload", Method: "PUT", HasBody: true}, make([]byte, 1<<20+1), nil)
	requireHostError(t, a.err, "fetch_too_large")
	a = do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/upload", Method: "PUT", HasBody: true, StreamBody: true}, nil, io.LimitReader(endless{}, 8<<20))
	requireHostError(t, a.err, "fetch_too_large")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestFetchTimesOutAndAborts(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 8)
	h, _ := web(t, Config{FetchTimeout: 2 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	requireHostError(t, get(t, h, "http://site.test/").err, "fetch_timeout")
	<-arrived
	requireHostError(t, get(t, h, "http://site.test/body").err, "fetch_timeout")
	<-arrived
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("aborted by the script")
	go func() { <-arrived; cancel(why) }()
	require.ErrorIs(t, do(ctx, h, newInvocation(), fetchArgs{URL: "http://site.test/"}, nil, nil).err, why)
	require.Empty(t, h.fetches.held)
}

func TestFetchAtMostSoManyAtOnce(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	gate := make(chan struct{})
	h, _ := web(t, Config{MaxFetches: 4}, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-gate
		now.Add(-1)
	})
	inv := newInvocation()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if a := do(t.Context(), h, inv, fetchArgs{URL: "http://site.test/"}, nil, nil); a.err != nil {
				t.Error(a.err)
			}
		})
	}
	require.Eventually(t, func() bool { return now.Load() == 4 }, 10*time.Second, time.Millisecond)
	close(gate)
	wg.Wait()
	require.EqualValues(t, 4, most.Load())
	require.Empty(t, h.fetches.held)
}

func TestFetchPoolsBelongToOneTenant(t *testing.T) {
	t.Parallel()
	h, world := web(t, Config{MaxTenantPools: 2}, func(w http.ResponseWriter, r *http.Request) {})
	a, b := newInvocation(), newInvocation()
	for _, inv := range []*engine.Invocation{a, a, b, a, b} {
		require.NoError(t, do(t.Context(), h, inv, fetchArgs{URL: "http://site.test/"}, nil, nil).err)
	}
	require.EqualValues(t, 2, world.dials.Load())
	require.NoError(t, do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/"}, nil, nil).err)
	require.Equal(t, 2, h.pools.recent.Len())
	h.pools.closeIdle(time.Now().Add(time.Hour))
	require.Zero(t, h.pools.recent.Len())
}

func TestFetchRefusesBadArguments(t *testing.T) {
	t.Parallel()
	h := newTestHost(t, Config{Resolver: names{}})
	for name, args := range map[string]fetchArgs{
		"scheme":      {URL: "file:///etc/passwd"},
		"no scheme":   {URL: "//site.test"},
		"userinfo":    {URL: "http://user:pw@site.test/"},
		"no host":     {URL: "http:///x"},
		"unix":        {URL: "unix:///run/docker.sock"},
		"method":      {URL: "http://site.test", Method: "GE T"},
		"connect":     {URL: "http://site.test", Method: "connect"},
		"header name": {URL: "http://site.test", Headers: [][2]string{{"a b", "c"}}},
		"injection":   {URL: "http://site.test", Headers: [][2]string{{"a", "b\r\nc: d"}}},
		"get body":    {URL: "http://site.test", HasBody: true},
		"redirect":    {URL: "http://site.test", Redirect: "maybe"},
		"long":        {URL: "http://site.test/" + strings.Repeat("a", 20<<10)},
	} {
		a := do(t.Context(), h, newInvocation(), args, nil, nil)
		var he *engine.HostError
		require.ErrorAs(t, a.err, &he, name)
		require.Equal(t, "TypeError", he.Name, name)
	}
	for _, raw := range []string{``, `[]`, `{"url":5}`, `{"url":"http://a.test"} x`, `{"headers":[["a"]]`} {
		_, err := h.Call(t.Context(), &engine.HostCall{Invocation: newInvocation(), Method: "fetch", Args: json.RawMessage(raw)})
		var he *engine.HostError
		require.ErrorAs(t, err, &he, raw)
	}
}

// A certificate of an unknown authority is refused; so is one for another name.
func TestFetchVerifiesTLS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	t.Cleanup(srv.Close)
	world := &internet{site: map[netip.AddrPort]net.Addr{netip.AddrPortFrom(public, 443): srv.Listener.Addr()}}
	resolver := names{"example.com": {public}, "wrong.test": {public}}
	h := newTestHost(t, Config{Resolver: resolver, Dial: world.dial})
	he := requireHostError(t, get(t, h, "https://example.com/").err, "fetch_failed")
	require.Contains(t, he.Message, "certificate")

	pool := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	h = newTestHost(t, Config{Resolver: resolver, Dial: world.dial, RootCAs: pool})
	a := get(t, h, "https://example.com/")
	require.NoError(t, a.err)
	require.Equal(t, "HTTP/2.0", string(a.body))
	requireHostError(t, get(t, h, "https://wrong.test/").err, "fetch_failed")
}
