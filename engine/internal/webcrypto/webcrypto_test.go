package webcrypto

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func do(t *testing.T, e *Engine, params map[string]any, inputs ...[]byte) (string, []byte, error) {
	t.Helper()
	lens := []int{}
	var data []byte
	for _, in := range inputs {
		lens = append(lens, len(in))
		data = append(data, in...)
	}
	params["lens"] = lens
	text, err := json.Marshal(params)
	require.NoError(t, err)
	reply, out, err := e.Do(string(text), data)
	out = bytes.Clone(out)
	for i := range data {
		data[i] = 0xAA // as the next request does
	}
	return reply, out, err
}

// TestKeysOwnTheirMemory imports a key, has its bytes overwritten, and uses it: with the vectors of RFC 8032, 7.1, for Ed25519.
func TestKeysOwnTheirMemory(t *testing.T) {
	t.Parallel()
	for _, vector := range []struct{ seed, public, message, signature string }{
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	} {
		public, message, signature := unhex(vector.public), unhex(vector.message), unhex(vector.signature)
		for name, imported := range map[string][]byte{"raw": public, "spki": append(unhex("302a300506032b6570032100"), public...)} {
			e := New()
			_, der, err := do(t, e, map[string]any{"op": "import", "format": name, "curve": "Ed25519"}, imported)
			require.NoError(t, err, name)
			for range 2 { // parsed, then remembered
				reply, _, err := do(t, e, map[string]any{"op": "verify", "kind": "Ed25519"}, der, message, signature)
				require.NoError(t, err, name)
				require.Equal(t, "true", reply, name)
			}
			fresh := New() // of a worker that has not imported it
			for range 2 {
				reply, _, err := do(t, fresh, map[string]any{"op": "verify", "kind": "Ed25519"}, der, message, signature)
				require.NoError(t, err, name)
				require.Equal(t, "true", reply, name)
			}
		}
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func requireName(t *testing.T, name string, err error) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, name, e.Name, "%v", err)
}

func TestAES(t *testing.T) {
	t.Parallel()
	e := New()
	// RFC 3394, 4.1 and 4.6.
	for _, c := range [][3]string{
		{"000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
		{
			"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
			"28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
		},
	} {
		_, out, err := do(t, e, map[string]any{"op": "aes", "mode": "AES-KW", "encrypt": true}, unhex(c[0]), nil, unhex(c[1]))
		require.NoError(t, err)
		require.Equal(t, unhex(c[2]), out)
		_, back, err := do(t, e, map[string]any{"op": "aes", "mode": "AES-KW"}, unhex(c[0]), nil, out)
		require.NoError(t, err)
		require.Equal(t, unhex(c[1]), back)
		out[3] ^= 1
		_, _, err = do(t, e, map[string]any{"op": "aes", "mode": "AES-KW"}, unhex(c[0]), nil, out)
		requireName(t, "OperationError", err)
	}
	key := make([]byte, 16)
	t.Run("a counter of 4 bits wraps and leaves the nonce alone", func(t *testing.T) {
		counter := unhex("000000000000000000000000000000FE")
		data := make([]byte, 3*16)
		_, out, err := do(t, New(), map[string]any{"op": "aes", "mode": "AES-CTR", "encrypt": true, "length": 4}, key, counter, data)
		require.NoError(t, err)
		_, third, err := do(t, New(), map[string]any{"op": "aes", "mode": "AES-CTR", "encrypt": true, "length": 4}, key, unhex("000000000000000000000000000000F0"), data[:16])
		require.NoError(t, err)
		require.Equal(t, third, out[32:])
		_, _, err = do(t, New(), map[string]any{"op": "aes", "mode": "AES-CTR", "encrypt": true, "length": 1}, key, counter, data)
		requireName(t, "OperationError", err)
	})
	t.Run("tags and nonces of other lengths", func(t *testing.T) {
		for _, tag := range []int{32, 96, 120, 128} {
			for _, nonce := range []int{1, 12, 30} {
				p := map[string]any{"op": "aes", "mode": "AES-GCM", "encrypt": true, "tagLength": tag}
				_, out, err := do(t, New(), p, key, make([]byte, nonce), []byte("hello"), []byte("aad"))
				require.NoError(t, err)
				require.Len(t, out, 5+tag/8)
				p["encrypt"] = false
				_, back, err := do(t, New(), p, key, make([]byte, nonce), out, []byte("aad"))
				require.NoError(t, err)
				require.Equal(t, "hello", string(back))
				_, _, err = do(t, New(), p, key, make([]byte, nonce), out, []byte("other"))
				requireName(t, "OperationError", err)
				out[0] ^= 1
				_, _, err = do(t, New(), p, key, make([]byte, nonce), out, []byte("aad"))
				requireName(t, "OperationError", err)
			}
		}
	})
}

// Keys of each kind survive every format, and sign or derive afterwards.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []map[string]any{
		{"kind": "RSA", "modulusLength": 1024, "e": []byte{1, 0, 1}}, {"kind": "EC", "curve": "P-256"}, {"kind": "EC", "curve": "P-384"},
		{"kind": "EC", "curve": "P-521"}, {"kind": "Ed25519"}, {"kind": "X25519"},
	} {
		e := New()
		c["op"] = "generate"
		_, pair, err := do(t, e, c)
		require.NoError(t, err)
		n := binary.BigEndian.Uint32(pair)
		private, public := pair[4:4+n], pair[4+n:]
		for _, k := range []struct {
			der     []byte
			private bool
		}{{private, true}, {public, false}} {
			text, _, err := do(t, e, map[string]any{"op": "export", "format": "jwk", "private": k.private}, k.der)
			require.NoError(t, err)
			_, der, err := do(t, New(), map[string]any{"op": "import", "format": "jwk", "private": k.private, "jwk": json.RawMessage(text)})
			require.NoError(t, err)
			require.Equal(t, k.der, der)
		}
		if c["kind"] != "RSA" {
			_, raw, err := do(t, e, map[string]any{"op": "export", "format": "raw"}, public)
			require.NoError(t, err)
			curve, ok := c["curve"]
			if !ok {
				curve = c["kind"]
			}
			_, der, err := do(t, New(), map[string]any{"op": "import", "format": "raw", "curve": curve}, raw)
			require.NoError(t, err)
			require.Equal(t, public, der)
		}
		if c["kind"] == "X25519" {
			_, bits, err := do(t, e, map[string]any{"op": "derive"}, private, public)
			require.NoError(t, err)
			require.Len(t, bits, 32)
			continue
		}
		for _, kind := range []string{"", "RSA-PSS"} {
			for _, salt := range []int{0, 20} {
				p := map[string]any{"op": "sign", "kind": kind, "hash": "SHA-256", "saltLength": salt}
				_, s, err := do(t, e, p, private, []byte("data"))
				require.NoError(t, err)
				p["op"] = "verify"
				ok, _, err := do(t, e, p, public, []byte("data"), s)
				require.NoError(t, err)
				require.Equal(t, "true", ok, "%v %s %d", c, kind, salt)
				ok, _, err = do(t, e, p, public, []byte("dat"), s)
				require.NoError(t, err)
				require.Equal(t, "false", ok)
				s[len(s)/2] ^= 1
				ok, _, err = do(t, e, p, public, []byte("data"), s)
				require.NoError(t, err)
				require.Equal(t, "false", ok)
			}
		}
	}
}

