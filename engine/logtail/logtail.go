// Package logtail shows what scripts do while they do it, on any node: the lines of their logs, which executions have run for a second,
// and how each execution ended or why it was refused.
//
//	script ──► engine ──► Hub ──► filter ──► watchers of this node
//	                       │  ▲
//	      jsruntime_tail ◄─┘  └── jsruntime_tail of other nodes, for tenants that are watched here
//	      jsruntime_tail_wanted: "tenant T is watched at some node", every wantedEvery
//
// Nothing is collected for a tenant that has no watcher: a line and an end of its executions cost one atomic load each. What a watcher sees
// is a convenience, not the record: events are left out, and counted, when they come faster than Postgres or the watcher takes
// them. The executions and logs in the database have them all. Texts are bounded, and what is known of the tenant's secrets is masked.
//
// Tenants share nothing that some of them can use up: each has its own lock, its own watchers (a share of the node's, at most
// Config.TenantWatchers) and its own queue of lines for other nodes, and these queues take turns.
//
//	what fails                             what watchers see
//	a watcher is slow                      Event.Dropped of its next event, or Watcher.Dropped
//	lines come faster than NOTIFY          the same, at the watchers of the other nodes
//	a NOTIFY fails                         the same, once one succeeds
//	this node does not hear its LISTEN     Hub.Deaf: the lines of other nodes are missing
package logtail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

// Channels of Postgres that the Hub's owner listens to, and passes on to Notified.
const (
	ChannelLines  = "jsruntime_tail"
	ChannelWanted = "jsruntime_tail_wanted"
)

const (
	wantedEvery = 5 * time.Second
	wantedFor   = 3 * wantedEvery
	deafAfter   = 3 * time.Second // without an echo of what this node has asked for
	sendEvery   = 100 * time.Millisecond
	maxPayload  = 7800      // bytes; Postgres refuses 8000
	maxSends    = 16        // notifications each sendEvery: about 1 MB/s of lines a node
	maxShown    = 256       // lines that a watcher may be behind
	maxWaiting  = 128 << 10 // bytes of a tenant's lines for other nodes: what maxSends take
	lineBytes   = 256       // of an event, beside its texts

	startedAfter = time.Second // how long an execution runs before its start is shown
	lookEvery    = 250 * time.Millisecond
)

// batch is the payload of ChannelLines. Dropped counts the lines that the sender left out since its last batch.
type batch struct {
	Node    uuid.UUID `json:"n"`
	Tenant  uuid.UUID `json:"t"`
	Dropped int       `json:"d,omitempty"`
	Events  []Event   `json:"l"`
}

// Config is a Hub's.
type Config struct {
	// NodeID tells this node's notifications from those of others.
	NodeID uuid.UUID
	// DB sends notifications. Required.
	DB sqlc.DBTX
	// Watchers is how many may watch at this node at one time; zero means 400.
	Watchers int
	// TenantWatchers is how many of them may be one tenant's while there is room: see share; zero means 10.
	TenantWatchers int
	// Running calls see for each execution of this node that has run for at least min. The Invocation is valid during the call, the Result has
	// StartedAt. Nil: no starts are shown.
	Running func(min time.Duration, see func(*engine.Invocation, *engine.Result))
	// Secrets returns what is known of a tenant's secrets, so that they can be masked. Nil masks none.
	Secrets func(tenantID uuid.UUID) *redact.Values
	// Log gets failures to send; nil means slog.Default.
	Log *slog.Logger
}

// Hub passes lines from executions to watchers.
type Hub struct {
	cfg     Config
	queries *sqlc.Queries
	log     *slog.Logger
	dropped atomic.Int64

	// tenants are the tenants with a watcher, here or at another node. The map is replaced, never changed.
	tenants atomic.Pointer[map[uuid.UUID]*tenant]

	mu      sync.Mutex // held while tenants is replaced; taken before a tenant's
	open    int        // watchers of this node
	askedAt time.Time  // of the first request for lines that no echo has followed; zero if there is none
	hurry   wake.Signal
	watched wake.Signal // to Run: there is a tenant with a watcher

	begun map[uuid.UUID]bool // executions whose start was shown; Run's goroutine only

	readyMu sync.Mutex // taken after a tenant's
	ready   []*tenant  // have something for other nodes, the next to send first
}

// tenant is a tenant with a watcher.
type tenant struct {
	id uuid.UUID

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
	remote   time.Time // until when other nodes want its lines
	waiting  []Event   // for other nodes
	bytes    int       // size of waiting
	dropped  int       // lines that other nodes wanted and did not get, since the last batch
	queued   bool      // is in ready
}

