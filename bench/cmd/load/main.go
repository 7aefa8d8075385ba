// Command load sends HTTP requests to a server on this machine and prints the latencies. See package load.
//
//	go run ./bench/cmd/load -address 127.0.0.1:8080 -path /t/demo/hello/world -connections 16 -duration 10s
//	go run ./bench/cmd/load -address 127.0.0.1:8080 -path /t/demo/hello/world -rate 5000 -watch "$(pgrep -x jsruntime)"
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"example.com/jsruntime/bench/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	cfg := load.Config{}
	var path, header, body string
	var watch int
	fs.StringVar(&cfg.Address, "address", "127.0.0.1:8080", "host:port of the server")
	fs.StringVar(&cfg.Method, "method", "GET", "request method")
	fs.StringVar(&path, "path", "/", "paths, comma-separated, taken in turn")
	fs.BoolVar(&cfg.Random, "random", false, "take the paths at random")
	fs.StringVar(&header, "header", "", "one header, \"Name: value\"")
	fs.StringVar(&body, "body", "", "request body")
	fs.IntVar(&cfg.Connections, "connections", 16, "keep-alive connections")
	fs.Float64Var(&cfg.Rate, "rate", 0, "requests a second, open loop; 0 sends as fast as answers come")
	fs.DurationVar(&cfg.Warmup, "warmup", time.Second, "not measured")
	fs.DurationVar(&cfg.Duration, "duration", 10*time.Second, "measured")
	fs.IntVar(&watch, "watch", 0, "pid of a server: its CPU and memory and its children's are printed")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg.Paths = strings.Split(path, ",")
	if header != "" {
		cfg.Headers = []string{header}
	}
	if body != "" {
		cfg.Body = []byte(body)
	}
	before := map[string]load.Usage{}
	if watch > 0 {
		var err error
		if before, err = load.Tree(watch); err != nil {
			return err
		}
	}
	res, err := load.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println(res)
	if watch > 0 {
		after, err := load.Tree(watch)
		if err != nil {
			return err
		}
		names := make([]string, 0, len(after))
		for n := range after {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			u := after[n]
			fmt.Printf("%-20s %3d processes, %.2f cores, %.1f MiB private\n", n, u.Processes,
				(u.CPU-before[n].CPU).Seconds()/(cfg.Warmup+cfg.Duration).Seconds(), float64(u.Private)/(1<<20))
		}
	}
	return nil
}
