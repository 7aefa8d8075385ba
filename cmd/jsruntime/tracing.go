//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/origin"
)

// tracing wraps the listener's handler and the engine's executor and host so that every request, execution and host call is a span:
//
//	caller's span (traceparent) → request ─┬──────────────────→ execution → host call → traceparent of a fetch
//	                                      └→ row of the queue ─┘                      └→ row of the queue, of an event
//
// A nil *tracing makes no spans: none of the wrappers is in the way then.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// newTracing exports to endpoint, an OTLP/HTTP URL; without one it returns nil. The share of traces that are kept is sample (0 to 1).
// What goes wrong with the export is logged.
func newTracing(ctx context.Context, endpoint string, sample float64, node *resource.Resource, log *slog.Logger) (*tracing, error) {
	if endpoint == "" {
		return nil, nil
	}
	otel.SetErrorHandler(exportErrors(log))
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint: %w", err)
	}
	return newTracingWith(sdktrace.WithBatcher(exporter), sample, node), nil
}

// newTracingWith samples a trace by its id, no matter which side began it: any client may send a traceparent that says "sampled". One that
// says "not sampled" costs nothing, and is respected.
func newTracingWith(processor sdktrace.TracerProviderOption, sample float64, node *resource.Resource) *tracing {
	share := sdktrace.TraceIDRatioBased(sample)
	provider := sdktrace.NewTracerProvider(processor, sdktrace.WithResource(node),
		sdktrace.WithSampler(sdktrace.ParentBased(share, sdktrace.WithRemoteParentSampled(share))))
	return &tracing{provider: provider, tracer: provider.Tracer("jsruntime")}
}

// tracedNode is what all spans of a node say of it.
func tracedNode(nodeID uuid.UUID, version string) *resource.Resource {
	name, _ := os.Hostname()
	return resource.NewSchemaless(attribute.String("service.name", "jsruntime"), attribute.String("service.version", version),
		attribute.String("service.instance.id", nodeID.String()), attribute.String("host.name", name))
}

// complainEvery is how often errors of the export are logged: a collector that is away fails every few seconds.
const complainEvery = time.Minute

// exportErrors logs what the SDK has to say, at most one error in complainEvery.
func exportErrors(log *slog.Logger) otel.ErrorHandlerFunc {
	var last atomic.Pointer[time.Time]
	return func(err error) {
		now, before := time.Now(), last.Load()
		if (before == nil || now.Sub(*before) >= complainEvery) && last.CompareAndSwap(before, &now) {
			log.Warn("traces not exported", "error", err)
		}
	}
}

// run exports until ctx is done, then sends what is left within flushTimeout.
func (t *tracing) run(ctx context.Context) error {
	<-ctx.Done()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	// A collector that does not answer is no reason to call a stop a failure.
	_ = t.provider.Shutdown(ctx)
	return nil
}

// flushTimeout bounds how long a stop may wait for the collector.
const flushTimeout = 3 * time.Second

type tracedHandler struct {
	*tracing
	origins *origin.Map
	next    http.Handler
}

// handler wraps next.
func (t *tracing) handler(origins *origin.Map, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return &tracedHandler{t, origins, next}
}

// httpMethods bounds what a client names.
var httpMethods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "OPTIONS": true, "PATCH": true}

func spanMethod(method string) string {
	if httpMethods[method] {
		return method
	}
	return "_OTHER"
}

// ServeHTTP makes a span of each request to an endpoint or to the admin API. Probes, metrics and the console have none.
func (t *tracedHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := groupOf(t.origins.For(w, r).Kind, r)
	if g != groupEndpoint && g != groupAdmin {
		t.next.ServeHTTP(w, r)
		return
	}
	method := spanMethod(r.Method)
	parent, state := engine.TraceContext(r.Header)
	ctx, span := t.tracer.Start(continueTrace(r.Context(), parent, state), method, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method)))
	r = r.WithContext(ctx)
	if !span.IsRecording() {
		t.next.ServeHTTP(w, r)
		return
	}
	seen, counted := w.(*answerWriter) // the counter's own
	if !counted {
		seen = &answerWriter{ResponseWriter: w}
	}
	status := 0
	defer func() {
		if route := r.Pattern; route != "" {
			if g == groupEndpoint {
				route = gateway.Prefix + "{tenant}" + route
			}
			span.SetName(method + " " + route)
			span.SetAttributes(attribute.String("http.route", route))
		}
		if status == 0 {
			span.SetStatus(codes.Error, "aborted")
			status = seen.status
		} else if status >= 500 {
			span.SetStatus(codes.Error, "")
		}
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		span.End()
	}()
	t.next.ServeHTTP(seen, r)
	status = cmp.Or(seen.status, http.StatusOK) // what net/http answers for a handler that wrote nothing
}

type tracedExecutor struct {
	*tracing
	next engine.Executor
}

// executor wraps next.
func (t *tracing) executor(next engine.Executor) engine.Executor {
	if t == nil {
		return next
	}
	return &tracedExecutor{t, next}
}

