package httpapi

import (
	"math"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// buckets holds one token bucket for each of K. A bucket holds a burst and refills evenly. The buckets are bounded in number; one that was
// not used for a while is full again and forgotten.
type buckets[K comparable] struct {
	byKey *otter.Cache[K, *bucket]
}

// rate is a bucket's size and how fast it fills. A burst of a minute's worth lets a client use its minute at once.
type rate struct {
	burst     int
	perMinute int
}

type bucket struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
}

// rateState is what the RateLimit headers say.
type rateState struct {
	limit, remaining int
	reset            time.Duration // until the bucket is full
	retry            time.Duration // until the next token; 0 where the request was allowed
}

// newBuckets returns at most size buckets, each forgotten idle after its last use: it must be full by then.
func newBuckets[K comparable](size int, idle time.Duration) (*buckets[K], error) {
	byKey, err := otter.New(&otter.Options[K, *bucket]{MaximumSize: size, Clock: cacheClock{}, ExpiryCalculator: otter.ExpiryAccessing[K, *bucket](idle)})
	if err != nil {
		return nil, err
	}
	return &buckets[K]{byKey: byKey}, nil
}

// take takes a token, and says when there will be one if there is none.
func (b *buckets[K]) take(key K, r rate, now time.Time) rateState {
	one, ok := b.byKey.GetIfPresent(key)
	if !ok {
		one, _ = b.byKey.SetIfAbsent(key, &bucket{tokens: float64(r.burst), at: now})
	}
	return one.take(r, now)
}

// empty reports whether key has no token, and takes none.
func (b *buckets[K]) empty(key K, r rate, now time.Time) bool {
	one, ok := b.byKey.GetIfPresent(key)
	if !ok {
		return false
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.fill(r, now)
	return one.tokens < 1
}

func (b *bucket) fill(r rate, now time.Time) {
	b.tokens = math.Min(float64(r.burst), b.tokens+max(0, now.Sub(b.at).Minutes())*float64(r.perMinute))
	b.at = now
}

func (b *bucket) take(r rate, now time.Time) rateState {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(r, now)
	until := func(missing float64) time.Duration {
		return time.Duration(missing / float64(r.perMinute) * float64(time.Minute))
	}
	s := rateState{limit: r.perMinute}
	if b.tokens < 1 {
		s.retry = until(1 - b.tokens)
	} else {
		b.tokens--
	}
	s.remaining = int(b.tokens)
	s.reset = until(float64(r.burst) - b.tokens)
	return s
}
