package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/text"
)

// Rekeyed says what has been encrypted with the newest secret key.
type Rekeyed struct {
	Key        string `json:"key" example:"5f0c2a91d3b7e640" doc:"The name of the key that encrypts now. It is made of the key, and tells nothing about it."`
	Rewritten  int64  `json:"rewritten" example:"1204" doc:"Rows of older keys that are encrypted with it now."`
	Unreadable int64  `json:"unreadable" example:"0" doc:"Rows that no key of this node opens. They stay as they are."`
}

// secretRekey may be called again: what has been done is passed over.
func (a *API) secretRekey(ctx context.Context, _ *none) (*found[Rekeyed], error) {
	if a.cfg.Rekey == nil || len(a.cfg.SecretKeys) == 0 {
		return nil, newProblem(http.StatusServiceUnavailable, "secrets_unavailable", host.ErrNoSecretKey.Error()+".")
	}
	if err := a.sameKeys(ctx); err != nil {
		return nil, err
	}
	out := &found[Rekeyed]{Body: Rekeyed{Key: a.cfg.SecretKeys[0]}}
	var err error
	if out.Body.Rewritten, out.Body.Unreadable, err = a.cfg.Rekey(ctx); err != nil {
		return nil, err
	}
	return out, a.operate(ctx, uuid.Nil, func(c *change) error {
		return c.audit("secrets.rekey", "secrets", out.Body.Key, nil, out.Body)
	})
}

// sameKeys refuses while a node is alive that encrypts with another key: it could not read what is written here, and would go on writing what
// only the old key opens.
func (a *API) sameKeys(ctx context.Context) error {
	rows, err := a.queries.NodeList(ctx, maxNodes)
	if err != nil {
		return err
	}
	for _, n := range rows {
		var load struct {
			SecretKeys []string `json:"secret_keys"`
		}
		if err := json.Unmarshal(n.Load, &load); err != nil {
			return errors.New("load of a node: not readable")
		}
		if n.Alive && (len(load.SecretKeys) == 0 || load.SecretKeys[0] != a.cfg.SecretKeys[0]) {
			return conflict("keys_differ", fmt.Sprintf("The node %s (%s) does not encrypt with this node's secret key. Restart it with the same JSRUNTIME_SECRET_KEY, "+
				"and the old one in JSRUNTIME_SECRET_KEY_OLD; a node that has just stopped counts for 15 s.", n.ID, text.Clip(n.Hostname, 100)))
		}
	}
	return nil
}
