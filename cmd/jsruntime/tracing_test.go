//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
	caller       = "00-" + callersTrace + "-" + callersSpan + "-01"
)

type executorFunc func(context.Context, *engine.Invocation) (*engine.Result, error)

func (f executorFunc) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	return f(ctx, inv)
}

type hostFunc func(context.Context, *engine.HostCall) (*engine.HostReply, error)

func (f hostFunc) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	return f(ctx, call)
}

func traced(sample float64) (*tracing, *tracetest.InMemoryExporter) {
	spans := tracetest.NewInMemoryExporter()
	return newTracingWith(sdktrace.WithSyncer(spans), sample, resource.Empty()), spans
}

func attributes(span tracetest.SpanStub) map[string]any {
	m := map[string]any{}
	for _, a := range span.Attributes {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}

// A trace goes through the execution to the host call, whose context the engine did not make from the executor's.
func TestTraceGoesFromCallerToHostCall(t *testing.T) {
	t.Parallel()
	tr, spans := traced(1)
	var passed *engine.Invocation
	services := tr.host(hostFunc(func(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
		passed = call.Invocation
		return nil, &engine.HostError{Name: "RateLimitError", Code: "rate_limited"}
	}))
	inv := &engine.Invocation{ExecutionID: uuid.New(), Script: &engine.Script{ID: uuid.New(), TenantID: uuid.New()}, Handler: engine.HandlerFetch, TraceParent: caller, TraceState: "a=1"}
	executor := tr.executor(executorFunc(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		_, err := services.Call(context.Background(), &engine.HostCall{Invocation: inv, Method: "kv.get"})
		require.Error(t, err)
		return &engine.Result{Code: engine.CodeException, Message: "secret of the tenant"}, nil
	}))
	_, err := executor.Execute(t.Context(), inv)
	require.NoError(t, err)
	got := spans.GetSpans()
	require.Len(t, got, 2)
	call, execution := got[0], got[1]
	require.Equal(t, "host kv.get", call.Name)
	require.Equal(t, "execution fetch", execution.Name)
	require.Equal(t, trace.SpanKindConsumer, execution.SpanKind, "no request is around it")
	require.Equal(t, callersTrace, execution.SpanContext.TraceID().String())
	require.Equal(t, callersSpan, execution.Parent.SpanID().String())
	require.Equal(t, execution.SpanContext.SpanID(), call.Parent.SpanID())
	require.Contains(t, passed.TraceParent, call.SpanContext.SpanID().String())
	require.Equal(t, "a=1", passed.TraceState)
	require.Contains(t, inv.TraceParent, execution.SpanContext.SpanID().String(), "the call leaves the invocation alone")
	require.Equal(t, "exception", execution.Status.Description)
	require.Equal(t, map[string]any{
		"jsruntime.tenant_id": inv.Script.TenantID.String(), "jsruntime.script_id": inv.Script.ID.String(),
		"jsruntime.execution_id": inv.ExecutionID.String(), "error.type": "rate_limited",
	}, attributes(call))
}

type publicNames struct{}

func (publicNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
}

// Whom a script fetches continues the call's span, and the span says whom and how it went, but not what.
func TestFetchedServerContinuesTheCall(t *testing.T) {
	t.Parallel()
	var seen http.Header
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	defer site.Close()
	services, err := host.New(host.Config{DB: struct{ sqlc.DBTX }{}, Resolver: publicNames{}, Dial: func(ctx context.Context, network string, _ netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, site.Listener.Addr().String())
	}})
	require.NoError(t, err)
	tr, spans := traced(1)
	limits := engine.DefaultLimits()
	_, err = tr.host(services).Call(t.Context(), &engine.HostCall{
		Invocation: &engine.Invocation{Script: &engine.Script{TenantID: uuid.New(), Limits: limits}, TraceParent: caller, TraceState: "a=1"}, Method: "fetch",
		Args: json.RawMessage(`{"url":"http://site.test/path?token=hidden","method":"put","headers":[["x","hidden"]]}`),
	})
	require.NoError(t, err)
	got := spans.GetSpans()
	require.Len(t, got, 1)
	require.Equal(t, callersSpan, got[0].Parent.SpanID().String())
	require.Equal(t, "00-"+callersTrace+"-"+got[0].SpanContext.SpanID().String()+"-01", seen.Get("Traceparent"))
	require.Equal(t, "a=1", seen.Get("Tracestate"))
	said := attributes(got[0])
	require.Equal(t, "site.test", said["server.address"])
	require.Equal(t, "PUT", said["http.request.method"])
	require.EqualValues(t, http.StatusTeapot, said["http.response.status_code"])
	for _, v := range said {
		if text, ok := v.(string); ok {
			require.NotContains(t, text, "hidden")
		}
	}
}

