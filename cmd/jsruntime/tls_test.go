//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/origin"
)

func TestServerWithTLS(t *testing.T) {
	t.Parallel()
	unused := httptest.NewUnstartedServer(nil)
	unused.StartTLS() // for its certificate
	defer unused.Close()
	origins, err := origin.New(origin.Config{TenantDomains: []string{"apps.test"}, OperatorHosts: []string{"example.com"}})
	require.NoError(t, err)
	server := newServer(strictTransport(origins, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, " ", r.TLS != nil)
	})), slog.New(slog.DiscardHandler))
	server.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: unused.TLS.Certificates}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serveUntil(ctx, server, listener, time.Second) }()

	get := func(host string, h2 bool) (*http.Response, string) {
		trust := unused.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		trust.ServerName = "example.com"
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: h2}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequest("GET", "https://"+listener.Addr().String()+"/", nil)
		require.NoError(t, err)
		req.Host = host
		res, err := client.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		body := make([]byte, 64)
		n, _ := res.Body.Read(body)
		return res, string(body[:n])
	}
	res, body := get("example.com", true)
	require.Equal(t, "HTTP/2.0 true", body)
	require.Equal(t, "max-age=31536000", res.Header.Get("Strict-Transport-Security"))
	res, body = get("example.com", false)
	require.Equal(t, "HTTP/1.1 true", body)
	require.NotEmpty(t, res.Header.Get("Strict-Transport-Security"))
	res, _ = get("acme.apps.test", true)
	require.Empty(t, res.Header.Get("Strict-Transport-Security"), "a tenant's host is the tenant's")
	_, err = tls.Dial("tcp", listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.ErrorContains(t, err, "protocol version")
	require.Equal(t, 100, server.HTTP2.MaxConcurrentStreams)
	cancel()
	require.NoError(t, <-done)
}

// A certificate is got for the operator's names and for tenants that exist, and not for a name that a stranger points at the node.
func TestServedNames(t *testing.T) {
	t.Parallel()
	origins, err := origin.New(origin.Config{TenantDomains: []string{"apps.test"}, OperatorHosts: []string{"console.test"}})
	require.NoError(t, err)
	serves := servedNames(&serveConfig{TenantDomain: []string{"apps.test"}, OperatorHost: []string{"Console.test"}}, origins, func(slug string) (catalog.Tenant, error) {
		if slug == "acme" {
			return catalog.Tenant{}, nil
		}
		return catalog.Tenant{}, errors.New("unknown")
	})
	for name, want := range map[string]bool{
		"console.test": true, "acme.apps.test": true, "ACME.apps.test": true, "other.apps.test": false, "a.acme.apps.test": false, "apps.test": false,
		"acme.localhost": false, "localhost": false, "stranger.test": false, "xapps.test": false, "": false, "127.0.0.1": false, "acme.apps.test:443": false,
	} {
		require.Equal(t, want, serves(name), name)
	}
}

func TestTLSFlags(t *testing.T) {
	t.Parallel()
	require.NoError(t, (&tlsConfig{}).validate())
	require.NoError(t, (&tlsConfig{TLSCert: []string{"a"}, TLSKey: []string{"b"}, HTTPRedirectListen: ":80"}).validate())
	require.ErrorContains(t, (&tlsConfig{TLSCert: []string{"a"}}).validate(), "tls-cert, tls-key")
	require.ErrorContains(t, (&tlsConfig{HTTPRedirectListen: ":80"}).validate(), "http-redirect-listen")
	require.ErrorContains(t, (&tlsConfig{ACMEEmail: "a@b.c"}).validate(), "--acme")
	require.ErrorContains(t, (&tlsConfig{ACME: true, ACMEDirectory: "http://a.test"}).validate(), "https")
}
