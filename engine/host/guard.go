package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"example.com/jsruntime/engine/egress"
)

const (
	dnsTimeout = 5 * time.Second
	// maxAnswers is how many addresses of a name are looked at; a name with more is refused, so that none goes unseen.
	maxAnswers  = 32
	dialTimeout = 10 * time.Second
)

// errBlocked is all that a caller learns of a refusal, and of a name that does not resolve: it must not learn which internal
// names exist.
var errBlocked = errors.New("fetch blocked: the host does not resolve or is not allowed")

// errDenied says that the egress of the script or of its tenant does not allow a destination.
var errDenied = errors.New("fetch denied: the egress of this script or its tenant does not allow the host")

// azureWire is Azure's WireServer: a public address that answers with the machine's secrets.
var azureWire = netip.MustParsePrefix("168.63.129.16/32")

// guard decides where fetch may connect to. The order is: the node's own listeners and database (exact address and port),
// the operator's deny list, the operator's allow list, then the built-in rules: the ports, this node's and the database's
// addresses, and every address that the IANA registries do not call globally reachable.
type guard struct {
	allow, deny *egress.Rules
	ports       []uint16
	builtin     *ssrf.Guardian
	resolver    Resolver
	dialHook    func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)

	refuse  []string
	refused atomic.Pointer[refusals]
}

type refusals struct {
	exact map[netip.AddrPort]bool
	addrs map[netip.Addr]bool
	// local are ports that this machine answers on: every loopback and unspecified address leads to them.
	local map[uint16]bool
}

func (r *refusals) add(addr netip.Addr, port uint16) {
	r.exact[netip.AddrPortFrom(addr, port)] = true
	r.addrs[addr] = true
	if isLocal(addr) {
		r.local[port] = true
	}
}

func (r *refusals) has(addr netip.Addr, port uint16) bool {
	return r.exact[netip.AddrPortFrom(addr, port)] || (isLocal(addr) && r.local[port])
}

func isLocal(addr netip.Addr) bool { return addr.IsLoopback() || addr.IsUnspecified() }

func newGuard(cfg *Config) (*guard, error) {
	allow, err := egress.ParseRules(cfg.FetchAllow)
	if err != nil {
		return nil, fmt.Errorf("FetchAllow: %w", err)
	}
	deny, err := egress.ParseRules(cfg.FetchDeny)
	if err != nil {
		return nil, fmt.Errorf("FetchDeny: %w", err)
	}
	g := &guard{
		allow: allow, deny: deny, ports: cfg.FetchPorts,
		builtin:  ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureWire)),
		resolver: cfg.Resolver, dialHook: cfg.Dial, refuse: cfg.FetchRefuse,
	}
	if g.resolver == nil {
		// The C library's resolver reads "0x7f.1" as an address; Go's own does not.
		g.resolver = &net.Resolver{PreferGo: true}
	}
	for _, hostport := range g.refuse {
		if _, _, err := egress.SplitHostPort(hostport); err != nil {
			return nil, fmt.Errorf("FetchRefuse: %w", err)
		}
	}
	g.refused.Store(&refusals{})
	g.refresh(context.Background())
	return g, nil
}

// check judges one address that host stands for. host is as hostName gives it, or empty where the URL has an address.
func (g *guard) check(host string, addr netip.Addr, port uint16) error {
	addr = addr.Unmap()
	refused := g.refused.Load()
	switch {
	case addr.Zone() != "", refused.has(addr, port):
		return errBlocked
	case g.deny.HasHost(host, port), g.deny.HasAddr(addr, port):
		return errBlocked
	case g.allow.All(), g.allow.HasHost(host, port), g.allow.HasAddr(addr, port):
		return nil
	case g.deny.All(), !slices.Contains(g.ports, port), refused.addrs[addr]:
		return errBlocked
	}
	if err := g.builtin.SafeAddr(addr); err != nil {
		return errBlocked
	}
	return nil
}

