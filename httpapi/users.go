package httpapi

import (
	"context"
	"net/mail"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/sqlc"
)

// User is a user as the API shows it. Users own what they make; what a request may do is decided by its key.
type User struct {
	ID             int32     `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id" format:"uuid"`
	Email          string    `json:"email"`
	Name           string    `json:"name"`
	Role           string    `json:"role" enum:"admin,developer,viewer"`
	CreatedAt      time.Time `json:"created_at"`
}

func userOfRow(u sqlc.User) User {
	return User{ID: u.ID, OrganizationID: u.OrganizationID, Email: u.Email, Name: u.Name, Role: u.Role, CreatedAt: utc(u.CreatedAt)}
}

// UserPath names a user in a path.
type UserPath struct {
	ID string `path:"id" maxLength:"64"`
}

func parseUserID(s string) (int32, error) {
	id, err := strconv.ParseInt(s, 10, 32)
	if err != nil || id < 1 {
		return 0, notFound()
	}
	return int32(id), nil
}

func checkEmail(s string) error {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return invalid("body.email", "not an e-mail address")
	}
	return nil
}

// organizationFor is the organization that is named, which must be the tenant's, or the default one.
func organizationFor(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID, named *uuid.UUID) (uuid.UUID, error) {
	if named == nil {
		o, err := q.OrganizationGetDefault(ctx, tenant)
		if err != nil {
			return uuid.Nil, missing(err, "body.organization_id", "required: this tenant has no default organization")
		}
		return o.ID, nil
	}
	o, err := q.OrganizationGet(ctx, sqlc.OrganizationGetParams{TenantID: tenant, ID: *named})
	if err != nil {
		return uuid.Nil, missing(err, "body.organization_id", "there is no such organization")
	}
	return o.ID, nil
}

type userListIn struct{ ListQuery }

func (a *API) userList(ctx context.Context, in *userListIn) (*found[Page[User]], error) {
	bind := []string{"users", tenantOf(ctx).String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.User
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.UserList(ctx, sqlc.UserListParams{TenantID: tenantOf(ctx), BeforeID: int32(at.number), RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[User]]{pageOf(a.cursors, rows, in.Limit, bind, userOfRow, func(u sqlc.User) position {
		return position{number: int64(u.ID)}
	})}, nil
}

type userCreateIn struct {
	Body struct {
		Email          string     `json:"email" minLength:"3" maxLength:"320"`
		Name           string     `json:"name" minLength:"1" maxLength:"255"`
		Role           string     `json:"role" enum:"admin,developer,viewer"`
		OrganizationID *uuid.UUID `json:"organization_id,omitempty" format:"uuid"`
	}
}

func (a *API) userCreate(ctx context.Context, in *userCreateIn) (*createdTagged[User], error) {
	if err := checkEmail(in.Body.Email); err != nil {
		return nil, err
	}
	if err := checkName("body.name", in.Body.Name); err != nil {
		return nil, err
	}
	out := &createdTagged[User]{}
	err := a.change(ctx, func(c *change) error {
		organization, err := organizationFor(ctx, c.Queries, c.tenant, in.Body.OrganizationID)
		if err != nil {
			return err
		}
		row, err := c.UserCreate(ctx, sqlc.UserCreateParams{
			TenantID: c.tenant, OrganizationID: organization, Email: in.Body.Email, Name: in.Body.Name, Role: in.Body.Role,
		})
		if err != nil {
			return err
		}
		out.Body = userOfRow(row)
		out.ETag = tagOf(out.Body)
		out.Location = "/api/v1/users/" + strconv.Itoa(int(row.ID))
		return c.audit("user.create", "user", strconv.Itoa(int(row.ID)), nil, out.Body)
	})
	return out, err
}

func (a *API) userGet(ctx context.Context, in *UserPath) (*tagged[User], error) {
	id, err := parseUserID(in.ID)
	if err != nil {
		return nil, err
	}
	out := &tagged[User]{}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		row, err := q.UserGet(ctx, sqlc.UserGetParams{TenantID: tenantOf(ctx), ID: id})
		out.Body = userOfRow(row)
		out.ETag = tagOf(out.Body)
		return err
	})
	return out, err
}

type userUpdateIn struct {
	UserPath
	Body struct {
		Email          patch[string]    `json:"email,omitzero" minLength:"3" maxLength:"320"`
		Name           patch[string]    `json:"name,omitzero" minLength:"1" maxLength:"255"`
		Role           patch[string]    `json:"role,omitzero" enum:"admin,developer,viewer"`
		OrganizationID patch[uuid.UUID] `json:"organization_id,omitzero" format:"uuid"`
	}
}

func (a *API) userUpdate(ctx context.Context, in *userUpdateIn) (*tagged[User], error) {
	id, err := parseUserID(in.ID)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	for name, null := range map[string]bool{"email": b.Email.Null, "name": b.Name.Null, "role": b.Role.Null, "organization_id": b.OrganizationID.Null} {
		if null {
			return nil, invalid("body."+name, "can't be null")
		}
	}
	if b.Email.Set {
		if err := checkEmail(b.Email.Value); err != nil {
			return nil, err
		}
	}
	if b.Name.Set {
		if err := checkName("body.name", b.Name.Value); err != nil {
			return nil, err
		}
	}
	out := &tagged[User]{}
	err = a.change(ctx, func(c *change) error {
		before, err := c.UserGetForUpdate(ctx, sqlc.UserGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		out.Body = userOfRow(before)
		out.ETag = tagOf(out.Body)
		if err := precondition(ctx, out.ETag); err != nil {
			return err
		}
		p := sqlc.UserUpdateParams{TenantID: c.tenant, ID: id, Email: before.Email, Name: before.Name, Role: before.Role, OrganizationID: before.OrganizationID}
		setIf(&p.Email, b.Email)
		setIf(&p.Name, b.Name)
		setIf(&p.Role, b.Role)
		if b.OrganizationID.Set {
			if p.OrganizationID, err = organizationFor(ctx, c.Queries, c.tenant, &b.OrganizationID.Value); err != nil {
				return err
			}
		}
		if p == (sqlc.UserUpdateParams{TenantID: c.tenant, ID: id, Email: before.Email, Name: before.Name, Role: before.Role, OrganizationID: before.OrganizationID}) {
			return nil
		}
		after, err := c.UserUpdate(ctx, p)
		if err != nil {
			return err
		}
		out.Body = userOfRow(after)
		out.ETag = tagOf(out.Body)
		return c.audit("user.update", "user", in.ID, userOfRow(before), out.Body)
	})
	return out, err
}

func (a *API) userDelete(ctx context.Context, in *UserPath) (*none, error) {
	id, err := parseUserID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(c *change) error {
		before, err := c.UserGetForUpdate(ctx, sqlc.UserGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := precondition(ctx, tagOf(userOfRow(before))); err != nil {
			return err
		}
		if err := c.UserForgetScripts(ctx, sqlc.UserForgetScriptsParams{TenantID: c.tenant, ID: &id}); err != nil {
			return err
		}
		if err := c.UserForgetVersions(ctx, sqlc.UserForgetVersionsParams{TenantID: c.tenant, ID: &id}); err != nil {
			return err
		}
		if err := c.UserForgetDeployments(ctx, sqlc.UserForgetDeploymentsParams{TenantID: c.tenant, ID: &id}); err != nil {
			return err
		}
		if _, err := c.UserDelete(ctx, sqlc.UserDeleteParams{TenantID: c.tenant, ID: id}); err != nil {
			return err
		}
		return c.audit("user.delete", "user", in.ID, userOfRow(before), nil)
	})
}
