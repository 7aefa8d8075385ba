package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/sqlc"
)

// Organization is an organization as the API shows it.
type Organization struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Name      string    `json:"name"`
	IsDefault bool      `json:"is_default" doc:"Scripts that name no organization belong to this one."`
	CreatedAt time.Time `json:"created_at"`
}

func organizationOfRow(o sqlc.Organization) Organization {
	return Organization{ID: o.ID, Name: o.Name, IsDefault: o.IsDefault, CreatedAt: utc(o.CreatedAt)}
}

// missing makes a reference to something that is not there the caller's fault and leaves other errors alone.
func missing(err error, location, message string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return invalid(location, message)
	}
	return err
}

type organizationListIn struct{ ListQuery }

func (a *API) organizationList(ctx context.Context, in *organizationListIn) (*found[Page[Organization]], error) {
	bind := []string{"organizations", tenantOf(ctx).String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.Organization
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.OrganizationList(ctx, sqlc.OrganizationListParams{TenantID: tenantOf(ctx), BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Organization]]{pageOf(a.cursors, rows, in.Limit, bind, organizationOfRow, func(o sqlc.Organization) position {
		return position{at: o.CreatedAt, id: o.ID}
	})}, nil
}

type organizationCreateIn struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"255"`
	}
}

func (a *API) organizationCreate(ctx context.Context, in *organizationCreateIn) (*createdTagged[Organization], error) {
	if err := checkName("body.name", in.Body.Name); err != nil {
		return nil, err
	}
	out := &createdTagged[Organization]{}
	err := a.change(ctx, func(c *change) error {
		row, err := c.OrganizationCreate(ctx, sqlc.OrganizationCreateParams{ID: newID(), TenantID: c.tenant, Name: in.Body.Name})
		if err != nil {
			return err
		}
		out.Body = organizationOfRow(row)
		out.ETag = tagOf(out.Body)
		out.Location = "/api/v1/organizations/" + row.ID.String()
		return c.audit("organization.create", "organization", row.ID.String(), nil, out.Body)
	})
	return out, err
}

func (a *API) organizationGet(ctx context.Context, in *IDPath) (*tagged[Organization], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	out := &tagged[Organization]{}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		row, err := q.OrganizationGet(ctx, sqlc.OrganizationGetParams{TenantID: tenantOf(ctx), ID: id})
		out.Body = organizationOfRow(row)
		out.ETag = tagOf(out.Body)
		return err
	})
	return out, err
}

type organizationUpdateIn struct {
	IDPath
	Body struct {
		Name patch[string] `json:"name,omitzero" minLength:"1" maxLength:"255"`
	}
}

func (a *API) organizationUpdate(ctx context.Context, in *organizationUpdateIn) (*tagged[Organization], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.Name.Null {
		return nil, invalid("body.name", "can't be null")
	}
	if in.Body.Name.Set {
		if err := checkName("body.name", in.Body.Name.Value); err != nil {
			return nil, err
		}
	}
	out := &tagged[Organization]{}
	err = a.change(ctx, func(c *change) error {
		before, err := c.OrganizationGetForUpdate(ctx, sqlc.OrganizationGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		out.Body = organizationOfRow(before)
		out.ETag = tagOf(out.Body)
		if err := precondition(ctx, out.ETag); err != nil {
			return err
		}
		if !in.Body.Name.Set || in.Body.Name.Value == before.Name {
			return nil
		}
		after, err := c.OrganizationUpdate(ctx, sqlc.OrganizationUpdateParams{TenantID: c.tenant, ID: id, Name: in.Body.Name.Value})
		if err != nil {
			return err
		}
		out.Body = organizationOfRow(after)
		out.ETag = tagOf(out.Body)
		return c.audit("organization.update", "organization", id.String(), organizationOfRow(before), out.Body)
	})
	return out, err
}

func (a *API) organizationDelete(ctx context.Context, in *IDPath) (*none, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(c *change) error {
		before, err := c.OrganizationGetForUpdate(ctx, sqlc.OrganizationGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := precondition(ctx, tagOf(organizationOfRow(before))); err != nil {
			return err
		}
		if before.IsDefault {
			return conflict("default_organization", "The default organization can't be deleted.")
		}
		if _, err := c.OrganizationDelete(ctx, sqlc.OrganizationDeleteParams{TenantID: c.tenant, ID: id}); err != nil {
			return err
		}
		return c.audit("organization.delete", "organization", id.String(), organizationOfRow(before), nil)
	})
}
