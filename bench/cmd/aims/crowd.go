package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/jsruntime/bench/load"
)

// crowd measures one tenant with 100 scripts, requested at random, beside one of these scripts. With -beside it measures two builds by
// turns, each with a node of its own that rests while the other is measured.
func crowd(ctx context.Context, o *options) error {
	const scripts = 100
	bins := []string{o.bin}
	if o.beside != "" {
		bins = append(bins, o.beside)
	}
	paths := make([]string, scripts)
	for i := range paths {
		paths[i] = path(1, i+1)
	}
	nodes := make([]*node, len(bins))
	for i, bin := range bins {
		n, err := startNode(ctx, o, fmt.Sprintf("crowd%d", i), content{tenants: 1, scripts: scripts, source: endpoint, bin: bin})
		if err != nil {
			return err
		}
		defer n.stop()
		nodes[i] = n
	}
	rates := make([][2][]float64, len(bins))
	for range o.rounds {
		for i, n := range nodes {
			for side, paths := range [][]string{paths[:1], paths} {
				rate, err := n.crowd(ctx, o, bins[i], paths)
				if err != nil {
					return err
				}
				rates[i][side] = append(rates[i][side], rate)
			}
		}
	}
	for i, r := range rates {
		say("crowd     %s: rate over %d scripts by the rate of one: %v   (%v and %v requests/s)", bins[i], scripts, ratios(r[1], r[0]), spreadOf(r[1]), spreadOf(r[0]))
	}
	if len(rates) == 2 {
		say("crowd     %s by %s: %v with %d scripts, %v with one", bins[0], bins[1], ratios(rates[0][1], rates[1][1]), scripts, ratios(rates[0][0], rates[1][0]))
	}
	return nil
}

// crowd measures one side in one round, prints what it took, and returns its rate.
func (n *node) crowd(ctx context.Context, o *options, bin string, paths []string) (float64, error) {
	if _, err := load.Run(ctx, load.Config{Address: n.address, Paths: paths, Random: true, Connections: o.connections, Duration: 3 * time.Second}); err != nil {
		return 0, err
	}
	before, err := load.Tree(n.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	res, err := load.Run(ctx, load.Config{Address: n.address, Paths: paths, Random: true, Connections: o.connections, Duration: o.duration})
	if err != nil {
		return 0, err
	}
	if res.Status[http.StatusOK] != res.Requests || res.Failed() > 0 {
		return 0, fmt.Errorf("not every answer was a 200: %v", res)
	}
	after, err := load.Tree(n.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	micros := func(name string) float64 {
		return float64((after[name].CPU - before[name].CPU).Microseconds()) / float64(res.Requests)
	}
	workers, err := load.Workers(n.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	say("          %s, %d scripts: %.0f requests/s, p50 %.2f ms, p99 %.1f ms; CPU of a request: node %.0f us, workers %.0f us; %d workers", bin, len(paths),
		res.Rate(), millis(res.Quantile(.5)), millis(res.Quantile(.99)), micros("jsruntime"), micros("jsruntime-worke"), len(workers))
	return res.Rate(), nil
}
