package worker

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var levels = []string{"full", "maglev", "baseline", "off"}

// Each level runs scripts, and to the same results.
func TestJITLevels(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			n := spawn(t, "--jit="+level).lease()
			require.Empty(t, n.load(1, script(`let n = 0; const f = (i) => i < 2 ? i : f(i - 1) + f(i - 2);
				for (let i = 0; i < 3e5; i++) n += i % 7 + 0.5; return [n, f(20), /a+b/.test("aab"), [3, 1, 2].sort(), typeof WebAssembly]`)).Code)
			for range 3 {
				r := n.run(1, "{}")
				require.Empty(t, r.Code, r.Message)
				require.JSONEq(t, `[1049997,6765,true,[1,2,3],"undefined"]`, string(r.Body))
			}
		})
	}
}

// BenchmarkJIT runs bench's kernels, and two more, at each level: milliseconds of the best of five, a kernel.
func BenchmarkJIT(b *testing.B) {
	kernels, err := os.ReadFile("../../bench/cmd/aims/kernels.js")
	require.NoError(b, err)
	const more = `
function fib() { const f = (i) => i < 2 ? i : f(i - 1) + f(i - 2); return f(32) }
function sort() { let x = 1; const a = Array.from({length: 200000}, () => x = x * 16807 % 2147483647); a.sort((p, q) => p - q); return a[1000] }
function regexp() { let n = 0; const s = "user@example.com, other.person@example.org; ".repeat(500); for (let i = 0; i < 40; i++) for (const m of s.matchAll(/([a-z.]+)@([a-z]+)\.(com|org)/g)) n += m[1].length; return n }
module.exports = { default: { run() { const took = measure();
	for (const kernel of [fib, sort, regexp]) { let best = Infinity; for (let i = 0; i < 5; i++) { const began = performance.now(); kernel(); best = Math.min(best, performance.now() - began) } took[kernel.name] = best }
	return took } } };`
	for _, level := range levels {
		b.Run(level, func(b *testing.B) {
			for b.Loop() {
				n := spawn(b, "--jit="+level).leaseOf(256 << 20)
				require.Empty(b, n.loadAs(1, "oneoff", 256<<20, string(kernels)+more).Code)
				m := n.runOf(1, "{}")
				m.WallMillis = 10 * 60 * 1000
				n.send(m)
				r := n.result()
				require.Empty(b, r.Code, r.Message)
				var took map[string]float64
				require.NoError(b, json.Unmarshal(r.Body, &took))
				for _, name := range slices.Sorted(maps.Keys(took)) {
					b.ReportMetric(took[name], name+"-ms")
				}
			}
		})
	}
}
