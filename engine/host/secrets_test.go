package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	a, b := newTenant(t, db, "a").Script.TenantID, newTenant(t, db, "b").Script.TenantID
	key1 := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	key2 := hex.EncodeToString(bytes.Repeat([]byte{2}, 32))
	s, err := NewSecrets(db, key1)
	require.NoError(t, err)

	require.NoError(t, s.Put(t.Context(), a, "TOKEN", "one"))
	require.NoError(t, s.Put(t.Context(), a, "TOKEN", "hunter2-canary"))
	require.NoError(t, s.Put(t.Context(), a, "_x9", "ünï"))
	require.NoError(t, s.Put(t.Context(), b, "TOKEN", "other"))
	env, err := s.Env(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"TOKEN": "hunter2-canary", "_x9": "ünï"}, env)
	text, err := s.EnvJSON(t.Context(), uuid.New())
	require.NoError(t, err)
	require.Equal(t, `{}`, string(text))
	list, err := s.List(t.Context(), a)
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
		gone, err := s.Delete(t.Context(), a, "MOVED")
		require.NoError(t, err)
		require.True(t, gone)
	}
	_, err = db.Exec(t.Context(), `UPDATE script_secrets x SET nonce = y.nonce, ciphertext = y.ciphertext FROM script_secrets y WHERE x.tenant_id = $1 AND y.tenant_id = $2`, b, a)
	require.NoError(t, err)
	_, err = s.Env(t.Context(), b)
	require.ErrorIs(t, err, ErrSecretUndeciphered)
	gone, err := s.Delete(t.Context(), b, "NOPE")
	require.NoError(t, err)
	require.False(t, gone)

	// A new key in front, the old one behind it: both kinds of row open.
	rotated, err := NewSecrets(db, key2+", "+key1)
	require.NoError(t, err)
	require.NoError(t, rotated.Put(t.Context(), a, "NEW", "n"))
	env, err = rotated.Env(t.Context(), a)
	require.NoError(t, err)
	require.Len(t, env, 2)
	_, err = s.Env(t.Context(), a)
	require.ErrorIs(t, err, ErrSecretUndeciphered)

	none, err := NewSecrets(db, "")
	require.NoError(t, err)
	require.ErrorIs(t, none.Put(t.Context(), a, "X", "x"), ErrNoSecretKey)
	_, err = none.Env(t.Context(), a)
	require.ErrorIs(t, err, ErrNoSecretKey)

	for _, bad := range []string{"short", strings.Repeat("z", 64), key1[:40], key1 + ",x"} {
		_, err := NewSecrets(db, bad)
		require.Error(t, err)
		require.NotContains(t, err.Error(), bad)
	}
	for _, name := range []string{"", "9A", "a-b", "a b", "é", strings.Repeat("a", 129)} {
		require.ErrorIs(t, s.Put(t.Context(), a, name, "x"), ErrSecretName)
	}
	for _, value := range []string{"", "a\x00b", "\xff", strings.Repeat("a", 32<<10+1)} {
		require.ErrorIs(t, s.Put(t.Context(), a, "X", value), ErrSecretValue)
	}
	for i := range MaxSecrets - 2 {
		require.NoError(t, s.Put(t.Context(), a, fmt.Sprintf("S%d", i), "x"))
	}
	require.ErrorIs(t, s.Put(t.Context(), a, "ONE_MORE", "x"), ErrTooManySecrets)
	require.NoError(t, s.Put(t.Context(), a, "S1", "replaced"))
}

func TestSecretsOutlastPostgres(t *testing.T) {
	t.Parallel()
	db := dbtest.DB(t)
	tenant, other := newTenant(t, db, "a").Script.TenantID, newTenant(t, db, "b").Script.TenantID
	s, err := NewSecrets(db, strings.Repeat("0f", 32))
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), tenant, "TOKEN", "one"))
	away, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Env(away, tenant)
	require.Error(t, err, "never read")
	_, err = s.Env(t.Context(), tenant)
	require.NoError(t, err)
	env, err := s.Env(away, tenant)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"TOKEN": "one"}, env)
	_, err = s.Env(away, other)
	require.Error(t, err, "another tenant's are not its own")
	s.last[tenant] = remembered{s.last[tenant].rows, time.Now().Add(-rememberFor)}
	_, err = s.Env(away, tenant)
	require.Error(t, err, "too old")
}
