package gateway

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLateTimeout: the time of a record begins when it has to wait, and ends the wait.
func TestLateTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := &lateTimeout{Context: t.Context(), timeout: time.Second}
		time.Sleep(time.Minute)
		require.NoError(t, ctx.Err(), "it was not waited for")
		began := time.Now()
		<-ctx.Done()
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
		ctx.end()

		ctx = &lateTimeout{Context: t.Context(), timeout: time.Second}
		_ = ctx.Done()
		ctx.end()
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		(&lateTimeout{Context: t.Context(), timeout: time.Second}).end()
	})
}
