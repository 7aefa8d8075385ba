// Package rekey encrypts everything that is stored under a secret key with the newest one, while nodes run.
//
//	table            column                 additional data
//	script_secrets   nonce, ciphertext      tenant_id, name
//	webhooks         nonce, ciphertext      tenant_id (none: the operator's), the name that package webhook gives it
//	certificates     data                   name (with the keys that are made for certificates)
//
// # Rules
//
//   - A batch is one transaction: it locks its rows, encrypts those of older keys anew, and writes them. What was committed stays, so that a node
//     that dies in the middle has lost nothing, and the next run goes on.
//   - Values do not change, so that no worker and no node reads them anew.
//   - A row that no key opens stays as it is, and is counted.
//   - A column that is encrypted stands in the list above and in tables; a test knows every column of the schema.
package rekey

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

// batchRows is how many rows a transaction has: a secret has 32 KiB at most.
const batchRows = 100

// Result counts rows.
type Result struct {
	Rewritten  int64 // are encrypted with the newest key now
	Unreadable int64 // no key opens them
}

// Run encrypts what is stored with the ring's first key. It may be called again, on any node: what has been done is passed over.
func Run(ctx context.Context, db tenantdb.Beginner, ring *keyring.Ring) (Result, error) {
	var total Result
	if ring.Empty() {
		return total, keyring.ErrNoKey
	}
	for _, t := range tables {
		if err := t(ctx, db, ring, &total); err != nil {
			return total, err
		}
	}
	return total, nil
}

// tables are the columns that are encrypted.
var tables = []func(ctx context.Context, db tenantdb.Beginner, ring *keyring.Ring, total *Result) error{secrets, webhooks, certificates}

// batches calls one in a transaction each until it reports that there is nothing left. one returns what it has counted.
func batches(ctx context.Context, db tenantdb.Beginner, what string, total *Result, one func(q *sqlc.Queries) (done bool, counted Result, err error)) error {
	for done := false; !done; {
		var counted Result
		err := pgx.BeginTxFunc(ctx, db, tenantdb.ServiceTx(), func(tx pgx.Tx) (err error) {
			done, counted, err = one(sqlc.New(tx))
			return err
		})
		if err != nil {
			return fmt.Errorf("rekey %s: %w", what, err)
		}
		total.Rewritten += counted.Rewritten
		total.Unreadable += counted.Unreadable
	}
	return nil
}

func secrets(ctx context.Context, db tenantdb.Beginner, ring *keyring.Ring, total *Result) error {
	var tenant uuid.UUID
	var name string
	return batches(ctx, db, "secrets", total, func(q *sqlc.Queries) (bool, Result, error) {
		var counted Result
		rows, err := q.RekeySecrets(ctx, sqlc.RekeySecretsParams{AfterTenant: tenant, AfterName: name, RowLimit: batchRows})
		if err != nil {
			return false, counted, err
		}
		var write sqlc.RekeySecretsWriteParams
		for _, row := range rows {
			tenant, name = row.TenantID, row.Name
			additional := host.SecretAdditional(row.TenantID, row.Name)
			value, old, err := ring.Open(row.Nonce, row.Ciphertext, additional)
			switch {
			case err != nil:
				counted.Unreadable++
			case old:
				nonce, ciphertext, err := ring.Seal(value, additional)
				if err != nil {
					return false, counted, err
				}
				write.Tenants, write.Names = append(write.Tenants, row.TenantID), append(write.Names, row.Name)
				write.Nonces, write.Ciphertexts = append(write.Nonces, nonce), append(write.Ciphertexts, ciphertext)
			}
		}
		if len(write.Names) > 0 {
			counted.Rewritten, err = q.RekeySecretsWrite(ctx, write)
		}
		return len(rows) < batchRows, counted, err
	})
}

func webhooks(ctx context.Context, db tenantdb.Beginner, ring *keyring.Ring, total *Result) error {
	var id uuid.UUID
	return batches(ctx, db, "webhooks", total, func(q *sqlc.Queries) (bool, Result, error) {
		var counted Result
		rows, err := q.RekeyWebhooks(ctx, sqlc.RekeyWebhooksParams{AfterID: id, RowLimit: batchRows})
		if err != nil {
			return false, counted, err
		}
		var write sqlc.RekeyWebhooksWriteParams
		for _, row := range rows {
			id = row.ID
			var owner uuid.UUID
			if row.TenantID != nil {
				owner = *row.TenantID
			}
			additional := host.SecretAdditional(owner, webhook.SecretName(row.ID))
			value, old, err := ring.Open(row.Nonce, row.Ciphertext, additional)
			switch {
			case err != nil:
				counted.Unreadable++
			case old:
				nonce, ciphertext, err := ring.Seal(value, additional)
				if err != nil {
					return false, counted, err
				}
				write.Ids, write.Nonces, write.Ciphertexts = append(write.Ids, row.ID), append(write.Nonces, nonce), append(write.Ciphertexts, ciphertext)
			}
		}
		if len(write.Ids) > 0 {
			counted.Rewritten, err = q.RekeyWebhooksWrite(ctx, write)
		}
		return len(rows) < batchRows, counted, err
	})
}

func certificates(ctx context.Context, db tenantdb.Beginner, ring *keyring.Ring, total *Result) error {
	ring = ring.Derive(keyring.Certificates)
	var name string
	return batches(ctx, db, "certificates", total, func(q *sqlc.Queries) (bool, Result, error) {
		var counted Result
		rows, err := q.RekeyCertificates(ctx, sqlc.RekeyCertificatesParams{AfterName: name, RowLimit: batchRows})
		if err != nil {
			return false, counted, err
		}
		var write sqlc.RekeyCertificatesWriteParams
		for _, row := range rows {
			name = row.Name
			value, old, err := ring.OpenOne(row.Data, []byte(row.Name))
			switch {
			case err != nil:
				counted.Unreadable++
			case old:
				sealed, err := ring.SealOne(value, []byte(row.Name))
				if err != nil {
					return false, counted, err
				}
				write.Names, write.Contents = append(write.Names, row.Name), append(write.Contents, sealed)
			}
		}
		if len(write.Names) > 0 {
			counted.Rewritten, err = q.RekeyCertificatesWrite(ctx, write)
		}
		return len(rows) < batchRows, counted, err
	})
}
