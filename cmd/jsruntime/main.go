// Command jsruntime is a node, and the command line of those who write scripts for one. As a node it serves the admin API and the
// tenants' endpoints, runs schedules and events, and holds the workers that run the scripts: see serve.go, for Linux only. The other
// commands are in package author, for every system.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)                                    // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) // stop has nothing left to do
}
