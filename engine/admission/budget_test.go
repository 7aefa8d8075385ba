package admission_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine/admission"
)

func newBudget(t require.TestingT, limit int64) *admission.Budget {
	b, err := admission.NewBudget(limit)
	require.NoError(t, err)
	return b
}

func TestBudgetSharesAmongTenants(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	b := newBudget(t, limit)
	first, second, stranger := uuid.New(), uuid.New(), uuid.Nil

	_, err := b.Take(first, admission.UseBody, limit)
	var over *admission.OverBudgetError
	require.ErrorAs(t, err, &over)
	require.Equal(t, admission.ScopeTenant, over.Scope)
	require.Contains(t, err.Error(), admission.LimitMemory)
	require.Contains(t, err.Error(), "body")
	require.Zero(t, b.Stats().Used, "a refusal takes nothing")

	whole, err := b.Take(first, admission.UseBody, 24<<20) // half of three quarters
	require.NoError(t, err)
	require.ErrorAs(t, whole.Grow(1), &over)
	require.Equal(t, admission.ScopeTenant, over.Scope)
	half, err := b.Take(second, admission.UseAnswer, 12<<20)
	require.NoError(t, err, "one that comes later finds half of what is left")
	_, err = b.Take(stranger, admission.UseDecode, 10<<20)
	require.ErrorAs(t, err, &over)
	require.Equal(t, admission.ScopeNode, over.Scope, "less than an equal part is refused because of the others")
	small, err := b.Take(stranger, admission.UseStream, 1<<20)
	require.NoError(t, err)

	s := b.Stats()
	require.EqualValues(t, 37<<20, s.Used)
	require.EqualValues(t, 12<<20, s.ByUse[admission.UseAnswer])
	require.EqualValues(t, 2, s.RefusedBy(admission.UseBody, admission.ScopeTenant))
	require.EqualValues(t, 1, s.RefusedBy(admission.UseDecode, admission.ScopeNode))
	require.Equal(t, 3, s.Tenants)

	half.Shrink(2 << 20)
	require.EqualValues(t, 10<<20, half.Held())
	for range 2 {
		whole.Release()
		half.Release()
		small.Release()
	}
	require.Zero(t, b.Stats().Used)
	require.Zero(t, b.Stats().Tenants)
	require.Error(t, whole.Grow(1), "what was released stays released")
	require.Zero(t, b.Stats().Used)
}

func TestBudgetOfNothingRefusesNothing(t *testing.T) {
	t.Parallel()
	var b *admission.Budget
	r, err := b.Take(uuid.New(), admission.UseBody, 1<<50)
	require.NoError(t, err)
	require.NoError(t, r.Grow(1<<50))
	r.Shrink(1)
	r.Release()
	_, err = admission.NewBudget(1)
	require.Error(t, err)
}

// held is the plain reference: who holds how much in which reservation.
type held struct {
	tenant uuid.UUID
	use    admission.Use
	bytes  int64
	r      *admission.Reservation
}

// TestBudgetModel compares a Budget with plain sums: it never gives more than its limit, refuses by the rule alone, never refuses a
// tenant below its floor while there is room, and gives everything back once.
func TestBudgetModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(64<<10, 1<<20).Draw(t, "limit")
		b := newBudget(t, limit)
		tenants := []uuid.UUID{uuid.Nil, {1}, {2}, {3}, {4}, {5}}
		var open []*held
		sums := func(tenant uuid.UUID) (own, all int64) {
			for _, h := range open {
				all += h.bytes
				if h.tenant == tenant {
					own += h.bytes
				}
			}
			return own, all
		}
		judge := func(tenant uuid.UUID, n int64, err error) {
			own, all := sums(tenant)
			common, floor := limit-limit/4, limit/64
			allowed := own+n <= max(floor, (common-(all-own))/2) && all+n <= limit
			if allowed != (err == nil) {
				t.Fatalf("%d more for one that holds %d of %d (limit %d): %v", n, own, all, limit, err)
			}
			if own+n <= floor && all+n <= limit && err != nil {
				t.Fatalf("refused below its floor: %v", err)
			}
			var over *admission.OverBudgetError
			if err != nil && !errors.As(err, &over) {
				t.Fatalf("another error: %v", err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				h := &held{tenant: rapid.SampledFrom(tenants).Draw(t, "tenant"), use: rapid.SampledFrom(admission.Uses()).Draw(t, "use")}
				n := rapid.Int64Range(0, limit/2).Draw(t, "bytes")
				if rapid.Bool().Draw(t, "small") {
					n /= 64
				}
				r, err := b.Take(h.tenant, h.use, n)
				judge(h.tenant, n, err)
				if err == nil {
					h.bytes, h.r = n, r
					open = append(open, h)
				}
			},
			"grow": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip()
				}
				h := rapid.SampledFrom(open).Draw(t, "which")
				n := rapid.Int64Range(0, limit/8).Draw(t, "bytes")
				err := h.r.Grow(n)
				judge(h.tenant, n, err)
				if err == nil {
					h.bytes += n
				}
			},
			"shrink": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip()
				}
				h := rapid.SampledFrom(open).Draw(t, "which")
				n := rapid.Int64Range(0, limit/4).Draw(t, "bytes")
				h.r.Shrink(n)
				h.bytes = max(0, h.bytes-n)
			},
			"release": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				for range rapid.IntRange(1, 3).Draw(t, "times") {
					open[i].r.Release()
				}
				open = append(open[:i], open[i+1:]...)
			},
			"": func(t *rapid.T) {
				s := b.Stats()
				_, all := sums(uuid.Nil)
				if s.Used != all || s.Used > limit || s.Used < 0 {
					t.Fatalf("used %d, held %d, limit %d", s.Used, all, limit)
				}
				byUse := map[admission.Use]int64{}
				who := map[uuid.UUID]bool{}
				for _, h := range open {
					byUse[h.use] += h.bytes
					if h.bytes > 0 {
						who[h.tenant] = true
					}
				}
				for _, use := range admission.Uses() {
					if s.ByUse[use] != byUse[use] {
						t.Fatalf("%s: %d, held %d", use, s.ByUse[use], byUse[use])
					}
				}
				if s.Tenants != len(who) {
					t.Fatalf("%d tenants, %d hold some", s.Tenants, len(who))
				}
			},
		})
	})
}

// TestBudgetUnderManyHands takes and releases from many goroutines: nothing is left, and the limit holds at every moment.
func TestBudgetUnderManyHands(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 1<<20)
	var hands sync.WaitGroup
	for i := range 8 {
		tenant := uuid.UUID{byte(i % 3)}
		hands.Go(func() {
			for n := range int64(2000) {
				r, err := b.Take(tenant, admission.Use(n%7), n%4096)
				if err != nil {
					continue
				}
				_ = r.Grow(n % 8192)
				if s := b.Stats(); s.Used > s.Limit {
					t.Errorf("%d of %d", s.Used, s.Limit)
				}
				r.Shrink(n % 100)
				r.Release()
			}
		})
	}
	hands.Wait()
	require.Zero(t, b.Stats().Used)
	require.Zero(t, b.Stats().Tenants)
}

func BenchmarkBudget(b *testing.B) {
	budget := newBudget(b, 1<<30)
	tenant := uuid.New()
	b.ReportAllocs()
	for b.Loop() {
		r, err := budget.Take(tenant, admission.UseBody, 512)
		if err != nil {
			b.Fatal(err)
		}
		r.Release()
	}
}
