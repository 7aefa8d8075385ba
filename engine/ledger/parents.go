package ledger

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/sqlc"
)

// Foreign keys of a batch. Postgres checks them row by row, with a query for each: more than a third of what a row of history costs. A
// batch of 2,000 rows has some hundred scripts and tenants, so they are checked and locked once, in the way of the triggers, and the
// triggers are switched off for the rest of the transaction (queries/ledger.sql, LedgerHoldParents). That needs a superuser or, from
// Postgres 15 on, GRANT SET ON PARAMETER session_replication_role. For other users the triggers stay on.
//
// A change of session_replication_role throws the session's plans away, and it changes twice a batch: each statement is analyzed and planned
// again. Fewer than onceRows rows are checked row by row, which costs less: of 8 rows that come 80 ms after the batch before them, one takes
// 105 µs of a backend's CPU time instead of 152 (BenchmarkQuietBackend, 30 November 2026).

// onceRows is from how many rows on the foreign keys of a batch are checked once.
const onceRows = 50

// ChecksForeignKeysOnce reports whether the database user may have foreign keys checked once a batch.
func ChecksForeignKeysOnce(ctx context.Context, db sqlc.DBTX) (bool, error) {
	var super bool
	var version int
	// sqlc knows no tables of pg_catalog.
	err := db.QueryRow(ctx, "SELECT rolsuper, current_setting('server_version_num')::int FROM pg_roles WHERE rolname = current_user").Scan(&super, &version)
	if err != nil {
		return false, fmt.Errorf("ledger: ask whether foreign keys are checked once a batch: %w", err)
	}
	if super || version < 150000 {
		return super, nil
	}
	var granted bool
	if err := db.QueryRow(ctx, "SELECT has_parameter_privilege('session_replication_role', 'SET')").Scan(&granted); err != nil {
		return false, fmt.Errorf("ledger: ask whether foreign keys are checked once a batch: %w", err)
	}
	return granted, nil
}

// checksOnce is ChecksForeignKeysOnce, asked once in a Ledger's life.
func (l *Ledger) checksOnce(ctx context.Context, conn *pgxpool.Conn) (bool, error) {
	if !l.asked.Load() {
		once, err := ChecksForeignKeysOnce(ctx, conn)
		if err != nil {
			return false, err
		}
		l.apiece.Store(!once)
		l.asked.Store(true)
	}
	return !l.apiece.Load(), nil
}

// parents are the scripts and tenants of a batch.
type parents struct {
	scripts, tenants map[uuid.UUID]struct{}
}

func (p *parents) add(key usageKey) {
	if p.scripts == nil {
		p.scripts, p.tenants = map[uuid.UUID]struct{}{}, map[uuid.UUID]struct{}{}
	}
	p.scripts[key.script], p.tenants[key.tenant] = struct{}{}, struct{}{}
}

// params are in one order, so that two batches never wait for each other's parents.
func (p *parents) params() sqlc.LedgerHoldParentsParams {
	sorted := func(ids map[uuid.UUID]struct{}) []uuid.UUID {
		return slices.SortedFunc(maps.Keys(ids), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	}
	return sqlc.LedgerHoldParentsParams{ScriptIds: sorted(p.scripts), TenantIds: sorted(p.tenants)}
}