// New returns a Hub.
func New(cfg Config) (*Hub, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("DB: required")
	case cfg.Watchers < 0 || cfg.TenantWatchers < 0:
		return nil, errors.New("Watchers, TenantWatchers: must not be negative")
	}
	cfg.Watchers = cmp.Or(cfg.Watchers, 400)
	cfg.TenantWatchers = cmp.Or(cfg.TenantWatchers, 10)
	if cfg.Secrets == nil {
		cfg.Secrets = func(uuid.UUID) *redact.Values { return nil }
	}
	h := &Hub{cfg: cfg, queries: sqlc.New(cfg.DB), log: cmp.Or(cfg.Log, slog.Default()), hurry: wake.New(), watched: wake.New(), begun: map[uuid.UUID]bool{}}
	h.tenants.Store(&map[uuid.UUID]*tenant{})
	return h, nil
}

// LimitError says that no further watcher is admitted until another one ends.
type LimitError struct {
	Scope string // "tenant" or "node"
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("watchers of the %s: limit %d, all in use", e.Scope, e.Limit)
}

// Watcher gets those events of a tenant that its filter lets pass.
type Watcher struct {
	C <-chan Event

	hub     *Hub
	tenant  *tenant
	events  chan Event
	filter  filter
	dropped int
	closed  bool
}

// Watch begins to watch. The caller calls Close. The error is a *LimitError.
func (h *Hub) Watch(tenantID uuid.UUID, filter Filter) (*Watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tenant(tenantID)
	t.mu.Lock()
	defer t.mu.Unlock()
	if share := h.share(t); len(t.watchers) >= share {
		return nil, &LimitError{Scope: "tenant", Limit: share}
	}
	if h.open >= h.cfg.Watchers {
		return nil, &LimitError{Scope: "node", Limit: h.cfg.Watchers}
	}
	w := &Watcher{hub: h, tenant: t, events: make(chan Event, maxShown), filter: filter.ready()}
	w.C = w.events
	t.watchers[w] = struct{}{}
	h.open++
	h.hurry.Set() // tell the other nodes now
	return w, nil
}

// share is how many watchers a tenant may have now: TenantWatchers, and at most half of what the other tenants leave of three quarters of
// the node's, but always one. So the last quarter is for tenants that have none, and no tens of tenants take all. The caller holds mu and
// t's lock.
func (h *Hub) share(t *tenant) int {
	common := h.cfg.Watchers - h.cfg.Watchers/4
	return min(h.cfg.TenantWatchers, max(1, (common-(h.open-len(t.watchers)))/2))
}

// Close ends watching. No event comes afterwards; C is not closed. A second Close does nothing.
func (w *Watcher) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.tenant.mu.Lock()
	if !w.closed {
		w.closed = true
		w.hub.open--
		delete(w.tenant.watchers, w)
	}
	w.tenant.mu.Unlock()
	w.hub.forget()
}

// Dropped returns how many events were left out since the last one, and counts from zero then.
func (w *Watcher) Dropped() int {
	w.tenant.mu.Lock()
	defer w.tenant.mu.Unlock()
	n := w.dropped
	w.dropped = 0
	return n
}

// tenant finds a tenant or adds it. The caller holds mu.
func (h *Hub) tenant(id uuid.UUID) *tenant {
	tenants := *h.tenants.Load()
	t := tenants[id]
	if t == nil {
		t = &tenant{id: id, watchers: map[*Watcher]struct{}{}}
		tenants = maps.Clone(tenants)
		tenants[id] = t
		h.tenants.Store(&tenants)
		h.watched.Set()
	}
	return t
}

// forget removes the tenants without a watcher, and returns the tenants that are watched here. The caller holds mu.
func (h *Hub) forget() (here []*tenant) {
	now := time.Now()
	tenants := *h.tenants.Load()
	kept := make(map[uuid.UUID]*tenant, len(tenants))
	for id, t := range tenants {
		t.mu.Lock()
		watched := len(t.watchers) > 0
		if watched || now.Before(t.remote) {
			kept[id] = t
		}
		t.mu.Unlock()
		if watched {
			here = append(here, t)
		}
	}
	if len(kept) < len(tenants) {
		h.tenants.Store(&kept)
	}
	return here
}

// Deaf reports whether this node does not hear the notifications that it sends itself: then it hears no other node's either.
// A pooler in transaction mode between it and Postgres does that. It is false while this node has no watcher.
func (h *Hub) Deaf() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.askedAt.IsZero() && time.Since(h.askedAt) > deafAfter
}

// DroppedLines counts the lines that other nodes wanted and this one did not send.
func (h *Hub) DroppedLines() int64 { return h.dropped.Load() }

// Executor returns an engine.Executor that lets the Hub see the lines and ends of next's executions.
func (h *Hub) Executor(next engine.Executor) engine.Executor { return &executor{hub: h, next: next} }

type executor struct {
	hub  *Hub
	next engine.Executor
}

