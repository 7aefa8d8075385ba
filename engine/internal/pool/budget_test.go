package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// A flood is read at frameRate and byteRate, whatever its frames; answers to the node's own frames are never held up.
func TestPace(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 10, "large": 1 << 20} {
		now := time.Unix(0, 0)
		clock := func() time.Time { return now }
		p := newPace(now)
		frames, bytes := 0, 0
		for now.Before(time.Unix(10, 0)) {
			now = now.Add(p.take(wire.KindLog, size, clock))
			frames++
			bytes += size
			require.Zero(t, p.take(wire.KindResult, 1<<24, clock))
		}
		require.LessOrEqual(t, frames, frameBurst+11*frameRate, name)
		require.LessOrEqual(t, bytes, byteBurst+11*byteRate, name)
		require.True(t, frames >= 10*frameRate || bytes >= 10*byteRate, name)
	}
}

func TestLateFramesAreBounded(t *testing.T) {
	t.Parallel()
	p := newPace(time.Now())
	for range lateFrames {
		require.NoError(t, p.lateFrame())
	}
	require.ErrorAs(t, p.lateFrame(), new(FloodError))
}
