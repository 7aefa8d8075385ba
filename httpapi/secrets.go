package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/sqlc"
)

// Secret is a secret as the API shows it: never its value.
type Secret struct {
	Name      string    `json:"name" example:"STRIPE_KEY"`
	Scripts   []string  `json:"scripts" nullable:"true" doc:"The names of the scripts that have it on env; null: all have."`
	Hosts     []string  `json:"hosts" nullable:"true" example:"[\"api.stripe.com\"]" doc:"Where requests carry it; null: scripts see its value."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

type secretListIn struct{ ListQuery }

// secretList answers one page: a tenant has at most 100 secrets, and all are read.
func (a *API) secretList(ctx context.Context, in *secretListIn) (*found[Page[Secret]], error) {
	bind := []string{"secrets", tenantOf(ctx).String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.SecretListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.SecretList(ctx, tenantOf(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	skip := 0
	if in.Cursor != "" {
		skip = min(int(at.number), len(rows))
	}
	index := skip
	return &found[Page[Secret]]{pageOf(a.cursors, rows[skip:], in.Limit, bind, func(s sqlc.SecretListRow) Secret {
		index++
		return secretOfRow(s)
	}, func(sqlc.SecretListRow) position { return position{number: int64(index)} })}, nil
}

// SecretPath names a secret in a path.
type SecretPath struct {
	Name string `path:"name" maxLength:"300"`
}

type secretPutIn struct {
	SecretPath
	Body struct {
		Value   string   `json:"value" minLength:"1" doc:"At most 32 KiB of text."`
		Scripts []string `json:"scripts,omitempty" nullable:"true" minItems:"1" maxItems:"100" doc:"Names of the scripts that have the secret on env, and no others; a script need not exist yet. Null, or left out: all have it."`
		Hosts   []string `json:"hosts,omitempty" nullable:"true" minItems:"1" maxItems:"50" example:"[\"api.stripe.com\",\"*.slack.com:443\"]" doc:"Where requests carry the secret, which no script sees then: env.NAME is a placeholder, in whose place the node puts the value in headers of requests to these hosts, and refuses it elsewhere. Host names, *.name and addresses, each with a port or for all of them; over TLS, or over http where the entry has its port and the operator's JSRUNTIME_FETCH_ALLOW the host. Null, or left out: scripts see the value."`
	}
}

// notSealed is the answer to a request whose secret could not be encrypted.
func notSealed(err error) error {
	if errors.Is(err, host.ErrNoSecretKey) {
		return newProblem(http.StatusServiceUnavailable, "secrets_unavailable", "This server has no key to encrypt secrets with (JSRUNTIME_SECRET_KEY).")
	}
	return fmt.Errorf("seal secret: %w", err)
}

// secretPut replaces the whole secret: who does not know the value cannot change where it goes.
func (a *API) secretPut(ctx context.Context, in *secretPutIn) (*none, error) {
	if !secretName.MatchString(in.Name) {
		return nil, invalid("path.name", "must be letters, digits and _, not begin with a digit, and have at most 128 characters")
	}
	secret := host.Secret{Value: in.Body.Value, Scripts: in.Body.Scripts, Hosts: in.Body.Hosts}
	if member, fault := secret.Check(); fault != "" {
		return nil, invalid("body."+member, fault)
	}
	if a.cfg.Sealer == nil {
		return nil, notSealed(host.ErrNoSecretKey)
	}
	row, err := a.cfg.Sealer.Row(tenantOf(ctx), in.Name, secret)
	if err != nil {
		return nil, notSealed(err)
	}
	return nil, a.change(ctx, func(c *change) error {
		if err := c.EnvLock(ctx, c.tenant.String()); err != nil {
			return err
		}
		taken, err := c.VarExists(ctx, sqlc.VarExistsParams{TenantID: c.tenant, Name: in.Name})
		if err != nil {
			return err
		}
		if taken {
			return conflict("name_taken", "The tenant has a var of this name.")
		}
		before, err := c.secret(ctx, in.Name)
		if err != nil {
			return err
		}
		if err := host.WriteSecret(ctx, c.Queries, row); errors.Is(err, host.ErrTooManySecrets) {
			return conflict("too_many_secrets", fmt.Sprintf("A tenant has at most %d secrets, of together %d bytes.", host.MaxSecrets, host.MaxSecretsBytes))
		} else if err != nil {
			return err
		}
		after, err := c.secret(ctx, in.Name)
		if err != nil {
			return err
		}
		return c.audit("secret.put", "secret", in.Name, before, after)
	})
}

// secret is what may be shown of a secret; nil: there is none.
func (c *change) secret(ctx context.Context, name string) (any, error) {
	row, err := c.SecretGet(ctx, sqlc.SecretGetParams{TenantID: c.tenant, Name: name})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return secretOfRow(sqlc.SecretListRow(row)), err
}

func secretOfRow(s sqlc.SecretListRow) Secret {
	return Secret{Name: s.Name, Scripts: s.Scripts, Hosts: s.Hosts, CreatedAt: utc(s.CreatedAt), UpdatedAt: utc(s.UpdatedAt)}
}

func (a *API) secretDelete(ctx context.Context, in *SecretPath) (*none, error) {
	return nil, a.change(ctx, func(c *change) error {
		before, err := c.secret(ctx, in.Name)
		if err != nil {
			return err
		}
		n, err := c.SecretDelete(ctx, sqlc.SecretDeleteParams{TenantID: c.tenant, Name: in.Name})
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound()
		}
		return c.audit("secret.delete", "secret", in.Name, before, nil)
	})
}
