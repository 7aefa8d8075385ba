package auth

import (
	"net/http"

	"example.com/jsruntime/engine/catalog"
)

// slack checks "X-Slack-Signature: v0=HMAC" of "v0:", X-Slack-Request-Timestamp, ":" and the body.
func slack(secret string, header http.Header, body []byte) (signed, error) {
	given, err := one(header, "X-Slack-Signature")
	if err != nil {
		return signed{}, err
	}
	sent, err := one(header, "X-Slack-Request-Timestamp")
	if err != nil {
		return signed{}, err
	}
	at, err := timestamp(sent, "X-Slack-Request-Timestamp")
	if err != nil {
		return signed{}, err
	}
	if !same(given, "v0="+mac(secret, "v0:", sent, ":", string(body))) {
		return signed{}, errSignature
	}
	return signed{id: idOf(catalog.AuthSlack, sent, string(body)), timed: true, at: at}, nil
}
