package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/dbtest"
)

// line is the network between a pool and Postgres. It counts writes, and breaks the next connection that writes once it is armed.
type line struct {
	writes atomic.Int64
	// left is how many more bytes reach Postgres before the connection breaks. Negative: it stays.
	left atomic.Int64
	// deaf breaks the connection when its next answer has come, which is lost.
	deaf  atomic.Bool
	broke atomic.Int64
}

func (l *line) connect(t *testing.T, db *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	l.left.Store(-1)
	cfg := db.Config().Copy()
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &lineConn{c, l}, nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

type lineConn struct {
	net.Conn
	*line
}

var errBroken = errors.New("the line is broken")

func (c *lineConn) cut() error {
	c.broke.Add(1)
	c.Conn.Close()
	return errBroken
}

func (c *lineConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	if left := c.left.Load(); left >= 0 && int64(len(b)) > left {
		c.left.Store(-1)
		n, _ := c.Conn.Write(b[:left])
		return n, c.cut()
	} else if left >= 0 {
		c.left.Store(left - int64(len(b)))
	}
	return c.Conn.Write(b)
}

func (c *lineConn) Read(b []byte) (int, error) {
	if c.deaf.CompareAndSwap(true, false) {
		_, _ = c.Conn.Read(b) // Postgres answers a batch once it is committed
		return 0, c.cut()
	}
	return c.Conn.Read(b)
}

func recordMany(t *testing.T, l *ledger.Ledger, db *pgxpool.Pool, n int) {
	t.Helper()
	recordOf(t, l, n, seed(t, db))
}

func recordOf(t *testing.T, l *ledger.Ledger, n int, scripts ...*engine.Script) {
	t.Helper()
	for i := range n {
		inv, res := httpRun(scripts[i%len(scripts)])
		require.NoError(t, l.Record(t.Context(), inv, res))
	}
	require.NoError(t, l.Flush(t.Context()))
}

// TestFlushIsOneRoundTrip: with its statements prepared, a batch with logs and usage is one write and one answer.
func TestFlushIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	var wire line
	l := start(t, ledger.Config{Pool: wire.connect(t, db), Writers: 1})
	recordMany(t, l, db, 5) // prepares
	before := wire.writes.Load()
	recordMany(t, l, db, 30)
	require.Equal(t, l.Stats().Batches-1, wire.writes.Load()-before)
	require.Equal(t, 35, count(t, db, "script_executions"))
	require.Equal(t, 70, count(t, db, "script_execution_logs"))
}

// TestConnectionDiesInEachPhase breaks the connection after so many bytes of a batch: in its first statement, in the COPY of executions and
// of logs, in the usage, before the commit and after it. Each row and its usage are on record once.
func TestConnectionDiesInEachPhase(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	var wire line
	l := start(t, ledger.Config{Pool: wire.connect(t, db), Writers: 1})
	recordMany(t, l, db, 300)
	const size = 300 * 2000 // about what a batch is on the wire
	total := 300
	points := []int64{0, 1, 40, 150, 400, 3_000, 20_000, size / 8, size / 4, size / 2, size}
	for i, point := range points {
		t.Run(fmt.Sprint(point), func(t *testing.T) {
			wire.left.Store(point)
			recordMany(t, l, db, 300)
			total += 300
			require.Equal(t, total, count(t, db, "script_executions"))
			require.Equal(t, 2*total, count(t, db, "script_execution_logs"))
			require.Equal(t, 1, count(t, db, "(SELECT sum(executions) AS n FROM script_usage_daily) u WHERE n = $1", total))
			if i < 7 {
				require.EqualValues(t, i+1, wire.broke.Load())
			}
		})
	}
	wire.left.Store(-1)
	broke := wire.broke.Load()
	t.Run("its answer", func(t *testing.T) {
		wire.deaf.Store(true)
		recordMany(t, l, db, 300)
		total += 300
		require.Equal(t, total, count(t, db, "script_executions"))
		require.Equal(t, 1, count(t, db, "(SELECT sum(executions) AS n FROM script_usage_daily) u WHERE n = $1", total))
		require.Equal(t, broke+1, wire.broke.Load())
	})
	require.Zero(t, l.Stats().Dropped)
}

// TestUsageIsExactWithoutHistory: executions without a row are counted once, also where the answer to the commit is lost.
func TestUsageIsExactWithoutHistory(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	none, all := seed(t, db), seed(t, db)
	none.History = &engine.History{Store: engine.HistoryNone}
	var wire line
	l := start(t, ledger.Config{Pool: wire.connect(t, db), Writers: 1})
	counted := func(n int) {
		t.Helper()
		require.Equal(t, 1, count(t, db, "(SELECT sum(executions) AS n FROM script_usage_daily) u WHERE n = $1", n))
	}
	recordOf(t, l, 10, none)
	counted(10)
	wire.deaf.Store(true)
	recordOf(t, l, 10, none)
	counted(20)
	wire.deaf.Store(true)
	recordOf(t, l, 10, none, all)
	counted(30)
	require.EqualValues(t, 2, wire.broke.Load())
	require.Equal(t, 5, count(t, db, "script_executions"))
	recordOf(t, l, 1, none)
	require.LessOrEqual(t, count(t, db, "script_usage_marks"), 1, "marks go once they are of no use")
	require.Zero(t, l.Stats().Dropped)
}
