package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/npmtest"
)

// What is in vendor is what the packages of package-lock.json make.
func TestVendoredFilesAreMadeOfTheLockedPackages(t *testing.T) {
	t.Parallel()
	modules := npmtest.Install(t, "engine/compile/nodelib")
	out := t.TempDir()
	require.NoError(t, run(modules, out))
	made, err := os.ReadDir(out)
	require.NoError(t, err)
	committed, err := os.ReadDir("vendor")
	require.NoError(t, err)
	require.Len(t, made, len(committed))
	for _, file := range made {
		want, err := os.ReadFile(filepath.Join(out, file.Name()))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("vendor", file.Name()))
		require.NoError(t, err)
		if string(want) != string(got) { // without showing both
			t.Errorf("%s is not what make node-modules makes", file.Name())
		}
	}
}
