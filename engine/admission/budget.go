package admission

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Use says what reserved bytes are for. It is a label of metrics and part of refusals.
type Use uint8

// The uses of a Budget.
const (
	UseBody     Use = iota // a request's body, as it arrives
	UseDecode              // what a body becomes: decoded values, rows, drafts
	UseAnswer              // an answer that is made or sent
	UseStream              // an open event stream
	UseHostCall            // what a script's host call reads: responses of fetch, values of kv
	UseCompile             // a source and its compiled form
	UseOutbox              // frames that a worker has not read yet
	UseRates               // what an endpoint's rate limit counts
	uses
)

var useNames = [uses]string{"body", "decode", "answer", "stream", "host_call", "compile", "outbox", "rate_limit"}

// Uses lists all uses.
func Uses() []Use {
	all := make([]Use, uses)
	for i := range all {
		all[i] = Use(i)
	}
	return all
}

// String is the use's name in metrics and messages.
func (u Use) String() string {
	if u >= uses {
		return "unknown"
	}
	return useNames[u]
}

// LimitMemory is the name under which refusals of a Budget name the limit.
const LimitMemory = "memory_budget"

// OverBudgetError says that bytes were not reserved. Nothing was taken.
type OverBudgetError struct {
	Scope      Scope // ScopeTenant: the tenant holds its share. ScopeNode: it is within its share, and the node has no room
	Use        Use
	Asked      int64 // bytes
	Limit      int64 // bytes: the tenant's share at this moment, or the node's budget
	Used       int64 // bytes that the tenant, or the node, holds
	RetryAfter time.Duration
}

// Error names the limit, its value and what was observed.
func (e *OverBudgetError) Error() string {
	whose := "this node's"
	if e.Scope == ScopeTenant {
		whose = "this tenant's share of the node's"
	}
	return fmt.Sprintf("%s: %d bytes more for %s are beyond %s memory budget of %d bytes, of which %d are in use",
		LimitMemory, e.Asked, e.Use, whose, e.Limit, e.Used)
}

// Budget is the memory that a node spends on work of tenants and strangers: bodies, decoded values, answers, streams, host calls,
// compile work and outboxes to workers. Bytes are reserved before they are allocated, on behalf of one tenant, and released once.
//
//	r, err := budget.Take(tenantID, admission.UseOutbox, int64(len(frame)))
//	if err != nil { … }          // *OverBudgetError: tenant → 429, node → 503; nothing was taken
//	defer r.Release()            // releases everything, once; further calls do nothing
//	err = r.Grow(4096)           // reserves more for the same use, or refuses and keeps what there is
//	r.Shrink(1024)               // gives a part back
//
// Clients of an endpoint take on behalf of the endpoint's tenant, callers of the API on behalf of their key's tenant; all clients
// without a tenant are one tenant, uuid.Nil.
//
// Three quarters of the limit are common: a tenant may hold at most half of what the other tenants leave of them, so that a tenant
// that comes later always finds room. The last quarter is for tenants that hold little: up to its floor, a 64th of the limit, a tenant
// is refused only when the whole node is full.
//
// A Budget is safe for concurrent use. A nil Budget gives nil Reservations and refuses nothing; all methods of a nil Reservation do
// nothing.
type Budget struct {
	limit, common, floor int64

	mu       sync.Mutex // guards what is below
	used     int64
	byUse    [uses]int64
	refused  [uses][2]int64 // by use, and by scope: tenant, node
	accounts map[uuid.UUID]*account
}

type account struct {
	tenant uuid.UUID
	held   int64 // bytes
}

// NewBudget returns a Budget of limit bytes, at least 64 KiB.
func NewBudget(limit int64) (*Budget, error) {
	if limit < 64<<10 {
		return nil, errors.New("limit: a memory budget has at least 65536 bytes")
	}
	return &Budget{limit: limit, common: limit - limit/4, floor: limit / 64, accounts: map[uuid.UUID]*account{}}, nil
}

// Reservation is what one piece of work holds of a Budget. Its methods may be called by several goroutines.
type Reservation struct {
	budget   *Budget
	account  *account
	use      Use
	held     int64 // bytes; the budget's lock guards it
	released bool  // the budget's lock guards it
}