// Execute implements engine.Executor. The invocation's TraceParent becomes the execution's own, which is what host calls continue.
func (t *tracedExecutor) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	kind := trace.SpanKindInternal // of a request, or of a script that invokes another
	if !trace.SpanContextFromContext(ctx).IsValid() {
		kind = trace.SpanKindConsumer // from the queue
	}
	ctx, span := t.tracer.Start(continueTrace(ctx, inv.TraceParent, inv.TraceState), "execution "+string(inv.Handler), trace.WithSpanKind(kind),
		trace.WithAttributes(attribute.String("jsruntime.tenant_id", inv.Script.TenantID.String()), attribute.String("jsruntime.script_id", inv.Script.ID.String()),
			attribute.String("jsruntime.script_name", inv.Script.Name), attribute.Int("jsruntime.version", inv.Script.Version),
			attribute.String("jsruntime.execution_id", inv.ExecutionID.String()), attribute.String("jsruntime.trigger", string(inv.Trigger)),
			attribute.Int("jsruntime.attempt", inv.Attempt)))
	inv.TraceParent, inv.TraceState = traceContext(ctx)
	if onEnd := inv.OnEnd; onEnd != nil {
		inv.OnEnd = func(inv *engine.Invocation, res *engine.Result) {
			endExecution(span, res)
			onEnd(inv, res)
		}
	}
	res, err := t.next.Execute(ctx, inv)
	if err != nil {
		defer span.End()
		var refused *engine.RefusedError
		if errors.As(err, &refused) {
			span.SetAttributes(attribute.String("jsruntime.outcome", string(refused.Code)))
		}
		span.SetStatus(codes.Error, "not accepted")
		return nil, err
	}
	if !res.GoesOn {
		endExecution(span, res)
	}
	return res, nil
}

// endExecution ends the span of an execution.
func endExecution(span trace.Span, res *engine.Result) {
	defer span.End()
	span.SetAttributes(attribute.String("jsruntime.outcome", res.Code.Outcome()), attribute.Bool("jsruntime.cold_start", res.Metrics.ColdStart),
		attribute.Int64("jsruntime.cpu_us", res.Metrics.CPU.Microseconds()), attribute.Int64("jsruntime.queue_us", res.Metrics.Queue.Microseconds()))
	if res.Code != engine.CodeNone {
		// The message is the tenant's own text: the code says enough in a trace that operators read.
		span.SetStatus(codes.Error, string(res.Code))
	}
}

type tracedHost struct {
	*tracing
	next engine.Host
}

// host wraps next.
func (t *tracing) host(next engine.Host) engine.Host {
	if t == nil {
		return next
	}
	return &tracedHost{t, next}
}

// Call implements engine.Host. What the call sends on (a fetch, an event, an invocation) continues the call's own span.
func (t *tracedHost) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	method := host.MethodName(call.Method)
	outer := call.Invocation
	ctx, span := t.tracer.Start(continueTrace(ctx, outer.TraceParent, outer.TraceState), "host "+method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	inner, inv := *call, *outer
	inv.TraceParent, inv.TraceState = traceContext(ctx)
	inner.Invocation = &inv
	if span.IsRecording() {
		span.SetAttributes(attribute.String("jsruntime.tenant_id", inv.Script.TenantID.String()),
			attribute.String("jsruntime.script_id", inv.Script.ID.String()), attribute.String("jsruntime.execution_id", inv.ExecutionID.String()))
	}
	reply, err := t.next.Call(ctx, &inner)
	call.Note = inner.Note
	if span.IsRecording() && method == "fetch" {
		span.SetAttributes(fetchAttributes(call, reply)...)
	}
	if err != nil {
		kind := "internal"
		var rejected *engine.HostError
		if errors.As(err, &rejected) {
			kind = cmp.Or(rejected.Code, rejected.Name)
		}
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, "rejected")
	}
	return reply, err
}

// maxHostName is the longest name that the domain name system has.
const maxHostName = 253

// fetchAttributes says whom a fetch asked and what came back. Path, query and headers are the tenant's. A worker that lies is believed
// as little as in package host: what cannot be read is left out.
func fetchAttributes(call *engine.HostCall, reply *engine.HostReply) []attribute.KeyValue {
	var list []attribute.KeyValue
	var args struct{ URL, Method string }
	if json.Unmarshal(call.Args, &args) == nil {
		list = append(list, attribute.String("http.request.method", spanMethod(strings.ToUpper(cmp.Or(args.Method, http.MethodGet)))))
		if u, err := url.Parse(args.URL); err == nil && u.Hostname() != "" && len(u.Hostname()) <= maxHostName {
			list = append(list, attribute.String("server.address", u.Hostname()))
		}
	}
	var answer struct{ Status int }
	if reply != nil && json.Unmarshal(reply.Payload, &answer) == nil {
		list = append(list, attribute.Int("http.response.status_code", answer.Status))
	}
	return list
}

// continueTrace makes parent (a W3C traceparent, may be empty) the context's span, unless ctx already has one.
func continueTrace(ctx context.Context, parent, state string) context.Context {
	if parent == "" || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent, "tracestate": state})
}

// queued is httpapi.Config.TraceParent: an execution in the queue continues its request's trace, if that is kept.
func (t *tracing) queued() func(context.Context) string {
	if t == nil {
		return nil
	}
	return func(ctx context.Context) string {
		if !trace.SpanContextFromContext(ctx).IsSampled() {
			return ""
		}
		parent, _ := traceContext(ctx)
		return parent
	}
}

// traceContext is the span of ctx as a traceparent, and its tracestate.
func traceContext(ctx context.Context) (parent, state string) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"], carrier["tracestate"]
}
