package rekey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

func ring(t *testing.T, current, old string) *keyring.Ring {
	t.Helper()
	r, err := keyring.Parse(strings.Repeat(current, 32), strings.Repeat(old, 32))
	require.NoError(t, err)
	return r
}

// dying begins so many transactions, and then the node is gone in the middle of one: its rows are locked and read, and nothing is committed.
type dying struct {
	*pgxpool.Pool
	left int
}

var errDied = errors.New("the node died")

type lost struct{ pgx.Tx }

func (lost) Commit(context.Context) error { return errDied }

func (d *dying) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := d.Pool.BeginTx(ctx, options)
	if d.left--; d.left < 0 {
		return lost{tx}, err
	}
	return tx, err
}

// TestRekey: rows of an old key are encrypted with the new one, also after a run that died in the middle, and then the old key is needed no
// more. What was written meanwhile stays, values do not change, and no node is told of a change.
func TestRekey(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	const one, two = "aa", "bb"
	before := host.NewSecrets(db, ring(t, one, ""))
	tenants := make([]uuid.UUID, 3)
	for i := range tenants {
		tenants[i] = uuid.UUID{15: byte(i + 1)} // their order is that of the batches
		_, err := db.Exec(t.Context(), `INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)`, tenants[i], fmt.Sprintf("t%d", i))
		require.NoError(t, err)
		for j := range 90 {
			require.NoError(t, before.Put(t.Context(), tenants[i], fmt.Sprintf("S%d", j), host.Secret{Value: fmt.Sprintf("v%d.%d", i, j)}))
		}
	}
	require.NoError(t, before.Put(t.Context(), tenants[0], "HOST", host.Secret{Value: "bound", Hosts: []string{"a.test"}}))
	certificate, err := ring(t, one, "").Derive(keyring.Certificates).SealOne([]byte("pem"), []byte("acme.test"))
	require.NoError(t, err)
	require.NoError(t, sqlc.New(db).CertificatePut(t.Context(), sqlc.CertificatePutParams{Name: "acme.test", Data: certificate}))
	hooks := map[uuid.UUID]*uuid.UUID{uuid.New(): &tenants[0], uuid.New(): nil}
	for id, owner := range hooks {
		var of uuid.UUID
		if owner != nil {
			of = *owner
		}
		nonce, ciphertext, err := before.Seal(of, webhook.SecretName(id), []byte("whsec"))
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), `INSERT INTO webhooks (id, tenant_id, url, events, nonce, ciphertext) VALUES ($1, $2, 'https://a.test', '{quota.warning}', $3, $4)`, id, owner, nonce, ciphertext)
		require.NoError(t, err)
	}
	_, err = db.Exec(t.Context(), `INSERT INTO script_secrets (tenant_id, name, nonce, ciphertext) VALUES ($1, 'BROKEN', '\x00', '\x00')`, tenants[2])
	require.NoError(t, err)
	count := func(query string) (n int64) {
		require.NoError(t, db.QueryRow(t.Context(), query).Scan(&n))
		return n
	}
	changes := count(`SELECT count(*) FROM jsruntime_changes`)
	env := func(r *keyring.Ring, tenant uuid.UUID) (string, error) {
		env, err := host.NewSecrets(db, r).Env(t.Context(), tenant)
		return string(env.Shared), err
	}
	values := map[uuid.UUID]string{}
	for _, tenant := range tenants[:2] {
		values[tenant], err = env(ring(t, one, ""), tenant)
		require.NoError(t, err)
	}

	both := ring(t, two, one)
	died, err := Run(t.Context(), &dying{Pool: db, left: 1}, both)
	require.ErrorIs(t, err, errDied)
	require.Equal(t, Result{Rewritten: 100}, died)
	require.NoError(t, host.NewSecrets(db, both).Put(t.Context(), tenants[1], "S1", host.Secret{Value: "meanwhile"}))
	values[tenants[1]] = strings.Replace(values[tenants[1]], `"v1.1"`, `"meanwhile"`, 1)
	changes++
	for _, tenant := range tenants[:2] { // nodes with both keys do not notice
		now, err := env(both, tenant)
		require.NoError(t, err)
		require.Equal(t, values[tenant], now)
	}

	done, err := Run(t.Context(), db, both)
	require.NoError(t, err)
	require.EqualValues(t, 1, done.Unreadable)
	require.EqualValues(t, 174, done.Rewritten, "secrets, two webhooks and the certificate, but the first hundred")
	again, err := Run(t.Context(), db, both)
	require.NoError(t, err)
	require.Equal(t, Result{Unreadable: 1}, again)
	require.Equal(t, changes, count(`SELECT count(*) FROM jsruntime_changes`))

	// The old key is gone.
	_, err = env(ring(t, one, ""), tenants[0])
	require.ErrorIs(t, err, host.ErrSecretUndeciphered)
	for _, tenant := range tenants[:2] {
		now, err := env(ring(t, two, ""), tenant)
		require.NoError(t, err)
		require.Equal(t, values[tenant], now)
	}
	for id, owner := range hooks {
		var of uuid.UUID
		if owner != nil {
			of = *owner
		}
		var nonce, ciphertext []byte
		require.NoError(t, db.QueryRow(t.Context(), `SELECT nonce, ciphertext FROM webhooks WHERE id = $1`, id).Scan(&nonce, &ciphertext))
		secret, err := host.NewSecrets(db, ring(t, two, "")).Open(of, webhook.SecretName(id), nonce, ciphertext)
		require.NoError(t, err)
		require.Equal(t, "whsec", secret)
	}
	data, err := sqlc.New(db).CertificateGet(t.Context(), "acme.test")
	require.NoError(t, err)
	pem, old, err := ring(t, two, "").Derive(keyring.Certificates).OpenOne(data, []byte("acme.test"))
	require.NoError(t, err)
	require.Equal(t, []any{"pem", false}, []any{string(pem), old})
	_, err = Run(t.Context(), db, &keyring.Ring{})
	require.ErrorIs(t, err, keyring.ErrNoKey)
}

// TestEveryEncryptedColumnIsKnown: a column of bytes either is none of ours to encrypt, or is in the list of this package.
func TestEveryEncryptedColumnIsKnown(t *testing.T) {
	t.Parallel()
	rows, err := dbtest.DB(t).Query(t.Context(), `SELECT table_name || '.' || column_name FROM information_schema.columns c
		WHERE table_schema = 'public' AND data_type = 'bytea'
		  AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid WHERE p.relname = c.table_name) ORDER BY 1`)
	require.NoError(t, err)
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	encrypted := []string{"script_secrets.nonce", "script_secrets.ciphertext", "certificates.data", "webhooks.nonce", "webhooks.ciphertext"}
	others := []string{ // hashes, random keys, and what is encrypted with a caller's key
		"api_keys.key_hash", "console_session_links.operator_proof", "console_session_links.token_hash", "console_sessions.operator_proof", "console_sessions.token_hash",
		"idempotency_keys.body", "idempotency_keys.fingerprint", "script_http_answers.answer", "script_http_answers.fingerprint", "script_http_answers.id",
		"script_signed_requests.id", "service_keys.value",
	}
	for _, column := range columns {
		if !slices.Contains(encrypted, column) && !slices.Contains(others, column) {
			t.Errorf("%s: is it encrypted with the secret keys? Then package rekey has to know it", column)
		}
	}
}
