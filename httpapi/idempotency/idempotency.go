// Package idempotency has the rule of idempotency keys, which the admin API and tenants' endpoints share: the same request under a key gets the
// first answer again, another request under it is refused, and so is one that comes while the first still runs. An answer that says "try again"
// (429, 5xx) is not kept.
package idempotency

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"example.com/jsruntime/httpapi/problem"
)

// Replayed is the header that marks an answer which is given again.
const Replayed = "Idempotent-Replayed"

// maxKey bounds a key, in bytes.
const maxKey = 255

// Valid reports whether a key may be used.
func Valid(key string) bool {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) {
		return false
	}
	for _, r := range key {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

// Kept reports whether an answer of a status is kept.
func Kept(status int) bool { return status < 500 && status != http.StatusTooManyRequests }

// Invalid refuses a key that is not Valid. header is where it came.
func Invalid(header string) *problem.Problem {
	const message = "expected length <= 255"
	location := "header." + header
	return problem.New(http.StatusUnprocessableEntity, "validation_failed", location+": "+message, problem.Fault{Location: location, Message: message})
}

// Reused refuses a request under a key of another one.
func Reused(header string) *problem.Problem {
	const message = "already used for another request"
	location := "header." + header
	return problem.New(http.StatusUnprocessableEntity, "idempotency_key_reused", location+": "+message, problem.Fault{Location: location, Message: message})
}

// InProgress refuses a request while the first one with its key has no answer.
func InProgress(header string) *problem.Problem {
	return problem.New(http.StatusConflict, "idempotency_in_progress", "The first request with this "+header+" has not been answered yet.").RetryAfter(time.Second)
}

func answerCipher(secret, key string) cipher.AEAD {
	sum := sha256.Sum256([]byte("jsruntime answer\x00" + secret + "\x00" + key))
	block, _ := aes.NewCipher(sum[:]) // 32 bytes are a key
	aead, _ := cipher.NewGCM(block)
	return aead
}

// Seal encrypts an answer with what only its caller has, and the idempotency key: an answer may hold what is shown once.
func Seal(secret, key string, answer []byte) []byte {
	aead := answerCipher(secret, key)
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(answer)+aead.Overhead())
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, answer, nil)
}

// Open decrypts what Seal has made.
func Open(secret, key string, sealed []byte) ([]byte, error) {
	aead := answerCipher(secret, key)
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("kept answer is too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
}
