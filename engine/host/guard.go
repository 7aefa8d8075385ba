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
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/net/idna"
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

// azureWire is Azure's WireServer: a public address that answers with the machine's secrets.
var azureWire = netip.MustParsePrefix("168.63.129.16/32")

// guard decides where fetch may connect to. The order is: the node's own listeners and database (exact address and port),
// the operator's deny list, the operator's allow list, then the built-in rules: the ports, this node's and the database's
// addresses, and every address that the IANA registries do not call globally reachable.
type guard struct {
	allow, deny rules
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
	allow, err := ParseRules(cfg.FetchAllow)
	if err != nil {
		return nil, fmt.Errorf("FetchAllow: %w", err)
	}
	deny, err := ParseRules(cfg.FetchDeny)
	if err != nil {
		return nil, fmt.Errorf("FetchDeny: %w", err)
	}
	g := &guard{
		allow: *allow, deny: *deny, ports: cfg.FetchPorts,
		builtin:  ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureWire)),
		resolver: cfg.Resolver, dialHook: cfg.Dial, refuse: cfg.FetchRefuse,
	}
	if g.resolver == nil {
		// The C library's resolver reads "0x7f.1" as an address; Go's own does not.
		g.resolver = &net.Resolver{PreferGo: true}
	}
	for _, hostport := range g.refuse {
		if _, _, err := splitHostPort(hostport); err != nil {
			return nil, fmt.Errorf("FetchRefuse: %w", err)
		}
	}
	g.refused.Store(&refusals{})
	g.refresh(context.Background())
	return g, nil
}

// Rules are an operator's list of hosts and networks.
type Rules = rules

type rules struct {
	all      bool
	hosts    []hostRule
	prefixes []prefixRule
}

type hostRule struct {
	name   string // lower case ASCII; with a leading dot: every name below it
	port   uint16 // 0: any
	domain bool
}

type prefixRule struct {
	prefix netip.Prefix
	port   uint16
}

// ParseRules reads entries of JSRUNTIME_FETCH_ALLOW and JSRUNTIME_FETCH_DENY:
//
//	api.example.com         that name
//	*.example.com           every name below example.com
//	10.1.0.0/16, 10.1.2.3   a network, an address; [fd00::1] or fd00::1, fd00::/8
//	host:8443, 10.0.0.1:80  the same with one port only; without it an entry stands for every port
//	*                       everything (in the deny list: everything that the allow list does not name)
func ParseRules(entries []string) (*Rules, error) {
	r := &rules{}
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if entry == "*" {
			r.all = true
			continue
		}
		if prefix, err := parsePrefix(entry); err == nil {
			r.prefixes = append(r.prefixes, prefixRule{prefix: prefix})
			continue
		}
		host, port := entry, uint16(0)
		if h, p, err := splitHostPort(entry); err == nil {
			host, port = h, p
		} else if strings.Contains(entry, ":") {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		if prefix, err := parsePrefix(host); err == nil {
			r.prefixes = append(r.prefixes, prefixRule{prefix: prefix, port: port})
			continue
		}
		name, domain := strings.CutPrefix(host, "*.")
		name, err := hostName(name)
		if err != nil || strings.ContainsAny(name, "*/") {
			return nil, fmt.Errorf("%q: neither a host name nor an address nor a network", entry)
		}
		r.hosts = append(r.hosts, hostRule{name: name, port: port, domain: domain})
	}
	return r, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, errors.New("not an address or a network")
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func splitHostPort(text string) (string, uint16, error) {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, errors.New("not host:port")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return "", 0, errors.New("the port is not a number from 1 to 65535")
	}
	return host, uint16(port), nil
}

func (r *rules) hasHost(host string, port uint16) bool {
	for _, rule := range r.hosts {
		if rule.port != 0 && rule.port != port {
			continue
		}
		if (!rule.domain && host == rule.name) || (rule.domain && strings.HasSuffix(host, "."+rule.name)) {
			return true
		}
	}
	return false
}

func (r *rules) hasAddr(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(r.prefixes, func(rule prefixRule) bool {
		return (rule.port == 0 || rule.port == port) && rule.prefix.Contains(addr)
	})
}

// hostName brings a URL's host to the form that rules and the resolver see: lower case ASCII without a trailing dot. It
// refuses what is not a name, among them an address with a zone and a name whose last label is a number: such a name is an
// IPv4 address to some parsers ("0x7f.1", "2130706433"), so no parser here takes it for one.
func hostName(host string) (string, error) {
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil {
		return "", errBlocked
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "" || len(name) > 253 || strings.ContainsAny(name, " \t\r\n/\\?#@:[]%<>\"^`{|}\x00") {
		return "", errBlocked
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" || strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == "" {
		return "", errBlocked
	}
	return name, nil
}

// hostAddr returns the address that a host is the text of, if it is one. Unicode digits and dots count, as they do to
// browsers; IPv4 inside of IPv6 is taken out.
func hostAddr(host string) (netip.Addr, bool, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		ascii, toErr := idna.Lookup.ToASCII(host)
		if toErr != nil {
			return netip.Addr{}, false, nil
		}
		if addr, err = netip.ParseAddr(strings.TrimSuffix(ascii, ".")); err != nil {
			return netip.Addr{}, false, nil
		}
	}
	if addr.Zone() != "" {
		return netip.Addr{}, true, errBlocked
	}
	return addr.Unmap(), true, nil
}

// check judges one address that host stands for. host is as hostName gives it, or empty where the URL has an address.
func (g *guard) check(host string, addr netip.Addr, port uint16) error {
	addr = addr.Unmap()
	refused := g.refused.Load()
	switch {
	case addr.Zone() != "", refused.has(addr, port):
		return errBlocked
	case g.deny.hasHost(host, port), g.deny.hasAddr(addr, port):
		return errBlocked
	case g.allow.all, g.allow.hasHost(host, port), g.allow.hasAddr(addr, port):
		return nil
	case g.deny.all, !slices.Contains(g.ports, port), refused.addrs[addr]:
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
	if addr, ok, err := hostAddr(u.Hostname()); ok {
		return err == nil && (g.allow.all || g.allow.hasAddr(addr, uint16(port)))
	}
	name, err := hostName(u.Hostname())
	return err == nil && (g.allow.all || g.allow.hasHost(name, uint16(port)))
}

// dial resolves, judges every answer, and connects to one of them. A name of which any answer is refused is refused whole.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, errBlocked
	}
	name, addrs, err := g.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		if err := g.check(name, addr, port); err != nil {
			return nil, err
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

func (g *guard) lookup(ctx context.Context, host string) (string, []netip.Addr, error) {
	if addr, ok, err := hostAddr(host); ok {
		return "", []netip.Addr{addr}, err
	}
	name, err := hostName(host)
	if err != nil {
		return "", nil, err
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
		host, port, err := splitHostPort(hostport)
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
