// Command jsruntime is a node: it serves the admin API and the tenants' endpoints, runs schedules and events, and holds the
// workers that run the scripts. See serve.go for what it is made of.
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
