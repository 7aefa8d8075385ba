// Package session has the rules of the console's session cookie that more than one part of the server needs: what it is called, which
// requests may be made with it, and how it is set. Who a session belongs to is decided by package httpapi.
package session

import (
	"net/http"
	"strings"
	"time"
)

const (
	// Cookie is the name of the session cookie of a request that came without TLS.
	Cookie = "jsr_session"
	// HostCookie is its name with TLS. Browsers take a cookie of this prefix from the host itself only, so that no page of a neighbouring
	// host can plant one.
	HostCookie = "__Host-jsr_session"
)

// IsCookie reports whether name is one of a session cookie. Letter case does not count: browsers treat the prefix so.
func IsCookie(name string) bool {
	return strings.EqualFold(name, Cookie) || strings.EqualFold(name, HostCookie)
}

// Name is what the session cookie is called in requests that came with TLS, or without.
func Name(secure bool) string {
	if secure {
		return HostCookie
	}
	return Cookie
}

// Of returns the value of the request's session cookie. Two cookies of the name with different values are none: a page of another host
// or path has planted one of them, and nothing tells which.
func Of(r *http.Request, secure bool) (value string, ok bool) {
	for _, c := range r.CookiesNamed(Name(secure)) {
		if ok && c.Value != value {
			return "", false
		}
		value, ok = c.Value, true
	}
	return value, ok && value != ""
}

// SetCookie is the header that makes the browser keep the session's token for at most lifetime; zero or less makes it forget it.
func SetCookie(secure bool, token string, lifetime time.Duration) string {
	c := http.Cookie{
		Name: Name(secure), Value: token, Path: "/", Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		MaxAge: int(lifetime / time.Second),
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1 // zero would leave the attribute out
	}
	return c.String()
}

// SameOrigin reports whether a browser says that the request comes from a page of this origin, as all of the console's do. host is the
// host that the browser asked for. Pages of another host, sandboxed pages of this one, links and address bars are none of these.
// Programs send neither header; what a browser without them may do is bounded by SameSite and by the CSRF token.
func SameOrigin(r *http.Request, host string) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 && (len(site) != 1 || site[0] != "same-origin") {
		return false
	}
	origin := r.Header["Origin"]
	if len(origin) == 0 {
		return true
	}
	if len(origin) != 1 {
		return false
	}
	scheme, authority, ok := strings.Cut(origin[0], "://")
	return ok && (scheme == "http" || scheme == "https") && strings.EqualFold(authority, host)
}
