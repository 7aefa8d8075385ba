package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"jsruntime/engine"
)

// tracing wraps the engine's executor and host so that every execution and host call is a span:
//
//	caller's span (traceparent) → execution → host calls → traceparent of a fetch
//
// A nil *tracing makes no spans: neither wrapper is in the way then.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// newTracing exports to endpoint, an OTLP/HTTP URL; without one it returns nil. The share of root spans that are kept is sample
// (0 to 1); a caller's own decision is respected.
func newTracing(ctx context.Context, endpoint string, sample float64, version string) (*tracing, error) {
	if endpoint == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint: %w", err)
	}
	return newTracingWith(sdktrace.WithBatcher(exporter), sample, version), nil
}

func newTracingWith(processor sdktrace.TracerProviderOption, sample float64, version string) *tracing {
	provider := sdktrace.NewTracerProvider(processor,
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(sample))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "jsruntime"), attribute.String("service.version", version))))
	return &tracing{provider: provider, tracer: provider.Tracer("jsruntime")}
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
	ctx, span := t.tracer.Start(continueTrace(ctx, inv.TraceParent), "execution "+string(inv.Handler), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("jsruntime.tenant_id", inv.Script.TenantID.String()), attribute.String("jsruntime.script_id", inv.Script.ID.String()),
			attribute.String("jsruntime.script_name", inv.Script.Name), attribute.Int("jsruntime.version", inv.Script.Version),
			attribute.String("jsruntime.execution_id", inv.ExecutionID.String()), attribute.String("jsruntime.trigger", string(inv.Trigger)),
			attribute.Int("jsruntime.attempt", inv.Attempt)))
	defer span.End()
	inv.TraceParent = traceParent(ctx)
	res, err := t.next.Execute(ctx, inv)
	if err != nil {
		var refused *engine.RefusedError
		if errors.As(err, &refused) {
			span.SetAttributes(attribute.String("jsruntime.outcome", string(refused.Code)))
		}
		span.SetStatus(codes.Error, "not accepted")
		return nil, err
	}
	span.SetAttributes(attribute.String("jsruntime.outcome", res.Code.Outcome()), attribute.Bool("jsruntime.cold_start", res.Metrics.ColdStart),
		attribute.Int64("jsruntime.cpu_us", res.Metrics.CPU.Microseconds()), attribute.Int64("jsruntime.queue_us", res.Metrics.Queue.Microseconds()))
	if res.Code != engine.CodeNone {
		// The message is the tenant's own text: the code says enough in a trace that operators read.
		span.SetStatus(codes.Error, string(res.Code))
	}
	return res, nil
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

// Call implements engine.Host.
func (t *tracedHost) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	method := call.Method
	if !hostMethods[method] {
		method = "unknown"
	}
	ctx, span := t.tracer.Start(continueTrace(ctx, call.Invocation.TraceParent), "host "+method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	reply, err := t.next.Call(ctx, call)
	if err != nil {
		span.SetStatus(codes.Error, "rejected")
	}
	return reply, err
}

// continueTrace makes parent (a W3C traceparent, may be empty or nonsense) the context's span, unless ctx already has one.
func continueTrace(ctx context.Context, parent string) context.Context {
	if parent == "" || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}

func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}
