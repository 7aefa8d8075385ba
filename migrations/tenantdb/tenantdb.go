// Package tenantdb runs queries as one tenant: in a transaction under the role jsruntime_tenant, for which Postgres itself hides
// the rows of all other tenants. migrations/00009_row_level_security.sql says how.
//
//	err := tenantdb.Within(ctx, pool, key.TenantID, func(q *sqlc.Queries) error { … })
//
// Requests that carry a tenant's key go through here. What serves all tenants (scheduler, gateway, ledger, catalog, the
// operator's routes) uses the pool as it is, with ServiceTx for its transactions.
package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/sqlc"
)

// StatementTimeout bounds each statement of a tenant's transaction, so that no request holds a snapshot, and with it vacuum.
const StatementTimeout = 30 * time.Second

// Beginner is a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// ServiceTx begins a transaction of the service's own, which Postgres ends when it hears nothing for ten seconds. A machine that is
// lost in the middle of one says no goodbye: by Linux' own timeouts its rows would stay locked for a quarter of an hour or two,
// executions that run so that no node could rescue them, rows of usage so that no node could write its history, and a tenant's row so
// that nothing of its could be put into the queue. (Enter sets a tenant's own bound.)
func ServiceTx() pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10s'"}
}

// Within runs do in a read-write transaction of the tenant. The transaction is committed if do returns nil, and rolled back
// otherwise; do's own error comes back as it is.
func Within(ctx context.Context, db Beginner, tenantID uuid.UUID, do func(*sqlc.Queries) error) error {
	return WithinTx(ctx, db, pgx.TxOptions{}, tenantID, func(_ pgx.Tx, q *sqlc.Queries) error { return do(q) })
}

// Read is Within for a transaction that only reads, and sees one state of the database throughout.
func Read(ctx context.Context, db Beginner, tenantID uuid.UUID, do func(*sqlc.Queries) error) error {
	options := pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}
	return WithinTx(ctx, db, options, tenantID, func(_ pgx.Tx, q *sqlc.Queries) error { return do(q) })
}

// WithinTx is Within with options, and with the transaction itself: for savepoints.
func WithinTx(ctx context.Context, db Beginner, options pgx.TxOptions, tenantID uuid.UUID, do func(pgx.Tx, *sqlc.Queries) error) error {
	return pgx.BeginTxFunc(ctx, db, options, func(tx pgx.Tx) error {
		queries := sqlc.New(tx)
		if err := Enter(ctx, queries, tenantID); err != nil {
			return err
		}
		return do(tx, queries)
	})
}

// Enter makes the rest of a transaction that the caller has begun a tenant's. Outside of a transaction it has no effect.
func Enter(ctx context.Context, queries *sqlc.Queries, tenantID uuid.UUID) error {
	if tenantID == uuid.Nil {
		return errors.New("tenantdb: no tenant")
	}
	err := queries.TenantRoleEnter(ctx, sqlc.TenantRoleEnterParams{
		TenantID: tenantID, StatementTimeoutMs: StatementTimeout.Milliseconds(),
	})
	if err != nil {
		return fmt.Errorf("tenantdb: become the tenant: %w", err)
	}
	return nil
}

// Leave makes the rest of a transaction the service's own again: for what has to be committed together with the tenant's rows and
// is not the tenant's to write.
func Leave(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "RESET ROLE"); err != nil {
		return fmt.Errorf("tenantdb: become the service again: %w", err)
	}
	return nil
}

// roleState asks what stands between a transaction and the role jsruntime_tenant. A superuser may become anybody; others must be
// members, from Postgres 16 on with the option to SET ROLE. It is here since sqlc knows no tables of pg_catalog.
const roleState = `
SELECT current_user::text AS me,
       (to_regrole('jsruntime_tenant') IS NOT NULL)::bool AS there,
       COALESCE(pg_has_role(current_user, to_regrole('jsruntime_tenant')::oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END), false)::bool AS may_become,
       count(*)::int AS tables,
       (count(*) FILTER (WHERE NOT COALESCE(has_table_privilege(to_regrole('jsruntime_tenant')::oid, c.oid, 'SELECT'), false)
           OR NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'jsruntime_tenant_rows')))::int AS bare
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relrowsecurity`

// Check reports what keeps this user's transactions from becoming a tenant's, and says what an administrator does about it. Roles
// are the server's: the dump of a database that is restored on another one brings none, nor the policies and grants that name it. A
// database without our schema passes, since the migrations make all of it.
func Check(ctx context.Context, db sqlc.DBTX) error {
	var state struct {
		Me               string
		There, MayBecome bool
		Tables, Bare     int
	}
	err := db.QueryRow(ctx, roleState).Scan(&state.Me, &state.There, &state.MayBecome, &state.Tables, &state.Bare)
	if err != nil {
		return fmt.Errorf("tenantdb: look up the role of tenants: %w", err)
	}
	user := pgx.Identifier{state.Me}.Sanitize()
	const protect = "SELECT jsruntime_protect_tenant_tables();"
	switch {
	case state.Tables == 0:
		return nil
	case !state.There:
		return fmt.Errorf("the server has no role jsruntime_tenant, which no dump of a database carries; as an administrator: "+
			"CREATE ROLE jsruntime_tenant NOLOGIN NOINHERIT; GRANT jsruntime_tenant TO %s; and as the owner of the tables: %s", user, protect)
	case !state.MayBecome:
		return fmt.Errorf("%s may not become the role jsruntime_tenant; as an administrator: GRANT jsruntime_tenant TO %s;", user, user)
	case state.Bare > 0:
		return fmt.Errorf("%d of %d tables lack the policy or the grants of the role jsruntime_tenant; as their owner: %s", state.Bare, state.Tables, protect)
	}
	return nil
}