// A stranger's traceparent can't have more kept than the share that the operator wants, but less.
func TestStrangersDoNotDecideWhatIsKept(t *testing.T) {
	t.Parallel()
	for parent, kept := range map[string][2]int{caller: {0, 1}, caller[:53] + "00": {0, 0}, "": {0, 1}} {
		for sample, want := range kept {
			tr, spans := traced(float64(sample))
			tr.handler(noOrigins(t), http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), requestWith(t, "/t/acme/x", parent))
			require.Len(t, spans.GetSpans(), want, "%q at %d", parent, sample)
		}
	}
}

func requestWith(t *testing.T, target, traceParent string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if traceParent != "" {
		r.Header.Set("Traceparent", traceParent)
	}
	return r
}

// oneEndpoint is what a gateway needs to know, with one endpoint.
type oneEndpoint struct{ engine.Executor }

func (oneEndpoint) Route(string, string, string) (catalog.Match, error) {
	return catalog.Match{Endpoint: &catalog.Endpoint{Pattern: "/users/:id", Auth: catalog.AuthNone, Methods: []string{"GET"}}}, nil
}

func (o oneEndpoint) RouteHost(host, method, path string) (catalog.Match, error) {
	return o.Route(host, method, path)
}

func (oneEndpoint) Script(context.Context, uuid.UUID, uuid.UUID, int) (*engine.Script, error) {
	return &engine.Script{Limits: engine.DefaultLimits()}, nil
}

func (oneEndpoint) Record(context.Context, *engine.Invocation, *engine.Result) error { return nil }

func (oneEndpoint) Authenticate(*http.Request, string, uuid.UUID, string) (uuid.UUID, error) {
	return uuid.Nil, gateway.ErrBadKey
}

// A request's span has the route and not the path, and the execution is its child.
func TestRequestIsASpan(t *testing.T) {
	t.Parallel()
	tr, spans := traced(1)
	executor := tr.executor(executorFunc(func(context.Context, *engine.Invocation) (*engine.Result, error) {
		return &engine.Result{Response: &engine.Response{Status: 502}}, nil
	}))
	parts := oneEndpoint{executor}
	public, err := gateway.New(gateway.Config{Origins: noOrigins(t), Router: parts, Executor: parts, Recorder: parts, Keys: parts})
	require.NoError(t, err)
	router := httpapi.NewRouter(slog.New(slog.DiscardHandler))
	router.POST("/api/v1/invoke/:name", func(c *gin.Context) {
		_, err := executor.Execute(c.Request.Context(), &engine.Invocation{Script: &engine.Script{}})
		require.NoError(t, err)
		c.Status(http.StatusAccepted)
		c.Writer.Flush()
	})
	router.GET("/healthz", func(c *gin.Context) { c.Status(http.StatusOK) })
	var draining atomic.Bool
	server := httptest.NewServer(tr.handler(noOrigins(t), &front{origins: noOrigins(t), gateway: public, console: http.NotFoundHandler(), api: router, draining: &draining}))
	defer server.Close()

	for _, of := range []struct {
		method, path, route string
		status              int
	}{
		{"GET", "/t/acme/users/secret?token=secret", "/t/{tenant}/users/:id", 502},
		{"POST", "/api/v1/invoke/secret", "/api/v1/invoke/:name", 202},
	} {
		spans.Reset()
		req, err := http.NewRequestWithContext(t.Context(), of.method, server.URL+of.path, nil)
		require.NoError(t, err)
		req.Header.Set("Traceparent", caller)
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, of.status, resp.StatusCode)
		require.Eventually(t, func() bool { return len(spans.GetSpans()) == 2 }, time.Minute, time.Millisecond)
		execution, request := spans.GetSpans()[0], spans.GetSpans()[1]
		require.Equal(t, of.method+" "+of.route, request.Name)
		require.Equal(t, trace.SpanKindServer, request.SpanKind)
		require.Equal(t, callersSpan, request.Parent.SpanID().String())
		require.Equal(t, map[string]any{"http.request.method": of.method, "http.route": of.route, "http.response.status_code": int64(of.status)}, attributes(request))
		require.Equal(t, request.SpanContext.SpanID(), execution.Parent.SpanID())
		require.Equal(t, trace.SpanKindInternal, execution.SpanKind)
	}

	spans.Reset()
	resp, err := server.Client().Get(server.URL + "/healthz")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	require.Empty(t, spans.GetSpans(), "a probe is nothing to trace")
}

