package logtail_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/logtail"
)

// ending is an executor whose executions end as it says.
type ending struct {
	res *engine.Result
	err error
}

func (e ending) Execute(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
	if e.res != nil && e.res.GoesOn {
		inv.OnEnd(inv, &engine.Result{Code: engine.CodeBackgroundError, Message: "late"})
	}
	return e.res, e.err
}

func collect(w *logtail.Watcher) (events []logtail.Event) {
	for len(w.C) > 0 {
		events = append(events, <-w.C)
	}
	return events
}

// Each execution's end is shown once, with what it was, how it ended and why. That holds for an execution that wrote nothing, and for a refused one.
func TestEndsAreShown(t *testing.T) {
	t.Parallel()
	hub, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: &database{}})
	require.NoError(t, err)
	script := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "shop", Version: 3}
	all := func(f logtail.Filter) *logtail.Watcher {
		w, err := hub.Watch(script.TenantID, f)
		require.NoError(t, err)
		t.Cleanup(w.Close)
		return w
	}
	everything, failed, errors := all(logtail.Filter{}), all(logtail.Filter{Statuses: []string{"failed", "refused"}}), all(logtail.Filter{Level: "error"})
	found, none := all(logtail.Filter{Text: "TAX.TS"}), all(logtail.Filter{ScriptID: uuid.New()})
	request := &engine.Request{Method: "POST", URL: "http://a.test/orders/7?key=hidden"}
	ended := 0
	for _, inv := range []struct {
		*engine.Invocation
		ending
	}{
		{&engine.Invocation{Trigger: engine.TriggerHTTP, Handler: engine.HandlerFetch, Request: request}, ending{res: &engine.Result{Response: &engine.Response{Status: 201}, Metrics: engine.Metrics{Duration: 2500 * time.Microsecond}}}},
		{&engine.Invocation{Trigger: engine.TriggerEvent, Handler: engine.HandlerEvent, Input: json.RawMessage(`{"data":1,"type":"order.paid"}`), Attempt: 2},
			ending{res: &engine.Result{Code: engine.CodeException, Message: "Error: no", Stack: "Error: no\n    at tax (lib/tax.ts:1:2)"}}},
		{&engine.Invocation{Trigger: engine.TriggerEvent, Handler: engine.HandlerEvent, Input: json.RawMessage(`{"type":"order.paid"}`)}, ending{err: &engine.RefusedError{Code: engine.CodeQuarantined, Detail: "in quarantine"}}},
		{&engine.Invocation{Trigger: engine.TriggerAPI, OnEnd: func(*engine.Invocation, *engine.Result) { ended++ }}, ending{res: &engine.Result{GoesOn: true}}},
		{&engine.Invocation{Trigger: engine.TriggerCron}, ending{res: &engine.Result{Code: engine.CodeCancelled, Message: "enough"}}},
	} {
		inv.Script, inv.ExecutionID = script, uuid.New()
		_, _ = hub.Executor(inv.ending).Execute(t.Context(), inv.Invocation)
	}
	require.Equal(t, 1, ended, "the caller's own OnEnd")
	events := collect(everything)
	require.Len(t, events, 5)
	var messages []string
	for _, e := range events {
		require.Equal(t, logtail.KindEnded, e.Kind)
		require.Equal(t, 3, e.Version)
		messages = append(messages, e.Level+" "+e.Status+" "+e.Outcome+" "+e.Message)
	}
	require.Equal(t, []string{
		"info completed completed POST /orders/7 201 completed in 2.5 ms",
		"error failed exception event order.paid exception in 0 ms: Error: no",
		"warn refused quarantined event order.paid refused, quarantined: in quarantine",
		"error failed background_error api background_error in 0 ms: late",
		"warn cancelled cancelled cron cancelled in 0 ms: enough",
	}, messages)
	require.Equal(t, "POST", events[0].Method)
	require.Equal(t, "/orders/7", events[0].Path)
	require.Equal(t, 201, events[0].ResponseStatus)
	require.Equal(t, "order.paid", events[1].EventType)
	require.Equal(t, 2, events[1].Attempt)
	require.Equal(t, "Error: no\n    at tax (lib/tax.ts:1:2)", events[1].ErrorStack)
	require.Len(t, collect(failed), 3)
	require.Len(t, collect(errors), 2)
	require.Len(t, collect(found), 1)
	require.Empty(t, collect(none))
}

// A start is shown once, from a second of running on, and never after the end.
func TestStartsAreShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "long"}
		inv := &engine.Invocation{Script: script, ExecutionID: uuid.New(), Trigger: engine.TriggerManual}
		var mu sync.Mutex
		began := time.Now()
		hub, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: &database{}, Running: func(min time.Duration, see func(*engine.Invocation, *engine.Result)) {
			mu.Lock()
			defer mu.Unlock()
			if time.Since(began) >= min {
				see(inv, &engine.Result{StartedAt: began})
			}
		}})
		require.NoError(t, err)
		w, err := hub.Watch(script.TenantID, logtail.Filter{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = hub.Run(ctx)
		}()
		time.Sleep(900 * time.Millisecond)
		require.Empty(t, collect(w))
		time.Sleep(5 * time.Second)
		events := collect(w)
		require.Len(t, events, 1)
		require.Equal(t, logtail.KindStarted, events[0].Kind)
		require.Equal(t, "running", events[0].Status)
		require.True(t, events[0].StartedAt.Equal(began))
		w.Close()
		cancel()
		<-ended
	})
}
