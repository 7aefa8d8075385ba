package worker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/internal/wire"
)

// anonymous is the kernel's figure of a process's own memory in bytes.
func anonymous(pid int) (uint64, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			n, err := strconv.ParseUint(strings.Fields(string(v))[0], 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}

// TestMemoryByTheKernel runs the attacks on memory with a limit of 64 MiB and reads what the kernel says of the worker: none holds
// 200 MiB at any time.
func TestMemoryByTheKernel(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	var paths []string
	for _, group := range []string{"heap", "native", "flood", "output", "boot-memory"} {
		some, err := filepath.Glob("../testdata/hostile/" + group + "*.js")
		require.NoError(t, err)
		paths = append(paths, some...)
	}
	require.Greater(t, len(paths), 80)
	const bound = 200 << 20
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".js"), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(p)
			require.NoError(t, err)
			out, err := compile.Compile(context.Background(), compile.Input{Source: string(source), Handler: "run"})
			require.NoError(t, err)
			n := spawn(t).lease()
			n.calls = func(c wire.HostCall) []wire.Message {
				return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: []byte("null")}}
			}
			pid := n.cmd.Process.Pid
			idle, ok := anonymous(pid)
			require.True(t, ok)
			stop, peak := make(chan struct{}), make(chan uint64)
			go func() {
				var most uint64
				for {
					if now, ok := anonymous(pid); ok {
						most = max(most, now)
					}
					select {
					case <-stop:
						peak <- most
						return
					case <-time.After(500 * time.Microsecond):
					}
				}
			}()
			killer := time.AfterFunc(3*time.Second, func() { _ = n.cmd.Process.Kill() })
			n.send(&wire.Load{Slot: 1, MaxMemory: 64 << 20, Name: "hog", Static: []byte(`{"scriptType":"oneoff"}`), Source: []byte(out.Compiled)})
			m := n.runOf(1, "null")
			n.send(m)
			ended := "dead"
			if k, pl, err := n.r.Next(); err == nil && k == wire.KindLoaded {
				l, err := wire.ParseLoaded(pl)
				require.NoError(t, err)
				ended = l.Code
				if l.Code == "" {
					if r, err := n.tryResult(); err == nil {
						ended = r.Code
					} else {
						ended = "dead"
					}
				}
			}
			killer.Stop()
			close(stop)
			most := <-peak
			held := uint64(0)
			if most > idle {
				held = most - idle
			}
			t.Logf("%s: %d MiB over %d MiB", ended, held>>20, idle>>20)
			require.Less(t, held, uint64(bound), "held")
		})
	}
}
