package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, b := newTenant(t, db, "a").Script.TenantID, newTenant(t, db, "b").Script.TenantID
	key1 := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	key2 := hex.EncodeToString(bytes.Repeat([]byte{2}, 32))
	s := secretsOf(t, db, key1, "")

	require.NoError(t, s.Put(t.Context(), a, "TOKEN", Secret{Value: "one"}))
	require.NoError(t, s.Put(t.Context(), a, "TOKEN", Secret{Value: "hunter2-canary"}))
	require.NoError(t, s.Put(t.Context(), a, "_x9", Secret{Value: "ünï"}))
	require.NoError(t, s.Put(t.Context(), b, "TOKEN", Secret{Value: "other"}))
	env, err := s.Env(t.Context(), a)
	require.NoError(t, err)
	require.JSONEq(t, `{"TOKEN": "hunter2-canary", "_x9": "ünï"}`, string(env.Shared))
	require.Nil(t, env.Own)
	env, err = s.Env(t.Context(), uuid.New())
	require.NoError(t, err)
	require.Equal(t, `{}`, string(env.Shared))
	list, err := sqlc.New(db).SecretList(t.Context(), a)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "TOKEN", list[0].Name)
	require.False(t, list[0].UpdatedAt.IsZero())

	// Nothing of the value is in the row.
	var row string
	require.NoError(t, db.QueryRow(t.Context(), `SELECT string_agg(s::text || encode(ciphertext, 'escape'), '') FROM script_secrets s`).Scan(&row))
	require.NotContains(t, row, "hunter2")
	require.NotContains(t, row, hex.EncodeToString([]byte("hunter2")))

	// A row that is moved to another tenant or name does not open.
	for _, move := range []string{`UPDATE script_secrets SET name = 'MOVED' WHERE tenant_id = $1 AND name = '_x9'`} {
		_, err = db.Exec(t.Context(), move, a)
		require.NoError(t, err)
		_, err = s.Env(t.Context(), a)
		require.ErrorIs(t, err, ErrSecretUndeciphered)
		_, err = sqlc.New(db).SecretDelete(t.Context(), sqlc.SecretDeleteParams{TenantID: a, Name: "MOVED"})
		require.NoError(t, err)
	}
	_, err = db.Exec(t.Context(), `UPDATE script_secrets x SET nonce = y.nonce, ciphertext = y.ciphertext FROM script_secrets y WHERE x.tenant_id = $1 AND y.tenant_id = $2`, b, a)
	require.NoError(t, err)
	_, err = s.Env(t.Context(), b)
	require.ErrorIs(t, err, ErrSecretUndeciphered)

	// A new key in front, the old one behind it: both kinds of row open.
	rotated := secretsOf(t, db, key2, key1)
	require.NoError(t, rotated.Put(t.Context(), a, "NEW", Secret{Value: "n"}))
	env, err = rotated.Env(t.Context(), a)
	require.NoError(t, err)
	require.Contains(t, string(env.Shared), "hunter2-canary")
	require.Contains(t, string(env.Shared), `"NEW":"n"`)
	_, err = s.Env(t.Context(), a)
	require.ErrorIs(t, err, ErrSecretUndeciphered)

	none := secretsOf(t, db, "", "")
	require.ErrorIs(t, none.Put(t.Context(), a, "X", Secret{Value: "x"}), ErrNoSecretKey)
	_, err = none.Env(t.Context(), a)
	require.ErrorIs(t, err, ErrNoSecretKey)

	for _, name := range []string{"", "9A", "a-b", "a b", "é", strings.Repeat("a", 129)} {
		require.ErrorIs(t, s.Put(t.Context(), a, name, Secret{Value: "x"}), ErrSecretName)
	}
	for _, value := range []string{"", "a\x00b", "\xff", strings.Repeat("a", 32<<10+1)} {
		require.ErrorContains(t, s.Put(t.Context(), a, "X", Secret{Value: value}), "value: must be 1 byte to 32768 bytes")
	}
	for i := range MaxSecrets - 2 {
		require.NoError(t, s.Put(t.Context(), a, fmt.Sprintf("S%d", i), Secret{Value: "x"}))
	}
	require.ErrorIs(t, s.Put(t.Context(), a, "ONE_MORE", Secret{Value: "x"}), ErrTooManySecrets)
	require.NoError(t, s.Put(t.Context(), a, "S1", Secret{Value: "replaced"}))
	for i := range 31 {
		require.NoError(t, s.Put(t.Context(), b, fmt.Sprintf("S%d", i), Secret{Value: strings.Repeat("x", MaxSecretBytes)}))
	}
	require.ErrorIs(t, s.Put(t.Context(), b, "ONE_MORE", Secret{Value: strings.Repeat("x", MaxSecretBytes)}), ErrTooManySecrets, "bytes of all together")
}

func secretsOf(t *testing.T, db sqlc.DBTX, current, old string) *Secrets {
	t.Helper()
	ring, err := keyring.Parse(current, old)
	require.NoError(t, err)
	return NewSecrets(db, ring)
}

