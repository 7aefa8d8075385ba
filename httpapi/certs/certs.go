package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/sqlc"
)

// maxNewPerHour bounds the certificates that a node asks an authority for. Let's Encrypt gives a domain 50 a week, and more to those who ask.
const maxNewPerHour = 30

// ACMEConfig configures certificates from an authority.
type ACMEConfig struct {
	// Email is the address that the authority writes to; empty means none.
	Email string
	// Directory is the authority's URL; empty means Let's Encrypt.
	Directory string
	// Serves says whether the node serves a host name, of which it then may ask for a certificate. Required.
	Serves func(name string) bool
	// DB keeps certificates. Required.
	DB sqlc.DBTX
	// Ring encrypts them, with keys made from its own. Required, with a key.
	Ring *keyring.Ring
	// HTTPClient talks to the authority; nil means http.DefaultClient.
	HTTPClient *http.Client
}

// Source gives certificates.
type Source struct {
	files *Files            // nil: none
	acme  *autocert.Manager // nil: none
}

// New returns a Source of files, of an authority, or of both.
func New(files *Files, authority *ACMEConfig) (*Source, error) {
	s := &Source{files: files}
	if authority == nil {
		if files == nil {
			return nil, errors.New("neither files nor an authority")
		}
		return s, nil
	}
	switch {
	case authority.Serves == nil || authority.DB == nil:
		return nil, errors.New("Serves, DB: required")
	case authority.Ring == nil || authority.Ring.Empty():
		return nil, errors.New("Ring: a secret key is required, it encrypts the keys of certificates")
	}
	kept := &store{queries: sqlc.New(authority.DB), ring: authority.Ring.Derive(keyring.Certificates)}
	policy := &policy{serves: authority.Serves}
	s.acme = &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: kept, HostPolicy: policy.check, Email: authority.Email,
		Client: &acme.Client{DirectoryURL: authority.Directory, HTTPClient: authority.HTTPClient, UserAgent: "jsruntime"},
	}
	if authority.Directory == "" {
		s.acme.Client.DirectoryURL = autocert.DefaultACMEDirectory
	}
	return s, nil
}

// TLS returns the listener's configuration: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
func (s *Source) TLS() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: s.get}
	if s.acme != nil {
		config.NextProtos = append(config.NextProtos, acme.ALPNProto)
	}
	return config
}

func (s *Source) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	challenge := slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto})
	if s.files != nil && (!challenge || s.acme == nil) {
		cert, exact := s.files.find(hello)
		if exact || s.acme == nil || hello.ServerName == "" {
			return cert, nil
		}
		if got, err := s.acme.GetCertificate(hello); err == nil {
			return got, nil
		}
		return cert, nil
	}
	return s.acme.GetCertificate(hello)
}

// Redirect answers plain HTTP: the authority's challenges, and a redirect to HTTPS for everything else. port is that of the TLS listener;
// empty and 443 are left out of the address.
func (s *Source) Redirect(port string) http.Handler {
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		if host == "" {
			http.Error(w, "This needs HTTPS.", http.StatusBadRequest)
			return
		}
		if port != "" && port != "443" {
			host += ":" + port
		}
		// 308 keeps the method. A key that came without TLS was readable on the way; nothing is done with it here.
		w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	if s.acme != nil {
		return s.acme.HTTPHandler(redirect)
	}
	return redirect
}

// hostOf is the host without its port, empty where it is none.
func hostOf(host string) string {
	name := host
	if i := lastColon(host); i >= 0 {
		name = host[:i]
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '/' || c == '\\' || c == '@' || c == '?' || c == '#' {
			return ""
		}
	}
	return name
}

func lastColon(host string) int {
	for i := len(host) - 1; i >= 0; i-- {
		switch host[i] {
		case ':':
			return i
		case ']':
			return -1
		}
	}
	return -1
}

// policy admits names that the node serves, and so many new ones an hour.
type policy struct {
	serves func(string) bool

	mu    sync.Mutex // guards what follows
	since time.Time
	count int
}

// check is asked for names that no certificate is kept of.
func (p *policy) check(_ context.Context, name string) error {
	if !p.serves(name) {
		return errors.New("this node does not serve the name")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.since) >= time.Hour {
		p.since, p.count = now, 0
	}
	if p.count >= maxNewPerHour {
		return fmt.Errorf("new_certificates_per_hour: limit %d", maxNewPerHour)
	}
	p.count++
	return nil
}

// store keeps what autocert asks it to, encrypted.
type store struct {
	queries *sqlc.Queries
	ring    *keyring.Ring
}

// Get implements autocert.Cache.
func (s *store) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := s.queries.CertificateGet(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, autocert.ErrCacheMiss
	}
	if err != nil {
		return nil, err
	}
	plain, _, err := s.ring.OpenOne(data, []byte(name))
	if err != nil {
		return nil, autocert.ErrCacheMiss // of another secret key: asked for anew
	}
	return plain, nil
}

// Put implements autocert.Cache.
func (s *store) Put(ctx context.Context, name string, data []byte) error {
	sealed, err := s.ring.SealOne(data, []byte(name))
	if err != nil {
		return err
	}
	return s.queries.CertificatePut(ctx, sqlc.CertificatePutParams{Name: name, Data: sealed})
}

// Delete implements autocert.Cache.
func (s *store) Delete(ctx context.Context, name string) error {
	return s.queries.CertificateDelete(ctx, name)
}
