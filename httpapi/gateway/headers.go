package gateway

import (
	"mime"
	"net/http"
	"net/textproto"
	"strings"
)

// This file owns the rule which headers of a script's response reach a client. Package engine owns their form: it refuses a response
// whose status, names, values, number or size are none of HTTP's.
//
// On the shared host tenants have one origin between them, and proxies in front take some headers for orders. There a header passes
// if it is on a list. On a host of a tenant's own a header passes unless it is an order to a proxy or speaks for more than this host.

// headers copies what of a response's headers a client may get. It returns the script's own Content-Length, "" where there is none.
func (a *answer) headers(pairs []string) (contentLength string) {
	h := a.w.Header()
	own := a.own()
	types := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := canonical(pairs[i]), pairs[i+1]
		switch name {
		case "Content-Type":
			if types++; own {
				h[name] = []string{value}
			} else {
				h[name] = []string{sharedType(value, types)}
			}
			continue
		case "Content-Length":
			if isLength(value) {
				contentLength = value
			}
			continue
		case "Set-Cookie":
			if value = a.cookie(value); value == "" {
				continue
			}
		case "Location", "Content-Location":
			value = a.location(value)
		case "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials":
			if h[name] != nil { // of the endpoint's CORS
				continue
			}
		case "Content-Security-Policy":
			// Several policies hold all at once, so that a policy of the script's own can only narrow that of the shared host.
		default:
			if !passes(name, own) {
				continue
			}
		}
		h[name] = append(h[name], value)
	}
	if types == 0 {
		h["Content-Type"] = nil // net/http does not guess from the bytes
	} else if media, _, _ := strings.Cut(h["Content-Type"][0], ";"); !own && (media == "application/pdf" || media == "text/pdf") {
		// Chromium shows a PDF within a page of its own that has the host's origin, whatever the policy says.
		h["Content-Disposition"] = []string{attached(first(h["Content-Disposition"]))}
	}
	return contentLength
}

// location returns a script's Location as the client has to read it. On the shared host the script does not see Prefix and its slug: what
// it calls /x there is /t/{slug}/x to the client, also where it names the host as its request's URL did. An address that has them already
// stays as it is, as does one of another host and one that is relative to the request's path.
func (a *answer) location(value string) string {
	if a.own() || a.slug == "" {
		return value
	}
	origin, path := "", value
	if rest, ok := cutPrefixFold(value, a.origin.Scheme+"://"+a.origin.Host); ok {
		origin, path = value[:len(value)-len(rest)], rest
	} else if rest, ok := cutPrefixFold(value, "//"+a.origin.Host); ok {
		origin, path = value[:len(value)-len(rest)], rest
	} else if !strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//") {
		return value
	}
	base := Prefix + a.slug
	if path != "" && strings.IndexByte("/?#", path[0]) < 0 { // a longer host, or a port
		return value
	}
	if rest, ok := strings.CutPrefix(path, base); ok && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0) {
		return value
	}
	return origin + base + path
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// attached makes a download of a Content-Disposition, under its file name where it has one.
func attached(disposition string) string {
	if _, params, err := mime.ParseMediaType(disposition); err == nil {
		if written := mime.FormatMediaType("attachment", params); written != "" {
			return written
		}
	}
	return "attachment"
}

// octets is the type of what has no type that every browser reads alike.
const octets = "application/octet-stream"

// sharedType writes a content type anew, so that no browser reads it otherwise than the next. nth is how many there were, this one
// included: clients differ in which of several they take.
func sharedType(value string, nth int) string {
	switch {
	case nth > 1:
		return octets
	case plainType(value):
		return value
	}
	media, params, err := mime.ParseMediaType(value)
	if err != nil && media == "" {
		return octets
	}
	if err != nil { // only a parameter is none
		params = nil
	}
	switch media {
	case "multipart/x-mixed-replace", // each part brings a type of its own
		"application/unknown", "unknown/unknown": // browsers guess
		return octets
	}
	if !strings.Contains(media, "/") || strings.Contains(media, "*") {
		return octets
	}
	if value = mime.FormatMediaType(media, params); value == "" {
		return octets
	}
	return value
}

// plainType reports whether a type is one of the usual ones, which need no parsing.
func plainType(value string) bool {
	switch value {
	case "application/json", "text/plain", "text/html", "text/plain;charset=UTF-8", "text/plain; charset=utf-8", "text/html;charset=UTF-8",
		"text/html; charset=utf-8", "text/html; charset=UTF-8", "application/json; charset=utf-8", "text/event-stream", octets:
		return true
	}
	return false
}

