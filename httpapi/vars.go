package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/sqlc"
)

// Vars are the tenant's plain values on env, by name.
type Vars map[string]string

// Schema documents Vars.
func (Vars) Schema(huma.Registry) *huma.Schema {
	most := host.MaxVars
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: &huma.Schema{Type: huma.TypeString}, MaxProperties: &most,
		Description: fmt.Sprintf("Names of letters, digits and _ that do not begin with a digit, with texts: at most %d, of together %d bytes. No secret of the tenant may have one of the names.",
			host.MaxVars, host.MaxVarsBytes),
		Examples: []any{map[string]any{"REGION": "eu", "LOG_LEVEL": "info"}},
	}
}

// VarSet is the tenant's vars.
type VarSet struct {
	Vars Vars `json:"vars"`
}

// varsOf reads the tenant's vars.
func varsOf(ctx context.Context, q *sqlc.Queries) (VarSet, error) {
	rows, err := q.VarList(ctx, tenantOf(ctx))
	out := VarSet{Vars: Vars{}}
	for _, row := range rows {
		out.Vars[row.Name] = row.Value
	}
	return out, err
}

func (a *API) varList(ctx context.Context, _ *none) (*tagged[VarSet], error) {
	out := &tagged[VarSet]{}
	err := a.read(ctx, func(q *sqlc.Queries) (err error) {
		if out.Body, err = varsOf(ctx, q); err == nil {
			out.ETag = tagOf(out.Body)
		}
		return err
	})
	return out, err
}

type varReplaceIn struct {
	Body struct {
		Vars Vars `json:"vars"`
	}
}

// varReplace sets all vars: those that the body does not name are deleted.
func (a *API) varReplace(ctx context.Context, in *varReplaceIn) (*tagged[VarSet], error) {
	out := &tagged[VarSet]{}
	err := a.change(ctx, func(c *change) error {
		before, err := c.vars(ctx)
		if err != nil {
			return err
		}
		if err := precondition(ctx, tagOf(before)); err != nil {
			return err
		}
		if _, err := c.VarDeleteOthers(ctx, sqlc.VarDeleteOthersParams{TenantID: c.tenant, Keep: sortedNames(in.Body.Vars)}); err != nil {
			return err
		}
		out.Body, err = c.setVars(ctx, "body.vars.", before, in.Body.Vars)
		out.ETag = tagOf(out.Body)
		return err
	})
	return out, err
}

// sortedNames are the names in their order: an array for Postgres also where there are none.
func sortedNames(v Vars) []string { return append([]string{}, slices.Sorted(maps.Keys(v))...) }

// VarPath names a var in a path.
type VarPath struct {
	Name string `path:"name" maxLength:"300"`
}

type varPutIn struct {
	VarPath
	Body struct {
		Value string `json:"value" example:"eu" doc:"A text; with the other vars at most 64 KiB."`
	}
}

func (a *API) varPut(ctx context.Context, in *varPutIn) (*none, error) {
	return nil, a.change(ctx, func(c *change) error {
		before, err := c.vars(ctx)
		if err != nil {
			return err
		}
		_, err = c.setVars(ctx, "path.name", before, Vars{in.Name: in.Body.Value})
		return err
	})
}

func (a *API) varDelete(ctx context.Context, in *VarPath) (*none, error) {
	return nil, a.change(ctx, func(c *change) error {
		before, err := c.vars(ctx)
		if err != nil {
			return err
		}
		n, err := c.VarDelete(ctx, sqlc.VarDeleteParams{TenantID: c.tenant, Name: in.Name})
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound()
		}
		after := VarSet{Vars: maps.Clone(before.Vars)}
		delete(after.Vars, in.Name)
		return c.audit("vars.update", "vars", in.Name, before, after)
	})
}

// vars are the tenant's, which no other request changes before the transaction ends.
func (c *change) vars(ctx context.Context) (VarSet, error) {
	if err := c.EnvLock(ctx, c.tenant.String()); err != nil {
		return VarSet{}, err
	}
	return varsOf(ctx, c.Queries)
}

// setVars sets some of the vars and judges what then is there. location is the field with the name; with a final dot, the name is added to it.
func (c *change) setVars(ctx context.Context, location string, before VarSet, given Vars) (VarSet, error) {
	names := sortedNames(given)
	contents := make([]string, len(names))
	for i, name := range names {
		at := location
		if strings.HasSuffix(at, ".") {
			at += name
		}
		if !secretName.MatchString(name) {
			return VarSet{}, invalid(at, "the name must be letters, digits and _, not begin with a digit, and have at most 128 characters")
		}
		if contents[i] = given[name]; !utf8.ValidString(contents[i]) || strings.ContainsRune(contents[i], 0) {
			return VarSet{}, invalid(at, "the value must be text without NUL")
		}
	}
	taken, err := c.VarNamedAsSecret(ctx, sqlc.VarNamedAsSecretParams{TenantID: c.tenant, Names: names})
	if err == nil {
		return VarSet{}, conflict("name_taken", "The tenant has a secret of the name "+taken+".")
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return VarSet{}, err
	}
	if _, err := c.VarPut(ctx, sqlc.VarPutParams{TenantID: c.tenant, Names: names, Contents: contents}); err != nil {
		return VarSet{}, err
	}
	after, err := varsOf(ctx, c.Queries)
	if err != nil {
		return VarSet{}, err
	}
	size := 0
	for name, value := range after.Vars {
		size += len(name) + len(value)
	}
	if len(after.Vars) > host.MaxVars || size > host.MaxVarsBytes {
		return VarSet{}, conflict("too_many_vars", fmt.Sprintf("A tenant has at most %d vars, of together %d bytes; these would be %d, of %d bytes.", host.MaxVars, host.MaxVarsBytes, len(after.Vars), size))
	}
	return after, c.audit("vars.update", "vars", "vars", before, after)
}

// importVars sets the vars of an export, and leaves others as they are.
func (c *change) importVars(ctx context.Context, body []byte) error {
	var given struct {
		Vars Vars `json:"vars"`
	}
	if err := json.Unmarshal(body, &given); err != nil {
		return notDecoded("body.vars", err)
	}
	if len(given.Vars) == 0 {
		return nil
	}
	before, err := c.vars(ctx)
	if err != nil {
		return err
	}
	_, err = c.setVars(ctx, "body.vars.", before, given.Vars)
	return err
}
