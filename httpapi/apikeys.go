package httpapi

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/sqlc"
)

// Key is an API key as the API shows it.
type Key struct {
	ID         uuid.UUID  `json:"id" format:"uuid"`
	Name       string     `json:"name"`
	Role       string     `json:"role" enum:"admin,developer,viewer,custom" doc:"custom: the key has scopes of its own."`
	Scopes     []string   `json:"scopes" nullable:"false" doc:"Of a key with the role custom: all that it may do. Of the others: empty; whoami shows what their role stands for."`
	Prefix     string     `json:"prefix" doc:"The visible start of the key."`
	UserID     *int32     `json:"user_id" doc:"On whose behalf it acts."`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"To the minute."`
	CreatedAt  time.Time  `json:"created_at"`
}

// NewKey is a key at the one time that it is shown.
type NewKey struct {
	Key
	Secret string `json:"key" doc:"The key itself. It is not shown again."`
}

func keyOfRow(k sqlc.ApiKey) Key {
	return Key{
		ID: k.ID, Name: k.Name, Role: k.Role, Scopes: append([]string{}, k.Scopes...), Prefix: k.Prefix, UserID: k.UserID, ExpiresAt: utcPtr(k.ExpiresAt), LastUsedAt: utcPtr(k.LastUsedAt),
		CreatedAt: utc(k.CreatedAt),
	}
}

type keyCreateBody struct {
	Name      string     `json:"name" minLength:"1" maxLength:"255"`
	Role      string     `json:"role,omitempty" enum:"admin,developer,viewer" doc:"A preset of scopes. Either role or scopes is given."`
	Scopes    []string   `json:"scopes,omitempty" maxItems:"100" doc:"What the key may do, and nothing else: scripts:read, scripts:write, executions:run, events:publish, run, invoke:NAME, …; each operation of this document names its scope." example:"[\"executions:run\",\"invoke:report\"]"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it stops to be valid; never by default."`
	UserID    *int32     `json:"user_id,omitempty" minimum:"1" maximum:"2147483647" doc:"A user of the tenant, on whose behalf the key acts."`
}

type keyCreateIn struct{ Body keyCreateBody }

type tenantKeyCreateIn struct {
	TenantPath
	Body keyCreateBody
}

func (a *API) keyCreate(ctx context.Context, in *keyCreateIn) (*created[NewKey], error) {
	return a.createKey(ctx, tenantOf(ctx), &in.Body)
}

