//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestDataDirIsClosed(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()

	made := filepath.Join(parent, "new", "data")
	require.NoError(t, closeDataDir(made))
	require.Equal(t, os.FileMode(0o700), mode(t, made))

	open := filepath.Join(parent, "open")
	require.NoError(t, os.MkdirAll(filepath.Join(open, "postgres"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(open, "admin.key"), []byte("key"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(open, "secret.key"), []byte("key"), 0o640))
	require.NoError(t, os.Chmod(open, 0o777))
	outside := filepath.Join(parent, "outside")
	require.NoError(t, os.WriteFile(outside, nil, 0o644))
	require.NoError(t, os.Chmod(outside, 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(open, "link")))
	require.NoError(t, closeDataDir(open))
	require.Equal(t, os.FileMode(0o700), mode(t, open))
	require.Equal(t, os.FileMode(0o700), mode(t, filepath.Join(open, "postgres")))
	require.Equal(t, os.FileMode(0o600), mode(t, filepath.Join(open, "admin.key")))
	require.Equal(t, os.FileMode(0o600), mode(t, filepath.Join(open, "secret.key")))
	require.Equal(t, os.FileMode(0o644), mode(t, outside), "what a link points to is not the node's")
	require.NoError(t, closeDataDir(open))

	// A user's home directory is not changed.
	home := filepath.Join(parent, "home")
	require.NoError(t, os.MkdirAll(home, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "letters"), nil, 0o600))
	require.ErrorContains(t, closeDataDir(home), "has mode 0755 and holds files that are not a node's")
	require.Equal(t, os.FileMode(0o755), mode(t, home))
	shared := filepath.Join(parent, "tmp")
	require.NoError(t, os.MkdirAll(shared, 0o777))
	require.NoError(t, os.Chmod(shared, 0o777|os.ModeSticky))
	require.ErrorContains(t, closeDataDir(shared), "not a node's")
	require.NoError(t, os.Chmod(home, 0o700))
	require.NoError(t, closeDataDir(home), "closed already")
}

// Nodes that start together agree on one random key of cursors.
func TestCursorKeyIsTheDatabases(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	keys := make(chan []byte, 8)
	for range cap(keys) {
		go func() {
			key, err := cursorKey(t.Context(), pool)
			if err != nil {
				t.Error(err)
			}
			keys <- key
		}()
	}
	first := <-keys
	require.Len(t, first, 32)
	for range cap(keys) - 1 {
		require.Equal(t, first, <-keys)
	}
	other, err := cursorKey(t.Context(), dbtest.DB(t))
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}
