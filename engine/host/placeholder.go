package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/text"
)

// A secret with hosts is a placeholder to scripts. It becomes the value where a request to one of the hosts is written, and is in no record, log
// line or error before or after: they show the request as the script made it. A placeholder is worth nothing by itself, so what is refused here
// is refused for the author's sake; what keeps the value is that only put writes it.

// placeholderMark begins every placeholder; 40 hexadecimal digits follow. It is lower case, and a host name's label could hold it.
const placeholderMark = "jsruntime-secret-"

const (
	placeholderDigits = 40
	placeholderLength = len(placeholderMark) + placeholderDigits
)

func newPlaceholder() string {
	var random [placeholderDigits / 2]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the process instead
	return placeholderMark + hex.EncodeToString(random[:])
}

// findPlaceholder returns where the first placeholder of s begins, -1 if there is none. Upper case counts too: a host name's case changes.
func findPlaceholder[T ~string | ~[]byte](s T) int {
	for i := 0; i+placeholderLength <= len(s); i++ {
		// Most positions are out by two bytes: a body of 10 MiB is looked through.
		if s[i]|0x20 != placeholderMark[0] || s[i+len(placeholderMark)-1] != '-' || !strings.EqualFold(string(s[i:i+len(placeholderMark)]), placeholderMark) {
			continue
		}
		digits := string(s[i+len(placeholderMark) : i+placeholderLength])
		if strings.Trim(strings.ToLower(digits), "0123456789abcdef") == "" {
			return i
		}
	}
	return -1
}

// inText reports whether a URL or a part of it has a placeholder, percent-encoded or not.
func inText(s string) bool {
	for range 3 { // encoded twice at most
		if findPlaceholder(s) >= 0 {
			return true
		}
		if !strings.Contains(s, "%") {
			return false
		}
		s = unpercent(s)
	}
	return false
}

// unpercent decodes what is percent-encoded and leaves a % without two digits as it is.
func unpercent(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(b))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// parseSecretHosts reads the hosts of a secret: names, *.name, addresses, each with a port or for all. exact are those with a port.
func parseSecretHosts(hosts []string) (any, exact *egress.Rules, err error) {
	var ported []string
	for _, host := range hosts {
		name := host
		if h, _, err := egress.SplitHostPort(host); err == nil {
			name = h
			ported = append(ported, host)
		}
		if name == "*" || strings.Contains(name, "/") || len(host) > 300 || strings.TrimSpace(host) != host || host == "" {
			return nil, nil, errors.New("must be a host name, *.name or an address, with or without a port: a secret is not for every host or a network")
		}
		if domain, ok := strings.CutPrefix(name, "*."); ok && !strings.Contains(strings.TrimSuffix(domain, "."), ".") {
			return nil, nil, errors.New("a wildcard needs two labels after it, as in *.example.com")
		}
	}
	if any, err = egress.ParseRules(hosts); err != nil {
		return nil, nil, errors.New("must be a host name, *.name or an address, with or without a port")
	}
	exact, err = egress.ParseRules(ported)
	return any, exact, err
}

func hasURL(rules *egress.Rules, u *url.URL) bool {
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	if err != nil {
		return false
	}
	var addr netip.Addr
	if a, ok, err := egress.HostAddr(u.Hostname()); ok {
		addr = a
		return err == nil && rules.HasAddr(addr, uint16(port))
	}
	name, err := egress.HostName(u.Hostname())
	return err == nil && rules.HasHost(name, uint16(port))
}

// refusesPlaceholder is the error for a placeholder in a place where it does not become a value.
func refusesPlaceholder(where string) *engine.HostError {
	return &engine.HostError{Name: "TypeError", Code: "secret_refused", Message: "fetch: " + where}
}

// carry looks for placeholders in a request that is about to be made. It notes the headers with a placeholder, and refuses the request if one
// stands anywhere else, or is not for this script and host.
func (f *fetching) carry(ctx context.Context) error {
	const only = "; it stands for the value only in the value of a header"
	if findPlaceholder(f.method) >= 0 {
		return refusesPlaceholder("the method has the placeholder of a secret" + only)
	}
	if findPlaceholder(f.body) >= 0 {
		return refusesPlaceholder("the body has the placeholder of a secret" + only)
	}
	if f.stream != nil {
		f.stream = &placeholderReader{Reader: f.stream, tail: f.body[max(0, len(f.body)-placeholderLength+1):]}
	}
	for name, values := range f.header {
		if findPlaceholder(name) >= 0 {
			return refusesPlaceholder("the name of a header has the placeholder of a secret" + only)
		}
		for _, value := range values {
			if findPlaceholder(value) >= 0 || findPlaceholder(basicOf(name, value)) >= 0 {
				f.carriers = append(f.carriers, name)
				break
			}
		}
	}
	slices.Sort(f.carriers)
	if len(f.carriers) == 0 {
		return nil
	}
	_, err := f.put(ctx, f.header)
	return err
}

