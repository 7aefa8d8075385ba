package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/sqlc"
)

// Secret is a secret as the API shows it: never its value.
type Secret struct {
	Name      string    `json:"name"`
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
		return Secret{Name: s.Name, CreatedAt: utc(s.CreatedAt), UpdatedAt: utc(s.UpdatedAt)}
	}, func(sqlc.SecretListRow) position { return position{number: int64(index)} })}, nil
}

// SecretPath names a secret in a path.
type SecretPath struct {
	Name string `path:"name" maxLength:"300"`
}

type secretPutIn struct {
	SecretPath
	Body struct {
		Value string `json:"value" minLength:"1" doc:"At most 32 KiB of text."`
	}
}

func (a *API) secretPut(ctx context.Context, in *secretPutIn) (*none, error) {
	if !secretName.MatchString(in.Name) {
		return nil, invalid("path.name", "must be letters, digits and _, not begin with a digit, and have at most 128 characters")
	}
	if len(in.Body.Value) > host.MaxSecretBytes {
		return nil, invalid("body.value", fmt.Sprintf("longer than %d bytes", host.MaxSecretBytes))
	}
	if a.cfg.Sealer == nil {
		return nil, newProblem(http.StatusServiceUnavailable, "secrets_unavailable", "This server has no key to encrypt secrets with.")
	}
	nonce, ciphertext, err := a.cfg.Sealer.Seal(tenantOf(ctx), in.Name, []byte(in.Body.Value))
	if err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	return nil, a.change(ctx, func(c *change) error {
		others, err := c.SecretCountOthers(ctx, sqlc.SecretCountOthersParams{TenantID: c.tenant, Name: in.Name})
		if err != nil {
			return err
		}
		if others >= host.MaxSecrets {
			return conflict("too_many_secrets", fmt.Sprintf("A tenant has at most %d secrets.", host.MaxSecrets))
		}
		if err := c.SecretPut(ctx, sqlc.SecretPutParams{TenantID: c.tenant, Name: in.Name, Nonce: nonce, Ciphertext: ciphertext}); err != nil {
			return err
		}
		return c.audit("secret.put", "secret", in.Name, nil, nil)
	})
}

func (a *API) secretDelete(ctx context.Context, in *SecretPath) (*none, error) {
	return nil, a.change(ctx, func(c *change) error {
		n, err := c.SecretDelete(ctx, sqlc.SecretDeleteParams{TenantID: c.tenant, Name: in.Name})
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound()
		}
		return c.audit("secret.delete", "secret", in.Name, nil, nil)
	})
}
