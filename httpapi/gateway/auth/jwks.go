package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

const (
	// keysFresh is how old a set of keys may be before it is fetched again, beside the requests that use it.
	keysFresh = 10 * time.Minute
	// keysStale is how old a set may get where it cannot be fetched again.
	keysStale = 24 * time.Hour
	// fetchTimeout bounds the fetching of a set.
	fetchTimeout = 5 * time.Second
	// Of one URL, sets are fetched refreshBurst times at once, and once in refreshEvery after that.
	refreshEvery = 10 * time.Second
	refreshBurst = 3

	maxSetBytes = 64 << 10
	maxSetKeys  = 64
	maxSets     = 1000
)

// keySets holds the keys of each tenant's URLs: one tenant's requests do not decide how often another's are fetched.
type keySets struct {
	cfg  *Config
	sets *otter.Cache[setKey, *keySource]
}

type setKey struct {
	tenant uuid.UUID
	url    string
}

// keySet is one state of a URL. It never changes.
type keySet struct {
	keys []jose.JSONWebKey
	sum  [sha256.Size]byte
}

// keySource is one URL.
type keySource struct {
	sets *keySets
	key  setKey

	mu      sync.Mutex // guards what follows
	set     *keySet    // nil: not fetched yet
	at      time.Time  // when it was fetched
	failure error      // of the last fetch; nil: it went well
	under   *fetching  // nil: none is under way
	limit   *rate.Limiter
}

// fetching is a fetch under way.
type fetching struct{ done chan struct{} }

func newKeySets(cfg *Config) (*keySets, error) {
	sets, err := otter.New(&otter.Options[setKey, *keySource]{MaximumSize: maxSets})
	return &keySets{cfg, sets}, err
}

// of returns a URL's keys. Where kid is not empty and not among them, they are fetched again, if they may be.
func (k *keySets) of(ctx context.Context, tenantID uuid.UUID, url, kid string) (*keySet, error) {
	key := setKey{tenantID, url}
	source, ok := k.sets.GetIfPresent(key)
	if !ok {
		source, _ = k.sets.SetIfAbsent(key, &keySource{sets: k, key: key, limit: rate.NewLimiter(rate.Every(refreshEvery), refreshBurst)})
	}
	return source.get(ctx, kid)
}

func (s *keySource) get(ctx context.Context, kid string) (*keySet, error) {
	now := s.sets.cfg.Now()
	s.mu.Lock()
	set, age := s.set, now.Sub(s.at)
	if set != nil && age > keysStale {
		set = nil
	}
	usable := set != nil && (kid == "" || set.has(kid))
	if usable && age <= keysFresh {
		s.mu.Unlock()
		return set, nil
	}
	under := s.refresh(now)
	s.mu.Unlock()
	if usable || under == nil && set != nil {
		return set, nil // a fresher one is on its way, or may not be fetched yet
	}
	if under != nil {
		select {
		case <-under.done:
		case <-ctx.Done():
			return nil, &UnavailableError{Reason: "The keys of jwks_url were not fetched in time.", Err: ctx.Err(), Logged: true}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil || now.Sub(s.at) > keysStale {
		return nil, &UnavailableError{Reason: "The keys of jwks_url could not be fetched.", Err: orUnknown(s.failure), Logged: true}
	}
	return s.set, nil
}

func orUnknown(err error) error {
	if err == nil {
		return errors.New("they are fetched too often")
	}
	return err
}

// refresh fetches the set unless that is under way, or may not be done yet: then it returns nil. The caller has the lock.
func (s *keySource) refresh(now time.Time) *fetching {
	if s.under != nil || !s.limit.AllowN(now, 1) {
		return s.under
	}
	under := &fetching{done: make(chan struct{})}
	s.under = under
	go s.fetch(under)
	return under
}

func (s *keySource) fetch(under *fetching) {
	defer close(under.done)
	// The fetch outlives the request that began it: other requests wait for it too.
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := s.load(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under, s.failure = nil, err
	if err != nil {
		s.sets.cfg.Log.Warn("the keys of an endpoint's jwks_url could not be fetched", "tenant_id", s.key.tenant, "url", s.key.url, "error", err)
		return
	}
	s.at = s.sets.cfg.Now()
	if s.set == nil || s.set.sum != set.sum {
		s.set = set // the same keys stay the same set: what was checked with it is still good
	}
}

func (s *keySource) load(ctx context.Context) (*keySet, error) {
	raw, err := s.sets.cfg.Fetch(ctx, s.key.tenant, s.key.url, maxSetBytes)
	if err != nil {
		return nil, err
	}
	// Keys of a kind that is not known are left out, and not the others with them.
	var given struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, fmt.Errorf("not a set of keys: %w", err)
	}
	if len(given.Keys) > maxSetKeys {
		return nil, fmt.Errorf("the set has %d keys, of at most %d", len(given.Keys), maxSetKeys)
	}
	set := &keySet{sum: sha256.Sum256(raw)}
	for _, text := range given.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) == nil && key.Valid() && key.IsPublic() {
			set.keys = append(set.keys, key)
		}
	}
	if len(set.keys) == 0 {
		return nil, errors.New("the set has no public key that can be used")
	}
	return set, nil
}

func (s *keySet) has(kid string) bool {
	for i := range s.keys {
		if s.keys[i].KeyID == kid {
			return true
		}
	}
	return false
}
