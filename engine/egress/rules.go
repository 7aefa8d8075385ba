package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

var errHost = errors.New("not a host name")

// Rules are a list of hosts and networks.
type Rules struct {
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

// ParseRules reads the entries of a list:
//
//	api.example.com         that name
//	*.example.com           every name below example.com
//	10.1.0.0/16, 10.1.2.3   a network, an address; [fd00::1] or fd00::1, fd00::/8
//	host:8443, 10.0.0.1:80  the same with one port only; without it an entry stands for every port
//	*                       everything (in the operator's deny list: everything that the allow list does not name)
func ParseRules(entries []string) (*Rules, error) {
	r := &Rules{}
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
		if h, p, err := SplitHostPort(entry); err == nil {
			host, port = h, p
		} else if strings.Contains(entry, ":") {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		if prefix, err := parsePrefix(host); err == nil {
			r.prefixes = append(r.prefixes, prefixRule{prefix: prefix, port: port})
			continue
		}
		name, domain := strings.CutPrefix(host, "*.")
		name, err := HostName(name)
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

// SplitHostPort reads host:port.
func SplitHostPort(text string) (string, uint16, error) {
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

// All reports whether the list has everything.
func (r *Rules) All() bool { return r.all }

// HasHost reports whether the list has a name, which is as HostName gives it.
func (r *Rules) HasHost(host string, port uint16) bool {
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

// HasAddr reports whether the list has an address.
func (r *Rules) HasAddr(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(r.prefixes, func(rule prefixRule) bool {
		return (rule.port == 0 || rule.port == port) && rule.prefix.Contains(addr)
	})
}

// HostName brings a URL's host to the form that rules and the resolver see: lower case ASCII without a trailing dot. It
// refuses what is not a name, among them an address with a zone and a name whose last label is a number: such a name is an
// IPv4 address to some parsers ("0x7f.1", "2130706433"), so no parser here takes it for one.
func HostName(host string) (string, error) {
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil {
		return "", errHost
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "" || len(name) > 253 || strings.ContainsAny(name, " \t\r\n/\\?#@:[]%<>\"^`{|}\x00") {
		return "", errHost
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" || strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == "" {
		return "", errHost
	}
	return name, nil
}

// HostAddr returns the address that a host is the text of, if it is one. Unicode digits and dots count, as they do to
// browsers; IPv4 inside of IPv6 is taken out.
func HostAddr(host string) (netip.Addr, bool, error) {
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
		return netip.Addr{}, true, errHost
	}
	return addr.Unmap(), true, nil
}
