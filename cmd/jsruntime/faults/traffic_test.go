package faults

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// traffic is an open loop of requests for a warm endpoint: each is sent when it is due, whatever became of the ones before it.
type traffic struct {
	w    *world
	rate int
	stop func()

	mu      sync.Mutex
	sent    int
	failed  map[string]int // by what the client saw
	latency []time.Duration
}

// openLoop sends rate requests a second to the base URL that to gives, until mustAllSucceed or the end of the test. Where to names
// the node as well, the answers are looked for in the history. A request is a POST, which the client sends once and never again.
func (w *world) openLoop(rate int, to func() (*node, string)) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{w: w, rate: rate, failed: map[string]int{}}
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 128}}
	var wg sync.WaitGroup
	wg.Go(func() {
		begun := time.Now()
		for i := 0; ; i++ {
			intended := begun.Add(time.Duration(i) * time.Second / time.Duration(rate))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(intended)):
			}
			wg.Go(func() {
				n, base := to()
				word, execution := ask(client, base)
				took := time.Since(intended)
				tr.mu.Lock()
				tr.sent++
				tr.latency = append(tr.latency, took)
				if word != "" {
					tr.failed[word]++
				}
				tr.mu.Unlock()
				if n != nil && execution != "" {
					w.mu.Lock()
					w.answered = append(w.answered, answered{execution: execution, node: n, at: time.Now()})
					w.mu.Unlock()
				}
			})
		}
	})
	tr.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); client.CloseIdleConnections() })
	w.t.Cleanup(tr.stop)
	return tr
}

// ask returns what went wrong, or the execution that answered.
func ask(client *http.Client, base string) (wrong, execution string) {
	resp, err := client.Post(base+"/t/acme/hello", "text/plain", strings.NewReader("x"))
	if err != nil {
		return err.Error(), ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "body: " + err.Error(), ""
	case resp.StatusCode != http.StatusOK:
		return fmt.Sprintf("%d %.150s", resp.StatusCode, text), ""
	}
	return "", resp.Header.Get("X-Execution-Id")
}

// mustAllSucceed ends the traffic, notes what it saw, and fails the test where a request failed.
func (tr *traffic) mustAllSucceed(during string, took time.Duration) {
	tr.w.t.Helper()
	tr.stop()
	failed := 0
	for _, n := range tr.failed {
		failed += n
	}
	slices.Sort(tr.latency)
	at := func(q float64) int64 {
		return tr.latency[min(len(tr.latency)-1, int(q*float64(len(tr.latency))))].Milliseconds()
	}
	tr.w.note("%d requests at %d/s in open loop during %s of %.0f s: %d failed; p50 %d ms, p99 %d ms, slowest %d ms", tr.sent, tr.rate, during, took.Seconds(), failed, at(.5), at(.99), at(1))
	for i, what := range slices.Sorted(maps.Keys(tr.failed)) {
		if i < 5 {
			tr.w.t.Errorf("during %s: %d × %s", during, tr.failed[what], what)
		}
	}
}
