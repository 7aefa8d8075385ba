// Package forwarded says how a client reached the service: by which scheme and host, and whether through a proxy that is believed.
package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies whose X-Forwarded-* headers are believed.
type Proxies []netip.Prefix

// Trusts reports whether the request came from one of the proxies.
func (p Proxies) Trusts(r *http.Request) bool {
	if len(p) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Secure reports whether the client uses TLS: with this server, or with a proxy that says so and is believed.
func (p Proxies) Secure(r *http.Request) bool {
	return r.TLS != nil || p.Trusts(r) && strings.EqualFold(first(r.Header["X-Forwarded-Proto"]), "https")
}

// Host is the host, with the port where there is one, that the client asked for.
func (p Proxies) Host(r *http.Request) string {
	if host := first(r.Header["X-Forwarded-Host"]); host != "" && p.Trusts(r) {
		return host
	}
	return r.Host
}

// first returns the first element of a header that is a list: a chain of proxies appends to it.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	value, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(value)
}
