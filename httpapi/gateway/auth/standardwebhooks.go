package auth

import (
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"example.com/jsruntime/engine/catalog"
)

// standardWebhooks checks what standardwebhooks.com specifies: webhook-signature is a list of "v1," and the HMAC of webhook-id,
// webhook-timestamp and the body under the key that the secret has in base64 after whsec_.
func standardWebhooks(secret string, header http.Header, body []byte) (signed, error) {
	key, err := standardKey(secret)
	if err != nil {
		return signed{}, err
	}
	id, err := one(header, standardwebhooks.HeaderWebhookID)
	if err != nil {
		return signed{}, err
	}
	sent, err := one(header, standardwebhooks.HeaderWebhookTimestamp)
	if err != nil {
		return signed{}, err
	}
	if _, err := one(header, standardwebhooks.HeaderWebhookSignature); err != nil {
		return signed{}, err
	}
	at, err := timestamp(sent, standardwebhooks.HeaderWebhookTimestamp)
	if err != nil {
		return signed{}, err
	}
	if key.VerifyIgnoringTimestamp(body, header) != nil { // the time is judged by the endpoint's tolerance
		return signed{}, errSignature
	}
	return signed{id: idOf(catalog.AuthStandardWebhooks, id, sent, string(body)), timed: true, at: at}, nil
}

func standardKey(secret string) (*standardwebhooks.Webhook, error) {
	key, err := standardwebhooks.NewWebhook(secret)
	if err != nil || secret == "whsec_" {
		return nil, &secretError{"not a key of standard webhooks: whsec_ and base64"}
	}
	return key, nil
}
