package admission_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/admission"
)

// A start says whether a call waits for it: a spare that is replaced can wait, the worker that a call is pending for cannot.
func TestStartsOfSparesAreKnown(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	m := admission.NewPlacement(admission.PlacementConfig{
		MaxWorkers: 8, MaxLeased: 8, MaxIdle: 1 << 40, MaxParked: 8, Spares: 1, MaxPending: 8, LaneScripts: 8, Idle: time.Hour, Age: time.Hour, Runs: 1 << 20, Cores: 2,
		ScriptShare: func(admission.Key, int) int { return 0 }, TenantShare: func(admission.Key) int { return 0 },
	})
	starts := func() (spares, others int) {
		for actions := m.Settle(now); len(actions) > 0; actions = m.Settle(now) {
			for _, a := range actions {
				switch {
				case a.Do == admission.ActionStart && a.Spare:
					spares++
				case a.Do == admission.ActionStart:
					others++
				}
			}
		}
		return spares, others
	}
	submit := func(id byte) {
		m.Submit(&admission.Call{Tenant: admission.Key{id}, Script: admission.Key{id}, Patience: time.Hour, LimitPatience: time.Hour}, now)
	}
	m.Open()
	spares, others := starts()
	require.Equal(t, []int{1, 0}, []int{spares, others})
	m.Greeted(&admission.Worker{}, "", now, now)
	starts()
	submit(1) // the spare is its tenant's, and is replaced
	spares, others = starts()
	require.Equal(t, []int{1, 0}, []int{spares, others})
	submit(2) // waits for the start that is under way, which is one more for the spare then
	submit(3)
	_, others = starts()
	require.Positive(t, others)
}