// crypto/rsa accepts our signatures without a salt, and we accept its signatures.
func TestUnsaltedSignatures(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1024, 1025, 1031} { // the encoded message is a byte shorter for 8k+1
		k, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		digest := sum(crypto.SHA256, []byte("data"))
		s, err := signUnsalted(k, crypto.SHA256, digest)
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPSS(&k.PublicKey, crypto.SHA256, digest, s, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}))
		require.True(t, verifyUnsalted(&k.PublicKey, crypto.SHA256, digest, s))
		salted, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: 8})
		require.NoError(t, err)
		require.False(t, verifyUnsalted(&k.PublicKey, crypto.SHA256, digest, salted))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	e := New()
	for _, c := range []struct {
		params map[string]any
		input  string
		name   string
	}{
		{map[string]any{"op": "digest", "hash": "MD5"}, "", "NotSupportedError"},
		{map[string]any{"op": "import", "format": "spki"}, "garbage", "DataError"},
		{map[string]any{"op": "import", "format": "pkcs8", "private": true}, "garbage", "DataError"},
		{map[string]any{"op": "import", "format": "raw", "curve": "P-256"}, "\x04" + string(make([]byte, 64)), "DataError"},
		{map[string]any{"op": "import", "format": "jwk", "jwk": map[string]string{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, "", "DataError"},
		{map[string]any{"op": "import", "format": "jwk", "jwk": map[string]string{"kty": "RSA", "n": "AQAB", "e": "!"}}, "", "DataError"},
		{map[string]any{"op": "sign"}, "garbage", "DataError"},
		{map[string]any{"op": "pbkdf2", "hash": "SHA-1", "iterations": maxIterations + 1, "length": 16}, "", "OperationError"},
		{map[string]any{"op": "generate", "kind": "RSA", "modulusLength": 16384, "e": []byte{1, 0, 1}}, "", "OperationError"},
		{map[string]any{"op": "generate", "kind": "RSA", "modulusLength": 2048, "e": []byte{3}}, "", "OperationError"},
		{map[string]any{"op": "aes", "mode": "AES-GCM", "tagLength": 128}, "short", "OperationError"},
		{map[string]any{"op": "nonsense"}, "", "NotSupportedError"},
	} {
		_, _, err := do(t, e, c.params, []byte(c.input))
		requireName(t, c.name, err)
	}
	_, _, err := e.Do(`{"op":"digest","hash":"SHA-1","lens":[5]}`, []byte("abc"))
	requireName(t, "OperationError", err)
	_, _, err = e.Do("not JSON", nil)
	requireName(t, "OperationError", err)
}
