package partitions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/connect"
)

// Tables that are partitioned.
const (
	Executions = "script_executions"
	Logs       = "script_execution_logs"
	Calls      = "script_execution_calls"
)

// Tables lists them.
func Tables() []string { return []string{Executions, Logs, Calls} }

const (
	// DefaultRows is how many rows a partition should have at most.
	DefaultRows = 10_000_000
	// day is the longest range of a partition.
	day = 24 * time.Hour
	// aheadFor is how far ahead of now partitions are made.
	aheadFor = 3 * day
	// advisoryLock is held by the transaction that makes or drops a partition.
	advisoryLock = 0x6a737274_70617274 // "jsrtpart"
	// lockTimeout bounds how long a change of a partition waits for a lock, and with it how long a request can wait behind it.
	lockTimeout = 100 * time.Millisecond
	// attempts to get a lock before the next round of the caller.
	attempts = 20
	// attemptPause is between them.
	attemptPause = 500 * time.Millisecond
)

// Partition is one partition. Since and Until are nil for the default partition. Rows is Postgres's estimate.
type Partition struct {
	Name         string
	Since, Until *time.Time
	Rows, Bytes  int64
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// List returns a table's partitions, the oldest first and the default partition before them.
func List(ctx context.Context, db Querier, table string) ([]Partition, error) {
	rows, err := db.Query(ctx, "SELECT part, since, until, rows, bytes FROM jsruntime_partitions($1)", table)
	if err != nil {
		return nil, fmt.Errorf("partitions of %s: %w", table, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Partition])
	if err != nil {
		return nil, fmt.Errorf("partitions of %s: %w", table, err)
	}
	return list, nil
}

// widthOf is the length of the next partitions: a day, or a part of it by which the busiest of the last partitions would have had at most
// rows rows.
func widthOf(parts []Partition, rows int64) time.Duration {
	var perHour float64
	for _, p := range parts[max(0, len(parts)-8):] {
		if p.Since != nil {
			perHour = max(perHour, float64(p.Rows)/p.Until.Sub(*p.Since).Hours())
		}
	}
	for _, hours := range []int{24, 12, 6, 3} {
		if perHour*float64(hours) <= float64(rows) {
			return time.Duration(hours) * time.Hour
		}
	}
	return time.Hour
}

// nextRange is the range of the partition to make next; false: there are enough.
func nextRange(parts []Partition, now time.Time, rows int64) (since, until time.Time, more bool) {
	width := widthOf(parts, rows)
	since = now.UTC().Truncate(width)
	for _, p := range parts {
		if p.Until != nil && p.Until.After(since) {
			since = p.Until.UTC()
		}
	}
	return since, since.Truncate(width).Add(width), since.Before(now.Add(aheadFor))
}

// Ahead makes the partitions that the next days need and returns their names. rows is how many rows one should have at most, 0 means DefaultRows.
func Ahead(ctx context.Context, db *pgxpool.Pool, rows int64) (made []string, err error) {
	if rows <= 0 {
		rows = DefaultRows
	}
	for _, table := range Tables() {
		for {
			var name string
			err := patiently(ctx, func() (err error) {
				name, err = makeNext(ctx, db, table, rows)
				return err
			})
			if err != nil {
				return made, explain(err)
			}
			if name == "" {
				break
			}
			made = append(made, name)
		}
	}
	return made, nil
}

// makeNext makes one partition; "": none is needed, or another node is at it.
func makeNext(ctx context.Context, db *pgxpool.Pool, table string, rows int64) (name string, err error) {
	parts, err := List(ctx, db, table)
	if err != nil {
		return "", err
	}
	if _, _, more := nextRange(parts, time.Now(), rows); !more {
		return "", nil
	}
	err = locked(ctx, db, func(tx pgx.Tx) error {
		parts, err := List(ctx, tx, table)
		if err != nil {
			return err
		}
		since, until, more := nextRange(parts, time.Now(), rows)
		if !more {
			return nil
		}
		if since, err = behindRows(ctx, tx, table, since, until); err != nil {
			return err
		}
		if !since.Before(until) {
			until = since.Truncate(day).Add(day)
		}
		return tx.QueryRow(ctx, "SELECT jsruntime_make_partition($1, $2, $3)", table, since, until).Scan(&name)
	})
	if errors.Is(err, errElsewhere) {
		return "", nil
	}
	return name, err
}

// behindRows is since, or the first full hour behind the rows that the default partition has of the range.
func behindRows(ctx context.Context, tx pgx.Tx, table string, since, until time.Time) (time.Time, error) {
	key := "execution_id"
	if table == Executions {
		key = "id"
	}
	var newest *time.Time
	err := tx.QueryRow(ctx, fmt.Sprintf(`SELECT jsruntime_id_time(d.%[1]s) FROM %[2]s d
		WHERE d.%[1]s >= jsruntime_id_floor($1) AND d.%[1]s < jsruntime_id_floor($2) ORDER BY d.%[1]s DESC LIMIT 1`,
		key, pgx.Identifier{table + "_default"}.Sanitize()), since, until).Scan(&newest)
	if errors.Is(err, pgx.ErrNoRows) {
		return since, nil
	}
	if err != nil {
		return since, fmt.Errorf("rows of the default partition: %w", err)
	}
	// Rows go on coming into the default partition until the new one begins.
	if now := time.Now(); newest.Before(now) {
		newest = &now
	}
	return newest.UTC().Truncate(time.Hour).Add(time.Hour), nil
}

// errElsewhere: another node has the advisory lock.
var errElsewhere = errors.New("another node changes the partitions")

// locked runs do in a transaction that holds the advisory lock and waits for no lock longer than lockTimeout.
func locked(ctx context.Context, db *pgxpool.Pool, do func(pgx.Tx) error) error {
	options := pgx.TxOptions{BeginQuery: fmt.Sprintf("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL lock_timeout = '%dms'", lockTimeout.Milliseconds())}
	return pgx.BeginTxFunc(ctx, db, options, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(advisoryLock)).Scan(&mine); err != nil {
			return fmt.Errorf("lock of the partitions: %w", err)
		}
		if !mine {
			return errElsewhere
		}
		return do(tx)
	})
}

