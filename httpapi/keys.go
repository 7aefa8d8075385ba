package httpapi

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"example.com/jsruntime/sqlc"
)

// Role is what a key may do.
type Role string

// Roles, from the most to the least.
const (
	RoleSuperadmin Role = "superadmin"
	RoleAdmin      Role = "admin"
	RoleDeveloper  Role = "developer"
	RoleViewer     Role = "viewer"
)

// Principal is who sent a request.
type Principal struct {
	KeyID   uuid.UUID // the zero UUID for the operator's key
	KeyName string
	Prefix  string
	Role    Role
	UserID  *int32   // on whose behalf the key acts
	Scopes  []string // of RoleCustom

	// The tenant of the key. For a superadmin: the tenant that X-Tenant names, or none.
	TenantID     uuid.UUID
	TenantSlug   string
	TenantActive bool

	expires     time.Time // when the key ends; zero: never, or the operator's
	operatorKey int       // which of the operator's keys it is, from 1 on; 0 for a key of the database
}

// HasTenant reports whether the request speaks about a tenant.
func (p *Principal) HasTenant() bool { return p.TenantID != uuid.Nil }

// ErrUnknownKey says that a key does not exist, is another one, or has expired.
var ErrUnknownKey = errors.New("httpapi: unknown key")

const (
	keyAlphabet  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keyIDLength  = 8
	keySecretLen = 43 // 43 characters of 62 carry 256 bits

	// A key that was deleted or a tenant that was suspended on another node is noticed after this long at the latest, also
	// when the notification got lost.
	keyFresh = 2 * time.Second
	// While the database does not answer, keys that were looked up within this time stay valid: an endpoint that is asked every hour
	// lives through an outage of an hour.
	keyStale = 2 * time.Hour
	// What is known of a key but not fresh is used when a lookup takes longer than keyPatience. Until one succeeds the database counts
	// as away: what is known is used at once, and a lookup is begun every keyProbe at most.
	keyPatience = 250 * time.Millisecond
	keyProbe    = time.Second
	// keyTimeout bounds a lookup.
	keyTimeout = 5 * time.Second
	// Answers to a key say when it expires from so long before on.
	keyExpiryNotice = 14 * 24 * time.Hour
	// neverExpires is what APIKeyLookup gives of a key that has no end, in seconds.
	neverExpires = 1e9
	// last_used_at is written at most this often a key.
	keyTouchEvery = time.Minute
)

// KeysConfig configures Keys.
type KeysConfig struct {
	// DB is where keys are. Required.
	DB sqlc.DBTX
	// AdminKeys are the operator's superadmin keys: one, and while it is rotated the next one beside it. None: only superadmin keys of
	// the database.
	AdminKeys []string
	// CacheSize bounds the keys kept in memory; 0 means 100,000.
	CacheSize int
	// Log gets what goes wrong in the background; nil means slog.Default().
	Log *slog.Logger
}

// Keys authenticates keys. What it knows of a key is cached without locks for two seconds and forgotten when the database
// announces a change. Only while lookups fail or hang does it go by what it knew before.
type Keys struct {
	queries   *sqlc.Queries
	admins    [][sha256.Size]byte             // SHA-256 of the operator's keys
	cache     *otter.Cache[string, *keyEntry] // keys that exist
	unknown   *otter.Cache[string, *keyEntry] // prefixes that were looked up and do not, so that guesses push out no key
	seen      *otter.Cache[string, struct{}]  // hashes of sessions' tokens that were valid
	guesses   *guesses
	loads     singleflight.Group
	away      atomic.Bool               // the last lookup failed, or takes long
	probed    atomic.Pointer[time.Time] // when a lookup was last begun while away
	forgotten atomic.Pointer[time.Time] // the newest of outdated
	forgetMu  sync.Mutex
	outdated  map[uuid.UUID]time.Time // by tenant: what was looked up before is not valid any more
	log       *slog.Logger
	touchedMu sync.Mutex
	touched   map[uuid.UUID]time.Time // used since the last flush
	written   map[uuid.UUID]time.Time // when last_used_at was last written
}

// keyEntry is immutable.
type keyEntry struct {
	hash      [sha256.Size]byte
	known     bool
	expires   time.Time // by the monotonic clock: what the database said, whatever our clock shows
	principal Principal
	loadedAt  time.Time
}

