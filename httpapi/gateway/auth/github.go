package auth

import (
	"net/http"

	"example.com/jsruntime/engine/catalog"
)

// github checks "X-Hub-Signature-256: sha256=HMAC" of the body. X-Hub-Signature, with SHA-1, says nothing.
//
// GitHub signs no time, and the delivery's id stands beside what is signed: who has a delivery can send its body again under another id. So
// a delivery that comes twice is told by its id and body, and one without an id is not told at all.
func github(secret string, header http.Header, body []byte) (signed, error) {
	given, err := one(header, "X-Hub-Signature-256")
	if err != nil {
		return signed{}, err
	}
	want := mac(secret, string(body))
	if !same(given, "sha256="+want) {
		return signed{}, errSignature
	}
	if header.Get("X-Github-Delivery") == "" {
		return signed{again: true}, nil
	}
	delivery, err := one(header, "X-Github-Delivery")
	if err != nil {
		return signed{}, err
	}
	return signed{id: idOf(catalog.AuthGitHub, delivery, want)}, nil
}
