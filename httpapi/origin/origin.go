// Package origin decides whose origin a request is addressed to, by the host that its client asked for.
//
//	localhost, 127.0.0.1, [::1], an operator host ──► Operator   console, API, service paths, and tenants below /t/{slug}
//	{slug}.localhost, {slug}.{tenant domain} ───────► Tenant     every path is the tenant's
//	a host that a tenant has taken for endpoints ───► Tenant     every path is the tenant's, Custom
//	another name below a tenant domain, or itself ──► Nobody     404
//	another name ───────────────────────────────────► Operator or Foreign, see Config.OperatorHosts
//	no host name at all ────────────────────────────► Invalid    400
//
// A browser keeps origins apart by scheme, host and port. So what one host serves may trust what else that host serves, and nothing
// else. A page of a tenant therefore runs with an origin only on a host that serves this tenant and nothing else.
package origin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"example.com/jsruntime/httpapi/forwarded"
)

// Kind is what a host serves.
type Kind int

// Kinds of hosts.
const (
	Invalid  Kind = iota // the Host header is not a host name
	Operator             // console, API, service paths, and tenants' endpoints below /t/{slug}
	Foreign              // none of the operator's hosts: tenants' endpoints below /t/{slug} only
	Tenant               // one tenant
	Nobody               // a name of a tenant domain that no tenant can have
)

// Origin is whom a request is addressed to.
type Origin struct {
	Kind   Kind
	Slug   string // of Tenant
	Custom bool   // of Tenant: the host is one of Config.Custom
	Scheme string // http or https, as the client uses it
	Host   string // the name in lower case, and the port where the client gave one
}

// Name returns the host without its port.
func (o *Origin) Name() string {
	name, _, _ := splitHost(o.Host)
	return name
}

// Config says which hosts there are.
type Config struct {
	// TenantDomains are the domains below which each tenant has the host {slug}.{domain}. localhost always is one.
	TenantDomains []string
	// OperatorHosts are the names, without a port, at which console and API answer, beside localhost and IP addresses. Empty: at every
	// name that is no tenant's, unless Loopback is set.
	OperatorHosts []string
	// Loopback says that the listener is reached from its own machine only. Then console and API do not answer at a name that is not
	// in OperatorHosts: a site could let its name lead to this machine (DNS rebinding).
	Loopback bool
	// Custom returns the slug of the tenant that has taken a name, in lower case, as a host of its own. It is called for every request to a
	// name that is none of the above, and must not wait. nil: no tenant has any. Where every name is the operator's it is not asked: see
	// CheckCustom.
	Custom func(name string) (slug string, ok bool)
	// Proxies may say by X-Forwarded-Host and X-Forwarded-Proto what the client asked for. Empty: no proxy may.
	Proxies forwarded.Proxies
}

// Map knows the hosts.
type Map struct {
	domains   []string // with a leading dot
	operators []string
	open      bool // any name that is no tenant's is the operator's
	custom    func(name string) (slug string, ok bool)
	proxies   forwarded.Proxies
}

// New returns a Map.
func New(cfg Config) (*Map, error) {
	m := &Map{domains: []string{".localhost"}, proxies: cfg.Proxies, open: len(cfg.OperatorHosts) == 0 && !cfg.Loopback}
	if !m.open {
		m.custom = cfg.Custom
	}
	for _, domain := range cfg.TenantDomains {
		name, port, ok := splitHost(domain)
		if !ok || port != "" || isAddress(name) {
			return nil, fmt.Errorf("TenantDomains: %q is not a domain name", domain)
		}
		if name = "." + name; !slices.Contains(m.domains, name) {
			m.domains = append(m.domains, name)
		}
	}
	for _, host := range cfg.OperatorHosts {
		name, port, ok := splitHost(host)
		if !ok || port != "" {
			return nil, fmt.Errorf("OperatorHosts: %q is not a host name", host)
		}
		for _, domain := range m.domains {
			if name == domain[1:] && name != "localhost" || strings.HasSuffix(name, domain) {
				return nil, fmt.Errorf("OperatorHosts: %q is within the tenant domain %q", host, domain[1:])
			}
		}
		m.operators = append(m.operators, name)
	}
	return m, nil
}

// ErrSameSite says that browsers take a tenant domain and an operator host for one site.
var ErrSameSite = errors.New("browsers take the two for one site: tenants' pages can set cookies for the operator's host, and its SameSite cookies are sent with their requests; use another domain for tenants")

