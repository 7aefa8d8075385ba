package isolate

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What an isolate adds to the process's private memory: with a context, and once a script has run in it.
//
//	go test -run xxx -bench Memory -benchtime 20x ./engine/internal/isolate
func BenchmarkMemory(b *testing.B) {
	private := func() (kib float64) {
		Trim()
		rollup, err := os.ReadFile("/proc/self/smaps_rollup")
		if err != nil {
			b.Skip(err)
		}
		for line := range strings.Lines(string(rollup)) {
			if n := 0.0; strings.HasPrefix(line, "Private_Dirty:") {
				_, _ = fmt.Sscanf(line, "Private_Dirty: %f kB", &n)
				return n
			}
		}
		return 0
	}
	first, err := shared.New(64<<20, &quiet{})
	if err != nil {
		b.Fatal(err)
	}
	defer first.Close()
	var all []*Isolate
	before := private()
	for b.Loop() {
		i, err := shared.New(64<<20, &quiet{})
		if err != nil {
			b.Fatal(err)
		}
		defer i.Close()
		all = append(all, i)
	}
	made := private()
	var o Outcome
	for _, i := range all {
		if f, err := i.Load(&Script{Name: "demo", Source: fetchSource, Static: `{"scriptType":"http"}`}); f != nil || err != nil {
			b.Fatal(f, err)
		}
		for range 3 {
			if err := i.Begin(fetchStart()); err != nil || !i.Done() {
				b.Fatal(err)
			}
			if err := i.Take(&o); err != nil || o.Failure != nil {
				b.Fatal(err, o.Failure)
			}
		}
	}
	n := float64(len(all))
	b.ReportMetric((made-before)/n, "KiB/isolate")
	b.ReportMetric((private()-before)/n, "KiB/script")
}
