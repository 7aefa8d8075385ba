package invoke_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// workersCPU is the CPU time of the processes that this one has started and that live.
func workersCPU(b *testing.B) time.Duration {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(b, err)
	var sum time.Duration
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text := string(raw)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(b, err)
		var ts unix.Timespec
		if unix.ClockGettime(int32(^pid)<<3|2, &ts) == nil { // the process's CPU clock, in nanoseconds
			sum += time.Duration(ts.Nano())
		}
	}
	return sum
}

// BenchmarkWorkerCPU is what a small JSON endpoint costs its worker in CPU time, through the pool: with the warm path off and on, 16 callers as
// fast as answers come, and one of 100 requests a second.
func BenchmarkWorkerCPU(b *testing.B) {
	for _, path := range []string{"off", "on"} {
		e := enginetest.Real(b).Start(b, func(c *engine.Config) {
			c.Spares, c.MaxWorkers, c.Logger, c.QuarantineAfter = 1, 1, nil, -1
			c.WorkerArgs = append(c.WorkerArgs[:len(c.WorkerArgs):len(c.WorkerArgs)], "--warm="+path)
		})
		s := script(b, enginetest.NewTenant(), endpoint)
		for range 3000 {
			execute(b, e, request(s))
		}
		b.Run(fmt.Sprintf("warm=%s/16 callers", path), func(b *testing.B) {
			before := workersCPU(b)
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for range b.N / 16 {
						execute(b, e, request(s))
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64((workersCPU(b)-before).Nanoseconds())/1000/float64(max(b.N/16*16, 1)), "worker-µs/request")
		})
		b.Run(fmt.Sprintf("warm=%s/100 a second", path), func(b *testing.B) {
			before := workersCPU(b)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for range b.N {
				<-tick.C
				execute(b, e, request(s))
			}
			b.ReportMetric(float64((workersCPU(b)-before).Nanoseconds())/1000/float64(b.N), "worker-µs/request")
		})
	}
}