func (a *API) tenantKeyCreate(ctx context.Context, in *tenantKeyCreateIn) (*created[NewKey], error) {
	t, err := a.readTenantByRef(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	return a.createKey(ctx, t.ID, &in.Body)
}

func (a *API) createKey(ctx context.Context, tenant uuid.UUID, in *keyCreateBody) (*created[NewKey], error) {
	if err := checkName("body.name", in.Name); err != nil {
		return nil, err
	}
	if in.ExpiresAt != nil && !in.ExpiresAt.After(time.Now()) {
		return nil, invalid("body.expires_at", "must be in the future")
	}
	if err := a.checkScopes(principalOf(ctx), in.Role, in.Scopes); err != nil {
		return nil, err
	}
	scopes := slices.Compact(slices.Sorted(slices.Values(in.Scopes)))
	out := &created[NewKey]{}
	err := a.operate(ctx, tenant, func(c *change) error {
		if in.UserID != nil {
			if err := checkUser(ctx, c.Queries, tenant, *in.UserID); err != nil {
				return err
			}
		}
		if err := checkKeyCount(ctx, c.Queries, tenant); err != nil {
			return err
		}
		key, prefix, hash := newKey()
		row, err := c.APIKeyCreate(ctx, sqlc.APIKeyCreateParams{
			ID: newID(), TenantID: &tenant, Name: in.Name, Role: cmp.Or(in.Role, string(RoleCustom)), Scopes: append([]string{}, scopes...), Prefix: prefix, KeyHash: hash[:], ExpiresAt: in.ExpiresAt, UserID: in.UserID,
		})
		if err != nil {
			return err
		}
		out.Body = NewKey{Key: keyOfRow(row), Secret: key}
		out.Location = "/api/v1/api-keys/" + row.ID.String()
		return c.audit("key.create", "api_key", row.ID.String(), nil, out.Body.Key)
	})
	return out, err
}

// Bounds of a tenant's keys. Each key has a rate of its own, and a place in every node's memory.
const (
	maxActiveKeys = 100
	maxStoredKeys = 1_000 // with those that have expired
)

// checkKeyCount refuses a key beyond the bounds. The tenant's keys are then locked until the transaction ends.
func checkKeyCount(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID) error {
	if err := q.APIKeyCountLock(ctx, tenant); err != nil {
		return err
	}
	n, err := q.APIKeyCount(ctx, &tenant)
	switch {
	case err != nil:
		return err
	case n.Active >= maxActiveKeys:
		return conflict("key_limit", "max_active_keys: limit "+strconv.Itoa(maxActiveKeys)+" of a tenant; delete keys that are not used.")
	case n.Stored >= maxStoredKeys:
		return conflict("key_limit", "max_stored_keys: limit "+strconv.Itoa(maxStoredKeys)+" of a tenant; delete keys that have expired.")
	}
	return nil
}

func checkUser(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID, id int32) error {
	if _, err := q.UserGet(ctx, sqlc.UserGetParams{TenantID: tenant, ID: id}); err != nil {
		return missing(err, "body.user_id", "there is no user "+strconv.Itoa(int(id)))
	}
	return nil
}

type keyListIn struct{ ListQuery }

func (a *API) keyList(ctx context.Context, in *keyListIn) (*found[Page[Key]], error) {
	tenant := tenantOf(ctx)
	bind := []string{"api-keys", tenant.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.ApiKey
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.APIKeyList(ctx, sqlc.APIKeyListParams{TenantID: &tenant, BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Key]]{pageOf(a.cursors, rows, in.Limit, bind, keyOfRow, func(k sqlc.ApiKey) position {
		return position{at: k.CreatedAt, id: k.ID}
	})}, nil
}

// IDPath names an object in a path.
type IDPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *API) keyDelete(ctx context.Context, in *IDPath) (*none, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	tenant := tenantOf(ctx)
	err = a.change(ctx, func(c *change) error {
		k, err := c.APIKeyGet(ctx, sqlc.APIKeyGetParams{TenantID: &tenant, ID: id})
		if err != nil {
			return err
		}
		if _, err := c.APIKeyDelete(ctx, sqlc.APIKeyDeleteParams{TenantID: &tenant, ID: id}); err != nil {
			return err
		}
		return c.audit("key.delete", "api_key", id.String(), keyOfRow(k), nil)
	})
	a.Forget("api_keys", tenant)
	return nil, err
}

// WhoAmI says who calls.
type WhoAmI struct {
	Role   string        `json:"role" enum:"superadmin,admin,developer,viewer,custom"`
	Scopes []string      `json:"scopes" nullable:"false" doc:"What the key may do in its tenant: its own scopes, or those for which its role stands."`
	Tenant *WhoAmITenant `json:"tenant" doc:"The tenant that the request speaks about; null for a superadmin without X-Tenant."`
	Key    WhoAmIKey     `json:"key"`
}

// WhoAmITenant is the tenant that the request speaks about.
type WhoAmITenant struct {
	ID   uuid.UUID `json:"id" format:"uuid"`
	Slug string    `json:"slug"`
}

// WhoAmIKey is the key of the request.
type WhoAmIKey struct {
	ID     uuid.UUID `json:"id" format:"uuid"`
	Name   string    `json:"name"`
	Prefix string    `json:"prefix"`
	// ExpiresAt is beside the header X-Key-Expires, which answers have from 14 days before on.
	ExpiresAt *time.Time `json:"expires_at" doc:"When the key ends; null: never. From 14 days before on every answer says so in the header X-Key-Expires."`
}

func (a *API) whoami(ctx context.Context, _ *none) (*found[WhoAmI], error) {
	p := principalOf(ctx)
	out := &found[WhoAmI]{WhoAmI{Role: string(p.Role), Scopes: a.scopesOf(p), Key: WhoAmIKey{ID: p.KeyID, Name: p.KeyName, Prefix: p.Prefix}}}
	if !p.expires.IsZero() {
		at := p.expires.UTC().Round(time.Second)
		out.Body.Key.ExpiresAt = &at
	}
	if p.HasTenant() {
		out.Body.Tenant = &WhoAmITenant{ID: p.TenantID, Slug: p.TenantSlug}
	}
	return out, nil
}
