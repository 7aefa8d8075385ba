package isolate

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// make v8 changes the replacement of the binding in go.mod, and nothing else.
func TestUpgradeChangesTheBinding(t *testing.T) {
	script, err := filepath.Abs("../../../.ci/v8")
	require.NoError(t, err)
	before, err := os.ReadFile("../../../go.mod")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), before, 0o600))
	edit := func(args ...string) (string, error) {
		cmd := exec.Command(script, append([]string{"--edit"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	type modules struct {
		Replace []struct {
			Old, New struct{ Path, Version string }
		}
		Require []struct{ Path, Version string }
	}
	read := func() (m modules) {
		cmd := exec.Command("go", "mod", "edit", "-json")
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(out, &m))
		return m
	}
	was := read()
	for _, c := range [][2]string{{"github.com/tommie/v8go", "v0.37.0"}, {"github.com/botify-labs/v8go", "v0.15.4"}} {
		out, err := edit(c[0], c[1])
		require.NoError(t, err, out)
		now := read()
		require.Len(t, now.Replace, 1)
		require.Equal(t, "rogchap.com/v8go", now.Replace[0].Old.Path)
		require.Equal(t, c, [2]string{now.Replace[0].New.Path, now.Replace[0].New.Version})
		require.Equal(t, was.Require, now.Require)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	for _, args := range [][]string{{}, {"github.com/tommie/v8go"}, {"github.com/tommie/v8go", "latest"}, {"; rm -rf x", "v1.0.0"}} {
		out, err := edit(args...)
		require.Error(t, err)
		require.Contains(t, out, "say which binding: make v8 MODULE=")
	}
	now, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	require.Equal(t, string(kept), string(now))
}
