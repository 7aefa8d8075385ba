// Command aims measures a whole node against the aims that bench/doc.go lists, where no peer is needed to do so.
//
//	make build
//	go run ./bench/cmd/aims -postgres postgres://postgres@127.0.0.1:5432/postgres [cold burst tenants scripts crowd cpu overload neighbour upload dev rollout rules]
//
//	cold      the first request to a script that no worker has, over HTTP, one after the other, of a new tenant each
//	burst     5 requests each of 100 tenants that have never been called before, all at once: none is to be refused
//	tenants   1,000 tenants, each with a worker that has its script loaded: private memory of a worker, and the rate over all of
//	          them by the rate of one
//	scripts   latency with 100,000 registered scripts by latency with 100, the same endpoint, by turns
//	crowd     one tenant's 100 scripts requested at random by the rate of one of them, with the CPU time of a request
//	cpu       JavaScript kernels by turns in a script and in Node.js (needs node; left out without it)
//	overload  the highest rate of a script that burns 2 ms, then twice as much sent as that: goodput, and how fast the rest is
//	          refused
//	neighbour how late a tenant's events start while another tenant's scripts are at their own limits, by the same in calm
//	upload    a new source of 500 KB, from its upload to the first answer of the new version, by the API and by jsruntime deploy
//	dev       from a saved file to the first answer of what it says, in jsruntime dev (a database of its own, no -postgres)
//	rollout   CPU of a request while a candidate has half of the executions by that with one version, in turns
//	rules     p99 and CPU of a request to an endpoint with jwt, rate limit and egress rules by those of one without, in turns
//
// Each starts a node of its own on a database of its own, and drops both. A line gives the median of the rounds with the least and
// the greatest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

type options struct {
	postgres    string
	bin         string
	beside      string
	rounds      int
	duration    time.Duration
	tenants     int
	scripts     int
	connections int
	warm        time.Duration
	burn        int
}

// aim is one measurement; it is given a world of its own.
type aim struct {
	name    string
	measure func(context.Context, *options) error
}

func run(ctx context.Context, args []string) int {
	aims := []aim{{"cold", cold}, {"burst", burst}, {"tenants", tenants}, {"scripts", scripts}, {"crowd", crowd}, {"cpu", cpu}, {"overload", overload}, {"neighbour", neighbour},
		{"upload", upload}, {"dev", devLoop}, {"rollout", rollout}, {"rules", rules}}
	fs := flag.NewFlagSet("aims", flag.ContinueOnError)
	var o options
	fs.StringVar(&o.postgres, "postgres", os.Getenv("TEST_DATABASE_URL"), "URL of a server on which databases may be made")
	fs.StringVar(&o.bin, "bin", "bin", "folder of jsruntime and jsruntime-worker")
	fs.StringVar(&o.beside, "beside", "", "folder of another build, which the crowd aim measures by turns with bin; empty: none")
	fs.IntVar(&o.rounds, "rounds", 3, "how often each side is measured")
	fs.DurationVar(&o.duration, "duration", 5*time.Second, "of one side in one round")
	fs.IntVar(&o.tenants, "tenants", 1000, "tenants of the tenants aim")
	fs.DurationVar(&o.warm, "warm", 90*time.Second, "of load over all tenants of the tenants aim before it is measured")
	fs.IntVar(&o.scripts, "scripts", 100_000, "scripts of the scripts aim")
	fs.IntVar(&o.connections, "connections", 16, "connections of closed loops")
	fs.IntVar(&o.burn, "burn", 2, "milliseconds that an execution of the overload aim burns")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	names := fs.Args()
	for _, name := range names {
		if !slices.ContainsFunc(aims, func(a aim) bool { return a.name == name }) {
			fmt.Fprintln(os.Stderr, "aims: no such aim:", name)
			return 2
		}
	}
	for _, a := range aims {
		if len(names) > 0 && !slices.Contains(names, a.name) {
			continue
		}
		if err := a.measure(ctx, &o); err != nil {
			fmt.Fprintf(os.Stderr, "aims: %s: %v\n", a.name, err)
			return 1
		}
	}
	return 0
}

// spread is the median, least and greatest of the rounds.
type spread struct{ median, low, high float64 }

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(v))
	return spread{s[len(s)/2], s[0], s[len(s)-1]}
}

// ratios divides what two sides did in the same round.
func ratios(a, b []float64) spread {
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, a[i]/b[i])
	}
	return spreadOf(r)
}

func (s spread) String() string { return fmt.Sprintf("%.3g (%.3g to %.3g)", s.median, s.low, s.high) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
