package httpapi

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jsruntime/sqlc"
)

// read runs fn in one transaction of the request's tenant.
func (a *API) read(ctx context.Context, fn func(q *sqlc.Queries) error) error {
	return a.inTenant(ctx, tenantOf(ctx), func(tx pgx.Tx) error { return fn(sqlc.New(tx)) })
}

// change runs fn in one transaction of the request's tenant; what fn writes and its trace in the audit log are committed
// together or not at all.
func (a *API) change(ctx context.Context, fn func(c *change) error) error {
	return a.inTenant(ctx, tenantOf(ctx), func(tx pgx.Tx) error {
		return fn(&change{Queries: sqlc.New(tx), ctx: ctx, tenant: tenantOf(ctx)})
	})
}

// operate runs fn in one transaction of the service itself, for what belongs to no tenant. tenant is whose audit log gets
// the trace.
func (a *API) operate(ctx context.Context, tenant uuid.UUID, fn func(c *change) error) error {
	return a.inTx(ctx, func(tx pgx.Tx) error {
		return fn(&change{Queries: sqlc.New(tx), ctx: ctx, tenant: tenant})
	})
}

func (a *API) inTenant(ctx context.Context, _ uuid.UUID, fn func(tx pgx.Tx) error) error {
	return a.inTx(ctx, fn)
}

func (a *API) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	tx, err := a.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// A rollback after the commit does nothing; one after an error of fn must not depend on the request's life.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// change is a transaction that changes something.
type change struct {
	*sqlc.Queries
	ctx    context.Context //nolint:containedctx // a change lives within one call
	tenant uuid.UUID
}

// audit writes who did what to which object. before and after are what the API shows of the object, nil where there is
// nothing; they hold no secrets.
func (c *change) audit(action, objectType, objectID string, before, after any) error {
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
		s.Source = clip(s.Source, auditSourceBytes)
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
