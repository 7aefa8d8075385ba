package engine_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

func TestMain(m *testing.M) {
	enginetest.Main()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

func TestExecuteReturnsTheOutput(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	s := enginetest.NewTenant().Script("echo", nil)
	for range 3 {
		res := enginetest.Execute(t, e, enginetest.Invocation(s, `{"a":1}`))
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.JSONEq(t, `{"a":1}`, string(res.Output))
		require.True(t, res.Began)
	}
}

func TestDeadlineEndsWhatCancelCannot(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	s := enginetest.NewTenant().Script("hang", func(l *engine.Limits) { l.MaxExecutionTime = 100 * time.Millisecond })
	res := enginetest.Execute(t, e, enginetest.Invocation(s, "null"))
	require.Equal(t, engine.CodeExceededWallTime, res.Code, res.Message)
	require.Contains(t, res.Message, "limit 100 ms")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	e := enginetest.Start(t, nil)
	s := enginetest.NewTenant().Script("sleep:60000", func(l *engine.Limits) { l.MaxExecutionTime = time.Minute })
	inv := enginetest.Invocation(s, "null")
	inv.OnBegin = func() { require.True(t, e.Cancel(inv.ExecutionID, errors.New("by hand"))) }
	res := enginetest.Execute(t, e, inv)
	require.Equal(t, engine.CodeCancelled, res.Code)
	require.Equal(t, "by hand", res.Message)
	require.False(t, e.Cancel(inv.ExecutionID, nil))

	ctx, cancel := context.WithCancelCause(context.Background())
	inv = enginetest.Invocation(s, "null")
	inv.OnBegin = func() { cancel(errors.New("client gone")) }
	res, err := e.Execute(ctx, inv)
	require.NoError(t, err)
	require.Equal(t, engine.CodeCancelled, res.Code)
	require.Equal(t, "client gone", res.Message)
}