// NewKeys returns Keys.
func NewKeys(cfg KeysConfig) (*Keys, error) {
	if cfg.DB == nil {
		return nil, errors.New("DB: required")
	}
	cache, err := otter.New(&otter.Options[string, *keyEntry]{
		MaximumSize:      cmp.Or(cfg.CacheSize, 100_000),
		Clock:            cacheClock{},
		ExpiryCalculator: otter.ExpiryWriting[string, *keyEntry](keyStale),
	})
	if err != nil {
		return nil, fmt.Errorf("key cache: %w", err)
	}
	unknown, err := otter.New(&otter.Options[string, *keyEntry]{
		MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[string, *keyEntry](keyFresh),
		Clock: cacheClock{},
	})
	if err != nil {
		return nil, fmt.Errorf("cache of unknown keys: %w", err)
	}
	seen, err := otter.New(&otter.Options[string, struct{}]{
		MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[string, struct{}](time.Hour),
		Clock: cacheClock{},
	})
	if err != nil {
		return nil, fmt.Errorf("cache of sessions: %w", err)
	}
	guesses, err := newGuesses(time.Now())
	if err != nil {
		return nil, fmt.Errorf("guesses: %w", err)
	}
	k := &Keys{
		queries: sqlc.New(cfg.DB), cache: cache, unknown: unknown, seen: seen, guesses: guesses, log: cmp.Or(cfg.Log, slog.Default()),
		outdated: map[uuid.UUID]time.Time{}, touched: map[uuid.UUID]time.Time{}, written: map[uuid.UUID]time.Time{},
	}
	for _, key := range cfg.AdminKeys {
		k.admins = append(k.admins, sha256.Sum256([]byte(key)))
	}
	return k, nil
}

// newKey makes a key and says what is stored of it.
func newKey() (key, prefix string, hash [sha256.Size]byte) {
	id, secret := randomText(keyIDLength), randomText(keySecretLen)
	prefix = "jsr_" + id
	key = prefix + "_" + secret
	return key, prefix, sha256.Sum256([]byte(key))
}

func randomText(n int) string {
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		_, _ = rand.Read(buf[:]) // never fails: crypto/rand aborts the process instead
		for _, b := range buf {
			// 248 is the largest multiple of 62 below 256: no character is likelier than another.
			if b < 248 && len(out) < n {
				out = append(out, keyAlphabet[b%62])
			}
		}
	}
	return string(out)
}

// prefixOf returns the visible part of a key in our format.
func prefixOf(key string) (string, bool) {
	const prefixLen = len("jsr_") + keyIDLength
	if len(key) != prefixLen+1+keySecretLen || !strings.HasPrefix(key, "jsr_") || key[prefixLen] != '_' {
		return "", false
	}
	for i := 4; i < len(key); i++ {
		if i != prefixLen && !strings.Contains(keyAlphabet, key[i:i+1]) {
			return "", false
		}
	}
	return key[:prefixLen], true
}

// Authenticate is AuthenticateFrom for the client of the API's request in ctx.
func (k *Keys) Authenticate(ctx context.Context, key string) (Principal, error) {
	return k.AuthenticateFrom(ctx, callOf(ctx).client, key)
}

// AuthenticateFrom returns who holds key, which a client presents. It returns ErrUnknownKey for one that is not valid, and a
// *TooManyAttemptsError where the client's network has presented too many of those; another error only where the database was needed
// and did not answer. A valid key that the node has seen within two hours is never refused because of others' guesses; one that it has
// not seen may be, while more unknown keys come from its network than are looked up for such networks.
func (k *Keys) AuthenticateFrom(ctx context.Context, client netip.Addr, key string) (Principal, error) {
	sum := sha256.Sum256([]byte(key))
	if p, ok := k.operator(sum); ok {
		return p, nil
	}
	prefix, ok := prefixOf(key)
	if !ok {
		// The comparison takes place all the same, so that the time tells nothing of which keys exist.
		subtle.ConstantTimeCompare(sum[:], make([]byte, sha256.Size))
		return Principal{}, k.guesses.wrong(client, nil, time.Now())
	}
	if _, known := k.cache.GetIfPresent(prefix); !known {
		if err := k.guesses.mayLookUp(client, time.Now()); err != nil {
			return Principal{}, err
		}
	}
	entry, err := k.entry(ctx, prefix)
	if err != nil {
		return Principal{}, err
	}
	same := subtle.ConstantTimeCompare(sum[:], entry.hash[:]) == 1
	if !entry.known || !same || time.Until(entry.expires) <= 0 {
		var target *Principal
		if entry.known && !same {
			target = &entry.principal
		}
		return Principal{}, k.guesses.wrong(client, target, time.Now())
	}
	k.touch(entry.principal.KeyID)
	return entry.principal, nil
}

