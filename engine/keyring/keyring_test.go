package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRing(t *testing.T) {
	t.Parallel()
	one, two := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)), hex.EncodeToString(bytes.Repeat([]byte{2}, 32))
	first, err := Parse(one, "")
	require.NoError(t, err)
	second, err := Parse(two, " "+one+" ")
	require.NoError(t, err)
	require.Len(t, second.IDs(), 2)
	require.Equal(t, first.IDs()[0], second.IDs()[1])
	require.NotContains(t, strings.Join(second.IDs(), " "), two[:8])

	nonce, sealed, err := first.Seal([]byte("value"), []byte("whose"))
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "value")
	value, old, err := second.Open(nonce, sealed, []byte("whose"))
	require.NoError(t, err)
	require.Equal(t, []any{"value", true}, []any{string(value), old})
	_, old, err = first.Open(nonce, sealed, []byte("whose"))
	require.NoError(t, err)
	require.False(t, old)
	for _, bad := range [][2][]byte{{nonce[:5], sealed}, {nonce, sealed[1:]}, {nil, nil}, {sealed[:12], sealed}} {
		_, _, err = second.Open(bad[0], bad[1], []byte("whose"))
		require.ErrorIs(t, err, ErrUndeciphered)
	}
	_, _, err = second.Open(nonce, sealed, []byte("another's"))
	require.ErrorIs(t, err, ErrUndeciphered)

	together, err := second.SealOne([]byte("value"), nil)
	require.NoError(t, err)
	_, _, err = first.OpenOne(together, nil)
	require.ErrorIs(t, err, ErrUndeciphered, "the old key does not read what the new one encrypts")
	_, _, err = second.Derive("certificates").OpenOne(together, nil)
	require.ErrorIs(t, err, ErrUndeciphered, "a derived key is another")
	_, _, err = second.OpenOne(together[:3], nil)
	require.ErrorIs(t, err, ErrUndeciphered)
	derived, err := first.Derive("certificates").SealOne([]byte("value"), nil)
	require.NoError(t, err)
	value, old, err = second.Derive("certificates").OpenOne(derived, nil)
	require.NoError(t, err)
	require.Equal(t, []any{"value", true}, []any{string(value), old})

	none, err := Parse(" ", "")
	require.NoError(t, err)
	require.True(t, none.Empty())
	_, _, err = none.Seal(nil, nil)
	require.ErrorIs(t, err, ErrNoKey)
	_, _, err = none.Open(nonce, sealed, nil)
	require.ErrorIs(t, err, ErrNoKey)
	_, err = none.SealOne(nil, nil)
	require.ErrorIs(t, err, ErrNoKey)
	_, _, err = none.OpenOne(together, nil)
	require.ErrorIs(t, err, ErrNoKey)
	for _, bad := range []string{"short", strings.Repeat("z", 64), one[:40], one + ",x"} {
		_, err := Parse(bad, "")
		require.ErrorContains(t, err, "JSRUNTIME_SECRET_KEY: key ")
		require.NotContains(t, err.Error(), bad)
		_, err = Parse(two, bad)
		require.ErrorContains(t, err, "JSRUNTIME_SECRET_KEY_OLD: key ")
	}
	_, err = Parse("", one)
	require.ErrorContains(t, err, "JSRUNTIME_SECRET_KEY_OLD")
}
