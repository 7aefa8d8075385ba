package logtail_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"jsruntime/engine"
	"jsruntime/engine/logtail"
	"jsruntime/migrations/dbtest"
)

// speaker is an executor whose executions log each text of their input.
type speaker struct{}

func (speaker) Execute(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
	if inv.OnLog != nil {
		for i, text := range strings.Split(string(inv.Input), "|") {
			inv.OnLog(engine.LogLine{Seq: i, Level: "info", Message: text, At: time.Now()})
		}
	}
	return &engine.Result{}, nil
}

// node is a Hub with its Postgres connections.
func node(t *testing.T) *logtail.Hub {
	t.Helper()
	return nodes(t, 1)[0]
}

func nodes(t *testing.T, n int) []*logtail.Hub {
	t.Helper()
	pool := dbtest.DB(t)
	var hubs []*logtail.Hub
	for range n {
		hub, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: pool})
		require.NoError(t, err)
		hubs = append(hubs, hub)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{}, 2)
		listening := make(chan struct{})
		go func() {
			defer func() { ended <- struct{}{} }()
			_ = hub.Run(ctx)
		}()
		go func() {
			defer func() { ended <- struct{}{} }()
			conn, err := pool.Acquire(ctx)
			if err != nil {
				return
			}
			defer conn.Release()
			for _, channel := range []string{logtail.ChannelLines, logtail.ChannelWanted} {
				if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
					return
				}
			}
			close(listening)
			for {
				notification, err := conn.Conn().WaitForNotification(ctx)
				if err != nil {
					return
				}
				hub.Notified(notification.Channel, notification.Payload)
			}
		}()
		<-listening
		t.Cleanup(func() { cancel(); <-ended; <-ended })
	}
	return hubs
}

func run(t *testing.T, hub *logtail.Hub, script *engine.Script, input string) {
	t.Helper()
	_, err := hub.Executor(speaker{}).Execute(t.Context(), &engine.Invocation{Script: script, ExecutionID: uuid.New(), Input: []byte(input)})
	require.NoError(t, err)
}

func next(t *testing.T, w *logtail.Watcher) logtail.Line {
	t.Helper()
	select {
	case line := <-w.C:
		return line
	case <-time.After(20 * time.Second):
		t.Fatal("no line came")
		panic("unreachable")
	}
}

func TestWatchOneNode(t *testing.T) {
	t.Parallel()
	hub := node(t)
	a := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "a"}
	b := &engine.Script{ID: uuid.New(), TenantID: a.TenantID, Name: "b"}
	other := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "other"}
	all, one := hub.Watch(a.TenantID, uuid.Nil), hub.Watch(a.TenantID, b.ID)
	run(t, hub, other, "secret")
	run(t, hub, a, "from a")
	run(t, hub, b, "from b")
	require.Equal(t, "from a", next(t, all).Message)
	require.Equal(t, "from b", next(t, all).Message)
	require.Equal(t, "from b", next(t, one).Message)
	all.Close()
	one.Close()
	run(t, hub, a, "nobody hears this")
	require.Empty(t, all.C)
}

func TestWatchAcrossNodes(t *testing.T) {
	t.Parallel()
	hubs := nodes(t, 2)
	script := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "far"}
	w := hubs[0].Watch(script.TenantID, uuid.Nil)
	defer w.Close()
	// The other node hears of the watcher by a notification, so the first runs may come too early.
	deadline := time.Now().Add(20 * time.Second)
	for len(w.C) == 0 && time.Now().Before(deadline) {
		run(t, hubs[1], script, strings.Repeat("é", 5000)+"|second")
		select {
		case line := <-w.C:
			require.Equal(t, "far", line.ScriptName)
			require.Equal(t, script.TenantID, line.TenantID)
			require.Less(t, len(line.Message), 2100)
			require.Equal(t, "second", next(t, w).Message)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("no line came from the other node")
}

func TestSlowWatcherLosesLinesAndIsTold(t *testing.T) {
	t.Parallel()
	hub := node(t)
	script := &engine.Script{ID: uuid.New(), TenantID: uuid.New()}
	w := hub.Watch(script.TenantID, uuid.Nil)
	defer w.Close()
	run(t, hub, script, strings.Repeat("x|", 4096+9))
	for range 4096 {
		require.Zero(t, next(t, w).Dropped)
	}
	run(t, hub, script, "last")
	require.Equal(t, 10, next(t, w).Dropped)
}
