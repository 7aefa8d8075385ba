package auth

import (
	"net/http"
	"strings"

	"example.com/jsruntime/engine/catalog"
)

const stripeHeader = "Stripe-Signature"

// stripe checks "Stripe-Signature: t=TIME,v1=HMAC,v1=HMAC": the HMAC of time, "." and body under the whole secret, whsec_ included. While a
// secret is rotated there is one v1 for each. Other schemes than v1 (v0 is for tests) say nothing.
func stripe(secret string, header http.Header, body []byte) (signed, error) {
	value, err := one(header, stripeHeader)
	if err != nil {
		return signed{}, err
	}
	var sent string
	var given []string
	for part := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(part, "=")
		switch {
		case name == "t" && sent != "":
			return signed{}, refused("The header " + stripeHeader + " has more than one time.")
		case name == "t":
			sent = text
		case name == "v1" && len(given) < 8:
			given = append(given, text)
		}
	}
	at, err := timestamp(sent, stripeHeader)
	if err != nil {
		return signed{}, err
	}
	want, found := mac(secret, sent, ".", string(body)), false
	for _, text := range given {
		found = same(text, want) || found
	}
	if !found {
		return signed{}, errSignature
	}
	return signed{id: idOf(catalog.AuthStripe, sent, string(body)), timed: true, at: at}, nil
}