// guarded looks up, for a client, what is a key in all but name: a session or a one-time link. It counts ErrUnknownKey like that of a key,
// and keeps out clients as AuthenticateFrom does, except where the same token was valid within an hour. hash is the token's; nil for one
// that is used once.
func (k *Keys) guarded(client netip.Addr, hash []byte, lookUp func() (Principal, error)) (Principal, error) {
	if _, seen := k.seen.GetIfPresent(string(hash)); !seen {
		if err := k.guesses.mayLookUp(client, time.Now()); err != nil {
			return Principal{}, err
		}
	}
	p, err := lookUp()
	if errors.Is(err, ErrUnknownKey) {
		k.seen.Invalidate(string(hash))
		return p, k.guesses.wrong(client, nil, time.Now())
	}
	if err == nil && hash != nil {
		k.seen.Set(string(hash), struct{}{})
	}
	return p, err
}

// operator returns the operator's Principal where sum is that of one of its keys. All of them are compared, so that the time does not
// tell which one it was.
func (k *Keys) operator(sum [sha256.Size]byte) (Principal, bool) {
	which := 0
	for i := range k.admins {
		which = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], k.admins[i][:]), i+1, which)
	}
	return operatorPrincipal(which), which != 0
}

func operatorPrincipal(which int) Principal {
	return Principal{KeyName: "superadmin", Prefix: "admin", Role: RoleSuperadmin, operatorKey: which}
}

// prove signs what belongs to the operator's key that p holds. The database keeps the proof: it holds as long as the nodes have that
// key, and only who has the key can make one.
func (k *Keys) prove(p *Principal, what []byte) []byte {
	mac := hmac.New(sha256.New, k.admins[p.operatorKey-1][:])
	mac.Write(what)
	return mac.Sum(nil)
}

// proven returns the operator's Principal where proof is that of one of its keys for what.
func (k *Keys) proven(proof, what []byte) (Principal, bool) {
	for i := range k.admins {
		if p := operatorPrincipal(i + 1); hmac.Equal(proof, k.prove(&p, what)) {
			return p, true
		}
	}
	return Principal{}, false
}

// IsOperators reports whether a text is one of the operator's keys that were configured.
func (k *Keys) IsOperators(text string) bool {
	if len(k.admins) == 0 || len(text) > 512 {
		return false
	}
	_, ok := k.operator(sha256.Sum256([]byte(text)))
	return ok
}

func (k *Keys) entry(ctx context.Context, prefix string) (*keyEntry, error) {
	cached, ok := k.cache.GetIfPresent(prefix)
	if !ok {
		cached, ok = k.unknown.GetIfPresent(prefix)
	}
	ok = ok && !k.isOutdated(cached)
	if ok && time.Since(cached.loadedAt) < keyFresh {
		return cached, nil
	}
	if ok && k.away.Load() {
		now := time.Now()
		if last := k.probed.Load(); (last == nil || now.Sub(*last) >= keyProbe) && k.probed.CompareAndSwap(last, &now) {
			k.lookUp(ctx, prefix)
		}
		return cached, nil
	}
	lookup := k.lookUp(ctx, prefix)
	var impatient <-chan time.Time // never, where there is nothing to go by
	if ok {
		timer := time.NewTimer(keyPatience)
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case found := <-lookup:
		switch {
		case found.Err == nil:
			entry := found.Val.(*keyEntry)
			if k.isOutdated(entry) {
				return k.entry(ctx, prefix) // it was under way when the key was changed, and has ended now
			}
			return entry, nil
		case ok:
			return cached, nil
		}
		return nil, fmt.Errorf("look up key: %w", found.Err)
	case <-impatient:
		k.away.Store(true)
		return cached, nil
	}
}

// lookUp begins the lookup of a key, or joins the lookup that is under way.
func (k *Keys) lookUp(ctx context.Context, prefix string) <-chan singleflight.Result {
	return k.loads.DoChan(prefix, func() (any, error) {
		// One caller looks up for all that wait: its own cancellation must not be theirs.
		ctx, cancel := lasting(ctx, keyTimeout)
		defer cancel()
		entry, err := k.load(ctx, prefix)
		k.away.Store(err != nil)
		return entry, err
	})
}

