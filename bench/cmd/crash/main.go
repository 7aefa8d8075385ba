package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

type options struct {
	bin       string
	nodes     []int
	workers   int
	chaos     string
	kill      time.Duration
	verbose   bool
	settle    time.Duration
	schedules int
	tenants   int
	length    time.Duration
	events    int
	clients   int
}

// errBroken says that a promise did not hold; the table says which.
var errBroken = errors.New("a promise was broken")

func run(ctx context.Context, args []string) int {
	o := &options{}
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.StringVar(&o.bin, "bin", "bin", "directory of jsruntime and jsruntime-worker")
	nodes := flags.String("nodes", "", "how many nodes; several numbers are run one after the other (ticks: 2,4; events: 4)")
	flags.IntVar(&o.workers, "workers", 4, "workers of a node that may execute at one time")
	flags.StringVar(&o.chaos, "chaos", "", "on, off or both (ticks: both; events: on)")
	flags.DurationVar(&o.kill, "kill", 4*time.Second, "mean time between two kills")
	flags.BoolVar(&o.verbose, "v", false, "say on stderr what is killed when")
	flags.DurationVar(&o.settle, "settle", 15*time.Minute, "how long everything may take to end at last")
	flags.IntVar(&o.schedules, "schedules", 500, "ticks: schedules")
	flags.IntVar(&o.tenants, "tenants", 10, "ticks: tenants that have them")
	flags.DurationVar(&o.length, "for", time.Minute, "ticks: how long")
	flags.IntVar(&o.events, "events", 100_000, "events: how many")
	flags.IntVar(&o.clients, "clients", 16, "events: clients that publish")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "crash [flags] ticks|events [flags]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	what := flags.Arg(0)
	if flags.NArg() > 1 { // flags may stand behind the name too
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return 2
		}
	}
	defaults := map[string][2]string{"ticks": {"2,4", "both"}, "events": {"4", "on"}}[what]
	if defaults[0] == "" || flags.NArg() > 1 {
		flags.Usage()
		return 2
	}
	if *nodes == "" {
		*nodes = defaults[0]
	}
	if o.chaos == "" {
		o.chaos = defaults[1]
	}
	for part := range strings.SplitSeq(*nodes, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "crash: -nodes: %q is no number of nodes\n", part)
			return 2
		}
		o.nodes = append(o.nodes, n)
	}
	modes := map[string][]bool{"on": {true}, "off": {false}, "both": {false, true}}[o.chaos]
	if modes == nil || o.kill <= 0 || o.schedules < 1 || o.tenants < 1 || o.events < 1 || o.clients < 1 || o.length < time.Second {
		fmt.Fprintln(os.Stderr, "crash: -chaos must be on, off or both; numbers and times must be positive")
		return 2
	}
	var err error
	if o.bin, err = filepath.Abs(o.bin); err == nil {
		_, err = os.Stat(filepath.Join(o.bin, "jsruntime"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash: -bin:", err, "(make build)")
		return 2
	}
	scenario := map[string]func(context.Context, *world, bool) error{"ticks": ticks, "events": events}[what]
	code := 0
	for _, chaotic := range modes {
		for _, n := range o.nodes {
			if err := within(ctx, o, n, func(w *world) error { return scenario(ctx, w, chaotic) }); err != nil {
				fmt.Fprintf(os.Stderr, "crash: %s with %d nodes: %v\n", what, n, err)
				code = 1
			}
			if ctx.Err() != nil {
				return 1
			}
		}
	}
	return code
}
