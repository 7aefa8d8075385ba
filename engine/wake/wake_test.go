package wake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/wake"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		signal, began := wake.New(), time.Now()
		require.True(t, signal.Sleep(ctx, time.Hour))
		require.Equal(t, time.Hour, time.Since(began), "nothing sets it")

		signal.Set()
		signal.Set()
		require.True(t, signal.Sleep(ctx, time.Hour))
		require.Equal(t, time.Hour, time.Since(began), "it was set before")
		require.True(t, signal.Sleep(ctx, time.Minute))
		require.Equal(t, time.Hour+time.Minute, time.Since(began), "set twice is set once")

		signal.Set()
		signal.Clear()
		require.True(t, signal.Sleep(ctx, time.Minute))
		require.Equal(t, time.Hour+2*time.Minute, time.Since(began), "it was cleared")

		time.AfterFunc(time.Second, signal.Set)
		require.True(t, signal.Sleep(ctx, time.Hour))
		require.Equal(t, time.Hour+2*time.Minute+time.Second, time.Since(began), "it was set meanwhile")

		time.AfterFunc(time.Second, cancel)
		require.False(t, wake.Pause(ctx, time.Hour))
		require.Equal(t, time.Hour+2*time.Minute+2*time.Second, time.Since(began), "the context ended")
		signal.Set()
		require.False(t, signal.Sleep(ctx, 0), "it has ended")
	})
}
