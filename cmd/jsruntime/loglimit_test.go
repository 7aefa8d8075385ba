//go:build linux

package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestATenantDoesNotFillTheLog: of one message so many lines a minute for one tenant, and a line that says how many were left out.
func TestATenantDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Now()
	log := slog.New(limitLog(slog.NewTextHandler(&out, nil), func() time.Time { return now }))
	lines := func(text string) int { return strings.Count(out.String(), text) }
	of := log.With("tenant_id", "a", "script_id", "s")
	for range 10 * tenantLines {
		of.Warn("fetch blocked")
		log.Warn("fetch blocked", "tenant_id", "b")
		log.Info("serving")
	}
	require.Equal(t, tenantLines, lines("tenant_id=a"))
	require.Equal(t, tenantLines, lines("tenant_id=b"), "each tenant has its own")
	require.Equal(t, 10*tenantLines, lines("serving"), "lines of no tenant all pass")
	of.Warn("another message")
	require.Equal(t, 1, lines("another message"))

	out.Reset()
	now = now.Add(logMinute)
	of.Warn("fetch blocked")
	require.Equal(t, 2, lines("lines of a tenant left out"))
	require.Contains(t, out.String(), "tenant_id=a lines=540")
	require.Contains(t, out.String(), "script_id=s")

	// However many tenants there are, what is counted is bounded.
	for i := range limitedKeys + 10*tenantLines {
		log.Warn("fetch blocked", "tenant_id", i)
	}
	require.LessOrEqual(t, lines("tenant_id="), limitedKeys+tenantLines+10)
}
