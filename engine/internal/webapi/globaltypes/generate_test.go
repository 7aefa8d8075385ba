package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/npmtest"
)

// TestTypesOfGlobals compares globals.d.ts with what the library and surface.json give.
func TestTypesOfGlobals(t *testing.T) {
	t.Parallel()
	modules := npmtest.Install(t, "engine/internal/webapi/testdata/types")
	lib, err := os.ReadFile(filepath.Join(modules, "node_modules/typescript-6/lib/lib.webworker.d.ts"))
	require.NoError(t, err)
	want, err := generate(string(lib), surfaceJSON)
	require.NoError(t, err)
	have, err := os.ReadFile("../globals.d.ts")
	require.NoError(t, err)
	require.Equal(t, want, string(have), "globals.d.ts is stale: run make global-types")
}