// collect starts a collector. What is posted to it is in the channel.
func collect(t *testing.T) (endpoint string, posted <-chan *collector.ExportTraceServiceRequest) {
	t.Helper()
	got := make(chan *collector.ExportTraceServiceRequest, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		var m collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		got <- &m
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// Not parallel: the SDK has one error handler in a process.
func TestTracesAreExported(t *testing.T) {
	endpoint, posted := collect(t)
	cfg := serveConfig{Worker: os.Args[0], DrainTimeout: time.Second, HistoryMiB: 64, APIRate: 1, APITenantRate: 1, MaxHistory: 1 << 20, MaxKV: 1, MaxScripts: 1, OTLPEndpoint: endpoint}
	require.NoError(t, cfg.validate())
	var logged lockedBuffer
	nodeID := uuid.New()
	tr, err := newTracing(t.Context(), cfg.OTLPEndpoint, 1, tracedNode(nodeID, "v1"), slog.New(slog.NewJSONHandler(&logged, nil)))
	require.NoError(t, err)
	_, span := tr.tracer.Start(t.Context(), "one", trace.WithAttributes(attribute.String("a", "b")))
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, tr.run(ctx))

	m := <-posted
	require.Len(t, m.ResourceSpans, 1)
	node := map[string]string{}
	for _, a := range m.ResourceSpans[0].Resource.Attributes {
		node[a.Key] = a.Value.GetStringValue()
	}
	require.Equal(t, "jsruntime", node["service.name"])
	require.Equal(t, "v1", node["service.version"])
	require.Equal(t, nodeID.String(), node["service.instance.id"])
	require.NotEmpty(t, node["host.name"])
	require.Equal(t, "one", m.ResourceSpans[0].ScopeSpans[0].Spans[0].Name)

	require.Empty(t, logged.String())
	otel.Handle(errors.New("the collector is away"))
	otel.Handle(errors.New("the collector is still away"))
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(logged.String()), &line), "one line: %s", logged.String())
	require.Equal(t, "the collector is away", line["error"])
	require.Equal(t, "traces not exported", line["msg"])
}

func TestOTLPEndpoint(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                "",
		"http://collector:4318":           "http://collector:4318/v1/traces",
		"https://collector/":              "https://collector/v1/traces",
		"https://collector/own/v1/traces": "https://collector/own/v1/traces",
	} {
		cfg := serveConfig{Worker: os.Args[0], DrainTimeout: time.Second, HistoryMiB: 64, APIRate: 1, APITenantRate: 1, MaxHistory: 1 << 20, MaxKV: 1, MaxScripts: 1, OTLPEndpoint: given}
		require.NoError(t, cfg.validate(), given)
		require.Equal(t, want, cfg.OTLPEndpoint)
	}
	for _, bad := range []string{"collector:4318", "collector", "grpc://collector:4317", "http://", "http://:4318", "http://a b", "http://%zz"} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(t.Context(), []string{"serve"}, func(name string) string {
			return map[string]string{"JSRUNTIME_OTLP_ENDPOINT": bad, "JSRUNTIME_WORKER": os.Args[0]}[name]
		}, &out, &errs), bad)
		require.Contains(t, errs.String(), "otlp-endpoint: ")
	}

	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318/base/"}
	read := func() any {
		value, err := environment(func(name string) string { return env[name] }).Resolve(nil, nil, &kong.Flag{Value: &kong.Value{Name: "otlp-endpoint"}})
		require.NoError(t, err)
		return value
	}
	require.Equal(t, "http://all:4318/base/v1/traces", read())
	env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://traces:4318/v2"
	require.Equal(t, "http://traces:4318/v2", read())
	env["JSRUNTIME_OTLP_ENDPOINT"] = "http://own:4318"
	require.Equal(t, "http://own:4318", read())
}

// The whole way with a real node and worker: request, execution and host call reach the collector as one trace, and the fetched server
// gets the host call's span.
func TestNodeExportsTraces(t *testing.T) {
	t.Parallel()
	endpoint, posted := collect(t)
	fetched := make(chan string, 1)
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fetched <- r.Header.Get("Traceparent") }))
	defer site.Close()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: []string{"--otlp-endpoint", endpoint, "--otlp-sample", "1", "--fetch-allow", site.Listener.Addr().String()}})
	key := n.tenant("acme")
	n.must(201, "POST", "/api/v1/scripts", key, map[string]any{
		"name": "asks", "type": "oneoff", "status": "active", "source": `export default { async run() { return (await fetch("` + site.URL + `/x")).status } }`,
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.base+"/api/v1/invoke/asks", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Traceparent", caller)
	resp, err := e2eClient.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode, string(text))
	sent := <-fetched
	calls := n.must(200, "GET", "/api/v1/executions/"+resp.Header.Get("X-Execution-Id")+"/calls", key, nil)["items"].([]any)
	require.Equal(t, site.URL+"/x", calls[0].(map[string]any)["target"])

	n.stop(syscall.SIGTERM)
	parents, ids := map[string]string{}, map[string]string{} // by name
	for len(posted) > 0 {
		for _, scope := range (<-posted).ResourceSpans[0].ScopeSpans {
			for _, span := range scope.Spans {
				if hex.EncodeToString(span.TraceId) == callersTrace {
					ids[span.Name], parents[span.Name] = hex.EncodeToString(span.SpanId), hex.EncodeToString(span.ParentSpanId)
				}
			}
		}
	}
	require.Len(t, ids, 3)
	require.Equal(t, map[string]string{
		"POST /api/v1/invoke/:name": callersSpan, "execution run": ids["POST /api/v1/invoke/:name"], "host fetch": ids["execution run"],
	}, parents)
	require.Equal(t, "00-"+callersTrace+"-"+ids["host fetch"]+"-01", sent)
}
