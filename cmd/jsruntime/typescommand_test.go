//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/dts"
)

// TestTypesCommand needs no node: the types are the program's own.
func TestTypesCommand(t *testing.T) {
	t.Parallel()
	s := &someone{t: t, dir: t.TempDir(), config: t.TempDir(), env: map[string]string{}}
	s.must("types")
	text, err := os.ReadFile(filepath.Join(s.dir, "jsruntime.d.ts"))
	require.NoError(t, err)
	require.Equal(t, dts.Text(), string(text))
	require.Equal(t, dts.Text(), s.must("types", "--out", "-"))
}
