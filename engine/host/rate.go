package host

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
)

// rates holds a token bucket for each script that called lately. A bucket holds this node's share of
// max_api_calls_per_minute and fills up within a minute, so that a script that makes no calls for a minute may make its whole
// share at once.
type rates struct {
	liveNodes func() int

	mu      sync.Mutex
	buckets map[uuid.UUID]*bucket
}

type bucket struct {
	tokens float64
	share  float64 // capacity, and what flows in within a minute
	at     time.Time
}

func newRates(liveNodes func() int) *rates {
	return &rates{liveNodes: liveNodes, buckets: map[uuid.UUID]*bucket{}}
}

// take spends one call of the script's, or says when there will be one.
func (r *rates) take(script *engine.Script, now time.Time) error {
	limit := script.Limits.MaxAPICallsPerMinute
	share := float64(limit) / float64(max(1, r.liveNodes()))

	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[script.ID]
	if b == nil {
		b = &bucket{tokens: max(1, share), share: share, at: now}
		r.buckets[script.ID] = b
	}
	b.fill(now)
	if b.share != share {
		// The limit or the number of nodes changed: what is left keeps its proportion.
		if b.share > 0 {
			b.tokens *= share / b.share
		}
		b.share = share
	}
	b.tokens = min(b.tokens, max(1, share))
	if b.tokens >= 1 {
		b.tokens--
		return nil
	}
	wait := int64(60_000)
	if share > 0 {
		wait = int64(math.Ceil((1 - b.tokens) / share * 60_000))
	}
	return &engine.HostError{
		Name:       "RateLimitError",
		Code:       "rate_limited",
		Message:    fmt.Sprintf("max_api_calls_per_minute: the limit of %d calls a minute is used up; try again in %d ms", limit, wait),
		RetryAfter: wait,
	}
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens += d.Minutes() * b.share
		b.at = now
	}
}

// prune forgets buckets that have filled up again.
func (r *rates) prune(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, b := range r.buckets {
		if b.fill(now); b.tokens >= max(1, b.share) {
			delete(r.buckets, id)
		}
	}
}

// slots bounds how many fetches an execution has under way.
type slots struct {
	most int

	mu   sync.Mutex
	held map[uuid.UUID]*slot
}

type slot struct {
	free  chan struct{}
	users int // that hold or wait
}

func newSlots(most int) *slots { return &slots{most: most, held: map[uuid.UUID]*slot{}} }

// acquire waits for a place. The returned function gives it back, and may be called more than once.
func (s *slots) acquire(done <-chan struct{}, execution uuid.UUID) (release func(), ok bool) {
	s.mu.Lock()
	place := s.held[execution]
	if place == nil {
		place = &slot{free: make(chan struct{}, s.most)}
		s.held[execution] = place
	}
	place.users++
	s.mu.Unlock()

	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if place.users--; place.users == 0 {
			delete(s.held, execution)
		}
	}
	select {
	case place.free <- struct{}{}:
		return sync.OnceFunc(func() { <-place.free; leave() }), true
	case <-done:
		leave()
		return nil, false
	}
}
