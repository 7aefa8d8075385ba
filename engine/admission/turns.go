package admission

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// TurnsConfig bounds Turns. Every field is required.
type TurnsConfig struct {
	// Places is how many may be served at one time.
	Places int
	// TenantPlaces is how many of them one tenant may have. With fewer than Places, a tenant that keeps all of its own busy leaves
	// a place for another.
	TenantPlaces int
	// TenantQueue is how many of one tenant may wait.
	TenantQueue int
	// Queue is how many may wait in all.
	Queue int
}

// TurnAction is what the caller of Turns has to do: give the place to Ticket, or refuse it.
type TurnAction struct {
	Ticket  uint64
	Refused Scope // whose bound, ScopeTenant or ScopeNode; ScopeNone: the ticket has a place
}

// Turns divides a few places among tenants: a pure state machine without clock, lock or goroutine. A ticket is submitted, gets a
// place or is refused, and then ends; while it waits it may leave. Tickets are the caller's numbers, each used once.
//
// The tenants that wait are in a ring, each behind the tenants that came before it. A place goes to the first tenant in the ring that may
// have one, for its oldest ticket, and the tenant then goes to the ring's end. So between two places of a tenant that waits, and is
// below TenantPlaces, every other tenant gets one at most, however many of its tickets wait.
//
// When Queue is full, a ticket of a tenant with a short queue takes the space of the newest ticket of the tenant with the longest: a
// tenant's backlog refuses its own tickets, not another's.
type Turns struct {
	cfg     TurnsConfig
	served  int
	waiting int
	tenants map[uuid.UUID]*turnTenant
	ring    []*turnTenant // tenants with waiting tickets
}

type turnTenant struct {
	id      uuid.UUID
	served  int
	waiting []uint64 // oldest first
}

// TurnStats are figures of the moment.
type TurnStats struct {
	Served  int
	Waiting int
	Tenants int // with a ticket that is served or waits
}

// NewTurns returns Turns in which no ticket has a place.
func NewTurns(cfg TurnsConfig) *Turns {
	return &Turns{cfg: cfg, tenants: map[uuid.UUID]*turnTenant{}}
}

// Stats returns the figures of the moment.
func (t *Turns) Stats() TurnStats {
	return TurnStats{Served: t.served, Waiting: t.waiting, Tenants: len(t.tenants)}
}

// Submit adds a ticket. It waits if no action names it.
func (t *Turns) Submit(tenant uuid.UUID, ticket uint64) []TurnAction {
	own := t.tenants[tenant]
	if own == nil {
		own = &turnTenant{id: tenant}
		t.tenants[tenant] = own
	}
	if t.served < t.cfg.Places && own.served < t.cfg.TenantPlaces && len(own.waiting) == 0 {
		// No other tenant waits for this place: it would have it.
		own.served++
		t.served++
		return []TurnAction{{Ticket: ticket}}
	}
	if len(own.waiting) >= t.cfg.TenantQueue {
		t.forget(own)
		return []TurnAction{{Ticket: ticket, Refused: ScopeTenant}}
	}
	var actions []TurnAction
	if t.waiting >= t.cfg.Queue {
		longest := slices.MaxFunc(append(t.ring, own), func(a, b *turnTenant) int { return cmp.Compare(len(a.waiting), len(b.waiting)) })
		if len(longest.waiting) <= len(own.waiting)+1 {
			t.forget(own)
			return []TurnAction{{Ticket: ticket, Refused: ScopeNode}}
		}
		last := len(longest.waiting) - 1 // not its only one: the tenant stays in the ring
		actions = append(actions, TurnAction{Ticket: longest.waiting[last], Refused: ScopeNode})
		longest.waiting = longest.waiting[:last]
		t.waiting--
	}
	if len(own.waiting) == 0 {
		t.ring = append(t.ring, own)
	}
	own.waiting = append(own.waiting, ticket)
	t.waiting++
	return actions
}

// Ended gives back the place of a ticket of the tenant.
func (t *Turns) Ended(tenant uuid.UUID) []TurnAction {
	own := t.tenants[tenant]
	own.served--
	t.served--
	t.forget(own)
	return t.place()
}

// Gone takes back a ticket that waits, and reports whether it did: one that was placed or refused already stays so.
func (t *Turns) Gone(tenant uuid.UUID, ticket uint64) bool {
	own := t.tenants[tenant]
	if own == nil {
		return false
	}
	i := slices.Index(own.waiting, ticket)
	if i < 0 {
		return false
	}
	own.waiting = slices.Delete(own.waiting, i, i+1)
	t.waiting--
	if len(own.waiting) == 0 {
		t.leaveRing(own)
	}
	t.forget(own)
	return true
}

// place gives free places to waiting tickets.
func (t *Turns) place() []TurnAction {
	var actions []TurnAction
	for t.served < t.cfg.Places {
		i := slices.IndexFunc(t.ring, func(o *turnTenant) bool { return o.served < t.cfg.TenantPlaces })
		if i < 0 {
			break
		}
		next := t.ring[i]
		t.ring = slices.Delete(t.ring, i, i+1)
		actions = append(actions, TurnAction{Ticket: next.waiting[0]})
		next.waiting = slices.Delete(next.waiting, 0, 1)
		next.served++
		t.served++
		t.waiting--
		if len(next.waiting) > 0 {
			t.ring = append(t.ring, next)
		}
	}
	return actions
}

func (t *Turns) leaveRing(own *turnTenant) {
	i := slices.Index(t.ring, own)
	t.ring = slices.Delete(t.ring, i, i+1)
}

// forget drops a tenant that has nothing, so that the map follows the moment only.
func (t *Turns) forget(own *turnTenant) {
	if own.served == 0 && len(own.waiting) == 0 {
		delete(t.tenants, own.id)
	}
}
