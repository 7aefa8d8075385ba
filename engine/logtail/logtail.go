// Package logtail shows log lines of scripts while they run, to whoever watches on any node.
//
//	script ──► engine ──► OnLog ──► Hub ──► watchers of this node
//	                                 │  ▲
//	                jsruntime_tail ◄─┘  └── jsruntime_tail of other nodes, for tenants that are watched here
//	                jsruntime_tail_wanted: "tenant T is watched at some node", every wantedEvery
//
// Nothing is collected for tenants that nobody watches: an execution then costs one atomic load. What a watcher sees is a
// convenience, not the record: lines are left out, and counted, when they come faster than Postgres or the watcher takes
// them. The execution's log in the database has them all.
package logtail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jsruntime/engine"
	"jsruntime/sqlc"
)

// Channels of Postgres that the Hub's owner listens to, and passes on to Notified.
const (
	ChannelLines  = "jsruntime_tail"
	ChannelWanted = "jsruntime_tail_wanted"
)

const (
	wantedEvery = 5 * time.Second
	wantedFor   = 3 * wantedEvery
	sendEvery   = 100 * time.Millisecond
	maxPayload  = 7800 // bytes; Postgres refuses 8000
	maxSends    = 16   // notifications each sendEvery: about 1 MB/s of lines a node
	maxMessage  = 2 << 10
	maxWaiting  = 4096 // lines for other nodes, and lines of one watcher
)

// Line is one line of an execution's log. Dropped counts the lines before it that were left out.
type Line struct {
	TenantID    uuid.UUID `json:"-"`
	ScriptID    uuid.UUID `json:"script_id"`
	ScriptName  string    `json:"script_name"`
	ExecutionID uuid.UUID `json:"execution_id"`
	Seq         int       `json:"seq"`
	Level       string    `json:"level"`
	Message     string    `json:"message"`
	At          time.Time `json:"at"`
	Dropped     int       `json:"dropped,omitempty"`
}

// batch is the payload of ChannelLines.
type batch struct {
	Node   uuid.UUID `json:"n"`
	Tenant uuid.UUID `json:"t"`
	Lines  []Line    `json:"l"`
}

// Config is a Hub's.
type Config struct {
	// NodeID tells this node's notifications from those of others.
	NodeID uuid.UUID
	// DB sends notifications. Required.
	DB sqlc.DBTX
	// Log gets failures to send; nil means slog.Default.
	Log *slog.Logger
}

// Hub passes lines from executions to watchers.
type Hub struct {
	nodeID  uuid.UUID
	queries *sqlc.Queries
	log     *slog.Logger

	// wanted are the tenants that somebody watches, here or elsewhere, until when. It is replaced, never changed.
	wanted atomic.Pointer[map[uuid.UUID]time.Time]

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
	remote   map[uuid.UUID]time.Time // as other nodes have asked
	waiting  map[uuid.UUID][]Line    // to be sent to other nodes
	count    int                     // lines in waiting
	hurry    chan struct{}
}

// New returns a Hub.
func New(cfg Config) (*Hub, error) {
	if cfg.DB == nil {
		return nil, errors.New("DB: required")
	}
	h := &Hub{
		nodeID: cfg.NodeID, queries: sqlc.New(cfg.DB), log: cmp.Or(cfg.Log, slog.Default()),
		watchers: map[*Watcher]struct{}{}, remote: map[uuid.UUID]time.Time{}, waiting: map[uuid.UUID][]Line{}, hurry: make(chan struct{}, 1),
	}
	h.wanted.Store(&map[uuid.UUID]time.Time{})
	return h, nil
}

// Watcher gets the lines of a tenant, or of one of its scripts.
type Watcher struct {
	C <-chan Line

	hub      *Hub
	lines    chan Line
	tenantID uuid.UUID
	scriptID uuid.UUID
	dropped  int
}

// Watch begins to watch. scriptID may be the zero UUID for all scripts. The caller calls Close.
func (h *Hub) Watch(tenantID, scriptID uuid.UUID) *Watcher {
	w := &Watcher{hub: h, lines: make(chan Line, maxWaiting), tenantID: tenantID, scriptID: scriptID}
	w.C = w.lines
	h.mu.Lock()
	h.watchers[w] = struct{}{}
	h.publishWanted()
	h.mu.Unlock()
	select {
	case h.hurry <- struct{}{}: // tell the other nodes now
	default:
	}
	return w
}

// Close ends watching. No line comes afterwards; C is not closed.
func (w *Watcher) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.watchers, w)
	w.hub.publishWanted()
}

// publishWanted replaces wanted. The caller holds mu.
func (h *Hub) publishWanted() {
	now := time.Now()
	maps.DeleteFunc(h.remote, func(_ uuid.UUID, until time.Time) bool { return until.Before(now) })
	wanted := maps.Clone(h.remote)
	for w := range h.watchers {
		wanted[w.tenantID] = now.Add(wantedFor)
	}
	h.wanted.Store(&wanted)
}

