package httpapi

import (
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
)

// rateLimits holds one token bucket a key. A bucket holds a minute's worth and refills evenly, so that a client may use its
// minute in one burst. A key that was quiet for two minutes has a full bucket and is forgotten.
type rateLimits struct {
	perMinute int
	buckets   *otter.Cache[uuid.UUID, *bucket]
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

func newRateLimits(perMinute int) (*rateLimits, error) {
	buckets, err := otter.New(&otter.Options[uuid.UUID, *bucket]{
		MaximumSize:      100_000,
		ExpiryCalculator: otter.ExpiryAccessing[uuid.UUID, *bucket](2 * time.Minute),
	})
	if err != nil {
		return nil, err
	}
	return &rateLimits{perMinute: perMinute, buckets: buckets}, nil
}

func (r *rateLimits) take(key uuid.UUID, perMinute int, now time.Time) rateState {
	b, ok := r.buckets.GetIfPresent(key)
	if !ok {
		b, _ = r.buckets.SetIfAbsent(key, &bucket{tokens: float64(perMinute), at: now})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	rate := float64(perMinute) / time.Minute.Seconds()
	b.tokens = math.Min(float64(perMinute), b.tokens+max(0, now.Sub(b.at).Seconds())*rate)
	b.at = now
	s := rateState{limit: perMinute}
	if b.tokens < 1 {
		s.retry = time.Duration((1 - b.tokens) / rate * float64(time.Second))
	} else {
		b.tokens--
	}
	s.remaining = int(b.tokens)
	s.reset = time.Duration((float64(perMinute) - b.tokens) / rate * float64(time.Second))
	return s
}
