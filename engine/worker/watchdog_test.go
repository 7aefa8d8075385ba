package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// armed reports whether the watchdog's timer is set in the kernel.
func armed(t *testing.T, d *watchdog) bool {
	t.Helper()
	var s unix.ItimerSpec
	require.NoError(t, unix.TimerfdGettime(d.timer, &s))
	return s.Value.Nano() > 0
}

func TestWatchdogsTimerRests(t *testing.T) {
	t.Parallel()
	d, err := newWatchdog(nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(d.timer) })

	// One that runs something now and then.
	d.setAt = time.Now().Add(-time.Hour)
	d.stir()
	require.True(t, d.set.Load())
	d.rest()
	require.False(t, d.set.Load())
	require.False(t, armed(t, d), "a worker that waits has no tick")

	// One that has much to do: the timer is left alone.
	d.setAt = time.Now().Add(time.Hour) // not long ago, however slow this machine is
	d.stir()
	require.True(t, d.set.Load())
	d.rest()
	require.True(t, d.set.Load(), "a busy worker leaves its timer")
	d.wait()
	require.False(t, d.set.Load())

	// What runs after a rest is watched again.
	d.setAt = time.Now().Add(-time.Hour)
	d.stir()
	d.rest()
	d.stir()
	d.wait()
	d.rest()
	require.False(t, armed(t, d))
}
