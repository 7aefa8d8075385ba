// Command jsruntime-worker is the child process in which the scripts of one tenant run. The node starts it; alone it says its versions (--version) and no more.
package main

import (
	"os"

	"example.com/jsruntime/engine/worker"
)

func main() { os.Exit(worker.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
