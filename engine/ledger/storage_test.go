package ledger_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/migrations/dbtest"
)

// TestNearItsQuotaATenantsRowsAreLean: they stay on record without bodies and logs, and another tenant's have both.
func TestNearItsQuotaATenantsRowsAreLean(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	full, other := seed(t, db), seed(t, db)
	meter, err := storage.New(storage.Config{DB: db, MaxHistoryBytes: 50_000})
	require.NoError(t, err)
	l := start(t, ledger.Config{Pool: db, Storage: meter})
	record := func(script *engine.Script) uuid.UUID {
		inv, res := httpRun(script)
		inv.Request.Body = []byte(strings.Repeat("x", 30_000))
		require.NoError(t, l.Record(t.Context(), inv, res))
		return inv.ExecutionID
	}
	record(full)
	record(full)
	lean, whole := record(full), record(other)
	require.NoError(t, l.Flush(t.Context()))
	require.Equal(t, 1, count(t, db, `script_executions WHERE id = $1 AND input IS NULL AND output IS NULL AND status = 'completed'
		AND trigger_data @> '{"bodies": false, "reason": "storage_quota"}'`, lean))
	require.Zero(t, count(t, db, "script_execution_logs WHERE execution_id = $1", lean))
	require.Equal(t, 1, count(t, db, "script_executions WHERE id = $1 AND input IS NOT NULL", whole))
	require.NoError(t, meter.Flush(t.Context()))
	require.Equal(t, 1, count(t, db, "tenant_storage WHERE tenant_id = $1 AND table_name = 'script_executions' AND bytes BETWEEN 60000 AND 70000", full.TenantID))
	_, over := meter.Over()
	require.Equal(t, 1, over)
}

// TestFloodOfBodies prints how much an anonymous flood of bodies of 1 MiB keeps, and holds it to the quota. Before bodies were cut and counted,
// each kept its whole megabyte.
func TestFloodOfBodies(t *testing.T) {
	t.Parallel()
	const quota = 8 << 20
	db := dbtest.DB(t)
	script := seed(t, db)
	meter, err := storage.New(storage.Config{DB: db, MaxHistoryBytes: quota, FlushInterval: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	l := start(t, ledger.Config{Pool: db, Storage: meter})
	body := make([]byte, 0, 1<<20)
	for i := range 1 << 16 { // text that does not compress to nothing
		body = fmt.Appendf(body, "%016x", uint64(i)*0x9e3779b97f4a7c15)
	}
	const posts = 600
	begun := time.Now()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range posts / 4 {
				inv, res := httpRun(script)
				inv.Request.Body = body
				if err := l.Record(t.Context(), inv, res); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	require.NoError(t, l.Flush(t.Context()))
	took := time.Since(begun)
	var kept int64
	require.NoError(t, db.QueryRow(t.Context(), "SELECT sum(jsruntime_execution_bytes(e)) FROM script_executions e").Scan(&kept))
	require.Equal(t, posts, count(t, db, "script_executions"), "each is on record")
	require.Less(t, kept, int64(quota), "of %d posted", posts*len(body))
	perHour := func(bytes int64) string {
		return fmt.Sprintf("%.1f GB an hour", float64(bytes)/took.Seconds()*3600/1e9)
	}
	t.Logf("%d posts of 1 MiB in %v: %d bytes kept, %.2f %% of what was posted; at this rate whole bodies would be %s, bodies cut at 64 KiB %s, and rows beyond the quota are %s before they are pruned",
		posts, took.Round(time.Millisecond), kept, 100*float64(kept)/float64(posts*len(body)), perHour(posts<<20), perHour(posts*record.MaxBodyBytes), perHour(posts*storage.RowBytes))
}
