//go:build !race

package compile_test

import "os"

func executable() (string, error) { return os.Executable() }

func cleanUp() {}
