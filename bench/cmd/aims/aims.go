package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.com/jsruntime/bench/load"
)

func cold(ctx context.Context, o *options) error {
	const each = 100
	n, err := startNode(ctx, o, "cold", content{tenants: each * o.rounds, scripts: 1, source: endpoint})
	if err != nil {
		return err
	}
	defer n.stop()
	client := &http.Client{Timeout: time.Minute}
	var p50, p99 []float64
	for round := range o.rounds {
		var took []time.Duration
		for i := range each {
			time.Sleep(150 * time.Millisecond) // the next spare has started by then
			_, d, err := n.expect(client, path(round*each+i+1, 1))
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		slices.Sort(took)
		p50, p99 = append(p50, millis(took[each/2])), append(p99, millis(took[each*99/100]))
	}
	say("cold      first request, spare at hand: p50 %v ms, p99 %v ms   (aim: 5, 15)", spreadOf(p50), spreadOf(p99))
	return nil
}

func burst(ctx context.Context, o *options) error {
	const callers, requests = 100, 5
	for range o.rounds {
		n, err := startNode(ctx, o, "burst", content{tenants: callers, scripts: 1, source: endpoint})
		if err != nil {
			return err
		}
		var (
			mu     sync.Mutex
			wg     sync.WaitGroup
			took   []time.Duration
			status = map[int]int{}
		)
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
		began := time.Now()
		for i := range callers {
			wg.Go(func() {
				for range requests {
					code, _, d, _ := n.get(client, path(i+1, 1))
					mu.Lock()
					status[code]++
					took = append(took, d)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		all := time.Since(began)
		client.CloseIdleConnections()
		n.stop()
		slices.Sort(took)
		say("burst     %d tenants × %d requests in %.1f s: answers by status %v, p50 %.0f ms, max %.0f ms   (aim: all 200)", callers, requests,
			all.Seconds(), status, millis(took[len(took)/2]), millis(took[len(took)-1]))
	}
	return nil
}

func tenants(ctx context.Context, o *options) error {
	n, err := startNode(ctx, o, "tenants", content{tenants: o.tenants, scripts: 1, source: endpoint}, "--workers", fmt.Sprint(o.tenants+16))
	if err != nil {
		return err
	}
	defer n.stop()
	client := &http.Client{Timeout: time.Minute}
	began := time.Now()
	paths := make([]string, o.tenants)
	for i := range paths {
		paths[i] = path(i+1, 1)
		for range 3 {
			if _, _, err := n.expect(client, paths[i]); err != nil {
				return err
			}
		}
	}
	// V8 compiles what is called often, in every worker by itself: some hundred calls each until all of them have done so.
	warm := *o
	warm.duration = o.warm
	if _, err := n.rate(ctx, &warm, o.connections, paths...); err != nil {
		return err
	}
	warmed := time.Since(began)
	var one, all []float64
	for range o.rounds {
		res, err := n.rate(ctx, o, o.connections, paths[0])
		if err != nil {
			return err
		}
		one = append(one, res.Rate())
		if res, err = n.rate(ctx, o, o.connections, paths...); err != nil {
			return err
		}
		all = append(all, res.Rate())
	}
	private, err := n.workers()
	if err != nil {
		return err
	}
	for i := range private {
		private[i] /= 1 << 20
	}
	say("tenants   %d warm in %.0f s, %d workers: private memory of a worker %v MiB   (aim: 10)", o.tenants, warmed.Seconds(), len(private), spreadOf(private))
	say("          rate over %d tenants by the rate of one: %v   (aim: 0.95; %v and %v requests/s)", o.tenants, ratios(all, one), spreadOf(all), spreadOf(one))
	return nil
}

func scripts(ctx context.Context, o *options) error {
	const owners = 100
	few, err := startNode(ctx, o, "few", content{tenants: owners, scripts: 1, source: endpoint})
	if err != nil {
		return err
	}
	defer few.stop()
	many, err := startNode(ctx, o, "many", content{tenants: owners, scripts: o.scripts / owners, source: endpoint})
	if err != nil {
		return err
	}
	defer many.stop()
	// A rate that leaves the processors half idle, so that it is latency and not queueing that is compared.
	const rate = 2000
	measure := func(n *node) (*load.Result, error) {
		res, err := load.Run(ctx, load.Config{Address: n.address, Paths: []string{path(1, 1), path(2, 1), path(3, 1), path(4, 1)}, Connections: o.connections,
			Rate: rate, Warmup: time.Second, Duration: o.duration})
		if err == nil && res.Status[http.StatusOK] != res.Requests {
			err = fmt.Errorf("not every answer was a 200: %v", res)
		}
		return res, err
	}
	var p50s, p99s [2][]float64
	for range o.rounds {
		for i, n := range []*node{few, many} {
			res, err := measure(n)
			if err != nil {
				return err
			}
			p50s[i], p99s[i] = append(p50s[i], millis(res.Quantile(.5))), append(p99s[i], millis(res.Quantile(.99)))
		}
	}
	say("scripts   latency beside %d scripts by latency beside %d, at %d requests/s: p50 %v   (aim: 1.1; %v and %v ms), p99 %v", o.scripts, owners, rate,
		ratios(p50s[1], p50s[0]), spreadOf(p50s[1]), spreadOf(p50s[0]), ratios(p99s[1], p99s[0]))
	return nil
}

// burner keeps a processor for a fixed amount of work; %d is the number of its steps.
const burner = `export default { fetch() { let x = 1; for (let i = 0; i < %d; i++) x = (x * 48271) %% 2147483647; return Response.json(x); } };`

func overload(ctx context.Context, o *options) error {
	// The work is counted in steps, so that executions that share a processor take longer and do not do less.
	n, err := startNode(ctx, o, "overload", content{tenants: 1, scripts: 1, source: fmt.Sprintf(burner, o.burn*200_000)})
	if err != nil {
		return err
	}
	defer n.stop()
	var goodput, refused []float64
	for range o.rounds {
		peak, err := n.rate(ctx, o, o.connections, path(1, 1))
		if err != nil {
			return err
		}
		res, err := load.Run(ctx, load.Config{Address: n.address, Paths: []string{path(1, 1)}, Connections: 512, Rate: 2 * peak.Rate(),
			Warmup: 2 * time.Second, Duration: o.duration})
		if err != nil {
			return err
		}
		good := float64(res.Status[http.StatusOK]) / res.Elapsed.Seconds()
		var away []time.Duration
		for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			away = append(away, res.ByStatus[code]...)
		}
		slices.Sort(away)
		var p50, p99 time.Duration
		if len(away) > 0 {
			p50, p99 = away[len(away)/2], away[len(away)*99/100]
		}
		goodput, refused = append(goodput, good/peak.Rate()), append(refused, millis(p99))
		say("          peak %.0f requests/s; sent %.0f/s: %.0f good (p50 %.0f ms, p99 %.0f ms), %d refused (p50 %.0f ms, p99 %.0f ms), %d without an answer",
			peak.Rate(), 2*peak.Rate(), good, millis(res.StatusQuantile(200, .5)), millis(res.StatusQuantile(200, .99)), len(away), millis(p50), millis(p99), res.Failed())
	}
	say("overload  goodput by peak: %v   (aim: 0.9); p99 of refusals %v ms   (aim: 50)", spreadOf(goodput), spreadOf(refused))
	return nil
}
