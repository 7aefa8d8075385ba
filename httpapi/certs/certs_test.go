package certs

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"

	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/migrations/dbtest"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// sign makes a certificate for names, by itself or by a parent.
func sign(t *testing.T, key crypto.PublicKey, parent *x509.Certificate, by *ecdsa.PrivateKey, names ...string) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if parent == nil {
		parent, c.IsCA, c.BasicConstraintsValid = c, len(names) == 0, true
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, by)
	require.NoError(t, err)
	return der
}

// writePair writes a new self-signed certificate.
func writePair(t *testing.T, pair Pair, names ...string) {
	t.Helper()
	key := newKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(pair.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(pair.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(t, &key.PublicKey, nil, key, names...)}), 0o600))
}

// served is the leaf that a client gets that asks for name.
func served(t *testing.T, config *tls.Config, name string) *x509.Certificate {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = config.Clone()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	// Without a certificate of its own.
	server.TLS.Certificates = nil
	listener := tls.NewListener(server.Listener, server.TLS)
	server.Listener = listener
	server.Start()
	defer server.Close()
	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return nil
	}
	defer conn.Close()
	require.Equal(t, "h2", conn.ConnectionState().NegotiatedProtocol)
	return conn.ConnectionState().PeerCertificates[0]
}

func TestFilesByNameAndReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pairs := []Pair{{filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")}, {filepath.Join(dir, "b.crt"), filepath.Join(dir, "b.key")}}
	_, err := LoadFiles(pairs, slog.New(slog.DiscardHandler))
	require.Error(t, err)
	writePair(t, pairs[0], "a.test")
	writePair(t, pairs[1], "b.test", "*.apps.test")
	var lines bytes.Buffer
	files, err := LoadFiles(pairs, slog.New(slog.NewTextHandler(&lines, nil)))
	require.NoError(t, err)
	source, err := New(files, nil)
	require.NoError(t, err)
	config := source.TLS()
	first := served(t, config, "a.test")
	require.Equal(t, []string{"a.test"}, first.DNSNames)
	require.Contains(t, served(t, config, "acme.apps.test").DNSNames, "*.apps.test")
	require.Equal(t, []string{"a.test"}, served(t, config, "unknown.test").DNSNames)
	require.EqualValues(t, tls.VersionTLS12, config.MinVersion)

	// Half a file changes nothing, and is told once.
	require.NoError(t, os.WriteFile(pairs[0].Cert, []byte("-----BEGIN CERT"), 0o600))
	files.reload()
	files.reload()
	require.Equal(t, first.SerialNumber, served(t, config, "a.test").SerialNumber)
	require.Equal(t, 1, strings.Count(lines.String(), "certificate not read"), lines.String())
	require.NoError(t, os.Remove(pairs[0].Key))
	files.reload()
	require.Equal(t, first.SerialNumber, served(t, config, "a.test").SerialNumber)

	// The whole one is taken at the next look, which a signal brings forward.
	writePair(t, pairs[0], "a.test")
	hurry := make(chan os.Signal, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- files.Run(ctx, hurry) }()
	hurry <- os.Interrupt
	require.Eventually(t, func() bool {
		return served(t, config, "a.test").SerialNumber.Cmp(first.SerialNumber) != 0
	}, time.Minute, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

// authority is a certificate authority that takes every challenge for solved. It knows the requests that autocert makes.
type authority struct {
	t      *testing.T
	server *httptest.Server
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
	issued atomic.Int64
	mu     sync.Mutex        // guards what follows
	names  map[string]string // by order
	chain  map[string][]byte // by order
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), names: map[string]string{}, chain: map[string][]byte{}}
	var err error
	a.ca, err = x509.ParseCertificate(sign(t, &a.key.PublicKey, nil, a.key))
	require.NoError(t, err)
	a.server = httptest.NewTLSServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	url := func(format string, args ...any) string { return a.server.URL + fmt.Sprintf(format, args...) }
	w.Header().Set("Replay-Nonce", fmt.Sprint(time.Now().UnixNano()))
	var signed struct{ Payload string }
	_ = json.NewDecoder(r.Body).Decode(&signed)
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	what, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	order := func(status string) map[string]any {
		o := map[string]any{
			"status": status, "identifiers": []any{map[string]string{"type": "dns", "value": a.names[id]}},
			"authorizations": []string{url("/authz/%s", id)}, "finalize": url("/finalize/%s", id),
		}
		if status == "valid" {
			o["certificate"] = url("/cert/%s", id)
		}
		return o
	}
	switch what {
	case "directory":
		say(200, map[string]string{"newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/order"), "revokeCert": url("/revoke")})
	case "nonce":
	case "account":
		w.Header().Set("Location", url("/account/1"))
		say(201, map[string]string{"status": "valid"})
	case "order":
		if id != "" {
			w.Header().Set("Location", url("/order/%s", id))
			say(200, order("valid"))
			return
		}
		var in struct{ Identifiers []struct{ Value string } }
		require.NoError(a.t, json.Unmarshal(payload, &in))
		id = fmt.Sprint(a.issued.Add(1))
		a.names[id] = in.Identifiers[0].Value
		w.Header().Set("Location", url("/order/%s", id))
		say(201, order("ready"))
	case "authz":
		say(200, map[string]any{"status": "valid", "identifier": map[string]string{"type": "dns", "value": a.names[id]}, "challenges": []any{}})
	case "finalize":
		var in struct{ CSR string }
		require.NoError(a.t, json.Unmarshal(payload, &in))
		der, err := base64.RawURLEncoding.DecodeString(in.CSR)
		require.NoError(a.t, err)
		csr, err := x509.ParseCertificateRequest(der)
		require.NoError(a.t, err)
		a.chain[id] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(a.t, csr.PublicKey, a.ca, a.key, a.names[id])})
		w.Header().Set("Location", url("/order/%s", id))
		say(200, order("valid"))
	case "cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(a.chain[id])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Certificates are got for the names that the node serves and for no other, once for all nodes of a database, and are not readable in it.
