package gateway

import (
	"container/list"
	"encoding/json"
	"hash/maphash"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
)

// An endpoint's rate limit counts requests of one key over a sliding window: those of the window now, and of the one before as much as a
// window's length back from now covers of it. So a client is not let through twice at the border of two windows.
//
// The limit is divided over the nodes as others are (cluster.Members.Serve). What is counted is in memory: a tenant's keys take from the
// node's budget on its behalf. Where it has no more room, or more than maxRateKeys, the key that was used least recently is forgotten.

const (
	maxRateKeys = 50_000
	rateStep    = 64  // keys whose memory is taken at once
	rateBytes   = 256 // of one key: the window, its place in the list and the map
	rateSweep   = time.Minute
)

// rateLimits are the windows of this node.
type rateLimits struct {
	members *cluster.Members
	budget  *admission.Budget
	seed    maphash.Seed // secret: no client finds keys that are counted together

	mu      sync.Mutex // guards what follows; taken before a tenant's
	tenants map[uuid.UUID]*tenantRates
	swept   time.Time
}

// tenantRates are one tenant's windows.
type tenantRates struct {
	mu     sync.Mutex // guards what follows
	byKey  map[rateKey]*list.Element
	recent list.List // of *rateWindow, the last used in front
	memory *admission.Reservation
	room   int // keys that memory is taken for
}

type rateKey struct {
	script uuid.UUID
	hash   uint64
}

type rateWindow struct {
	key           rateKey
	begun         time.Time // of the window now
	per           time.Duration
	before, count int
}

// rateState is what a request found.
type rateState struct {
	remaining int
	reset     time.Duration // until the window ends
	retry     time.Duration // until a request is admitted again; 0: this one was
}

func newRateLimits(members *cluster.Members, budget *admission.Budget) *rateLimits {
	if members == nil {
		members = new(cluster.Members)
	}
	return &rateLimits{members: members, budget: budget, seed: maphash.MakeSeed(), tenants: map[uuid.UUID]*tenantRates{}}
}

// take counts a request of a key, unless it is over the limit.
func (l *rateLimits) take(e *catalog.Endpoint, key string, now time.Time) rateState {
	t := l.of(e.TenantID, now)
	defer t.mu.Unlock()
	w := t.window(rateKey{e.ScriptID, maphash.String(l.seed, key)}, e.RateLimit.Per, now)
	return w.take(l.members.Serve(e.RateLimit.Requests, e.ScriptID), now)
}

// of returns a tenant's windows, locked.
func (l *rateLimits) of(tenantID uuid.UUID, now time.Time) *tenantRates {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > rateSweep {
		l.sweep(now)
	}
	t := l.tenants[tenantID]
	if t == nil {
		t = &tenantRates{byKey: map[rateKey]*list.Element{}}
		t.memory, _ = l.budget.Take(tenantID, admission.UseRates, 0) // takes nothing yet
		l.tenants[tenantID] = t
	}
	t.mu.Lock()
	return t
}

// sweep forgets windows that say nothing any more, and tenants without any. The caller has the lock.
func (l *rateLimits) sweep(now time.Time) {
	l.swept = now
	for id, t := range l.tenants {
		t.mu.Lock()
		for e := t.recent.Back(); e != nil && e.Value.(*rateWindow).over(now); e = t.recent.Back() {
			t.forget(e)
		}
		if spare := t.room - t.recent.Len(); spare >= 2*rateStep {
			spare -= spare % rateStep
			t.memory.Shrink(int64(spare * rateBytes))
			t.room -= spare
		}
		if t.recent.Len() == 0 {
			t.memory.Release()
			delete(l.tenants, id)
		}
		t.mu.Unlock()
	}
}

func (t *tenantRates) forget(e *list.Element) {
	delete(t.byKey, t.recent.Remove(e).(*rateWindow).key)
}

// window returns a key's window, or makes a new one. Without room, the new window replaces the least recently used one.
func (t *tenantRates) window(key rateKey, per time.Duration, now time.Time) *rateWindow {
	if e := t.byKey[key]; e != nil {
		t.recent.MoveToFront(e)
		w := e.Value.(*rateWindow)
		if w.per != per { // the rule was changed
			*w = rateWindow{key: key, begun: now, per: per}
		}
		return w
	}
	if last := t.recent.Back(); last != nil && (last.Value.(*rateWindow).over(now) || !t.grow()) {
		t.forget(last)
	}
	w := &rateWindow{key: key, begun: now, per: per}
	t.byKey[key] = t.recent.PushFront(w)
	return w
}

