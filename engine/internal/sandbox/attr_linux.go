package sandbox

import "syscall"

// Config says what Attr may use.
type Config struct {
	// UID and GID are what a worker runs as when the node is root; 0 means 65534.
	UID, GID int
	// NoNamespaces leaves namespaces out, where the kernel or the operator does not allow them.
	NoNamespaces bool
}

// Attr returns how the node starts a worker, and the layers that this gives, as "name=state". It may be called once and the result
// used for all workers; the caller starts them from one goroutine that is locked to its thread and never ends, since the death
// signal is tied to that thread.
func Attr(cfg Config) (attr *syscall.SysProcAttr, layers []string) {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}, []string{"session=on", "pdeathsig=on"}
}