// Executor returns an engine.Executor that lets the Hub see the lines of next's executions.
func (h *Hub) Executor(next engine.Executor) engine.Executor { return &executor{hub: h, next: next} }

type executor struct {
	hub  *Hub
	next engine.Executor
}

// Execute implements engine.Executor.
func (e *executor) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	if wanted := *e.hub.wanted.Load(); len(wanted) > 0 {
		if _, ok := wanted[inv.Script.TenantID]; ok {
			before := inv.OnLog
			inv.OnLog = func(line engine.LogLine) {
				if before != nil {
					before(line)
				}
				e.hub.line(inv, line)
			}
		}
	}
	return e.next.Execute(ctx, inv)
}

// line takes one line of this node.
func (h *Hub) line(inv *engine.Invocation, l engine.LogLine) {
	line := Line{
		TenantID: inv.Script.TenantID, ScriptID: inv.Script.ID, ScriptName: inv.Script.Name, ExecutionID: inv.ExecutionID,
		Seq: l.Seq, Level: l.Level, Message: bounded(l.Message), At: l.At,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.show(line)
	if _, ok := h.remote[line.TenantID]; ok && h.count < maxWaiting {
		h.waiting[line.TenantID] = append(h.waiting[line.TenantID], line)
		h.count++
	}
}

// show gives the line to this node's watchers. The caller holds mu.
func (h *Hub) show(line Line) {
	for w := range h.watchers {
		if w.tenantID != line.TenantID || w.scriptID != uuid.Nil && w.scriptID != line.ScriptID {
			continue
		}
		line.Dropped = w.dropped
		select {
		case w.lines <- line:
			w.dropped = 0
		default:
			w.dropped++
		}
	}
}

// Notified takes a notification of one of the Hub's channels.
func (h *Hub) Notified(channel, payload string) {
	switch channel {
	case ChannelWanted:
		node, tenant, ok := parseWanted(payload)
		if !ok || node == h.nodeID {
			return
		}
		h.mu.Lock()
		h.remote[tenant] = time.Now().Add(wantedFor)
		h.publishWanted()
		h.mu.Unlock()
	case ChannelLines:
		var b batch
		if json.Unmarshal([]byte(payload), &b) != nil || b.Node == h.nodeID {
			return
		}
		h.mu.Lock()
		for _, line := range b.Lines {
			line.TenantID = b.Tenant
			h.show(line)
		}
		h.mu.Unlock()
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

// Run exchanges lines with the other nodes until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	want := time.NewTicker(wantedEvery)
	defer want.Stop()
	send := time.NewTicker(sendEvery)
	defer send.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-want.C:
			h.askFor(ctx)
		case <-h.hurry:
			h.askFor(ctx)
		case <-send.C:
			h.send(ctx)
		}
	}
}

// askFor tells the other nodes what is watched here, and forgets what is not watched elsewhere any more.
func (h *Hub) askFor(ctx context.Context) {
	h.mu.Lock()
	h.publishWanted()
	tenants := map[uuid.UUID]bool{}
	for w := range h.watchers {
		tenants[w.tenantID] = true
	}
	h.mu.Unlock()
	for tenant := range tenants {
		h.notify(ctx, ChannelWanted, h.nodeID.String()+" "+tenant.String())
	}
}

// send sends what waits for other nodes, and drops what exceeds maxSends.
func (h *Hub) send(ctx context.Context) {
	h.mu.Lock()
	waiting := h.waiting
	if h.count > 0 {
		h.waiting, h.count = map[uuid.UUID][]Line{}, 0
	} else {
		waiting = nil
	}
	h.mu.Unlock()
	sends := 0
	for tenant, lines := range waiting {
		for len(lines) > 0 && sends < maxSends {
			payload, n := pack(h.nodeID, tenant, lines)
			lines = lines[n:]
			if payload != "" {
				h.notify(ctx, ChannelLines, payload)
				sends++
			}
		}
	}
}

// pack makes a payload of as many lines as fit, and says how many it took.
func pack(node, tenant uuid.UUID, lines []Line) (payload string, n int) {
	b := batch{Node: node, Tenant: tenant}
	size := 128
	for _, line := range lines {
		text, err := json.Marshal(line)
		if err != nil || len(text) > maxPayload-256 {
			line.Message = "(a line that is too long to be shown here)"
			text, _ = json.Marshal(line)
		}
		if size += len(text) + 1; size > maxPayload {
			break
		}
		b.Lines = append(b.Lines, line)
		n++
	}
	if n == 0 {
		return "", 1
	}
	text, err := json.Marshal(b)
	if err != nil {
		return "", n
	}
	return string(text), n
}

func (h *Hub) notify(ctx context.Context, channel, payload string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := h.queries.NotifySend(ctx, sqlc.NotifySendParams{Channel: channel, Payload: payload}); err != nil && ctx.Err() == nil {
		h.log.Debug("sending log lines to other nodes", "error", err)
	}
}

// bounded cuts a message at a character's end.
func bounded(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
