package engine_test

import (
	"testing"

	"example.com/jsruntime/engine/enginetest"
)

func TestSuiteFake(t *testing.T) {
	t.Parallel()
	enginetest.Suite(t, enginetest.Fake(t))
}

func TestSuiteReal(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and runs the real worker")
	}
	enginetest.Suite(t, enginetest.Real(t))
}