// basicOf is what the header has in Base64: the credentials of the scheme Basic. Empty: it has none.
func basicOf(name, value string) string {
	scheme, credentials, ok := strings.Cut(value, " ")
	if name != "Authorization" || !ok || !strings.EqualFold(scheme, "basic") {
		return ""
	}
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(credentials), "="))
	if err != nil {
		return ""
	}
	return string(plain)
}

// put returns the headers as they are sent to the request's host: with the values in the places of placeholders.
func (f *fetching) put(ctx context.Context, header http.Header) (http.Header, error) {
	if inText(f.target.String()) {
		return nil, refusesPlaceholder("the URL has the placeholder of a secret; it stands for the value only in the value of a header")
	}
	if len(f.carriers) == 0 {
		return header, nil
	}
	if f.host.cfg.Secrets == nil {
		return nil, refusesPlaceholder("this node has no secrets")
	}
	bound, err := f.host.cfg.Secrets.bound(ctx, f.inv.Script.TenantID)
	if err != nil {
		return nil, fmt.Errorf("secrets of a request: %w", err)
	}
	header = header.Clone()
	size := 0
	for _, name := range f.carriers {
		values := header[name]
		for i, value := range values {
			if plain := basicOf(name, value); findPlaceholder(plain) >= 0 {
				if plain, err = f.replace(bound, name, plain); err == nil {
					values[i] = "Basic " + base64.StdEncoding.EncodeToString([]byte(plain))
				}
			} else {
				values[i], err = f.replace(bound, name, value)
			}
			if err != nil {
				return nil, err
			}
			size += len(values[i])
		}
	}
	if size > maxHeaderBytes {
		return nil, typeError("fetch", fmt.Sprintf("the headers are longer than %d bytes with the values of the secrets", maxHeaderBytes))
	}
	return header, nil
}

// replace puts values in the places of all placeholders of a text, which is of a header.
func (f *fetching) replace(bound map[string]*boundSecret, header, value string) (string, error) {
	var out strings.Builder
	for {
		at := findPlaceholder(value)
		if at < 0 {
			out.WriteString(value)
			return out.String(), nil
		}
		secret := bound[value[at:at+placeholderLength]]
		if secret == nil || secret.scripts != nil && !slices.Contains(secret.scripts, f.inv.Script.Name) {
			return "", refusesPlaceholder("the header " + header + " has a placeholder that is of no secret of this script")
		}
		if err := f.mayCarry(secret, header); err != nil {
			return "", err
		}
		latin, ok := text.ToLatin1(secret.value)
		if !ok {
			return "", refusesPlaceholder("the secret " + secret.name + " has characters that a header cannot have")
		}
		out.WriteString(value[:at])
		out.WriteString(latin)
		value = value[at+placeholderLength:]
	}
}

// mayCarry judges the request's host, and that it is reached over TLS.
func (f *fetching) mayCarry(secret *boundSecret, header string) error {
	u := &f.target.url
	if !hasURL(secret.any, u) {
		return refusesPlaceholder(fmt.Sprintf("the header %s has the placeholder of the secret %s, which is for %s and not for %s", header, secret.name,
			text.Clip(strings.Join(secret.hosts, ", "), 200), text.Clip(u.Host, 200)))
	}
	if u.Scheme != "https" && !(hasURL(secret.exact, u) && f.host.guard.allows(u)) {
		return refusesPlaceholder(fmt.Sprintf("the header %s has the placeholder of the secret %s, which is sent over https; "+
			"over http only where its hosts have the port and the operator's JSRUNTIME_FETCH_ALLOW names the host", header, secret.name))
	}
	return nil
}

// drop takes the headers with placeholders off, for a redirect to another origin.
func (f *fetching) drop() {
	for _, name := range f.carriers {
		f.header.Del(name)
	}
	f.carriers = nil
}

// placeholderReader refuses a streamed body with a placeholder before the whole of it is sent.
type placeholderReader struct {
	io.Reader
	tail []byte // what was read last, shorter than a placeholder
}

func (r *placeholderReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	seen := slices.Concat(r.tail, p[:n])
	if findPlaceholder(seen) >= 0 {
		return 0, refusesPlaceholder("the body has the placeholder of a secret; it stands for the value only in the value of a header")
	}
	r.tail = bytes.Clone(seen[max(0, len(seen)-placeholderLength+1):])
	return n, err
}
