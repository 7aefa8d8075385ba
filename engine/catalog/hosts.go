package catalog

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/net/idna"
)

// maxHosts bounds the hosts of one script.
const maxHosts = 20

var hostNames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.BidiRule())

// CanonicalHost is a host name as http.hosts has it: in lower case, what is not ASCII as punycode. A port, a wildcard, an address and a name of
// the machine itself are no host that a tenant can have.
func CanonicalHost(given string) (string, error) {
	switch {
	case strings.Contains(given, "*"):
		return "", fmt.Errorf("%q: a host is one name, without a wildcard", given)
	case strings.ContainsAny(given, ":/@[]"):
		return "", fmt.Errorf("%q: a host is a name, without a scheme, a port or an address", given)
	}
	name, err := hostNames.ToASCII(given)
	if err != nil {
		return "", fmt.Errorf("%q is not a host name", given)
	}
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	_, notAddress := netip.ParseAddr(name)
	switch {
	case last == "localhost":
		return "", fmt.Errorf("%q is a name of the machine itself", given)
	case len(labels) < 2 || last == "":
		return "", fmt.Errorf("%q is not a whole host name, such as api.example.com", given)
	case notAddress == nil || strings.Trim(last, "0123456789") == "":
		return "", fmt.Errorf("%q is an address and not a host name", given)
	}
	return name, nil
}

// CanonicalHosts rewrites the hosts of a scripts.http that is to be stored as CanonicalHost has them. An error names the member.
func CanonicalHosts(stored json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	var hosts []string
	if json.Unmarshal(stored, &members) != nil || json.Unmarshal(members["hosts"], &hosts) != nil {
		return stored, nil // HTTPOf says what is wrong, if something is
	}
	for i, host := range hosts {
		name, err := CanonicalHost(host)
		if err != nil {
			return nil, fmt.Errorf("http.hosts[%d]: %w", i, err)
		}
		hosts[i] = name
	}
	var err error
	if members["hosts"], err = json.Marshal(hosts); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// checkHosts judges http.hosts as it is stored.
func checkHosts(hosts []string) error {
	if len(hosts) > maxHosts {
		return fmt.Errorf("http.hosts: %d hosts, of at most %d", len(hosts), maxHosts)
	}
	for i, host := range hosts {
		name, err := CanonicalHost(host)
		switch {
		case err != nil:
			return fmt.Errorf("http.hosts[%d]: %w", i, err)
		case name != host:
			return fmt.Errorf("http.hosts[%d]: %q must be written as %s", i, host, name)
		case slices.Contains(hosts[:i], host):
			return fmt.Errorf("http.hosts[%d]: %s is there twice", i, host)
		}
	}
	return nil
}

// hostRoutes makes the routes of each host, which have the endpoints that name it and no others.
func hostRoutes(hosted map[uuid.UUID]*Endpoint) map[string]*routes {
	if len(hosted) == 0 {
		return nil
	}
	byHost := make(map[string]map[uuid.UUID]*Endpoint)
	for id, endpoint := range hosted {
		for _, host := range endpoint.Hosts {
			if byHost[host] == nil {
				byHost[host] = make(map[uuid.UUID]*Endpoint)
			}
			byHost[host][id] = endpoint
		}
	}
	all := make(map[string]*routes, len(byHost))
	for host, endpoints := range byHost {
		r, _ := routesAmong(endpoints)
		all[host] = &r
	}
	return all
}

// RouteHost finds the endpoint for a request to a host of a tenant's own. It is as Route.
func (c *Catalog) RouteHost(host, method, path string) (Match, error) {
	found, ok := c.byHost.Load(host)
	if !ok {
		return Match{}, c.unknownTenant()
	}
	snapshot := found.(*tenantEntry).snapshot.Load()
	r := snapshot.routes.hosts[host]
	if r == nil { // it has just been given up
		return Match{}, ErrNoRoute
	}
	return c.match(snapshot, r, method, path)
}

// HostTenant returns the slug of the tenant that a host belongs to; ok is false where no live endpoint names the host.
func (c *Catalog) HostTenant(host string) (slug string, ok bool) {
	found, ok := c.byHost.Load(host)
	if !ok {
		return "", false
	}
	return found.(*tenantEntry).snapshot.Load().tenant.Slug, true
}

// publish replaces a tenant's snapshot, and with it the hosts that lead to the tenant. The caller holds mu.
func (c *Catalog) publish(e *tenantEntry, tenant Tenant, r routes) {
	var before map[string]*routes
	if old := e.snapshot.Load(); old != nil {
		before = old.routes.hosts
	}
	e.snapshot.Store(&tenantSnapshot{tenant: tenant, routes: r})
	for host := range r.hosts {
		if before[host] == nil {
			c.byHost.Store(host, e)
		}
	}
	c.freeHosts(e, before, r.hosts)
}

// freeHosts forgets the hosts of before that are not in now. A host that has become another tenant's stays.
func (c *Catalog) freeHosts(e *tenantEntry, before, now map[string]*routes) {
	for host := range before {
		if now[host] == nil {
			c.byHost.CompareAndDelete(host, e)
		}
	}
}