// allows reports whether the operator's allow list names a URL's host: by its name, or by the address that it is the text of.
func (g *guard) allows(u *url.URL) bool {
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	if err != nil {
		return false
	}
	if addr, ok, err := egress.HostAddr(u.Hostname()); ok {
		return err == nil && (g.allow.All() || g.allow.HasAddr(addr, uint16(port)))
	}
	name, err := egress.HostName(u.Hostname())
	return err == nil && (g.allow.All() || g.allow.HasHost(name, uint16(port)))
}

// dial resolves, judges every answer, and connects to one of them. A name of which any answer is refused is refused whole.
func (g *guard) dial(ctx context.Context, policy *egress.Policy, address string) (net.Conn, error) {
	host, port, err := egress.SplitHostPort(address)
	if err != nil {
		return nil, errBlocked
	}
	name, addrs, err := g.lookup(ctx, policy, host, port)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		if err := g.check(name, addr, port); err != nil {
			return nil, err
		}
		if !policy.Address(name, addr, port) {
			return nil, errDenied
		}
	}
	// IPv4 first: where there is no route for the other kind, that fails at once.
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	var failure error
	for i, addr := range addrs {
		conn, err := g.dialAddr(ctx, name, netip.AddrPortFrom(addr, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if failure == nil {
			failure = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failure
}

func (g *guard) lookup(ctx context.Context, policy *egress.Policy, host string, port uint16) (string, []netip.Addr, error) {
	if addr, ok, err := egress.HostAddr(host); ok {
		if err != nil {
			err = errBlocked
		}
		return "", []netip.Addr{addr}, err
	}
	name, err := egress.HostName(host)
	if err != nil {
		return "", nil, errBlocked
	}
	if !policy.Name(name, port) {
		return "", nil, errDenied
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	// The final dot keeps the machine's search domains out of it.
	answers, err := g.resolver.LookupNetIP(ctx, "ip", name+".")
	if err != nil || len(answers) == 0 || len(answers) > maxAnswers {
		return "", nil, errBlocked
	}
	addrs := make([]netip.Addr, len(answers))
	for i, addr := range answers {
		addrs[i] = addr.Unmap()
	}
	return name, addrs, nil
}

// dialAddr connects to one address. The kernel is given exactly the address that was judged, and Control judges it again.
func (g *guard) dialAddr(ctx context.Context, name string, addr netip.AddrPort, left int) (net.Conn, error) {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/time.Duration(left))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if g.dialHook != nil {
		return g.dialHook(ctx, "tcp", addr)
	}
	dialer := net.Dialer{Control: func(network, address string, _ syscall.RawConn) error {
		dialled, err := netip.ParseAddrPort(address)
		if err != nil || (network != "tcp4" && network != "tcp6") {
			return errBlocked
		}
		return g.check(name, dialled.Addr(), dialled.Port())
	}}
	return dialer.DialContext(ctx, "tcp", addr.String())
}

// refresh looks up the hosts that are refused. What cannot be looked up keeps the answer of before.
func (g *guard) refresh(ctx context.Context) {
	if len(g.refuse) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	old := g.refused.Load()
	next := &refusals{exact: map[netip.AddrPort]bool{}, addrs: map[netip.Addr]bool{}, local: map[uint16]bool{}}
	complete := true
	for _, hostport := range g.refuse {
		host, port, err := egress.SplitHostPort(hostport)
		if err != nil {
			continue
		}
		addrs, err := refusedAddrs(ctx, host)
		complete = complete && err == nil
		for _, addr := range addrs {
			next.add(addr, port)
		}
	}
	if !complete {
		for pair := range old.exact {
			next.add(pair.Addr(), pair.Port())
		}
	}
	g.refused.Store(next)
}

func refusedAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
		return []netip.Addr{addr.Unmap().WithZone("")}, nil
	} else if err == nil || host == "" {
		return interfaceAddrs()
	}
	answers, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i, addr := range answers {
		answers[i] = addr.Unmap().WithZone("")
	}
	return answers, err
}

func interfaceAddrs() ([]netip.Addr, error) {
	found, err := net.InterfaceAddrs()
	addrs := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	for _, a := range found {
		if network, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(network.IP); ok {
				addrs = append(addrs, addr.Unmap())
			}
		}
	}
	return addrs, err
}
