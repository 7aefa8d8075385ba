package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/dbtest"
)

// BenchmarkBackend writes b.N small HTTP runs of 500 scripts of 50 tenants, 1,500 in a batch, over one connection, and reports the CPU time of
// its backend for a row. Postgres has to run on this machine, which is Linux. Run it with -benchtime 60000x.
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
	l, backend, stop := onBackend(b, db, 1500)
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
	require.Equal(b, b.N+3000, count(b, db, "script_executions"))
}

// BenchmarkQuietBackend is BenchmarkBackend for a quiet node: batches of 8 rows of one script, 80 ms apart, each of which finds the caches cold.
// Run it with -benchtime 2000x.
func BenchmarkQuietBackend(b *testing.B) {
	ctx := context.Background()
	db := dbtest.DB(b)
	script := seed(b, db)
	l, backend, stop := onBackend(b, db, 0)
	var used time.Duration
	for i := range b.N + 160 {
		inv, res := httpRun(script)
		res.Logs = nil
		require.NoError(b, l.Record(ctx, inv, res))
		if i%8 == 7 {
			time.Sleep(80 * time.Millisecond)
			before := cpuOf(b, backend)
			require.NoError(b, l.Flush(ctx))
			if i >= 160 {
				used += cpuOf(b, backend) - before
			}
		}
	}
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(b.N), "backend-µs/row")
	stop()
}

// onBackend is a ledger that writes when it is told to, by a connection of its own: the connection's backend is the process whose CPU time is
// looked at. batch is in rows, 0 as ledger.Config says. stop ends the ledger.
func onBackend(b *testing.B, db *pgxpool.Pool, batch int) (l *ledger.Ledger, backend int, stop func()) {
	b.Helper()
	cfg := db.Config().Copy()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	require.NoError(b, pool.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend))
	l, err = ledger.New(ledger.Config{Pool: pool, BatchRows: batch, Writers: 1, FlushInterval: time.Hour, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	run, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(run) }()
	return l, backend, func() {
		cancel()
		require.NoError(b, <-done)
	}
}

// cpuOf is the CPU time of a process of this machine, by its clock.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	const clockOfProcess = 2 // CPUCLOCK_SCHED of a process, as clock_getcpuclockid makes it
	var at unix.Timespec
	require.NoError(b, unix.ClockGettime(int32(^pid<<3|clockOfProcess), &at))
	return time.Duration(at.Nano())
}
