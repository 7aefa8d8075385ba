// Package forwarded says who a client is and how it reached the service: by which scheme and host, and whether through a proxy that is
// believed.
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
	return p.contains(peer.Addr().Unmap())
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

// Client is the address of the client: the peer's, or, where that is a proxy that is believed, the last address of X-Forwarded-For that is
// no such proxy's. The zero Addr means that it is not known.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap()
	chain := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(chain) - 1; i >= 0 && p.contains(client); i-- {
		text := strings.TrimSpace(chain[i])
		next, err := netip.ParseAddr(text)
		if withPort, portErr := netip.ParseAddrPort(text); err != nil && portErr == nil {
			next, err = withPort.Addr(), nil
		}
		if err != nil {
			break // what a proxy has not written says nothing, nor does what precedes it
		}
		client = next.Unmap().WithZone("")
	}
	return client
}

func (p Proxies) contains(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// first returns the first element of a header that is a list: a chain of proxies appends to it.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	value, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(value)
}
