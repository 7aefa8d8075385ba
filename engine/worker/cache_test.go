package worker

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// loadWith loads a source in a slot, with a code cache or for one. The Cache of what it returns is the caller's.
func (n *node) loadWith(slot uint32, source string, cache []byte, produce bool) wire.Loaded {
	n.t.Helper()
	n.send(&wire.Load{Slot: slot, MaxMemory: 64 << 20, Name: "demo", Static: []byte(`{"scriptType":"http"}`), Source: []byte(source), Cache: cache, Produce: produce})
	k, p, err := n.r.Next()
	require.NoError(n.t, err)
	require.Equal(n.t, wire.KindLoaded, k)
	m, err := wire.ParseLoaded(p)
	require.NoError(n.t, err)
	require.Empty(n.t, m.Code, m.Message)
	m.Cache = bytes.Clone(m.Cache)
	return m
}

// What one worker has compiled another one takes, and its script is the same.
func TestCodeCacheGoesToAnotherWorker(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "function f%d(a){return a+%d}; let v%d=f%d(0);\n", i, i, i, i)
	}
	source := wrapped(b.String() + `module.exports={run(input){return f999(input)+v1}}`)
	first := spawn(t).lease()
	require.Empty(t, first.loadWith(1, source, nil, false).Cache)
	m := first.loadWith(2, source, nil, true)
	require.NotEmpty(t, m.Cache)
	second, third := spawn(t).lease(), spawn(t, "--jit=off").lease()
	taken := second.loadWith(1, source, m.Cache, false)
	require.False(t, taken.Refused)
	require.Empty(t, taken.Cache)
	require.True(t, third.loadWith(1, source, m.Cache, false).Refused)
	for _, n := range []*node{first, second, third} {
		n.send(n.runOf(1, "1"))
		r := n.result()
		require.Empty(t, r.Code, r.Message)
		require.Equal(t, "1001", string(r.Body))
	}
}

// The Load of a bundle in an isolate of its own, with V8's code of it and without:
//
//	go test -run xxx -bench Load -benchtime 100x ./engine/worker
func BenchmarkLoad(b *testing.B) {
	source := bundle(b, "fetch", `import { PDFDocument } from "pdf-lib";
		export default { fetch() { return Response.json([typeof PDFDocument]); } };`)
	for _, cached := range []bool{false, true} {
		b.Run(fmt.Sprintf("%dKB/cached=%v", len(source)>>10, cached), func(b *testing.B) {
			n := spawn(b).lease()
			var cache []byte
			if cached {
				cache = n.loadWith(1, source, nil, true).Cache
				n.send(&wire.Drop{Slot: 1})
			}
			var took []time.Duration
			b.ResetTimer()
			for i := range b.N {
				began := time.Now()
				m := n.loadWith(uint32(i+2), source, cache, false)
				took = append(took, time.Since(began))
				require.False(b, m.Refused)
				n.send(&wire.Drop{Slot: uint32(i + 2)})
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(len(cache))/1024, "code-KB")
		})
	}
}
