package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/dbtest"
)

// BenchmarkBackend writes b.N small HTTP runs of 500 scripts of 50 tenants, 1,500 in a batch, over one connection, and reports the CPU time of
// its backend for a row. Postgres has to run on this machine. Run it with -benchtime 60000x: the kernel counts in steps of 10 ms.
func BenchmarkBackend(b *testing.B) {
	ctx := context.Background()
	db := dbtest.DB(b)
	scripts := make([]*engine.Script, 500)
	for i := range scripts {
		if i%10 == 0 {
			scripts[i] = seed(b, db)
			continue
		}
		of := *scripts[i/10*10]
		scripts[i] = &of
		require.NoError(b, db.QueryRow(ctx, `INSERT INTO scripts (tenant_id, organization_id, name, source, type, status)
			VALUES ($1, $2, $3, '', 'http', 'active') RETURNING id`, of.TenantID, of.OrganizationID, fmt.Sprint("s", i)).Scan(&scripts[i].ID))
	}
	cfg := db.Config().Copy()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	require.NoError(b, err)
	defer pool.Close()
	var backend int
	require.NoError(b, pool.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend))
	l, err := ledger.New(ledger.Config{Pool: pool, BatchRows: 1500, Writers: 1, FlushInterval: time.Hour, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.Run(run) }()
	record := func(i int) {
		inv, res := httpRun(scripts[i*7919%len(scripts)])
		res.Logs = nil
		require.NoError(b, l.Record(ctx, inv, res))
	}
	for i := range 3000 { // statements are prepared, catalogs read
		record(i)
	}
	require.NoError(b, l.Flush(ctx))
	began := cpuOf(b, backend)
	b.ResetTimer()
	for i := range b.N {
		record(i)
	}
	require.NoError(b, l.Flush(ctx))
	b.StopTimer()
	b.ReportMetric(float64((cpuOf(b, backend)-began).Microseconds())/float64(b.N), "backend-µs/row")
	stop()
	require.NoError(b, <-done)
	require.Equal(b, b.N+3000, count(b, db, "script_executions"))
}

// cpuOf is the CPU time of a process of this machine.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	ticks := 0
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(string(field))
		require.NoError(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
