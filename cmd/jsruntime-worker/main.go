// Command jsruntime-worker is the child process in which the scripts of one tenant run. The node starts it; it is of no use alone.
package main

import (
	"os"

	"jsruntime/engine/worker"
)

func main() { os.Exit(worker.Main(os.Args[1:], os.Stderr)) }
