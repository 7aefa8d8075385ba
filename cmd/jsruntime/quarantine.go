//go:build linux

package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

// quarantines writes to the database which scripts this node's engine has put in quarantine, so that other nodes know and a restart
// forgets none, and tells the engine when one was ended there.
type quarantines struct {
	queries *sqlc.Queries
	log     *slog.Logger
	catalog *catalog.Catalog
	stays   chan engine.Quarantine

	mu      sync.Mutex
	writing map[uuid.UUID]bool // by script: the database does not say it yet
}

// quarantinesAhead is how many stays may wait to be written. More hold on this node alone.
const quarantinesAhead = 1024

func newQuarantines(db *pgxpool.Pool, library *catalog.Catalog, log *slog.Logger) *quarantines {
	return &quarantines{queries: sqlc.New(db), log: log, catalog: library, stays: make(chan engine.Quarantine, quarantinesAhead), writing: map[uuid.UUID]bool{}}
}

// begun is engine.Config.Quarantined: it does not block.
func (q *quarantines) begun(stay engine.Quarantine) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.stays <- stay:
		q.writing[stay.ScriptID] = true
	default:
	}
}

// run writes stays until ctx is done.
func (q *quarantines) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case stay := <-q.stays:
			q.write(ctx, stay)
			q.mu.Lock()
			delete(q.writing, stay.ScriptID)
			q.mu.Unlock()
		}
	}
}

// write writes a stay, again while the database is away and the stay lasts.
func (q *quarantines) write(ctx context.Context, stay engine.Quarantine) {
	for left := time.Until(stay.Until); left > 0 && ctx.Err() == nil; left = time.Until(stay.Until) {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := q.queries.ScriptQuarantine(attempt, sqlc.ScriptQuarantineParams{
			TenantID: stay.TenantID, ID: stay.ScriptID, Version: int32(stay.Version), Seconds: left.Seconds(),
			Reason: fmt.Sprintf("version %d ended %d workers within %s", stay.Version, stay.Deaths, stay.Window),
		})
		cancel()
		if err == nil {
			return
		}
		q.log.Warn("quarantine not written", "tenant_id", stay.TenantID, "script_id", stay.ScriptID, "error", err)
		wake.Pause(ctx, time.Second)
	}
}

// follow returns a catalog hook: a script whose row says nothing of a quarantine any more was released, on whatever node.
func (q *quarantines) follow(ctx context.Context, machine *engine.Engine) func(catalog.Change) {
	return func(change catalog.Change) {
		if change.Table != "scripts" && change.Table != "" {
			return
		}
		for _, stay := range machine.Quarantines() {
			if change.Table == "scripts" && change.ScriptID != stay.ScriptID {
				continue
			}
			q.mu.Lock()
			writing := q.writing[stay.ScriptID]
			q.mu.Unlock()
			if writing {
				continue
			}
			head, err := q.catalog.Head(ctx, stay.TenantID, stay.ScriptID)
			if err == nil && !head.QuarantinedUntil.After(time.Now()) {
				machine.Release(stay.ScriptID)
			}
		}
	}
}