func TestAuthority(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	ca := newAuthority(t)
	const secret, other = "aa", "bb"
	node := func(current, old string) *tls.Config {
		ring, err := keyring.Parse(strings.Repeat(current, 32), strings.Repeat(old, 32))
		require.NoError(t, err)
		source, err := New(nil, &ACMEConfig{
			Directory: ca.server.URL + "/directory", HTTPClient: ca.server.Client(), DB: pool, Ring: ring, Email: "operator@example.com",
			Serves: func(name string) bool { return name == "acme.apps.test" },
		})
		require.NoError(t, err)
		return source.TLS()
	}
	first := node(secret, "")
	require.Contains(t, first.NextProtos, acme.ALPNProto)
	cert := served(t, first, "acme.apps.test")
	require.NotNil(t, cert)
	require.Equal(t, []string{"acme.apps.test"}, cert.DNSNames)
	require.Nil(t, served(t, first, "stranger.test"), "a name that only points here")
	require.Nil(t, served(t, first, ""))
	require.Equal(t, int64(1), ca.issued.Load())

	// Another node, or the same one after a restart, has it from the database.
	require.Equal(t, cert.SerialNumber, served(t, node(secret, ""), "acme.apps.test").SerialNumber)
	require.Equal(t, int64(1), ca.issued.Load())
	var rows, readable int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE position('PRIVATE'::bytea IN data) > 0 OR position('CERT'::bytea IN data) > 0) FROM certificates`).Scan(&rows, &readable))
	require.Positive(t, rows)
	require.Zero(t, readable)
	// A node with another key reads it as long as it has the old one too. Another secret key cannot read it, and gets a new one.
	require.Equal(t, cert.SerialNumber, served(t, node(other, secret), "acme.apps.test").SerialNumber)
	require.NotEqual(t, cert.SerialNumber, served(t, node(other, ""), "acme.apps.test").SerialNumber)
}

func TestPolicyIsBounded(t *testing.T) {
	t.Parallel()
	p := &policy{serves: func(name string) bool { return strings.HasSuffix(name, ".apps.test") }}
	for i := range maxNewPerHour {
		require.NoError(t, p.check(t.Context(), fmt.Sprintf("t%d.apps.test", i)))
		require.Error(t, p.check(t.Context(), "stranger.test"))
	}
	require.ErrorContains(t, p.check(t.Context(), "one.apps.test"), "new_certificates_per_hour: limit 30")
	p.since = p.since.Add(-time.Hour)
	require.NoError(t, p.check(t.Context(), "one.apps.test"))
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ port, host, target, want string }{
		{"443", "a.test", "/x?y=1", "https://a.test/x?y=1"},
		{"8443", "a.test:8080", "/", "https://a.test:8443/"},
		{"8443", "[::1]:8080", "/", "https://[::1]:8443/"},
		{"443", "a.test", "//evil.test/", "https://a.test//evil.test/"},
		{"443", "evil.test/@a.test", "/", ""},
		{"443", "", "/", ""},
	} {
		r := httptest.NewRequest("POST", "http://a.test/", nil)
		r.URL.Host, r.URL.Scheme = "", ""
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(c.target, "?")
		r.Host = c.host
		w := httptest.NewRecorder()
		(&Source{}).Redirect(c.port).ServeHTTP(w, r)
		require.Equal(t, c.want, w.Header().Get("Location"), "%v", c)
		if c.want == "" {
			require.Equal(t, 400, w.Code)
		} else {
			require.Equal(t, 308, w.Code)
		}
	}
}