// CheckSites returns an error where a tenant domain shares its registrable domain with an operator host, or where tenants can set
// cookies for each other because the domain is not on the public suffix list. It is advice: what serves does not depend on it.
func (m *Map) CheckSites() error {
	var all []error
	for _, domain := range m.domains {
		domain = domain[1:]
		if domain == "localhost" {
			continue // browsers take each name below it for a site of its own
		}
		site, err := publicsuffix.EffectiveTLDPlusOne(domain)
		if err != nil {
			continue // the domain is a public suffix itself
		}
		all = append(all, fmt.Errorf("tenant domain %q is not on the public suffix list: tenants' pages can set cookies for each other's hosts", domain))
		for _, host := range m.operators {
			if other, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil && other == site {
				all = append(all, fmt.Errorf("tenant domain %q and operator host %q: %w", domain, host, ErrSameSite))
			}
		}
	}
	return errors.Join(all...)
}

// Of returns whom a request is addressed to.
func (m *Map) Of(r *http.Request) Origin {
	o := Origin{Scheme: "http"}
	if m.proxies.Secure(r) {
		o.Scheme = "https"
	}
	host := m.proxies.Host(r)
	if host == "" { // HTTP/1.0
		host = "localhost"
	}
	name, port, ok := splitHost(host)
	if !ok {
		return o
	}
	if name == host || port != "" && host[:len(name)] == name {
		o.Host = host // as it is: nothing to allocate
	} else if o.Host = name; port != "" {
		o.Host += ":" + port
	}
	o.Kind, o.Slug, o.Custom = m.kind(name)
	return o
}

// CheckCustom returns an error that says why a tenant cannot take a name, in lower case, as a host of its own. Names above a tenant domain or
// one of the operator's hosts are among these: their pages could set cookies for the hosts below.
func (m *Map) CheckCustom(name string) error {
	if m.open {
		return errors.New("the operator has not said by --operator-host which names are its own, and no tenant takes one of these")
	}
	for _, domain := range m.domains {
		if name == domain[1:] || strings.HasSuffix(name, domain) || strings.HasSuffix(domain, "."+name) {
			return errors.New("is within, or above, the domain of tenants' hosts")
		}
	}
	for _, host := range m.operators {
		if name == host || strings.HasSuffix(host, "."+name) {
			return errors.New("is, or is above, a host of the operator's")
		}
	}
	if kind, _, _ := m.kind(name); kind == Operator {
		return errors.New("is a host of the operator's")
	}
	return nil
}

// Carrier is a response writer that knows whom its request is addressed to, by one Map: ok is false where it was another.
type Carrier interface {
	Origin(m *Map) (o Origin, ok bool)
}

// For is Of for a handler: where the writer is a Carrier, the host was looked up before.
func (m *Map) For(w http.ResponseWriter, r *http.Request) Origin {
	if c, ok := w.(Carrier); ok {
		if o, ok := c.Origin(m); ok {
			return o
		}
	}
	return m.Of(r)
}

func (m *Map) kind(name string) (kind Kind, slug string, custom bool) {
	if name == "localhost" || isAddress(name) {
		return Operator, "", false
	}
	for _, domain := range m.domains {
		if name == domain[1:] {
			return Nobody, "", false
		}
		if slug, below := strings.CutSuffix(name, domain); below {
			if !isSlug(slug) {
				return Nobody, "", false
			}
			return Tenant, slug, false
		}
	}
	if m.open || slices.Contains(m.operators, name) {
		return Operator, "", false
	}
	if m.custom != nil {
		if slug, ok := m.custom(name); ok {
			return Tenant, slug, true
		}
	}
	return Foreign, "", false
}

// splitHost takes the name, in lower case, and the port out of a Host header. Not ok is what is no host name: user information, a
// trailing dot (browsers would take it for another origin), an empty label, an empty or too large port, a zone.
func splitHost(host string) (name, port string, ok bool) {
	if len(host) > 255+len(":65535") {
		return "", "", false
	}
	name = host
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", "", false
		}
		addr, err := netip.ParseAddr(host[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", false
		}
		if name = host[:end+1]; len(host) > end+1 {
			if host[end+1] != ':' || !isPort(host[end+2:]) {
				return "", "", false
			}
			port = host[end+2:]
		}
		return lower(name), port, true
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		if name, port = host[:i], host[i+1:]; !isPort(port) {
			return "", "", false
		}
	}
	if !isName(name) {
		return "", "", false
	}
	return lower(name), port, true
}

// lower is strings.ToLower for ASCII.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

func isPort(s string) bool {
	if len(s) < 1 || len(s) > 5 {
		return false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n > 0 && n <= 65535
}

// isName reports whether s is a dotted sequence of labels. Underscores are common in names of containers.
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label > 0
}

// isAddress reports whether a name of splitHost is an IP address.
func isAddress(name string) bool {
	if name[0] == '[' {
		return true
	}
	if c := name[len(name)-1]; c < '0' || c > '9' {
		return false
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Is4()
}

// isSlug reports whether s can be a tenant's slug, as the database checks it.
func isSlug(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
