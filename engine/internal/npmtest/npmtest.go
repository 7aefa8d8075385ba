// Package npmtest gives tests packages of npm, installed once and kept in the user's cache.
package npmtest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Modules returns a folder with node_modules of engine/testdata/npm in it: see Install.
func Modules(t testing.TB) string {
	t.Helper()
	return Install(t, "engine/testdata/npm")
}

// Install returns a folder with node_modules in it, of the package.json and, where there is one, the package-lock.json in a folder of the
// repository. The test is skipped where there is no npm, or where npm cannot reach its registry; with JSRUNTIME_TEST_NPM=required it
// fails instead.
func Install(t testing.TB, folder string) string {
	t.Helper()
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("npmtest does not know where it is")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	from := filepath.Join(filepath.Dir(self), "../../..", folder)
	manifest, err := os.ReadFile(filepath.Join(from, "package.json"))
	must(err)
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if !os.IsNotExist(err) {
		must(err)
	}
	unavailable := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("JSRUNTIME_TEST_NPM") == "required" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		unavailable("npm is not installed: the tests with packages of %s do not run", folder)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(append(manifest, lock...))
	final := filepath.Join(cache, "jsruntime-npm", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(filepath.Join(final, "node_modules")); err == nil {
		return final
	}
	must(os.MkdirAll(filepath.Dir(final), 0o755))
	dir, err := os.MkdirTemp(filepath.Dir(final), "installing-")
	must(err)
	must(os.WriteFile(filepath.Join(dir, "package.json"), manifest, 0o644))
	args := []string{"install", "--no-package-lock"}
	if len(lock) > 0 {
		must(os.WriteFile(filepath.Join(dir, "package-lock.json"), lock, 0o644))
		args = []string{"ci"}
	}
	cmd := exec.Command(npm, append(args, "--no-audit", "--no-fund", "--ignore-scripts")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		unavailable("npm install failed (no registry in reach?): %v\n%s", err, out)
	}
	if err := os.Rename(dir, final); err != nil {
		// Another test was first.
		_ = os.RemoveAll(dir)
	}
	_, err = os.Stat(filepath.Join(final, "node_modules"))
	must(err)
	return final
}
