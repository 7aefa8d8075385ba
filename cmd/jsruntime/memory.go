//go:build linux

package main

import (
	"cmp"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
)

// memoryPlan is how a node divides the memory that it and its children may use, all in bytes.
type memoryPlan struct {
	machine int64 // what there is: the machine's memory, or the least that a cgroup allows; 0 if unknown
	heap    int64 // soft limit of the Go runtime (SetMemoryLimit)
	budget  int64 // admission.Budget: bodies, decoded values, answers, streams, host calls, compile work, outboxes
	conns   int   // connections at one time
}

const (
	unknownMachine = 2 << 30 // where it is not known
	leastBudget    = 16 << 20
	bytesPerConn   = 512 << 10 // of the machine, a connection: it takes 30 to 40 KiB before a byte of a body is read
)

// planMemory divides. Idle workers have a quarter of the machine (engine.Config.MaxWarm), executing workers another one, an embedded
// Postgres an eighth: the Go runtime gets half, or three eighths. Half of that is the budget, so that what is reserved fits
// twice: in the work of encoders and the garbage of the moment. budgetMiB and conns are what the operator wants, 0 for neither;
// goLimit is GOMEMLIMIT, 0 where it is not set.
func planMemory(machine int64, embedded bool, goLimit, budgetMiB int64, conns int) memoryPlan {
	p := memoryPlan{machine: machine, heap: goLimit}
	known := cmp.Or(machine, unknownMachine)
	if p.heap == 0 {
		p.heap = known / 2
		if embedded {
			p.heap = known / 8 * 3
		}
		// A larger budget that the operator wants takes of the workers' part.
		p.heap = max(p.heap, min(2*budgetMiB<<20, known/4*3))
	}
	p.budget = max(leastBudget, p.heap/2)
	if budgetMiB > 0 {
		p.budget = budgetMiB << 20
	}
	p.conns = conns
	if p.conns == 0 {
		p.conns = int(min(max(known/bytesPerConn, 512), 32<<10))
		var files unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil && files.Cur < 1<<31 {
			p.conns = max(min(p.conns, int(files.Cur)/2), 64) // the other half is for workers, fetches and the database
		}
	}
	return p
}

// nodeMemory is the plan of this process. It sets the Go runtime's limit, unless GOMEMLIMIT has.
func nodeMemory(cfg *serveConfig, embedded bool) (memoryPlan, *admission.Budget, error) {
	var goLimit int64
	if os.Getenv("GOMEMLIMIT") != "" {
		goLimit = debug.SetMemoryLimit(-1)
	}
	plan := planMemory(engine.MachineMemory(), embedded, goLimit, int64(cfg.MemoryBudget), cfg.MaxConnections)
	if goLimit == 0 {
		debug.SetMemoryLimit(plan.heap)
	}
	budget, err := admission.NewBudget(plan.budget)
	return plan, budget, err
}
