package faults

import (
	"syscall"
	"testing"

	"example.com/jsruntime/migrations/dbtest/pgserver"
)

// database is a Postgres server whose every death is ours to cause, perhaps with a standby beside it.
type database struct {
	*pgserver.Server
	// others are servers that may become the primary: the nodes and the suite itself find out which of them takes writes.
	others []*pgserver.Server
}

// newDatabase makes and starts a server with its data below dir, which must exist.
func newDatabase(t *testing.T, dir string, settings ...string) *database {
	t.Helper()
	return &database{Server: pgserver.New(t, dir, settings...)}
}

func (d *database) start(t *testing.T) { t.Helper(); d.Start(t) }

func (d *database) stop(signal syscall.Signal) { d.Stop(signal) }

func (d *database) url(name string) string {
	return pgserver.URL(name, append([]*pgserver.Server{d.Server}, d.others...)...)
}

// exec runs a statement of the test's own in the given database.
func (d *database) exec(t *testing.T, name, sql string, args ...any) {
	t.Helper()
	pgserver.Exec(t, d.url(name), sql, args...)
}

func freePort(t *testing.T) int { t.Helper(); return pgserver.FreePort(t) }
