package auth

import (
	"crypto/ed25519"
	"encoding/hex"
	"net/http"
	"strings"

	"example.com/jsruntime/engine/catalog"
)

// discord checks X-Signature-Ed25519, the signature of X-Signature-Timestamp and the body under the application's public key, which the
// secret has in hexadecimal.
func discord(secret string, header http.Header, body []byte) (signed, error) {
	key, err := discordKey(secret)
	if err != nil {
		return signed{}, err
	}
	given, err := one(header, "X-Signature-Ed25519")
	if err != nil {
		return signed{}, err
	}
	sent, err := one(header, "X-Signature-Timestamp")
	if err != nil {
		return signed{}, err
	}
	at, err := timestamp(sent, "X-Signature-Timestamp")
	if err != nil {
		return signed{}, err
	}
	signature, err := hex.DecodeString(given)
	if err != nil || len(signature) != ed25519.SignatureSize || strings.ToLower(given) != given {
		return signed{}, errSignature
	}
	message := make([]byte, 0, len(sent)+len(body))
	if !ed25519.Verify(key, append(append(message, sent...), body...), signature) {
		return signed{}, errSignature
	}
	return signed{id: idOf(catalog.AuthDiscord, sent, string(body)), timed: true, at: at}, nil
}

func discordKey(secret string) (ed25519.PublicKey, error) {
	key, err := hex.DecodeString(strings.TrimSpace(secret))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, &secretError{"not a public key of Discord: 64 hexadecimal digits"}
	}
	return key, nil
}
