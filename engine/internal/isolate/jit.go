package isolate

import (
	"fmt"
	"strconv"
	"strings"
)

// JIT is how far V8 compiles a script to machine code. Each level has fewer of V8's compilers, and so fewer of their bugs, than the one
// before it.
type JIT string

// The levels.
const (
	JITFull     JIT = "full"     // TurboFan, Maglev, Sparkplug
	JITMaglev   JIT = "maglev"   // without TurboFan, where most bugs of V8 that were exploited have been
	JITBaseline JIT = "baseline" // Sparkplug only, which does not optimise
	JITOff      JIT = "off"      // the interpreter; no executable memory is needed
)

// flags are V8's flags for the level. Those that V8 has as its default are named too, so that a build with another default is no surprise.
func (j JIT) flags() ([]string, error) {
	switch j {
	case JITFull:
		// Without helper threads, Maglev compiles a loop that runs again and again, and keeps it from TurboFan, which replaces it as
		// well: three of ten kernels take 2 to 5 times as long (measured with V8 13.6, and known of 15.0). Below this level Maglev is all
		// that can replace a loop that runs.
		return []string{"--opt", "--maglev", "--no-maglev-osr"}, nil
	case JITMaglev:
		return []string{"--no-opt", "--maglev"}, nil
	case JITBaseline:
		return []string{"--no-opt", "--no-maglev"}, nil
	case JITOff:
		return []string{"--jitless"}, nil
	default:
		return nil, fmt.Errorf("jit %q is none of full, maglev, baseline and off", j)
	}
}

// numbers are the first two of a version of V8, 0 where it has none.
func numbers(version string) (major, minor int) {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(first) // 0 is older than all that is known
	minor, _ = strconv.Atoi(second)
	return major, minor
}
