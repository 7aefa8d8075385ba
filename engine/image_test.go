package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// children counts this process's children that have all of these arguments.
func children(t *testing.T, args ...string) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	n := 0
	for _, path := range paths {
		line, _ := os.ReadFile(path) // a process that is gone has none
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		var parent int
		var state string
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil || parent != os.Getpid() {
			continue
		}
		all := true
		for _, a := range args {
			all = all && bytes.Contains(line, []byte("\x00"+a+"\x00"))
		}
		if all {
			n++
		}
	}
	return n
}

// Workers of each kind start from an image, and serve.
func TestWorkersStartFromAnImage(t *testing.T) {
	t.Parallel()
	w := enginetest.Real(t)
	for _, jit := range []string{"--jit=baseline", "--jit=off"} {
		e := w.Start(t, func(c *engine.Config) {
			c.WorkerArgs = []string{jit}
			c.MaxWorkers = 2
		})
		s := w.Script(t, enginetest.NewTenant(), "echo", nil)
		res, err := e.Execute(t.Context(), enginetest.Invocation(s, `{"a":1}`))
		require.NoError(t, err)
		require.Equal(t, engine.CodeNone, res.Code, res.Message)
		require.JSONEq(t, `{"a":1}`, string(res.Output))
		require.Positive(t, children(t, jit, "--image=use"))
		require.Zero(t, children(t, jit)-children(t, jit, "--image=use"))
	}
}
