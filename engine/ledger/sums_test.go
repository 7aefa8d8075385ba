package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/dbtest"
)

// TestExecutionsWithoutARowAreSummed: any number of executions of a version that have no row of their own takes the room of one, and all are in
// the usage.
func TestExecutionsWithoutARowAreSummed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	none, all := seed(t, db), seed(t, db)
	none.History = &engine.History{Store: engine.HistoryNone}
	l := start(t, ledger.Config{Pool: db, FlushInterval: time.Hour})
	record := func(script *engine.Script, n int) {
		t.Helper()
		for range n {
			inv, res := httpRun(script)
			require.NoError(t, l.Record(ctx, inv, res))
		}
	}
	record(none, 1)
	record(all, 1)
	before := l.Stats()
	record(none, 1000)
	after := l.Stats()
	require.Equal(t, before.BacklogBytes, after.BacklogBytes)
	require.Equal(t, before.BacklogRows+1000, after.BacklogRows)
	require.Equal(t, before.Recorded+1000, after.Recorded)
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 1, count(t, db, "script_executions"))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE script_id = $1 AND executions = 1001 AND duration_ms BETWEEN 1501 AND 1502", none.ID))
	require.EqualValues(t, 1002, l.Stats().Written)
	require.Zero(t, l.Stats().BacklogRows)
}

// TestARowTakesSumsAlong: executions without a row of their own wait for others, and an execution with one does not wait for them. By themselves they
// are written too.
func TestARowTakesSumsAlong(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	none, all := seed(t, db), seed(t, db)
	none.History = &engine.History{Store: engine.HistoryNone}
	l := start(t, ledger.Config{Pool: db})
	for i, script := range []*engine.Script{none, all, none} {
		inv, res := httpRun(script)
		require.NoError(t, l.Record(ctx, inv, res))
		if i == 0 {
			continue
		}
		require.Eventually(t, func() bool { return l.Stats().BacklogRows == 0 }, time.Minute, 5*time.Millisecond)
	}
	require.Equal(t, 1, count(t, db, "script_executions"))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE script_id = $1 AND executions = 2", none.ID))
}

// TestSumsKeepTheOrderOfFailures: a script that completes after it has failed does not count as failing, though it completed before too and those
// executions have no rows of their own.
func TestSumsKeepTheOrderOfFailures(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	mended, failing := seed(t, db), seed(t, db)
	l := start(t, ledger.Config{Pool: db, FlushInterval: time.Hour})
	for _, script := range []*engine.Script{mended, failing} {
		script.History = &engine.History{Store: engine.HistoryNone}
		for _, code := range []engine.Code{engine.CodeNone, engine.CodeException, engine.CodeException, engine.CodeNone} {
			if script == failing && code == engine.CodeNone {
				continue
			}
			inv, res := httpRun(script)
			res.Code = code
			require.NoError(t, l.Record(ctx, inv, res))
		}
	}
	require.NoError(t, l.Flush(ctx))
	require.Eventually(t, func() bool {
		return count(t, db, "script_health WHERE script_id = $1 AND failures = 2", failing.ID) == 1
	}, time.Minute, 5*time.Millisecond)
	require.Zero(t, count(t, db, "script_health WHERE script_id = $1", mended.ID))
}
