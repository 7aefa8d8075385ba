package migrations_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestFanOutIsCheckedAndItsDataAreStoredOnce: an event is refused where not all of its executions fit into the queue, and its data are not
// multiplied by its subscribers.
func TestFanOutIsCheckedAndItsDataAreStoredOnce(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	tenant, _ := tenant(t, db, "a", slices.Repeat([][]string{{"order.paid"}}, 20)...)
	limit := func(depth int) {
		_, err := db.Exec(t.Context(), `UPDATE tenants SET plan = jsonb_build_object('max_queue_depth', $2::int) WHERE id = $1`, tenant, depth)
		require.NoError(t, err)
	}
	data := []byte(`"` + strings.Repeat("0123456789abcdef", 4000) + `"`)
	for _, depth := range []int{19, 0} {
		limit(depth)
		_, err := publish(t.Context(), db, event{TenantID: tenant, Type: "order.paid", Data: data})
		require.ErrorIs(t, err, errQueueFull, "depth %d", depth)
	}
	limit(100_000) // which is counted now and then only, but for many at once always
	limit(39)
	first, err := publish(t.Context(), db, event{TenantID: tenant, Type: "order.paid", Data: data})
	require.NoError(t, err)
	require.Equal(t, 20, first.Executions)
	_, err = publish(t.Context(), db, event{TenantID: tenant, Type: "order.paid", Data: data})
	require.ErrorIs(t, err, errQueueFull)

	var executions, whole int
	var bytes int64
	require.NoError(t, db.QueryRow(t.Context(), `
		SELECT count(*), count(*) FILTER (WHERE jsruntime_input(tenant_id, event_id, trigger_type, input)->'data' = $2::jsonb), sum(octet_length(input::text))
		FROM script_executions WHERE tenant_id = $1`, tenant, data).Scan(&executions, &whole, &bytes))
	require.Equal(t, 20, executions)
	require.Equal(t, 20, whole, "each reads the data")
	require.Less(t, bytes, int64(20*200), "none has them")

	// The id is free again after a day: the executions of the first event keep its data.
	_, err = db.Exec(t.Context(), `UPDATE script_events SET published_at = now() - interval '25 hours' WHERE tenant_id = $1`, tenant)
	require.NoError(t, err)
	limit(1000)
	_, err = publish(t.Context(), db, event{TenantID: tenant, Type: "order.paid", Data: []byte(`1`), ID: first.EventID})
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(t.Context(), `
		SELECT count(*), count(*) FILTER (WHERE jsruntime_input(tenant_id, event_id, trigger_type, input)->'data' = $2::jsonb)
		FROM script_executions WHERE tenant_id = $1`, tenant, data).Scan(&executions, &whole))
	require.Equal(t, []int{40, 20}, []int{executions, whole})
}