func isLength(s string) bool {
	if s == "" || len(s) > 18 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// passes reports whether a client gets the header, by its canonical name.
func passes(name string, own bool) bool {
	if reserved[name] || strings.HasPrefix(name, http.TrailerPrefix) {
		return false
	}
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	if strings.HasSuffix(name, "Cdn-Cache-Control") { // RFC 9213: a cache's own, whatever its name
		return false
	}
	if own || shared[name] {
		return true
	}
	if strings.HasPrefix(name, "X-") {
		return !sharedNot[name]
	}
	return strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Ratelimit")
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	return m
}

// reserved are the headers that no script sets, on no host.
var reserved = set(
	// The connection's.
	"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
	// The node's.
	"Date", "Server", "X-Execution-Id", "X-Content-Type-Options",
	// About the host's transport, which is the operator's, and outliving the tenant that holds the slug.
	"Alt-Svc", "Strict-Transport-Security", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Expect-CT", "NEL", "Report-To",
	// Reaches all hosts of the registrable domain.
	"Clear-Site-Data", "X-Permitted-Cross-Domain-Policies",
	// Orders to proxies and caches.
	"Cache-Tag", "Edge-Cache-Tag", "Edge-Control", "X-Archive-Files", "X-Archive-Charset", "X-Archive-Pass-Headers", "X-Archive-Name",
	"X-Original-Url", "X-Rewrite-Url", "X-Real-Ip", "X-Url-Scheme", "X-Cache-Tags", "X-Esi", "X-Do-Esi",
	"X-Cascade", "Status", "Lscache", "Xkey",
)

// reservedPrefixes are the families of such headers: of nginx, Apache, lighttpd, LiteSpeed, Perlbal, Passenger and caches.
var reservedPrefixes = []string{
	"Proxy-", "X-Accel-", "X-Sendfile", "X-Lighttpd-", "X-Litespeed-", "X-Reproxy-", "X-Passenger-", "X-Forwarded-", "X-Proxy-",
	"X-Varnish-", "X-Nginx-", "X-Purge-", "X-Haproxy-", "Surrogate-", "Akamai-", "X-Akamai-", "Fastly-", "X-Fastly-",
}

// shared are the headers that pass on the shared host, beside those for CORS and rate limits and names that begin with X-: they
// speak for their response only.
var shared = set(
	"Accept", "Accept-Patch", "Accept-Post", "Accept-Query", "Accept-Ranges", "Age", "Allow", "Cache-Control", "Content-Digest", "Content-Disposition",
	"Content-Encoding", "Content-Language", "Content-Location", "Content-Md5", "Content-Range", "Cross-Origin-Embedder-Policy",
	"Cross-Origin-Resource-Policy", "Deprecation", "Digest", "ETag", "Expires", "Idempotency-Key", "Idempotent-Replayed", "Last-Modified", "Link",
	"Location", "OData-Version", "Permissions-Policy", "Pragma", "Preference-Applied", "Referrer-Policy", "Repr-Digest", "Retry-After", "Server-Timing",
	"Signature", "Signature-Input", "Sunset", "Timing-Allow-Origin", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version",
	"Upload-Length", "Upload-Offset", "Vary", "Warning", "Webhook-Allowed-Origin", "Webhook-Allowed-Rate", "Webhook-Id", "Webhook-Signature",
	"Webhook-Timestamp",
)

// sharedNot are the names with X- that browsers read for more than their response.
var sharedNot = set("X-SourceMap", "X-DNS-Prefetch-Control", "X-WebKit-CSP", "X-UA-Compatible")

// canonical is textproto's, with the usual ones without an allocation.
func canonical(name string) string {
	switch name {
	case "content-type":
		return "Content-Type"
	case "content-length":
		return "Content-Length"
	case "cache-control":
		return "Cache-Control"
	case "location":
		return "Location"
	case "etag":
		return "Etag"
	case "set-cookie":
		return "Set-Cookie"
	case "vary":
		return "Vary"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// sandbox is the policy of every answer below Prefix, whatever its status and type: a document there gets an opaque origin.
// Which answers a browser takes for a document is not ours to guess, and a 304 replaces the policy of the answer that it confirms.
const sandbox = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads allow-top-navigation-by-user-activation"

// Sandbox sets the policy of answers below Prefix, for answers that are given before a request reaches the Gateway.
func Sandbox(h http.Header) { h["Content-Security-Policy"] = []string{sandbox} }
