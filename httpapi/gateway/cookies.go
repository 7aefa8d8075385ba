package gateway

import (
	"strings"
)

// On the shared host a browser keeps one jar for all tenants, and a Cookie header does not say which path or domain a cookie was set
// for. So the name says whose it is: a script that sets a=1 there makes the cookie t.{slug}.a, below /t/{slug} and nowhere else; what
// it sees of a request's cookies are those with its slug, without it. A slug has no dot, so that no name belongs to two tenants; and
// no other way leads to such a name, because documents below /t/ are sandboxed and have no document.cookie.
//
// A tenant's own host has a jar of its own. There a cookie passes as it is, unless its Domain is wider than the host.

// Bounds of a tenant's cookies on the shared host. They come with every request below /t/{slug}, whose head has 32 KiB.
const (
	maxSharedCookies     = 20
	maxSharedCookieBytes = 8 << 10 // of names and values together
)

// consoleCookies are the names of the console's session.
var consoleCookies = [...]string{"jsr_session", "__Host-jsr_session", "__Secure-jsr_session"}

func cookiePrefix(slug string) string { return "t." + slug + "." }

// cookie returns what of a script's Set-Cookie goes to the client, "" for nothing.
func (a *answer) cookie(line string) string {
	if a.own() {
		return ownCookie(line, a.origin.Name())
	}
	name, value, rest, ok := parseCookie(line)
	if !ok || len(name)+len(value) > maxSharedCookieBytes || hasNamePrefix(name) {
		return ""
	}
	if a.jar == nil { // what the browser has of the tenant's already
		a.jar = map[string]int{}
		eachCookie(a.r.Header["Cookie"], func(name, value string) {
			if name, ours := strings.CutPrefix(name, cookiePrefix(a.slug)); ours {
				a.jar[name] = len(name) + len(value)
			}
		})
	}
	total, count := len(name)+len(value), 1
	for other, size := range a.jar {
		if other != name {
			total, count = total+size, count+1
		}
	}
	if total > maxSharedCookieBytes || count > maxSharedCookies {
		return ""
	}
	a.jar[name] = len(name) + len(value)
	var b strings.Builder
	// Of what a browser has for the whole host, tenants' cookies are the first to go: Chromium honours Priority.
	b.WriteString(cookiePrefix(a.slug) + name + "=" + value + "; Path=" + Prefix + a.slug + "; Priority=Low")
	for attribute := range strings.SplitSeq(rest, ";") {
		key, v, _ := strings.Cut(attribute, "=")
		key, v = trim(key), trim(v)
		switch strings.ToLower(key) {
		case "domain":
			if v != "" {
				return "" // for other hosts
			}
		case "expires", "max-age", "samesite":
			b.WriteString("; " + key + "=" + v)
		case "secure", "httponly", "partitioned":
			b.WriteString("; " + key)
		}
	}
	return b.String()
}

// parseCookie cuts a Set-Cookie into name, value and attributes. Not ok is one without a name, which a browser would send as a bare
// value that reads like another cookie, and one whose name could not be told apart in a Cookie header.
func parseCookie(line string) (name, value, rest string, ok bool) {
	pair, rest, _ := strings.Cut(line, ";")
	name, value, ok = strings.Cut(pair, "=")
	name, value = trim(name), trim(value)
	if !ok || name == "" {
		return "", "", "", false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == ',' {
			return "", "", "", false
		}
	}
	return name, value, rest, true
}

// hasNamePrefix reports whether a browser gives a meaning to how the name begins: __Host-, __Secure-, __Http-, __Host-Http-. What
// it would promise does not hold on a shared host.
func hasNamePrefix(name string) bool {
	return strings.HasPrefix(name, "__") && strings.IndexByte(name, '-') > 0
}

// ownCookie returns a Set-Cookie if it names no domain, or the host itself.
func ownCookie(line, host string) string {
	_, attributes, _ := strings.Cut(line, ";")
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		if strings.EqualFold(trim(name), "domain") {
			domain := strings.TrimPrefix(trim(value), ".")
			if domain != "" && !strings.EqualFold(domain, host) {
				return ""
			}
		}
	}
	return line
}

func trim(s string) string { return strings.Trim(s, " \t") }

// eachCookie calls do for each named cookie of Cookie headers.
func eachCookie(values []string, do func(name, value string)) {
	for _, line := range values {
		for pair := range strings.SplitSeq(line, ";") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				do(trim(name), trim(value))
			}
		}
	}
}

// cookies returns the Cookie header that the script of a request sees, "" for none.
func (a *answer) cookies(values []string) string {
	own, prefix := a.own(), cookiePrefix(a.slug)
	if own && len(values) == 1 && !strings.Contains(values[0], "jsr_") && !containsFold(values[0], "jsr_session") {
		return values[0] // as it came
	}
	var b strings.Builder
	eachCookie(values, func(name, value string) {
		if !own {
			var ours bool
			if name, ours = strings.CutPrefix(name, prefix); !ours {
				return
			}
		}
		for _, console := range consoleCookies {
			if strings.EqualFold(name, console) {
				return
			}
		}
		if holdsKey(value) {
			return
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(name + "=" + value)
	})
	return b.String()
}
