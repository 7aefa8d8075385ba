// Command soak runs a node for a long time under a mixed load and says whether anything of it grows: memory of node and workers,
// goroutines, descriptors, worker processes, database connections, backlogs, latencies.
//
//	make soak                                                                   30 minutes, a Postgres of its own; bench/soak.svg, bench/SOAK.md
//	go run ./bench/cmd/soak -postgres URL -duration 2m -svg /tmp/soak.svg       shorter, elsewhere
//
// The load, at -rate actions a second in open loop: three in four are warm HTTP requests; the others use kv, fetch, throw, publish
// events (one in ten fails, is retried and becomes a dead letter), queue executions, and call the scripts of a second tenant that
// attack their worker (endless loops, heap and native memory, recursion, too long answers, promises that never settle, a call
// that aborts V8). Beside it three schedules fire each second, and every minute half of the scripts get a new version, which also
// lets the attackers out of quarantine.
//
// Every -every, figures are read from the kernel (/proc), from the node's /metrics and from Postgres. In the end the node must
// have answered everything as expected, its history must hold every answered request, nothing may be left in its queue, and it must
// end by itself at SIGTERM without leaving a process. A figure grows where the least-squares line through the second half of
// its samples rises by more than its bound.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	nodes "example.com/jsruntime/bench/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type config struct {
	binary, postgres, dir string
	svg, page, csv        string
	duration, every       time.Duration
	rate                  float64
}

// run returns 0 where everything is flat and as expected, 1 where not, 2 for a command line that makes no sense.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var cfg config
	flags.StringVar(&cfg.binary, "binary", "bin/jsruntime", "the node; jsruntime-worker is beside it")
	flags.StringVar(&cfg.postgres, "postgres", os.Getenv("TEST_DATABASE_URL"), "URL of a server on which a database may be made; default TEST_DATABASE_URL")
	flags.DurationVar(&cfg.duration, "duration", 30*time.Minute, "how long the load goes on")
	flags.DurationVar(&cfg.every, "every", 5*time.Second, "time between two samples")
	flags.Float64Var(&cfg.rate, "rate", 100, "actions a second")
	flags.StringVar(&cfg.svg, "svg", "", "write the curves to this file")
	flags.StringVar(&cfg.page, "page", "", "write the verdict to this file, as Markdown")
	flags.StringVar(&cfg.csv, "csv", "", "write the samples to this file")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	switch {
	case cfg.postgres == "":
		fmt.Fprintln(stderr, "soak: -postgres: missing, and TEST_DATABASE_URL is not set")
		return 2
	case cfg.duration < 4*cfg.every || cfg.every <= 0:
		fmt.Fprintf(stderr, "soak: -duration: %v is less than four times -every (%v)\n", cfg.duration, cfg.every)
		return 2
	case cfg.rate <= 0 || cfg.rate > 10_000:
		fmt.Fprintf(stderr, "soak: -rate: %v is not between 0 and 10,000\n", cfg.rate)
		return 2
	}
	flat, err := soak(ctx, cfg, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	if !flat {
		return 1
	}
	return 0
}

func soak(ctx context.Context, cfg config, stdout io.Writer) (flat bool, err error) {
	if cfg.dir, err = os.MkdirTemp("", "jsruntime-soak-"); err != nil {
		return false, err
	}
	defer func() {
		if err == nil && flat {
			_ = os.RemoveAll(cfg.dir)
		} else {
			fmt.Fprintln(stdout, "the node's log is", filepath.Join(cfg.dir, "node.log"))
		}
	}()
	db, err := newDatabase(ctx, cfg.postgres)
	if err != nil {
		return false, err
	}
	defer db.drop()
	node, err := startNode(cfg, db.url)
	if err != nil {
		return false, err
	}
	defer node.kill()
	if err := nodes.AwaitReady(ctx, client, node.base, node.gone, time.Minute); err != nil {
		return false, err
	}
	m, err := newMix(ctx, node)
	if err != nil {
		return false, err
	}
	defer m.close()

	samples := newSamples()
	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	done := make(chan struct{})
	go func() { defer close(done); m.run(loadCtx, cfg.rate) }()
	begun := time.Now()
	tick := time.NewTicker(cfg.every)
	defer tick.Stop()
	for elapsed := time.Duration(0); elapsed < cfg.duration; elapsed = time.Since(begun) {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-node.gone:
			return false, fmt.Errorf("the node ended by itself after %v", time.Since(begun).Round(time.Second))
		case <-tick.C:
		}
		if err := samples.take(ctx, time.Since(begun), node, db, m); err != nil {
			return false, err
		}
		if n := len(samples.at); n%12 == 0 {
			fmt.Fprintf(stdout, "%6s  %s\n", time.Since(begun).Round(time.Second), samples.line())
		}
	}
	stopLoad()
	<-done
	var left []string
	left = append(left, m.settle(ctx, db)...)
	left = append(left, node.end()...)

	report := judge(cfg, samples, m, left)
	fmt.Fprint(stdout, report.text)
	for path, text := range map[string]string{cfg.svg: "", cfg.page: report.page(cfg.svg), cfg.csv: samples.csv()} {
		if path == "" {
			continue
		}
		if path == cfg.svg {
			text = plot(samples, strings.TrimSpace(report.title))
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return false, err
		}
	}
	return report.flat, nil
}
