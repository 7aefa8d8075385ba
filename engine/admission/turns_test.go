package admission_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine/admission"
)

// One tenant keeps its places and its queue full. Another tenant's ticket is served after the flooder's current one at the latest.
func TestTurnsOfAnotherTenantDoNotWaitForABacklog(t *testing.T) {
	t.Parallel()
	turns := admission.NewTurns(admission.TurnsConfig{Places: 1, TenantPlaces: 1, TenantQueue: 16, Queue: 64})
	flooder, other := uuid.New(), uuid.New()
	refused := 0
	for ticket := range uint64(20) {
		for _, a := range turns.Submit(flooder, ticket) {
			if a.Refused != admission.ScopeNone {
				require.Equal(t, admission.ScopeTenant, a.Refused)
				refused++
			}
		}
	}
	require.Equal(t, 3, refused, "one is served, sixteen wait")
	require.Empty(t, turns.Submit(other, 100))
	// The flooder has been in the ring since before, so one of its tickets may come first; not two.
	require.Equal(t, []admission.TurnAction{{Ticket: 1}}, turns.Ended(flooder))
	require.Equal(t, []admission.TurnAction{{Ticket: 100}}, turns.Ended(flooder))
	require.Equal(t, []admission.TurnAction{{Ticket: 2}}, turns.Ended(other))
}

// A full queue refuses the tenant that fills it.
func TestTurnsFullQueueRefusesTheLongest(t *testing.T) {
	t.Parallel()
	turns := admission.NewTurns(admission.TurnsConfig{Places: 1, TenantPlaces: 1, TenantQueue: 4, Queue: 4})
	flooder, other, third := uuid.New(), uuid.New(), uuid.New()
	for ticket := range uint64(5) {
		turns.Submit(flooder, ticket)
	}
	require.Equal(t, []admission.TurnAction{{Ticket: 4, Refused: admission.ScopeNode}}, turns.Submit(other, 100))
	require.Equal(t, []admission.TurnAction{{Ticket: 3, Refused: admission.ScopeNode}}, turns.Submit(third, 200))
	require.Equal(t, []admission.TurnAction{{Ticket: 101, Refused: admission.ScopeNode}}, turns.Submit(other, 101), "as long as the longest")
	require.Equal(t, admission.TurnStats{Served: 1, Waiting: 4, Tenants: 3}, turns.Stats())
}

// The model knows each ticket's state; the rules are judged after each step.
func TestTurnsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(1, 4).Draw(t, "places")
		cfg := admission.TurnsConfig{
			Places: places, TenantPlaces: rapid.IntRange(1, places).Draw(t, "tenant places"),
			TenantQueue: rapid.IntRange(1, 5).Draw(t, "tenant queue"), Queue: rapid.IntRange(1, 12).Draw(t, "queue"),
		}
		turns := admission.NewTurns(cfg)
		tenants := []uuid.UUID{{1}, {2}, {3}, {4}}
		type key struct{ waits, got uuid.UUID }
		var (
			next    uint64
			owner   = map[uint64]uuid.UUID{}
			waiting = map[uuid.UUID][]uint64{}
			served  = map[uuid.UUID]int{}
			// passed counts the places that a tenant got while another waited that might have had one.
			passed = map[key]int{}
		)
		total := func() (s, w int) {
			for _, id := range tenants {
				s += served[id]
				w += len(waiting[id])
			}
			return s, w
		}
		apply := func(actions []admission.TurnAction, submitted uint64) {
			for _, a := range actions {
				tenant := owner[a.Ticket]
				if a.Refused == admission.ScopeNone {
					if a.Ticket != submitted {
						if len(waiting[tenant]) == 0 || waiting[tenant][0] != a.Ticket {
							t.Fatalf("ticket %d was placed before older ones of its tenant: %v", a.Ticket, waiting[tenant])
						}
						waiting[tenant] = waiting[tenant][1:]
					}
					served[tenant]++
					for _, other := range tenants {
						switch k := (key{other, tenant}); {
						case other == tenant || len(waiting[other]) == 0 || served[other] >= cfg.TenantPlaces:
							delete(passed, k)
						default:
							if passed[k]++; passed[k] > 1 {
								t.Fatalf("%v got %d places while %v waited", tenant[0], passed[k], other[0])
							}
						}
						delete(passed, key{tenant, other})
					}
					continue
				}
				if a.Ticket != submitted {
					i := slices.Index(waiting[tenant], a.Ticket)
					if i < 0 {
						t.Fatalf("ticket %d was refused and did not wait", a.Ticket)
					}
					waiting[tenant] = slices.Delete(waiting[tenant], i, i+1)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"submit": func(t *rapid.T) {
				tenant := rapid.SampledFrom(tenants).Draw(t, "tenant")
				next++
				owner[next] = tenant
				_, before := total()
				actions := turns.Submit(tenant, next)
				named := slices.IndexFunc(actions, func(a admission.TurnAction) bool { return a.Ticket == next })
				apply(actions, next)
				if named < 0 {
					waiting[tenant] = append(waiting[tenant], next)
				} else if actions[named].Refused == admission.ScopeTenant && len(waiting[tenant]) < cfg.TenantQueue {
					t.Fatalf("refused with %d of %d waiting", len(waiting[tenant]), cfg.TenantQueue)
				} else if actions[named].Refused == admission.ScopeNode && before < cfg.Queue {
					t.Fatalf("refused with %d of %d waiting in all", before, cfg.Queue)
				}
			},
			"end": func(t *rapid.T) {
				busy := slices.DeleteFunc(slices.Clone(tenants), func(id uuid.UUID) bool { return served[id] == 0 })
				if len(busy) == 0 {
					t.Skip()
				}
				tenant := rapid.SampledFrom(busy).Draw(t, "tenant")
				served[tenant]--
				apply(turns.Ended(tenant), 0)
			},
			"leave": func(t *rapid.T) {
				if next == 0 {
					t.Skip()
				}
				ticket := rapid.Uint64Range(1, next).Draw(t, "ticket")
				tenant := owner[ticket]
				i := slices.Index(waiting[tenant], ticket)
				if turns.Gone(tenant, ticket) != (i >= 0) {
					t.Fatalf("ticket %d: waits %v", ticket, i >= 0)
				}
				if i >= 0 {
					waiting[tenant] = slices.Delete(waiting[tenant], i, i+1)
				}
				for _, other := range tenants {
					if len(waiting[tenant]) == 0 {
						delete(passed, key{tenant, other})
					}
				}
			},
			"": func(t *rapid.T) {
				s, w := total()
				if got := turns.Stats(); got.Served != s || got.Waiting != w {
					t.Fatalf("%+v, by the model %d served and %d waiting", got, s, w)
				}
				if s > cfg.Places || w > cfg.Queue {
					t.Fatalf("%d served, %d waiting: more than %+v", s, w, cfg)
				}
				for _, id := range tenants {
					if served[id] > cfg.TenantPlaces || len(waiting[id]) > cfg.TenantQueue {
						t.Fatalf("tenant %v: %d served, %d waiting: more than %+v", id[0], served[id], len(waiting[id]), cfg)
					}
					if len(waiting[id]) > 0 && s < cfg.Places && served[id] < cfg.TenantPlaces {
						t.Fatalf("tenant %v waits while a place is free", id[0])
					}
				}
			},
		})
	})
}