// Execute implements engine.Executor.
func (e *executor) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	inv.Lines = e.hub
	if onEnd := inv.OnEnd; onEnd != nil {
		inv.OnEnd = func(inv *engine.Invocation, res *engine.Result) {
			e.hub.ended(inv, res)
			onEnd(inv, res)
		}
	}
	res, err := e.next.Execute(ctx, inv)
	switch refused := (*engine.RefusedError)(nil); {
	case err == nil && !res.GoesOn:
		e.hub.ended(inv, res)
	case errors.As(err, &refused) && e.hub.Wants(inv):
		f := factsOf(inv)
		e.hub.show(f.refused(refused, e.hub.cfg.Secrets(inv.Script.TenantID)))
	}
	return res, err
}

// ended shows the end of an execution.
func (h *Hub) ended(inv *engine.Invocation, res *engine.Result) {
	if h.Wants(inv) {
		f := factsOf(inv)
		h.show(f.ended(res))
	}
}

// started shows the starts of the executions that have run for startedAfter, and were not shown before. Run's goroutine calls it.
func (h *Hub) started() {
	if h.cfg.Running == nil {
		return
	}
	running := map[uuid.UUID]bool{}
	var fresh []facts
	h.cfg.Running(startedAfter, func(inv *engine.Invocation, _ *engine.Result) {
		if h.begun[inv.ExecutionID] {
			running[inv.ExecutionID] = true
		} else if h.Wants(inv) {
			fresh = append(fresh, factsOf(inv))
		}
	})
	h.begun = running
	if len(fresh) == 0 {
		return
	}
	// Made outside of the engine's lock, and shown under it: so no start comes after its end.
	events := make(map[uuid.UUID]Event, len(fresh))
	for i := range fresh {
		events[fresh[i].id] = fresh[i].started(h.cfg.Secrets(fresh[i].script.TenantID))
	}
	h.cfg.Running(startedAfter, func(inv *engine.Invocation, res *engine.Result) {
		if e, ok := events[inv.ExecutionID]; ok {
			e.StartedAt = res.StartedAt
			h.begun[inv.ExecutionID] = true
			h.show(e)
		}
	})
}

// Wants implements engine.LineWatcher.
func (h *Hub) Wants(inv *engine.Invocation) bool {
	tenants := *h.tenants.Load()
	return len(tenants) > 0 && tenants[inv.Script.TenantID] != nil
}

// Line implements engine.LineWatcher. It waits for nothing but the tenant's own lock, which is never held for long.
func (h *Hub) Line(inv *engine.Invocation, l engine.LogLine) {
	h.show(Event{
		Kind: KindLog, TenantID: inv.Script.TenantID, ScriptID: inv.Script.ID, ScriptName: inv.Script.Name, ExecutionID: inv.ExecutionID,
		Seq: l.Seq, Level: l.Level, Message: text.Clip(l.Message, maxMessage), At: l.At,
	})
}

// show gives an event to the watchers of this node, and keeps it for the other nodes.
func (h *Hub) show(e Event) {
	t := (*h.tenants.Load())[e.TenantID]
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.show(e)
	if !time.Now().Before(t.remote) {
		return
	}
	if size := e.size(); t.bytes+size <= maxWaiting {
		t.waiting = append(t.waiting, e)
		t.bytes += size
	} else {
		t.dropped++
		h.dropped.Add(1)
	}
	h.enqueue(t)
}

// show gives the event to this node's watchers. The caller holds mu.
func (t *tenant) show(e Event) {
	searched := sync.OnceValue(e.searched)
	for w := range t.watchers {
		if !w.filter.passes(&e, searched) {
			continue
		}
		e.Dropped = w.dropped
		select {
		case w.events <- e:
			w.dropped = 0
		default:
			w.dropped++
		}
	}
}

// enqueue puts t into ready. The caller holds t.mu.
func (h *Hub) enqueue(t *tenant) {
	if t.queued {
		return
	}
	t.queued = true
	h.readyMu.Lock()
	h.ready = append(h.ready, t)
	h.readyMu.Unlock()
}