// Take reserves n bytes. A refusal is an *OverBudgetError. n may be 0, for a reservation that grows.
func (b *Budget) Take(tenant uuid.UUID, use Use, n int64) (*Reservation, error) {
	if b == nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[tenant]
	if a == nil {
		a = &account{tenant: tenant}
	}
	if err := b.take(a, use, n); err != nil {
		return nil, err
	}
	return &Reservation{budget: b, account: a, use: use, held: n}, nil
}

// take reserves n bytes for an account, which is known to the budget exactly while it holds some. The caller has the lock.
func (b *Budget) take(a *account, use Use, n int64) error {
	n = max(n, 0)
	if share := b.share(a); n > b.limit || a.held+n > share || b.used+n > b.limit {
		return b.refuse(a, use, n, share)
	}
	if n == 0 {
		return nil
	}
	if a.held == 0 {
		// Another reservation may have been made with an account that was not known yet.
		b.accounts[a.tenant] = a
	}
	a.held += n
	b.used += n
	b.byUse[use] += n
	return nil
}

// share is the most that an account may hold now.
func (b *Budget) share(a *account) int64 { return max(b.floor, (b.common-(b.used-a.held))/2) }

func (b *Budget) refuse(a *account, use Use, n, share int64) error {
	tenants := len(b.accounts)
	if a.held == 0 {
		tenants++
	}
	err := &OverBudgetError{Use: use, Asked: n, RetryAfter: time.Second}
	// A tenant that asks for more than an equal part hears of its own share; one that asks for less is refused because of the others.
	if equal := b.common / int64(tenants+1); a.held+n > max(equal, b.floor) {
		err.Scope, err.Limit, err.Used = ScopeTenant, share, a.held
		b.refused[use][0]++
	} else {
		err.Scope, err.Limit, err.Used = ScopeNode, b.limit, b.used
		b.refused[use][1]++
	}
	return err
}

// Grow reserves n bytes more. A refusal is an *OverBudgetError and changes nothing.
func (r *Reservation) Grow(n int64) error {
	if r == nil {
		return nil
	}
	b := r.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.released {
		return errors.New("admission: a reservation grows after its release")
	}
	r.settle()
	if err := b.take(r.account, r.use, n); err != nil {
		return err
	}
	r.held += max(n, 0)
	return nil
}

// settle points a reservation that holds nothing to the account that its tenant has by now. The caller has the lock.
func (r *Reservation) settle() {
	if a := r.budget.accounts[r.account.tenant]; a != nil {
		r.account = a
	}
}

// Shrink gives n bytes back, at most what is held.
func (r *Reservation) Shrink(n int64) {
	if r == nil {
		return
	}
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	r.give(min(max(n, 0), r.held))
}

// Release gives everything back. Calls after the first do nothing.
func (r *Reservation) Release() {
	if r == nil {
		return
	}
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	r.give(r.held)
	r.released = true
}

// Held is how many bytes the reservation holds.
func (r *Reservation) Held() int64 {
	if r == nil {
		return 0
	}
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	return r.held
}

func (r *Reservation) give(n int64) {
	if n == 0 {
		return
	}
	b := r.budget
	r.held -= n
	r.account.held -= n
	b.used -= n
	b.byUse[r.use] -= n
	if r.account.held == 0 {
		delete(b.accounts, r.account.tenant)
	}
}

// BudgetStats are the figures of a Budget.
type BudgetStats struct {
	Limit   int64 // bytes
	Used    int64 // bytes
	Tenants int   // tenants that hold some
	ByUse   [uses]int64
	// Refused counts refusals by use and scope: of the tenant's share, of the node.
	Refused [uses][2]int64
}

// RefusedBy is how often a use was refused by a scope.
func (s *BudgetStats) RefusedBy(use Use, scope Scope) int64 {
	if scope == ScopeTenant {
		return s.Refused[use][0]
	}
	return s.Refused[use][1]
}

// Stats returns the figures of the moment.
func (b *Budget) Stats() BudgetStats {
	if b == nil {
		return BudgetStats{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStats{Limit: b.limit, Used: b.used, Tenants: len(b.accounts), ByUse: b.byUse, Refused: b.refused}
}
