package egress

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
)

// MaxEntries is how many entries a list has at most.
const MaxEntries = 200

// maxEntryBytes bounds one entry.
const maxEntryBytes = 300

// List is an allow and a deny list.
type List struct {
	allow *Rules // nil: what is not denied is allowed
	deny  *Rules
	text  string // that it was read from
}

// Parse reads {"allow": […], "deny": […]}. Nothing, null and {} are nil: everything is allowed. An error names the member.
func Parse(stored json.RawMessage) (*List, error) {
	var given struct {
		Allow *[]string `json:"allow"`
		Deny  []string  `json:"deny"`
	}
	if len(stored) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(stored, &given); err != nil {
		return nil, errors.New("egress: not an object with the lists allow and deny")
	}
	if given.Allow == nil && len(given.Deny) == 0 {
		return nil, nil
	}
	l := &List{text: string(stored)}
	var err error
	if given.Allow != nil {
		if l.allow, err = parseList("allow", *given.Allow); err != nil {
			return nil, err
		}
	}
	l.deny, err = parseList("deny", given.Deny)
	return l, err
}

func parseList(name string, entries []string) (*Rules, error) {
	if len(entries) > MaxEntries {
		return nil, fmt.Errorf("egress.%s: %d entries, of at most %d", name, len(entries), MaxEntries)
	}
	for i, entry := range entries {
		if entry == "" || len(entry) > maxEntryBytes {
			return nil, fmt.Errorf("egress.%s[%d]: an entry has 1 to %d characters", name, i, maxEntryBytes)
		}
		if _, err := ParseRules([]string{entry}); err != nil {
			return nil, fmt.Errorf("egress.%s[%d]: %w", name, i, err)
		}
	}
	return ParseRules(entries)
}

// Closed is a List that allows nothing: in place of one that cannot be read.
func Closed() *List { return &List{allow: &Rules{}, deny: &Rules{}, text: "closed"} }

// Policy is what a script may: all its lists have to allow it. nil allows everything.
type Policy struct {
	lists []*List
	id    string
}

// Of is the Policy of lists, of which some may be nil.
func Of(lists ...*List) *Policy {
	p := &Policy{}
	sum := sha256.New()
	for _, l := range lists {
		if l != nil {
			p.lists = append(p.lists, l)
			_, _ = fmt.Fprintf(sum, "%d:%s", len(l.text), l.text)
		}
	}
	if len(p.lists) == 0 {
		return nil
	}
	p.id = hex.EncodeToString(sum.Sum(nil))
	return p
}

// ID is the same for policies with the same lists, and empty for nil.
func (p *Policy) ID() string {
	if p == nil {
		return ""
	}
	return p.id
}

// Name reports whether a name, as HostName gives it, may be looked up: whether one of its addresses may be allowed.
func (p *Policy) Name(host string, port uint16) bool {
	if p == nil {
		return true
	}
	for _, l := range p.lists {
		if l.deny.all || l.deny.HasHost(host, port) {
			return false
		}
		if l.allow != nil && !l.allow.all && !l.allow.HasHost(host, port) && !l.allow.hasPrefix(port) {
			return false
		}
	}
	return true
}

// Address reports whether an address that a host stands for is allowed. host is as HostName gives it, or empty where the URL has an address.
func (p *Policy) Address(host string, addr netip.Addr, port uint16) bool {
	if p == nil {
		return true
	}
	addr = addr.Unmap()
	for _, l := range p.lists {
		if l.deny.all || l.deny.HasHost(host, port) || l.deny.HasAddr(addr, port) {
			return false
		}
		if l.allow != nil && !l.allow.all && !l.allow.HasHost(host, port) && !l.allow.HasAddr(addr, port) {
			return false
		}
	}
	return true
}

// hasPrefix reports whether the list has a network for a port.
func (r *Rules) hasPrefix(port uint16) bool {
	for _, rule := range r.prefixes {
		if rule.port == 0 || rule.port == port {
			return true
		}
	}
	return false
}