// grow reports whether there is room for one key more. The first key of a tenant needs none.
func (t *tenantRates) grow() bool {
	if t.recent.Len() < t.room {
		return true
	}
	if t.recent.Len() >= maxRateKeys || t.memory.Grow(rateStep*rateBytes) != nil {
		return false
	}
	t.room += rateStep
	return true
}

// over reports whether a window says nothing any more.
func (w *rateWindow) over(now time.Time) bool { return now.Sub(w.begun) >= 2*w.per }

// take counts a request within limit, which is at least 1.
func (w *rateWindow) take(limit int, now time.Time) rateState {
	switch passed := now.Sub(w.begun); {
	case passed < 0: // the clock was set back
		w.begun = now
	case passed >= 2*w.per:
		w.begun, w.before, w.count = now, 0, 0
	case passed >= w.per:
		w.begun, w.before, w.count = w.begun.Add(w.per), w.count, 0
	}
	share := float64(now.Sub(w.begun)) / float64(w.per) // of the window now that has passed
	used := w.count + int(math.Ceil(float64(w.before)*(1-share)))
	state := rateState{reset: w.per - now.Sub(w.begun)}
	if used >= limit {
		state.retry = w.wait(limit, share)
		return state
	}
	w.count++
	state.remaining = limit - used - 1
	return state
}

// wait is how long it takes until fewer than limit requests count.
func (w *rateWindow) wait(limit int, share float64) time.Duration {
	rest := time.Duration((1 - share) * float64(w.per))
	part := func(requests, most int) time.Duration { // of a window, until of requests no more than most count
		return time.Duration((1 - float64(most)/float64(requests)) * float64(w.per))
	}
	if w.count >= limit {
		return rest + part(w.count, limit-1)
	}
	return max(part(w.before, limit-1-w.count)-(w.per-rest), time.Millisecond)
}

// When a request is counted.
const (
	beforeAuth = false
	afterAuth  = true
)

// rateAfterAuth reports whether an endpoint's requests are counted once they are admitted. Where a stranger's request counted before, it would
// use up what is another's. An address is the client's own, and counting by it comes first: it bounds what strangers cost.
func rateAfterAuth(e *catalog.Endpoint) bool {
	return e.Auth != catalog.AuthNone && e.RateLimit.By != catalog.RateByIP
}

// rated counts the request by the endpoint's rate limit, if this is when, and answers where it is over it.
func (a *answer) rated(e *catalog.Endpoint, when bool) bool {
	if e.RateLimit == nil || rateAfterAuth(e) != when {
		return true
	}
	now := time.Now()
	limit := e.RateLimit
	state := a.g.rates.take(e, a.rateKey(limit), now)
	h := a.w.Header()
	h["Ratelimit-Limit"] = []string{strconv.Itoa(limit.Requests)}
	h["Ratelimit-Remaining"] = []string{strconv.Itoa(state.remaining)}
	h["Ratelimit-Reset"] = []string{seconds(state.reset)}
	h["Ratelimit-Policy"] = []string{strconv.Itoa(limit.Requests) + ";w=" + strconv.Itoa(int(limit.Per/time.Second))}
	if state.retry == 0 {
		return true
	}
	h["Retry-After"] = []string{seconds(state.retry)}
	a.admission.Undo()
	a.problem(http.StatusTooManyRequests, "rate_limited", "http.rate_limit: the endpoint takes "+strconv.Itoa(limit.Requests)+" requests in "+
		limit.Per.String()+" by "+rateBy(limit)+", over all nodes.")
	return false
}

func rateBy(l *catalog.RateLimit) string {
	if l.Name == "" {
		return l.By
	}
	return l.By + ":" + l.Name
}

// rateKey is what the request is counted by.
func (a *answer) rateKey(l *catalog.RateLimit) string {
	switch l.By {
	case catalog.RateByIP:
		addr := a.g.cfg.TrustedProxies.Client(a.r)
		if addr.Is6() {
			if network, err := addr.Prefix(64); err == nil {
				addr = network.Addr()
			}
		}
		return addr.String()
	case catalog.RateByHeader:
		return strings.Join(a.r.Header[l.Name], ",")
	case catalog.RateByClaim:
		var claims map[string]json.RawMessage
		if json.Unmarshal(a.admission.Claims, &claims) == nil {
			return string(claims[l.Name])
		}
	}
	return ""
}
