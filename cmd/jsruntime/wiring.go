package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"jsruntime/httpapi"
	"jsruntime/httpapi/gateway"
	"jsruntime/scheduler/cron"
)

// tenantKeys lets the gateway ask the admin API's keys.
type tenantKeys struct{ keys *httpapi.Keys }

// Authenticate implements gateway.Authenticator.
func (k tenantKeys) Authenticate(ctx context.Context, key string) (uuid.UUID, error) {
	principal, err := k.keys.Authenticate(ctx, key)
	if errors.Is(err, httpapi.ErrUnknownKey) {
		return uuid.Nil, gateway.ErrBadKey
	}
	return principal.TenantID, err
}

// nextTicks is httpapi.Config.NextTicks.
func nextTicks(expr, timezone string, after time.Time, n int) ([]time.Time, error) {
	schedule, err := cron.Parse(expr, timezone)
	if err != nil {
		return nil, err
	}
	return schedule.Upcoming(after, n), nil
}

// cursorKey signs the cursors of lists, the same on all nodes that share the secret key.
func cursorKey(secret string) []byte {
	if secret == "" {
		return nil
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("jsruntime cursors"))
	return mac.Sum(nil)
}

// metricsOn returns the handler for the listener, nil where the metrics have one of their own.
func metricsOn(cfg serveConfig, m *metrics) http.Handler {
	if cfg.MetricsListen != "" {
		return nil
	}
	return m.handler()
}