// A secret for named scripts is in the environment of these alone, and one for hosts in none: its placeholder is, and outlives a new value.
func TestSecretsOfScriptsAndHosts(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	tenant := newTenant(t, db, "a").Script.TenantID
	s := secretsOf(t, db, strings.Repeat("0f", 32), "")
	put := func(name string, secret Secret) { require.NoError(t, s.Put(t.Context(), tenant, name, secret)) }
	put("ALL", Secret{Value: "all"})
	put("PAY", Secret{Value: "pay\"\u0001", Scripts: []string{"billing", "refunds"}})
	put("MAIL", Secret{Value: "mail", Scripts: []string{"billing"}})
	put("STRIPE", Secret{Value: "sk-canary", Hosts: []string{"api.stripe.com"}})
	put("BOTH", Secret{Value: "both-canary", Hosts: []string{"a.test"}, Scripts: []string{"refunds"}})
	env, err := s.Env(t.Context(), tenant)
	require.NoError(t, err)
	read := func(text json.RawMessage) (members map[string]string) {
		require.NoError(t, json.Unmarshal(text, &members))
		return members
	}
	shared := read(env.Shared)
	require.Len(t, shared, 2)
	require.Equal(t, "all", shared["ALL"])
	require.Regexp(t, "^jsruntime-secret-[0-9a-f]{40}$", shared["STRIPE"])
	require.Equal(t, map[string]string{"PAY": "pay\"\u0001", "MAIL": "mail"}, read(env.Own("billing")))
	refunds := read(env.Own("refunds"))
	require.Len(t, refunds, 2)
	require.Regexp(t, "^jsruntime-secret-", refunds["BOTH"])
	require.NotEqual(t, shared["STRIPE"], refunds["BOTH"])
	for _, other := range []string{"", "Billing", "billing2", "other"} {
		require.Equal(t, `{}`, string(env.Own(other)), other)
	}
	require.Equal(t, "x [redacted] y", s.Known(tenant).Plain("x sk-canary y"), "values are masked in what is kept, whoever may see them")

	placeholder := shared["STRIPE"]
	put("STRIPE", Secret{Value: "sk-second", Hosts: []string{"api.stripe.com", "b.test"}})
	env, err = s.Env(t.Context(), tenant)
	require.NoError(t, err)
	require.Equal(t, placeholder, read(env.Shared)["STRIPE"])
	put("STRIPE", Secret{Value: "sk-third"})
	env, err = s.Env(t.Context(), tenant)
	require.NoError(t, err)
	require.Equal(t, "sk-third", read(env.Shared)["STRIPE"])

	for _, tc := range []struct {
		secret Secret
		member string
	}{
		{Secret{Value: "v", Scripts: []string{}}, "scripts"}, {Secret{Value: "v", Hosts: []string{}}, "hosts"},
		{Secret{Value: "v", Scripts: []string{"a", ""}}, "scripts[1]"}, {Secret{Value: "v", Scripts: make([]string, 101)}, "scripts"}, {Secret{Value: "v", Hosts: make([]string, 51)}, "hosts"},
		{Secret{Value: "v", Hosts: []string{"*"}}, "hosts[0]"}, {Secret{Value: "v", Hosts: []string{"a.test", "10.0.0.0/8"}}, "hosts[1]"}, {Secret{Value: "v", Hosts: []string{"*:443"}}, "hosts[0]"},
		{Secret{Value: "v", Hosts: []string{"*.com"}}, "hosts[0]"}, {Secret{Value: "v", Hosts: []string{"a.test:0"}}, "hosts[0]"}, {Secret{Value: "v", Hosts: []string{"https://a.test"}}, "hosts[0]"},
		{Secret{Value: "v", Hosts: []string{"a.test/path"}}, "hosts[0]"}, {Secret{Value: "v", Hosts: []string{" a.test"}}, "hosts[0]"}, {Secret{Value: "v", Hosts: []string{""}}, "hosts[0]"},
		{Secret{Value: "a\r\nX: y", Hosts: []string{"a.test"}}, "value"}, {Secret{Value: "€", Hosts: []string{"a.test"}}, "value"}, {Secret{Value: " v", Hosts: []string{"a.test"}}, "value"},
	} {
		member, fault := tc.secret.Check()
		require.Equal(t, tc.member, member, "%+v %s", tc.secret, fault)
		require.ErrorContains(t, s.Put(t.Context(), tenant, "X", tc.secret), tc.member+": ")
	}
}

func TestSecretsOutlastPostgres(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	tenant, other := newTenant(t, db, "a").Script.TenantID, newTenant(t, db, "b").Script.TenantID
	s := secretsOf(t, db, strings.Repeat("0f", 32), "")
	require.NoError(t, s.Put(t.Context(), tenant, "TOKEN", Secret{Value: "one"}))
	away, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Env(away, tenant)
	require.Error(t, err, "never read")
	_, err = s.Env(t.Context(), tenant)
	require.NoError(t, err)
	env, err := s.Env(away, tenant)
	require.NoError(t, err)
	require.JSONEq(t, `{"TOKEN": "one"}`, string(env.Shared))
	_, err = s.Env(away, other)
	require.Error(t, err, "another tenant's are not its own")
	s.last[tenant] = remembered{rows: s.last[tenant].rows, at: time.Now().Add(-rememberFor)}
	_, err = s.Env(away, tenant)
	require.Error(t, err, "too old")
}
