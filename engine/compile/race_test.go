//go:build race

package compile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// built is the folder of what executable has built.
var built string

func cleanUp() {
	if built != "" {
		_ = os.RemoveAll(built)
	}
}

// executable builds this test program without the race detector, whose shadow of the memory does not fit into a child's limits.
func executable() (path string, err error) {
	dir, err := os.MkdirTemp("", "jsruntime-compile")
	if err != nil {
		return "", err
	}
	// A child has its own user, who must reach it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	built, path = dir, filepath.Join(dir, "compile.test")
	build := exec.Command("go", "test", "-c", "-o", path, "example.com/jsruntime/engine/compile")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c: %w: %s", err, out)
	}
	return path, nil
}
