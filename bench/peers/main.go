package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	rounds      int
	duration    time.Duration
	connections int
	jobs        int
	postgres    string
	bin         string
	js          string
	out         string
	only        string
	tables      string
	tenants     []int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "gin":
			return serveGin(ctx, args[1:])
		case "river":
			return drainRiver(ctx, args[1:])
		}
	}
	var o options
	fs := flag.NewFlagSet("peers", flag.ContinueOnError)
	fs.IntVar(&o.rounds, "rounds", 3, "rounds over all peers")
	fs.DurationVar(&o.duration, "duration", 5*time.Second, "measured time of one HTTP peer in one round")
	fs.IntVar(&o.connections, "connections", 16, "HTTP connections")
	fs.IntVar(&o.jobs, "jobs", 20000, "jobs in the queue of one peer in one round")
	fs.StringVar(&o.postgres, "postgres", os.Getenv("TEST_DATABASE_URL"), "URL of a Postgres server whose user may create databases")
	fs.StringVar(&o.bin, "bin", "../../bin", "folder of jsruntime and jsruntime-worker")
	fs.StringVar(&o.js, "js", "js", "folder of the JavaScript peers, with node_modules")
	fs.StringVar(&o.out, "out", "", "file for the Markdown table; standard output where empty")
	fs.StringVar(&o.only, "only", "", "comma-separated names of peers; all where empty")
	fs.StringVar(&o.tables, "tables", "", "comma-separated tables: http, low, open, post, kv, tenants, jobs; all where empty")
	tenants := fs.String("tenants", "100,300,1000", "comma-separated numbers of tenants of the tenants table")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for n := range strings.SplitSeq(*tenants, ",") {
		count, err := strconv.Atoi(n)
		if err != nil {
			return fmt.Errorf("-tenants: %w", err)
		}
		o.tenants = append(o.tenants, count)
	}
	if o.postgres == "" {
		return errors.New("-postgres or TEST_DATABASE_URL must name a Postgres server")
	}
	var err error
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if o.js, err = filepath.Abs(o.js); err != nil {
		return err
	}
	head := fmt.Sprintf("# jsruntime beside its peers\n\n%s, %d cores (%s), Linux %s, Go %s. Load generator, servers and Postgres share these cores;\nonly ratios within one run mean anything. Made by `make bench-peers`; each table says when.\n",
		time.Now().UTC().Format("2006-01-02"), cores(), cpuModel(), kernel(), strings.TrimPrefix(runtime.Version(), "go"))
	var made tables
	if o.makes("http") {
		if err := compareHTTP(ctx, &o, &made); err != nil {
			return err
		}
	}
	keep := func() error {
		if o.out == "" {
			return nil
		}
		return made.write(o.out, head)
	}
	if err := compareScenes(ctx, &o, &made, keep); err != nil {
		return err
	}
	if o.makes("jobs") {
		if err := compareJobs(ctx, &o, &made); err != nil {
			return err
		}
	}
	if o.out == "" {
		fmt.Print(made.merge("", head))
	}
	return keep()
}

func cores() int { return runtime.NumCPU() }

func (o *options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

func (o *options) makes(table string) bool {
	return o.tables == "" || slices.Contains(strings.Split(o.tables, ","), table)
}

// spread is the median, least and greatest of a peer's rounds.
type spread struct{ median, low, high float64 }

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(v))
	return spread{s[len(s)/2], s[0], s[len(s)-1]}
}

// ratios divides what two peers did in the same round.
func ratios(a, b []float64) spread {
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, a[i]/b[i])
	}
	return spreadOf(r)
}

func cpuModel() string {
	raw, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	raw, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(raw))
}
