//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/certs"
	"example.com/jsruntime/httpapi/origin"
)

// tlsConfig are the flags of TLS.
type tlsConfig struct {
	TLSCert            []string `name:"tls-cert" help:"Files with certificates, leaf first, as PEM; several by the client's host name. They are read again on SIGHUP and when they change."`
	TLSKey             []string `name:"tls-key" help:"The files with their keys, in the same order."`
	ACME               bool     `name:"acme" help:"Get certificates from a certificate authority: for the names of --operator-host, and for tenants' hosts, those below --tenant-domain and their own. Needs JSRUNTIME_SECRET_KEY and the listener, or --http-redirect-listen, reachable at port 443 or 80."`
	ACMEEmail          string   `name:"acme-email" help:"Whom the authority writes to."`
	ACMEDirectory      string   `name:"acme-directory" help:"URL of the authority's directory; empty means Let's Encrypt."`
	HTTPRedirectListen string   `name:"http-redirect-listen" help:"Address of a listener without TLS that redirects to HTTPS and answers the authority."`
}

func (c *tlsConfig) enabled() bool { return c.ACME || len(c.TLSCert) > 0 }

func (c *tlsConfig) scheme() string {
	if c.enabled() {
		return "https"
	}
	return "http"
}

func (c *tlsConfig) validate() error {
	switch {
	case len(c.TLSCert) != len(c.TLSKey):
		return fmt.Errorf("tls-cert, tls-key: %d certificates and %d keys", len(c.TLSCert), len(c.TLSKey))
	case c.HTTPRedirectListen != "" && !c.enabled():
		return errors.New("http-redirect-listen: needs --tls-cert or --acme")
	case !c.ACME && (c.ACMEEmail != "" || c.ACMEDirectory != ""):
		return errors.New("acme-email, acme-directory: need --acme")
	case c.ACMEDirectory != "" && !strings.HasPrefix(c.ACMEDirectory, "https://"):
		return errors.New("acme-directory: must be an https URL")
	}
	return nil
}

// certificates begins the stages that certificates need, and returns their source: nil without TLS.
func (n *node) certificates() (*certs.Source, error) {
	cfg := &n.cfg
	if !cfg.TLS.enabled() {
		return nil, nil
	}
	var files *certs.Files
	if len(cfg.TLS.TLSCert) > 0 {
		var pairs []certs.Pair
		for i, cert := range cfg.TLS.TLSCert {
			pairs = append(pairs, certs.Pair{Cert: cert, Key: cfg.TLS.TLSKey[i]})
		}
		var err error
		if files, err = certs.LoadFiles(pairs, n.log); err != nil {
			return nil, fmt.Errorf("tls-cert: %w", err)
		}
		n.stages.start("certificates", func(ctx context.Context) error {
			hurry := make(chan os.Signal, 1)
			signal.Notify(hurry, syscall.SIGHUP)
			defer signal.Stop(hurry)
			return files.Run(ctx, hurry)
		})
	}
	if !cfg.TLS.ACME {
		return certs.New(files, nil)
	}
	source, err := certs.New(files, &certs.ACMEConfig{
		Email: cfg.TLS.ACMEEmail, Directory: cfg.TLS.ACMEDirectory, DB: n.db, Ring: n.ring,
		Serves: servedNames(cfg, n.origins, n.catalog.TenantBySlug),
	})
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	return source, nil
}

// servedNames says which host names a certificate may be got for: the operator's by name, and those of tenants that exist below one of the
// tenant domains, or have taken a host of their own. A name that only resolves to the node is none of these.
func servedNames(cfg *serveConfig, origins *origin.Map, tenant func(slug string) (catalog.Tenant, error)) func(name string) bool {
	return func(name string) bool {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if slices.ContainsFunc(cfg.OperatorHost, func(host string) bool { return strings.EqualFold(host, name) }) {
			return true
		}
		at := origins.Of(&http.Request{Host: name})
		if at.Custom {
			return true
		}
		if !slices.ContainsFunc(cfg.TenantDomain, func(domain string) bool { return strings.HasSuffix(name, "."+strings.ToLower(domain)) }) {
			return false
		}
		if at.Kind != origin.Tenant {
			return false
		}
		_, err := tenant(at.Slug)
		return err == nil
	}
}

// strictTransport makes browsers keep to TLS at the operator's host once they were there with it. Tenants decide for their own hosts.
func strictTransport(origins *origin.Map, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at := origins.For(w, r); at.Kind == origin.Operator && at.Scheme == "https" {
			w.Header()["Strict-Transport-Security"] = []string{"max-age=31536000"}
		}
		next.ServeHTTP(w, r)
	})
}

// portOf is the port of an address.
func portOf(addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}
