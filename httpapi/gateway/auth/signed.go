package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"example.com/jsruntime/engine/catalog"
)

// signed is what a good signature says.
type signed struct {
	id    [sha256.Size]byte // of all that is signed
	again bool              // it may come again: there is no id
	timed bool              // a time is signed
	at    time.Time
}

// signatures check a request's signature, by scheme. An error is a *RefusedError, or a *secretError.
var signatures = map[catalog.Auth]func(secret string, header http.Header, body []byte) (signed, error){
	catalog.AuthStandardWebhooks: standardWebhooks,
	catalog.AuthStripe:           stripe,
	catalog.AuthGitHub:           github,
	catalog.AuthSlack:            slack,
	catalog.AuthDiscord:          discord,
}

// secretError says that a secret cannot be the key of its scheme.
type secretError struct{ reason string }

func (e *secretError) Error() string { return e.reason }

var errSignature = refused("The signature does not match the body.")

// one returns a header that has to be there exactly once.
func one(header http.Header, name string) (string, error) {
	values := header[http.CanonicalHeaderKey(name)]
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", refused("The header " + name + " is missing.")
	case len(values) > 1:
		return "", refused("The header " + name + " is there more than once.")
	}
	return values[0], nil
}

// timestamp reads seconds since 1970 in their one spelling.
func timestamp(text, name string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40 || strconv.FormatInt(n, 10) != text {
		return time.Time{}, refused("The time in " + name + " is not in seconds since 1970.")
	}
	return time.Unix(n, 0), nil
}

// mac is the HMAC-SHA256 of the parts, in hexadecimal.
func mac(key string, parts ...string) string {
	h := hmac.New(sha256.New, []byte(key))
	for _, part := range parts {
		_, _ = h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// same compares in constant time.
func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// idOf is the id of what is signed. No two lists of parts have the same one.
func idOf(scheme catalog.Auth, parts ...string) (id [sha256.Size]byte) {
	h := sha256.New()
	_, _ = h.Write([]byte(scheme))
	for _, part := range parts {
		_, _ = h.Write(strconv.AppendInt([]byte{'\n'}, int64(len(part)), 10))
		_, _ = h.Write([]byte{':'})
		_, _ = h.Write([]byte(part))
	}
	h.Sum(id[:0])
	return id
}