// Notified takes a notification of one of the Hub's channels.
func (h *Hub) Notified(channel, payload string) {
	switch channel {
	case ChannelWanted:
		node, id, ok := parseWanted(payload)
		if !ok {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if node == h.cfg.NodeID {
			h.askedAt = time.Time{}
			return
		}
		t := h.tenant(id)
		t.mu.Lock()
		t.remote = time.Now().Add(wantedFor)
		t.mu.Unlock()
	case ChannelLines:
		var b batch
		if json.Unmarshal([]byte(payload), &b) != nil || b.Node == h.cfg.NodeID {
			return
		}
		t := (*h.tenants.Load())[b.Tenant]
		if t == nil {
			return
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		for w := range t.watchers {
			w.dropped += max(b.Dropped, 0)
		}
		for _, e := range b.Events {
			e.TenantID = b.Tenant
			t.show(e)
		}
	}
}

func parseWanted(payload string) (node, tenant uuid.UUID, ok bool) {
	const size = 36
	if len(payload) != 2*size+1 {
		return node, tenant, false
	}
	node, err1 := uuid.Parse(payload[:size])
	tenant, err2 := uuid.Parse(payload[size+1:])
	return node, tenant, err1 == nil && err2 == nil
}

// Run exchanges lines with the other nodes until ctx ends. While no tenant has a watcher it does nothing, but that it asks every wantedEvery.
func (h *Hub) Run(ctx context.Context) error {
	want := time.NewTicker(wantedEvery)
	defer want.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-want.C:
			h.askFor(ctx)
		case <-h.hurry:
			h.askFor(ctx)
		case <-h.watched:
			h.exchange(ctx, want.C)
		}
	}
}

// exchange does Run's work until no tenant has a watcher, or ctx ends.
func (h *Hub) exchange(ctx context.Context, want <-chan time.Time) {
	send := time.NewTicker(sendEvery)
	defer send.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for len(*h.tenants.Load()) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-want:
			h.askFor(ctx)
		case <-h.hurry:
			h.askFor(ctx)
		case <-send.C:
			h.send(ctx)
		case <-look.C:
			h.started()
		}
	}
	h.send(ctx)
	clear(h.begun)
}

// askFor tells the other nodes which tenants are watched here, and forgets tenants that no longer have a watcher.
func (h *Hub) askFor(ctx context.Context) {
	h.mu.Lock()
	here := h.forget()
	switch {
	case len(here) == 0:
		h.askedAt = time.Time{}
	case h.askedAt.IsZero():
		h.askedAt = time.Now()
	}
	h.mu.Unlock()
	for _, t := range here {
		if !h.notify(ctx, ChannelWanted, h.cfg.NodeID.String()+" "+t.id.String()) {
			return
		}
	}
}

// send sends the lines that wait for other nodes: a batch of each tenant in turn, maxSends in all. The rest waits for the next time.
func (h *Hub) send(ctx context.Context) {
	for range maxSends {
		h.readyMu.Lock()
		if len(h.ready) == 0 {
			h.ready = nil
			h.readyMu.Unlock()
			return
		}
		t := h.ready[0]
		h.ready = h.ready[1:]
		h.readyMu.Unlock()

		payload, lines, dropped := h.take(t)
		sent := payload == "" || h.notify(ctx, ChannelLines, payload)
		t.mu.Lock()
		t.queued = false
		if !sent {
			t.dropped += dropped + lines
			h.dropped.Add(int64(lines))
		}
		if len(t.waiting) > 0 || t.dropped > 0 {
			h.enqueue(t)
		}
		t.mu.Unlock()
		if !sent {
			return
		}
	}
}

// take takes the next batch of t's lines. The payload is empty where no other node wants them any more.
func (h *Hub) take(t *tenant) (payload string, lines, dropped int) {
	t.mu.Lock()
	if !time.Now().Before(t.remote) {
		t.waiting, t.bytes, t.dropped = nil, 0, 0
	}
	waiting, dropped := t.waiting, t.dropped
	t.dropped = 0
	t.mu.Unlock()
	if len(waiting) == 0 && dropped == 0 {
		return "", 0, 0
	}
	// Others append to waiting meanwhile, but do not change what it has.
	payload, lines = pack(batch{Node: h.cfg.NodeID, Tenant: t.id, Dropped: dropped}, waiting)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range waiting[:lines] {
		t.bytes -= waiting[i].size()
	}
	if t.waiting = t.waiting[lines:]; len(t.waiting) == 0 {
		t.waiting = nil
	}
	return payload, lines, dropped
}

// pack makes a payload of b with as many events as fit, and says how many it took: one at least.
func pack(b batch, events []Event) (payload string, n int) {
	size := lineBytes
	for _, e := range events {
		encoded, err := json.Marshal(e)
		if err != nil || len(encoded) > maxPayload-lineBytes {
			e.shorten()
			encoded, _ = json.Marshal(e)
		}
		if size += len(encoded) + 1; size > maxPayload && n > 0 {
			break
		}
		b.Events = append(b.Events, e)
		n++
	}
	encoded, err := json.Marshal(b)
	if err != nil {
		return "", n
	}
	return string(encoded), n
}

func (h *Hub) notify(ctx context.Context, channel, payload string) (sent bool) {
	sending, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := h.queries.NotifySend(sending, sqlc.NotifySendParams{Channel: channel, Payload: payload})
	if err != nil && ctx.Err() == nil {
		h.log.Debug("log lines not sent to other nodes", "channel", channel, "error", err)
	}
	return err == nil
}
