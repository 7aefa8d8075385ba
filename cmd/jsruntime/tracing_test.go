package main

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"jsruntime/engine"
)

type executorFunc func(context.Context, *engine.Invocation) (*engine.Result, error)

func (f executorFunc) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	return f(ctx, inv)
}

type hostFunc func(context.Context, *engine.HostCall) (*engine.HostReply, error)

func (f hostFunc) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	return f(ctx, call)
}

// A request's trace goes through the execution to the host call, whose context the engine did not make from the executor's.
func TestTraceGoesFromCallerToHostCall(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	tr := newTracingWith(sdktrace.WithSyncer(spans), 1, "test")
	var out string
	host := tr.host(hostFunc(func(ctx context.Context, _ *engine.HostCall) (*engine.HostReply, error) {
		out = traceParent(ctx)
		return nil, &engine.HostError{Name: "TypeError"}
	}))
	executor := tr.executor(executorFunc(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		_, err := host.Call(context.Background(), &engine.HostCall{Invocation: inv, Method: "fetch"})
		require.Error(t, err)
		return &engine.Result{Code: engine.CodeException, Message: "secret of the tenant"}, nil
	}))
	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	_, err := executor.Execute(t.Context(), &engine.Invocation{ExecutionID: uuid.New(), Script: &engine.Script{}, Handler: engine.HandlerFetch, TraceParent: caller})
	require.NoError(t, err)
	got := spans.GetSpans()
	require.Len(t, got, 2)
	call, execution := got[0], got[1]
	require.Equal(t, "host fetch", call.Name)
	require.Equal(t, "execution fetch", execution.Name)
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", execution.SpanContext.TraceID().String())
	require.Equal(t, "b7ad6b7169203331", execution.Parent.SpanID().String())
	require.Equal(t, execution.SpanContext.SpanID(), call.Parent.SpanID())
	require.Contains(t, out, call.SpanContext.SpanID().String())
	require.Equal(t, "exception", execution.Status.Description)
}
