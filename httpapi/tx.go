package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

// beginWait bounds how long a transaction may take to begin: for a free connection, or for a server that accepts and says nothing.
const beginWait = 3 * time.Second

// lasting is for what must not be stopped by the caller's leaving.
func lasting(ctx context.Context, atMost time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), atMost)
}

// patient begins transactions within beginWait. Postgres itself bounds the statements that follow.
type patient struct{ pool *pgxpool.Pool }

// BeginTx implements tenantdb.Beginner.
func (p patient) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	ctx, cancel := context.WithTimeout(ctx, beginWait)
	defer cancel()
	return p.pool.BeginTx(ctx, options)
}

// read runs fn in one transaction of the request's tenant, for which Postgres hides all rows of others, and which sees one
// state of the database.
func (a *API) read(ctx context.Context, fn func(q *sqlc.Queries) error) error {
	return tenantdb.Read(ctx, patient{a.pool}, tenantOf(ctx), fn)
}

// change runs fn in one transaction of the request's tenant; what fn writes and its trace in the audit log are committed
// together or not at all.
func (a *API) change(ctx context.Context, fn func(c *change) error) error {
	tenant := tenantOf(ctx)
	return a.within(ctx, tenant, func(q *sqlc.Queries) error { return tenantdb.Enter(ctx, q, tenant) }, fn)
}

// operate runs fn in one transaction of the service itself, for what belongs to no tenant. tenant is whose audit log gets
// the trace.
func (a *API) operate(ctx context.Context, tenant uuid.UUID, fn func(c *change) error) error {
	return a.within(ctx, tenant, func(*sqlc.Queries) error { return nil }, fn)
}

// conflictTries is how often a change is tried that Postgres rolled back for another transaction: executions, retention and other
// requests lock the same rows in orders of their own, and Postgres ends one of two transactions that wait for each other.
const conflictTries = 4

// within calls fn again, in a new transaction, where Postgres rolled the first back for another transaction: fn sets its results
// anew each time.
func (a *API) within(ctx context.Context, tenant uuid.UUID, enter func(*sqlc.Queries) error, fn func(c *change) error) error {
	for try := 1; ; try++ {
		err := a.withinOnce(ctx, tenant, enter, fn)
		if try == conflictTries || connect.ClassOf(err) != connect.Busy {
			return err
		}
		a.logOf(ctx).DebugContext(ctx, "transaction is tried again", "error", err, "attempt", try)
	}
}

func (a *API) withinOnce(ctx context.Context, tenant uuid.UUID, enter func(*sqlc.Queries) error, fn func(c *change) error) error {
	tx, err := patient{a.pool}.BeginTx(ctx, tenantdb.ServiceTx())
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			rollback(ctx, tx)
		}
	}()
	c := &change{Queries: sqlc.New(tx), ctx: ctx, tenant: tenant}
	if err := enter(c.Queries); err != nil {
		return err
	}
	if err := fn(c); err != nil {
		return err
	}
	if h := callOf(ctx).held; h != nil && h.tx == nil {
		h.tx, h.change, kept = tx, c, true
		h.after = append(h.after, c.after...)
		return nil
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	for _, what := range c.after {
		what()
	}
	a.followOwn(ctx, c)
	return nil
}

// rollback ends a transaction whose request may have been given up; of one that has ended it does nothing.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := lasting(ctx, beginWait)
	defer cancel()
	_ = tx.Rollback(ctx) // a connection on which this fails is closed, and its transaction with it
}

// held is the change of a request with an Idempotency-Key: it is committed with its answer, once there is one.
type held struct {
	tx     pgx.Tx // nil: nothing is changed yet
	change *change
	after  []func()
}

// after runs what follows from a change, once it is committed.
func (a *API) after(ctx context.Context, what func()) {
	if h := callOf(ctx).held; h != nil && h.tx != nil {
		h.after = append(h.after, what)
		return
	}
	what()
}

// followOwn lets this node's catalog have a change that was committed before its author is answered, so that a client finds what
// it has just made. Other nodes have it soon; so has this one if it fails.
func (a *API) followOwn(ctx context.Context, c *change) {
	if !c.follow || a.cfg.Refresh == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	if err := a.cfg.Refresh(ctx); err != nil {
		a.logOf(ctx).WarnContext(ctx, "catalog does not have a change yet", "error", err)
	}
}

// refreshWait bounds how long an answer is kept back for followOwn.
const refreshWait = time.Second

// change is a transaction that changes something.
type change struct {
	*sqlc.Queries
	ctx    context.Context // a change lives within one call
	tenant uuid.UUID
	follow bool     // something was changed that the node keeps in memory
	after  []func() // what follows once it is committed
}

// stored counts what a change has written, once it is committed: what is rolled back is not stored.
func (a *API) stored(c *change, table string, n int64) {
	tenant := c.tenant
	c.after = append(c.after, func() { a.cfg.Storage.Add(tenant, table, n) })
}

// audit writes who did what to which object. before and after are what the API shows of the object, nil where there is
// nothing; they hold no secrets.
func (c *change) audit(action, objectType, objectID string, before, after any) error {
	c.follow = c.follow || objectType == "script" || objectType == "tenant"
	in := callOf(c.ctx)
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	p := sqlc.AuditWriteParams{
		ID: id, ActorName: in.principal.KeyName, ActorRole: string(in.principal.Role), Action: action, ObjectType: objectType,
		ObjectID: objectID, RequestID: given(in.requestID),
	}
	if c.tenant != uuid.Nil {
		p.TenantID = &c.tenant
	}
	if in.principal.KeyID != uuid.Nil {
		p.ActorKeyID = &in.principal.KeyID
	}
	if p.Before, err = auditJSON(before); err != nil {
		return err
	}
	if p.After, err = auditJSON(after); err != nil {
		return err
	}
	if err := c.AuditWrite(c.ctx, p); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// auditSourceBytes is how much of a long text the audit log keeps: sources are in their versions already.
const auditSourceBytes = 1024

func auditJSON(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	if s, ok := v.(Script); ok {
		s.Source = text.Clip(s.Source, auditSourceBytes)
		v = s
	}
	return json.Marshal(v)
}

// newID makes an id that sorts by time.
func newID() uuid.UUID {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.New()
	}
	return id
}

// parseID reads an id of a path. What is no id names nothing that exists.
func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return uuid.Nil, notFound()
	}
	return id, nil
}