// patiently repeats what did not get a lock.
func patiently(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		switch connect.ClassOf(err) {
		case connect.Busy, connect.Reference, connect.Check: // a lock, a dead letter or a row that came between
		default:
			return err
		}
		if attempt == attempts {
			return err
		}
		if !wake.Pause(ctx, attemptPause) {
			return ctx.Err()
		}
	}
}

// ErrNotAllowed is of a user that may not make partitions.
var ErrNotAllowed = errors.New("partitions of the history cannot be made: this user does not own the tables or may not create tables in their schema; " +
	"rows go to the default partition, which works but is deleted row by row")

func explain(err error) error {
	if connect.ClassOf(err) == connect.Denied {
		return fmt.Errorf("%w (%w)", ErrNotAllowed, err)
	}
	return err
}

// Check reports what keeps partitions from being made, or that there are none ahead. A database without our schema passes.
func Check(ctx context.Context, db interface {
	Querier
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) error {
	var there, allowed bool
	err := db.QueryRow(ctx, `SELECT c.oid IS NOT NULL, COALESCE(pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE'), false)
		FROM (SELECT to_regclass($1) AS name) n LEFT JOIN pg_class c ON c.oid = n.name AND c.relkind = 'p'`, Executions).Scan(&there, &allowed)
	switch {
	case err != nil:
		return fmt.Errorf("partitions: %w", err)
	case !there:
		return nil
	case !allowed:
		return ErrNotAllowed
	}
	for _, table := range Tables() {
		parts, err := List(ctx, db, table)
		if err != nil {
			return err
		}
		if since, _, _ := nextRange(parts, time.Now(), DefaultRows); since.Before(time.Now()) {
			return fmt.Errorf("%s has no partition for new rows, which go to its default partition; a node makes one within minutes", table)
		}
	}
	return nil
}