func (k *Keys) load(ctx context.Context, prefix string) (*keyEntry, error) {
	entry := &keyEntry{loadedAt: time.Now()}
	row, err := k.queries.APIKeyLookup(ctx, prefix)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return nil, err
	case len(row.KeyHash) == sha256.Size:
		entry.known = true
		entry.expires = entry.loadedAt.Add(time.Duration(row.ExpiresInSeconds * float64(time.Second)))
		copy(entry.hash[:], row.KeyHash)
		entry.principal = Principal{
			KeyID: row.ID, KeyName: row.Name, Prefix: row.Prefix, Role: Role(row.Role), UserID: row.UserID,
			TenantSlug: row.TenantSlug, TenantActive: row.TenantStatus == "active", Scopes: row.Scopes,
		}
		if row.ExpiresInSeconds < neverExpires {
			entry.principal.expires = entry.expires
		}
		if row.TenantID != nil {
			entry.principal.TenantID = *row.TenantID
		}
	}
	if entry.known {
		k.cache.Set(prefix, entry)
		k.unknown.Invalidate(prefix)
	} else {
		k.unknown.Set(prefix, entry)
		k.cache.Invalidate(prefix)
	}
	return entry, nil
}

// Forget drops what is cached of a tenant's keys; the zero UUID means all keys. It is called when the database announces that keys or
// tenants changed. The keys of other tenants stay, and get through an outage that follows.
func (k *Keys) Forget(tenantID uuid.UUID) {
	k.forgetMu.Lock()
	defer k.forgetMu.Unlock()
	now := time.Now()
	k.outdated[tenantID] = now
	k.forgotten.Store(&now)
}

// isOutdated reports whether the entry was read before its tenant was forgotten. A lookup that was under way meanwhile counts as before.
func (k *Keys) isOutdated(entry *keyEntry) bool {
	if newest := k.forgotten.Load(); newest == nil || entry.loadedAt.After(*newest) {
		return false // as nearly all are
	}
	k.forgetMu.Lock()
	defer k.forgetMu.Unlock()
	return !entry.loadedAt.After(k.outdated[uuid.Nil]) || !entry.loadedAt.After(k.outdated[entry.principal.TenantID])
}

func (k *Keys) touch(id uuid.UUID) {
	now := time.Now()
	k.touchedMu.Lock()
	defer k.touchedMu.Unlock()
	if now.Sub(k.written[id]) >= keyTouchEvery {
		k.touched[id] = now
		k.written[id] = now
	}
}

// Guesses counts the unknown keys that were presented.
func (k *Keys) Guesses() GuessStats { return k.guesses.stats() }

// Run writes when keys were last used and which were guessed at, until ctx ends, and then once more.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	report := time.NewTicker(guessReport)
	defer report.Stop()
	for {
		select {
		case <-tick.C:
			k.flush(ctx)
		case <-report.C:
			k.guesses.report(ctx, k.queries, k.log)
		case <-ctx.Done():
			last, cancel := lasting(ctx, time.Second)
			defer cancel()
			k.flush(last)
			k.guesses.report(last, k.queries, k.log)
			return nil
		}
	}
}

func (k *Keys) flush(ctx context.Context) {
	k.forgetMu.Lock()
	maps.DeleteFunc(k.outdated, func(_ uuid.UUID, at time.Time) bool { return time.Since(at) > keyStale+keyTimeout }) // no entry is as old
	k.forgetMu.Unlock()
	k.touchedMu.Lock()
	touched := k.touched
	k.touched = map[uuid.UUID]time.Time{}
	for id, at := range k.written {
		if time.Since(at) > 2*keyTouchEvery {
			delete(k.written, id)
		}
	}
	k.touchedMu.Unlock()
	if len(touched) == 0 {
		return
	}
	var params sqlc.APIKeyTouchParams
	for id, at := range touched {
		params.Ids = append(params.Ids, id)
		params.UsedAt = append(params.UsedAt, at)
	}
	if err := k.queries.APIKeyTouch(ctx, params); err != nil && ctx.Err() == nil {
		k.log.WarnContext(ctx, "last use of keys not written", "keys", len(touched), "error", err)
	}
}
