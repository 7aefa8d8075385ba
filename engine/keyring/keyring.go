package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a Ring refuses.
var (
	ErrNoKey        = errors.New("no secret key is set (JSRUNTIME_SECRET_KEY)")
	ErrUndeciphered = errors.New("the value cannot be deciphered with any of the secret keys")
)

const keyBytes = 32

// Certificates is the purpose of the keys that encrypt certificates; the additional data is the row's name, so that no row stands for another.
const Certificates = "jsruntime certificates"

// Ring is the operator's secret keys. It is immutable. A Ring without keys refuses everything.
type Ring struct {
	keys []key // the first encrypts, all decrypt
}

type key struct {
	raw  []byte
	aead cipher.AEAD
	id   string
}

// Parse reads JSRUNTIME_SECRET_KEY and JSRUNTIME_SECRET_KEY_OLD: keys of 32 bytes as base64 or hex, several separated by commas. An error
// names the variable, and never the key.
func Parse(current, old string) (*Ring, error) {
	r := &Ring{}
	for _, given := range []struct{ name, text string }{{"JSRUNTIME_SECRET_KEY", current}, {"JSRUNTIME_SECRET_KEY_OLD", old}} {
		if strings.TrimSpace(given.text) == "" {
			continue
		}
		if given.name != "JSRUNTIME_SECRET_KEY" && len(r.keys) == 0 {
			return nil, errors.New("JSRUNTIME_SECRET_KEY_OLD: is for the keys before JSRUNTIME_SECRET_KEY, which is not set")
		}
		for i, part := range strings.Split(given.text, ",") {
			raw, err := decode(strings.TrimSpace(part))
			if err != nil {
				return nil, fmt.Errorf("%s: key %d: %w", given.name, i+1, err)
			}
			r.add(raw)
		}
	}
	return r, nil
}

func decode(text string) ([]byte, error) {
	if len(text) == hex.EncodedLen(keyBytes) {
		if raw, err := hex.DecodeString(text); err == nil {
			return raw, nil
		}
	}
	for _, form := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if raw, err := form.DecodeString(text); err == nil && len(raw) == keyBytes {
			return raw, nil
		}
	}
	return nil, errors.New("must be 32 bytes as base64 or hex, for instance from: openssl rand -base64 32")
}

// add adds a key of 32 bytes, once.
func (r *Ring) add(raw []byte) {
	if slices.ContainsFunc(r.keys, func(k key) bool { return hmac.Equal(k.raw, raw) }) {
		return
	}
	block, _ := aes.NewCipher(raw) // 32 bytes are a key
	aead, _ := cipher.NewGCM(block)
	r.keys = append(r.keys, key{raw: raw, aead: aead, id: hex.EncodeToString(derive(raw, "jsruntime key id")[:8])})
}

func derive(raw []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// Empty reports whether there is no key.
func (r *Ring) Empty() bool { return len(r.keys) == 0 }

// IDs are the keys' names, the first is that of the key that encrypts.
func (r *Ring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return ids
}

// Derive makes the keys for another purpose, each of one of the Ring's.
func (r *Ring) Derive(purpose string) *Ring {
	made := &Ring{}
	for _, k := range r.keys {
		made.add(derive(k.raw, purpose))
	}
	return made
}

// Seal encrypts a value. additional says whose it is: Open wants the same.
func (r *Ring) Seal(value, additional []byte) (nonce, ciphertext []byte, err error) {
	if r.Empty() {
		return nil, nil, ErrNoKey
	}
	aead := r.keys[0].aead
	nonce = make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand aborts the process instead
	return nonce, aead.Seal(nil, nonce, value, additional), nil
}

// Open decrypts what Seal made. old reports that a key other than the first has encrypted it.
func (r *Ring) Open(nonce, ciphertext, additional []byte) (value []byte, old bool, err error) {
	if r.Empty() {
		return nil, false, ErrNoKey
	}
	for i, k := range r.keys {
		if len(nonce) != k.aead.NonceSize() {
			break
		}
		if value, err := k.aead.Open(nil, nonce, ciphertext, additional); err == nil {
			return value, i > 0, nil
		}
	}
	return nil, false, ErrUndeciphered
}

// SealOne is Seal with the nonce in front of the ciphertext, for columns that hold both.
func (r *Ring) SealOne(value, additional []byte) ([]byte, error) {
	nonce, ciphertext, err := r.Seal(value, additional)
	return append(nonce, ciphertext...), err
}

// OpenOne is Open of what SealOne made.
func (r *Ring) OpenOne(sealed, additional []byte) (value []byte, old bool, err error) {
	if r.Empty() {
		return nil, false, ErrNoKey
	}
	size := r.keys[0].aead.NonceSize()
	if len(sealed) < size {
		return nil, false, ErrUndeciphered
	}
	return r.Open(sealed[:size], sealed[size:], additional)
}
