package partitions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/migrations/connect"
)

// Drop drops the partitions of a table whose rows were all accepted before a time, and returns the dropped partitions. A partition with an
// execution that has not ended stays.
func Drop(ctx context.Context, db *pgxpool.Pool, table string, before time.Time) (gone []Partition, err error) {
	if err := dropDetached(ctx, db, table); err != nil {
		return nil, err
	}
	parts, err := List(ctx, db, table)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.Until == nil || p.Until.After(before) {
			continue
		}
		dropped, err := drop(ctx, db, table, p)
		if err != nil {
			return gone, explain(err)
		}
		if dropped {
			gone = append(gone, p)
		}
	}
	return gone, nil
}

// executionBytes is jsruntime_execution_bytes written out: a function that sets its search_path costs a call for each row.
const executionBytes = `400 + COALESCE(pg_column_size(r.input), 0) + COALESCE(pg_column_size(r.output), 0) + COALESCE(pg_column_size(r.trigger_data), 0)
	+ COALESCE(pg_column_size(r.error), 0) + COALESCE(pg_column_size(r.error_stack), 0)`

// callBytes is jsruntime_call_bytes written out.
const callBytes = "150 + octet_length(r.target) + COALESCE(octet_length(r.error), 0) + COALESCE(pg_column_size(r.bodies), 0)"

// drop takes a partition from its table and drops it. What is read of it is read before anything is locked: nothing writes to it any more.
func drop(ctx context.Context, db *pgxpool.Pool, table string, p Partition) (dropped bool, err error) {
	part := pgx.Identifier{p.Name}.Sanitize()
	size := map[string]string{Executions: executionBytes, Logs: "octet_length(r.message) + 120", Calls: callBytes}[table]
	if table == Executions {
		var unended bool
		if err := db.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM %s WHERE status IN ('pending', 'running'))", part)).Scan(&unended); err != nil || unended {
			return false, err
		}
	}
	rows, err := db.Query(ctx, fmt.Sprintf("SELECT r.tenant_id, sum(%s)::bigint AS bytes FROM %s r GROUP BY 1 ORDER BY 1", size, part))
	if err != nil {
		return false, fmt.Errorf("bytes of %s: %w", p.Name, err)
	}
	var tenants [][16]byte
	var sizes []int64
	var tenant [16]byte
	var bytes int64
	if _, err := pgx.ForEachRow(rows, []any{&tenant, &bytes}, func() error {
		tenants, sizes = append(tenants, tenant), append(sizes, bytes)
		return nil
	}); err != nil {
		return false, fmt.Errorf("bytes of %s: %w", p.Name, err)
	}
	err = patiently(ctx, func() error {
		if table == Executions {
			// Before the lock: how long it takes depends on how many there are.
			if _, err := db.Exec(ctx, `UPDATE script_event_dead_letters SET execution_id = NULL
				WHERE execution_id >= jsruntime_id_floor($1) AND execution_id < jsruntime_id_floor($2)`, p.Since, p.Until); err != nil {
				return fmt.Errorf("dead letters of %s: %w", p.Name, err)
			}
		}
		return locked(ctx, db, func(tx pgx.Tx) error { return detach(ctx, tx, table, p.Name, tenants, sizes) })
	})
	if errors.Is(err, errElsewhere) || connect.ClassOf(err) == connect.Missing { // another node has dropped it
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("detach %s: %w", p.Name, err)
	}
	// No table of the parent's any more: what is left of the work has no locks of others. What fails here is dropped the next time.
	return true, dropDetached(ctx, db, table)
}

// detach takes a partition from its table, and its bytes from what tenants store. The check that no dead letter refers to it goes by the
// letters, which are few, and not by the partition, which is not.
func detach(ctx context.Context, tx pgx.Tx, table, part string, tenants [][16]byte, sizes []int64) error {
	if _, err := tx.Exec(ctx, `UPDATE tenant_storage s SET bytes = GREATEST(s.bytes - f.bytes, 0)
		FROM (SELECT unnest($1::uuid[]) AS tenant_id, unnest($2::bigint[]) AS bytes) f
		WHERE s.tenant_id = f.tenant_id AND s.table_name = $3`, tenants, sizes, table); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s", pgx.Identifier{table}.Sanitize(), pgx.Identifier{part}.Sanitize())); err != nil {
		return err
	}
	// By its name it is known as one to drop: a partition that an administrator has detached to keep it is not.
	_, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s RENAME TO %s", pgx.Identifier{part}.Sanitize(), pgx.Identifier{detachedPrefix(table) + strings.TrimPrefix(part, table)}.Sanitize()))
	return err
}

// detachedPrefix begins the names of partitions that Drop has detached.
func detachedPrefix(table string) string { return table + "_dropped" }

// dropDetached drops the tables that Drop has detached.
func dropDetached(ctx context.Context, db *pgxpool.Pool, table string) error {
	rows, err := db.Query(ctx, `SELECT c.relname::text FROM pg_class c
		WHERE c.relnamespace = (SELECT p.relnamespace FROM pg_class p WHERE p.oid = $1::text::regclass) AND c.relkind = 'r' AND NOT c.relispartition AND starts_with(c.relname, $2)`, table, detachedPrefix(table)+"_")
	if err != nil {
		return fmt.Errorf("detached partitions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("detached partitions: %w", err)
	}
	for _, name := range names {
		err := patiently(ctx, func() error {
			return locked(ctx, db, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize())
				return err
			})
		})
		if err != nil && !errors.Is(err, errElsewhere) {
			return fmt.Errorf("drop %s: %w", name, err)
		}
	}
	return nil
}
