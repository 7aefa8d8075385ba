package warm

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// fresh makes a Loop and returns it with the node's end of its socket.
func fresh(t *testing.T) (*Loop, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	statm, err := os.Open("/proc/self/statm")
	require.NoError(t, err)
	l, err := New(Config{FD: fds[1], Statm: int(statm.Fd())})
	require.NoError(t, err)
	node := os.NewFile(uintptr(fds[0]), "node")
	t.Cleanup(func() {
		l.Close()
		node.Close()
		statm.Close()
		_ = unix.Close(fds[1])
	})
	return l, node
}

// armed reports whether the watchdog's timer is set in the kernel.
func armed(t *testing.T, l *Loop) bool {
	t.Helper()
	var s unix.ItimerSpec
	require.NoError(t, unix.TimerfdGettime(int(l.c.Timer.FD), &s))
	return s.Value.Nano() > 0
}

func TestTimerRests(t *testing.T) {
	t.Parallel()
	l, _ := fresh(t)
	const hour = int64(time.Hour)

	// A worker that runs something now and then.
	setAt := l.setAt
	setAt(monotonic() - hour)
	l.Stir()
	require.True(t, armed(t, l))
	l.Rest()
	require.False(t, armed(t, l), "a worker that waits has no tick")

	// One that has much to do: the timer is left alone.
	setAt(monotonic() + hour) // not long ago, however slow this machine is
	l.Stir()
	l.Rest()
	l.Wait()
	require.False(t, armed(t, l))

	// What runs after a rest is watched again.
	setAt(monotonic() - hour)
	l.Stir()
	l.Rest()
	l.Stir()
	l.Wait()
	l.Rest()
	require.False(t, armed(t, l))
}

func TestFramesAreWrittenWholeAndInOrder(t *testing.T) {
	t.Parallel()
	l, node := fresh(t)
	sizes := []int{0, 1, 100, 60 << 10, 5 << 10, 64 << 10, 72 << 10, 73 << 10, 1 << 20, 3 << 20, 7}
	go func() {
		for i, n := range sizes {
			l.Send(&wire.Chunk{Seq: uint32(i), Data: make([]byte, n)})
		}
		_ = l.Flush()
	}()
	r := wire.NewReader(node, 0)
	for i, n := range sizes {
		k, p, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, wire.KindChunk, k)
		m, err := wire.ParseChunk(p)
		require.NoError(t, err)
		require.Equal(t, uint32(i), m.Seq)
		require.Len(t, m.Data, n)
	}
}

func TestFirstErrorOfAWriteStays(t *testing.T) {
	t.Parallel()
	l, node := fresh(t)
	node.Close()
	l.Send(&wire.Chunk{Seq: 1})
	require.True(t, l.Held())
	require.ErrorIs(t, l.Flush(), unix.EPIPE)
	l.Send(&wire.Chunk{Seq: 2})
	require.ErrorIs(t, l.Flush(), unix.EPIPE)
	require.False(t, l.Held())
}

// What is not a plain request is left in the inbox, every byte of it.
func TestRunLeavesOtherFrames(t *testing.T) {
	t.Parallel()
	l, node := fresh(t)
	plain := wire.Run{Seq: 1, Slot: 1, Handler: wire.HandlerFetch, Context: []byte("{}"), Head: []byte("GET\nhttp://a/\n{}")}
	l.Add(1, 64<<20) // without an isolate
	other := plain
	other.Slot = 2
	for name, frame := range map[string][]byte{
		"a slot without an isolate":    plain.Append(nil),
		"no such slot":                 other.Append(nil),
		"a Cancel":                     (&wire.Cancel{Seq: 1}).Append(nil),
		"a Run that does not parse":    {4, 0, 0, 0, byte(wire.KindRun), 1, 2, 3},
		"an empty frame":               {0, 0, 0, 0},
		"a frame that is too long":     binary.LittleEndian.AppendUint32(nil, wire.MaxFrame+1),
		"a frame longer than the room": append(binary.LittleEndian.AppendUint32(nil, 64<<10), make([]byte, 62<<10)...),
	} {
		buf := make([]byte, 0, 64<<10)
		_, err := node.Write(frame)
		require.NoError(t, err)
		code, start, end := l.Run(buf, 0)
		require.Equal(t, Go, code, name)
		require.Equal(t, frame, buf[start:end][:len(frame)], name)
		running, _ := l.Running()
		require.False(t, running)
		require.False(t, l.Adopt())
	}
	node.Close()
	code, start, end := l.Run(make([]byte, 0, 64<<10), 0)
	require.Equal(t, Go, code)
	require.Equal(t, start, end)
	require.Zero(t, l.Quick())
}
