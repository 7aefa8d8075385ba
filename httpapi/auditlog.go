package httpapi

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/sqlc"
)

// AuditEntry is one change.
type AuditEntry struct {
	ID         uuid.UUID       `json:"id" format:"uuid"`
	TenantID   *uuid.UUID      `json:"tenant_id" format:"uuid" nullable:"true" doc:"Null for what belongs to no tenant."`
	TenantSlug *string         `json:"tenant_slug,omitempty" doc:"In the operator's lists: the slug of the tenant, unless it is deleted."`
	ActorKeyID *uuid.UUID      `json:"actor_key_id" format:"uuid" nullable:"true" doc:"Null for the operator's key."`
	ActorName  string          `json:"actor_name"`
	ActorRole  string          `json:"actor_role"`
	Action     string          `json:"action" example:"script.update"`
	ObjectType string          `json:"object_type"`
	ObjectID   string          `json:"object_id"`
	Before     json.RawMessage `json:"before" doc:"The object before, without secrets; null where it is new."`
	After      json.RawMessage `json:"after" doc:"The object after; null where it is gone."`
	RequestID  *string         `json:"request_id"`
	CreatedAt  time.Time       `json:"created_at"`
}

type auditListIn struct {
	ListQuery
	Action     string `query:"action" maxLength:"100"`
	ObjectType string `query:"object_type" maxLength:"50"`
	ObjectID   string `query:"object_id" maxLength:"512"`
	TenantID   string `query:"tenant_id" maxLength:"64" doc:"The operator's, without X-Tenant: changes of that tenant, which may be deleted."`
	All        bool   `query:"all" doc:"The operator's, without X-Tenant: changes of all tenants and the operator's own, instead of the operator's own alone."`
}

func (a *API) auditList(ctx context.Context, in *auditListIn) (*found[Page[AuditEntry]], error) {
	if !principalOf(ctx).HasTenant() {
		return a.auditListOperator(ctx, in)
	}
	if in.TenantID != "" {
		return nil, invalid("query.tenant_id", "for the operator's key without X-Tenant")
	}
	if in.All {
		return nil, invalid("query.all", "for the operator's key without X-Tenant")
	}
	tenant := tenantOf(ctx)
	bind := []string{"audit", tenant.String(), in.Action, in.ObjectType, in.ObjectID}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.AuditLog
	err = a.list(ctx, func(q *sqlc.Queries) error {
		rows, err = q.AuditList(ctx, sqlc.AuditListParams{
			TenantID: &tenant, BeforeAt: at.at, BeforeID: at.id, Action: given(in.Action), ObjectType: given(in.ObjectType), ObjectID: given(in.ObjectID),
			RowLimit: int32(in.Limit + 1),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.auditPage(rows, in, bind), nil
}

// auditListOperator lists what the operator did, what was done in one tenant, which may be deleted, or all of it.
func (a *API) auditListOperator(ctx context.Context, in *auditListIn) (*found[Page[AuditEntry]], error) {
	tenant, err := givenID("tenant_id", in.TenantID)
	if err != nil {
		return nil, err
	}
	if tenant != nil && in.All {
		return nil, invalid("query.all", "must not be given with tenant_id")
	}
	bind := []string{"audit of the operator", strconv.FormatBool(in.All), in.TenantID, in.Action, in.ObjectType, in.ObjectID}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	of := sqlc.AuditListAllParams{
		BeforeAt: at.at, BeforeID: at.id, Action: given(in.Action), ObjectType: given(in.ObjectType), ObjectID: given(in.ObjectID), RowLimit: int32(in.Limit + 1),
	}
	var rows []sqlc.AuditLog
	slugs := map[uuid.UUID]string{}
	err = a.listOperator(ctx, func(q *sqlc.Queries) (err error) {
		switch {
		case in.All:
			rows, err = q.AuditListAll(ctx, of)
		case tenant != nil:
			rows, err = q.AuditList(ctx, sqlc.AuditListParams{
				TenantID: tenant, BeforeAt: of.BeforeAt, BeforeID: of.BeforeID, Action: of.Action, ObjectType: of.ObjectType, ObjectID: of.ObjectID, RowLimit: of.RowLimit,
			})
		default:
			rows, err = q.AuditListOperator(ctx, sqlc.AuditListOperatorParams(of))
		}
		if err != nil {
			return err
		}
		return slugsOf(ctx, q, rows, slugs)
	})
	if err != nil {
		return nil, err
	}
	page := a.auditPage(rows, in, bind)
	for i := range page.Body.Items {
		e := &page.Body.Items[i]
		if e.TenantID == nil {
			continue
		}
		if slug, there := slugs[*e.TenantID]; there {
			e.TenantSlug = &slug
		}
	}
	return page, nil
}

// slugsOf fills in the slugs of the rows' tenants, those that are deleted left out.
func slugsOf(ctx context.Context, q *sqlc.Queries, rows []sqlc.AuditLog, slugs map[uuid.UUID]string) error {
	ids := []uuid.UUID{}
	for _, r := range rows {
		if r.TenantID != nil && !slices.Contains(ids, *r.TenantID) {
			ids = append(ids, *r.TenantID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	tenants, err := q.TenantListByIDs(ctx, ids)
	for _, t := range tenants {
		slugs[t.ID] = t.Slug
	}
	return err
}

func (a *API) auditPage(rows []sqlc.AuditLog, in *auditListIn, bind []string) *found[Page[AuditEntry]] {
	return &found[Page[AuditEntry]]{pageOf(a.cursors, rows, in.Limit, bind, func(r sqlc.AuditLog) AuditEntry {
		return AuditEntry{
			ID: r.ID, TenantID: r.TenantID, ActorKeyID: r.ActorKeyID, ActorName: r.ActorName, ActorRole: r.ActorRole, Action: r.Action, ObjectType: r.ObjectType,
			ObjectID: r.ObjectID, Before: rawOrNull(r.Before), After: rawOrNull(r.After), RequestID: r.RequestID, CreatedAt: utc(r.CreatedAt),
		}
	}, func(r sqlc.AuditLog) position { return position{at: r.CreatedAt, id: r.ID} })}
}
