package logtail_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/logtail"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

// speaker is an executor whose executions log each text of their input, and have no end to show.
type speaker struct{}

func (speaker) Execute(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
	for i, text := range strings.Split(string(inv.Input), "|") {
		if inv.Lines.Wants(inv) {
			inv.Lines.Line(inv, engine.LogLine{Seq: i, Level: "info", Message: text, At: time.Now()})
		}
	}
	return nil, context.Canceled
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
	require.ErrorIs(t, err, context.Canceled)
}

func next(t *testing.T, w *logtail.Watcher) logtail.Event {
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
	all, one := watch(t, hub, a.TenantID, uuid.Nil), watch(t, hub, a.TenantID, b.ID)
	run(t, hub, other, "secret")
	run(t, hub, a, "from a")
	run(t, hub, b, "from b")
	require.Equal(t, "from a", next(t, all).Message)
	require.Equal(t, "from b", next(t, all).Message)
	require.Equal(t, "from b", next(t, one).Message)
	all.Close()
	one.Close()
	run(t, hub, a, "no watcher hears this")
	require.Empty(t, all.C)
}

func TestWatchAcrossNodes(t *testing.T) {
	t.Parallel()
	hubs := nodes(t, 2)
	script := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "far"}
	w := watch(t, hubs[0], script.TenantID, uuid.Nil)
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
	w := watch(t, hub, script.TenantID, uuid.Nil)
	run(t, hub, script, strings.Repeat("x|", 256+9))
	for range 256 {
		require.Zero(t, next(t, w).Dropped)
	}
	run(t, hub, script, "last")
	require.Equal(t, 10, next(t, w).Dropped)
	run(t, hub, script, strings.Repeat("x|", 256+3))
	require.Equal(t, 4, w.Dropped())
	require.Zero(t, w.Dropped())
}

func TestWatchersAreLimited(t *testing.T) {
	t.Parallel()
	hub, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: &database{}, Watchers: 8, TenantWatchers: 2})
	require.NoError(t, err)
	greedy, modest := uuid.New(), uuid.New()
	w := watch(t, hub, greedy, uuid.Nil)
	watch(t, hub, greedy, uuid.New())
	_, err = hub.Watch(greedy, logtail.Filter{})
	require.Equal(t, &logtail.LimitError{Scope: "tenant", Limit: 2}, err)
	watch(t, hub, modest, uuid.Nil)
	w.Close()
	w.Close() // gives back one place, not two
	watch(t, hub, greedy, uuid.Nil)
	_, err = hub.Watch(greedy, logtail.Filter{})
	require.Equal(t, &logtail.LimitError{Scope: "tenant", Limit: 2}, err)
	for range 5 {
		watch(t, hub, uuid.New(), uuid.Nil)
	}
	_, err = hub.Watch(uuid.New(), logtail.Filter{})
	require.Equal(t, &logtail.LimitError{Scope: "node", Limit: 8}, err)
}

// Thirty tenants take what they get. A hundred others can still watch.
func TestWatchersAreSharedByTenants(t *testing.T) {
	t.Parallel()
	hub, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: &database{}})
	require.NoError(t, err)
	for range 30 {
		greedy, had := uuid.New(), 0
		for {
			w, err := hub.Watch(greedy, logtail.Filter{})
			if err != nil {
				require.Equal(t, &logtail.LimitError{Scope: "tenant", Limit: had}, err)
				break
			}
			t.Cleanup(w.Close)
			had++
		}
	}
	for range 100 {
		watch(t, hub, uuid.New(), uuid.Nil)
	}
}

// database takes notifications, and shows them to heard, one after the other.
type database struct {
	sqlc.DBTX
	mu    sync.Mutex
	heard func(channel, payload string) error
}

// between runs what uses heard's variables.
func (d *database) between(what func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what()
}

func (d *database) Exec(_ context.Context, _ string, args ...any) (pgconn.CommandTag, error) {
	if d.heard == nil {
		return pgconn.CommandTag{}, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return pgconn.CommandTag{}, d.heard(args[0].(string), args[1].(string))
}

// TestFloodIsCountedAndStarvesNoTenant has one tenant say more than its share while another one says a word.
func TestFloodIsCountedAndStarvesNoTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		loud := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "loud"}
		quiet := &engine.Script{ID: uuid.New(), TenantID: uuid.New(), Name: "quiet"}
		var order []string // of the tenants' batches
		var there *logtail.Hub
		fails := 0
		db := &database{heard: func(channel, payload string) error {
			if channel != logtail.ChannelLines {
				return nil
			}
			if fails > 0 {
				fails--
				return errors.New("no database")
			}
			name := "quiet"
			if strings.Contains(payload, loud.TenantID.String()) {
				name = "loud"
			}
			order = append(order, name)
			there.Notified(channel, payload)
			return nil
		}}
		here, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: db})
		require.NoError(t, err)
		other := uuid.New()
		there, err = logtail.New(logtail.Config{NodeID: other, DB: &database{}})
		require.NoError(t, err)
		for _, s := range []*engine.Script{loud, quiet} {
			here.Notified(logtail.ChannelWanted, other.String()+" "+s.TenantID.String())
		}
		floods, word := watch(t, there, loud.TenantID, uuid.Nil), watch(t, there, quiet.TenantID, uuid.Nil)

		const said = 2000
		run(t, here, loud, strings.Repeat("x|", said-1)+"x")
		run(t, here, quiet, "word")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = here.Run(ctx)
		}()
		time.Sleep(time.Second)
		require.Equal(t, "word", next(t, word).Message)
		db.between(func() { require.Equal(t, []string{"loud", "quiet", "loud"}, order[:3]) })
		shown, lost := 0, floods.Dropped()
		for len(floods.C) > 0 {
			shown++
			lost += next(t, floods).Dropped
		}
		require.Equal(t, said, shown+lost)
		require.Positive(t, here.DroppedLines())

		// What a notification that failed had in it is counted too.
		db.between(func() { fails = 1 })
		run(t, here, quiet, "lost|lost")
		time.Sleep(time.Second)
		require.Equal(t, 2, word.Dropped())
		run(t, here, quiet, "heard")
		time.Sleep(time.Second)
		require.Equal(t, "heard", next(t, word).Message)
		cancel()
		<-ended
	})
}

// TestDeaf has a node whose notifications do not come back, as behind a pooler, and then do.
func TestDeaf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hub *logtail.Hub
		listening := false
		db := &database{heard: func(channel, payload string) error {
			if listening {
				hub.Notified(channel, payload)
			}
			return nil
		}}
		hub, err := logtail.New(logtail.Config{NodeID: uuid.New(), DB: db})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = hub.Run(ctx)
		}()
		time.Sleep(time.Minute)
		require.False(t, hub.Deaf(), "no node has asked")
		w, err := hub.Watch(uuid.New(), logtail.Filter{})
		require.NoError(t, err)
		require.False(t, hub.Deaf(), "the echo may be under way")
		time.Sleep(4 * time.Second)
		require.True(t, hub.Deaf())
		db.between(func() { listening = true })
		time.Sleep(6 * time.Second)
		require.False(t, hub.Deaf())
		w.Close()
		cancel()
		<-ended
	})
}

func watch(t *testing.T, hub *logtail.Hub, tenant, script uuid.UUID) *logtail.Watcher {
	t.Helper()
	w, err := hub.Watch(tenant, logtail.Filter{ScriptID: script, Statuses: []string{logtail.StatusRunning}})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}
