package gateway

import (
	"net"
	"net/http"
	"strings"

	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/httpapi/problem"
)

// body reads the request's body up to limit, and answers where it is too large, does not come or has no room in the node's memory. It is
// nil where the request has none. a.memory holds what it takes.
func (g *Gateway) body(a *answer, limit int64) ([]byte, bool) {
	r := a.r
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, true
	}
	body, err := g.bodies.Read(a.w, r, a.endpoint.TenantID, limit)
	if err != nil {
		p := problem.Body(err, "max_request_body_bytes")
		if p == nil {
			p = problem.New(http.StatusBadRequest, "bad_request", "The request's body did not arrive.")
		}
		a.send(p)
		return nil, false
	}
	a.memory = body.Reservation
	return body.Bytes, true
}

// request makes the URL and the headers that the script sees. A header's bytes are characters, as for every fetch handler.
func (a *answer) request(path, query string, hideAuthorization bool) (target string, headers []string) {
	r, proxies := a.r, a.g.cfg.TrustedProxies
	trusted := proxies.Trusts(r)
	headers = make([]string, 0, 2*len(r.Header)+4)
	headers = append(headers, "host", text.FromLatin1(a.origin.Host))
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		lower, pass := requestHeader(name, trusted)
		if !pass || len(connection) > 0 && listed(connection, name) {
			continue
		}
		switch name {
		case "Authorization":
			if hideAuthorization {
				continue
			}
			for _, v := range values {
				if !a.g.carriesKey(v) {
					headers = append(headers, lower, text.FromLatin1(v))
				}
			}
		case "Cookie":
			if cookies := a.cookies(values); cookies != "" {
				headers = append(headers, lower, text.FromLatin1(cookies))
			}
		default:
			for _, v := range values {
				if !holdsKey(v) {
					headers = append(headers, lower, text.FromLatin1(v))
				}
			}
		}
	}
	if !trusted {
		if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			headers = append(headers, "x-forwarded-for", ip)
		}
	}
	return a.origin.Scheme + "://" + a.origin.Host + path + withoutKeys(query), headers
}

// requestHeader returns a header's name in lower case, and whether a script gets it.
func requestHeader(name string, trusted bool) (string, bool) {
	switch name {
	case "Accept":
		return "accept", true
	case "Accept-Encoding":
		return "accept-encoding", true
	case "User-Agent":
		return "user-agent", true
	case "Content-Type":
		return "content-type", true
	case "Content-Length":
		return "content-length", true
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings", "Expect",
		"X-Tenant": // the admin API's
		return "", false
	}
	if !trusted && (name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip") {
		return "", false
	}
	return strings.ToLower(name), true
}

// listed reports whether a Connection header names the header.
func listed(connection []string, name string) bool {
	for _, line := range connection {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}
