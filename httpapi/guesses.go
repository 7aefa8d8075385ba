package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/sqlc"
)

// How fast unknown keys may be presented. No key of 256 bits is found by guessing; what this bounds is the work that guesses cost the
// database and the node, and it makes them seen.
var (
	// guessRate is one network's.
	guessRate = rate{burst: 20, perMinute: 60}
	// strangerRate is how many keys of which the node knows nothing are looked up for all networks that are beyond guessRate: among
	// them may be a right one, of a client that shares its address with the guesser's.
	strangerRate = rate{burst: 20, perMinute: 20 * 60}
)

const (
	guessNetworks = 20_000          // networks whose guesses are counted at one time
	guessIdle     = 2 * time.Minute // a bucket of guessRate is full by then
	guessReport   = time.Minute     // one line of the log, and one round of audit entries
	guessBurst    = 10              // wrong secrets for one key within guessReport that are a burst
	guessTargets  = 1_000           // keys, and networks, that are told apart within guessReport
)

// TooManyAttemptsError says that a client's network has presented too many unknown keys to have another one looked up.
type TooManyAttemptsError struct {
	RetryAfter time.Duration
}

func (e *TooManyAttemptsError) Error() string {
	return fmt.Sprintf("unknown_keys: limit %d a minute and client network", guessRate.perMinute)
}

// guesses counts unknown keys by the network that they come from: an IPv4 address, or an IPv6 /64. Clients whose address is not known
// share one count.
type guesses struct {
	networks  *buckets[netip.Prefix]
	strangers bucket

	mu     sync.Mutex // guards what follows
	total  GuessStats
	period guessPeriod
}

// GuessStats count since the start.
type GuessStats struct {
	Unknown int64 // keys that were looked at and are not valid
	Refused int64 // keys that were refused because of those before, most without a look
}

// guessPeriod is what happened since the last report.
type guessPeriod struct {
	unknown, refused int
	networks         map[netip.Prefix]int
	targets          map[uuid.UUID]*guessTarget
}

// guessTarget is an existing key for which wrong secrets were presented.
type guessTarget struct {
	key      Principal
	attempts int
	from     netip.Prefix // the last one
}

func newGuesses(now time.Time) (*guesses, error) {
	networks, err := newBuckets[netip.Prefix](guessNetworks, guessIdle)
	if err != nil {
		return nil, err
	}
	return &guesses{networks: networks, strangers: bucket{tokens: float64(strangerRate.burst), at: now}}, nil
}

// networkOf is whose guesses an address's count as.
func networkOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := 64
	if client.Is4() {
		bits = 32
	}
	network, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// mayLookUp reports whether a key of which the node knows nothing may be looked up for the client.
func (g *guesses) mayLookUp(client netip.Addr, now time.Time) error {
	network := networkOf(client)
	if !g.networks.empty(network, guessRate, now) {
		return nil
	}
	s := g.strangers.take(strangerRate, now)
	if s.retry == 0 {
		return nil
	}
	g.count(network, nil, true)
	return &TooManyAttemptsError{RetryAfter: time.Minute / time.Duration(guessRate.perMinute)}
}

// wrong counts a key that is not valid, and returns the error for it. target is the existing key that it names, if there is one.
func (g *guesses) wrong(client netip.Addr, target *Principal, now time.Time) error {
	network := networkOf(client)
	s := g.networks.take(network, guessRate, now)
	g.count(network, target, s.retry > 0)
	if s.retry > 0 {
		return &TooManyAttemptsError{RetryAfter: s.retry}
	}
	return ErrUnknownKey
}

func (g *guesses) count(network netip.Prefix, target *Principal, refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &g.period
	if p.networks == nil {
		p.networks, p.targets = map[netip.Prefix]int{}, map[uuid.UUID]*guessTarget{}
	}
	if refused {
		g.total.Refused++
		p.refused++
	} else {
		g.total.Unknown++
		p.unknown++
	}
	if _, ok := p.networks[network]; ok || len(p.networks) < guessTargets {
		p.networks[network]++
	}
	if target == nil {
		return
	}
	t := p.targets[target.KeyID]
	if t == nil {
		if len(p.targets) >= guessTargets {
			return
		}
		t = &guessTarget{key: *target}
		p.targets[target.KeyID] = t
	}
	t.attempts++
	t.from = network
}

func (g *guesses) stats() GuessStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

// report writes one line for all guesses since the last report, and an audit entry for each key at which many were aimed.
func (g *guesses) report(ctx context.Context, queries *sqlc.Queries, log *slog.Logger) {
	g.mu.Lock()
	p := g.period
	g.period = guessPeriod{}
	g.mu.Unlock()
	if p.unknown+p.refused == 0 {
		return
	}
	networks := slices.SortedFunc(maps.Keys(p.networks), func(a, b netip.Prefix) int {
		return cmp.Or(p.networks[b]-p.networks[a], a.Addr().Compare(b.Addr()))
	})
	log.WarnContext(ctx, "unknown keys presented", "unknown", p.unknown, "refused", p.refused, "networks", len(networks),
		"network", networks[0].String(), "attempts", p.networks[networks[0]])
	for _, t := range p.targets {
		if t.attempts < guessBurst {
			continue
		}
		entry := sqlc.AuditWriteParams{
			ID: newID(), ActorName: "unknown", ActorRole: "none", Action: "key.guessed", ObjectType: "api_key", ObjectID: t.key.KeyID.String(),
		}
		if t.key.HasTenant() {
			entry.TenantID = &t.key.TenantID
		}
		var err error
		if entry.After, err = auditJSON(map[string]any{"prefix": t.key.Prefix, "attempts": t.attempts, "last_from": t.from.String()}); err == nil {
			err = queries.AuditWrite(ctx, entry)
		}
		if err != nil {
			log.WarnContext(ctx, "guesses at a key not written to the audit log", "key_id", t.key.KeyID, "error", err)
			return // the others fail as well, and one line is enough
		}
	}
}
