package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// body reads the request's body up to limit, and answers where it is too large or does not come. It is nil where the request
// has none.
func (g *Gateway) body(a *answer, limit int64) ([]byte, bool) {
	r := a.r
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, true
	}
	tooLarge := func() ([]byte, bool) {
		a.w.Header()["Connection"] = []string{"close"}
		a.problem(http.StatusRequestEntityTooLarge, "body_too_large", "The request's body is over max_request_body_bytes, which is "+
			strconv.FormatInt(limit, 10)+".")
		return nil, false
	}
	if r.ContentLength > limit {
		return tooLarge()
	}
	_ = http.NewResponseController(a.w).SetReadDeadline(time.Now().Add(g.cfg.BodyTimeout))
	var body []byte
	var err error
	if r.ContentLength > 0 {
		// Not allocated by the length that the client claims before the bytes are there, but for small ones.
		if r.ContentLength <= 64<<10 {
			body = make([]byte, r.ContentLength)
			_, err = io.ReadFull(r.Body, body)
		} else {
			body, err = io.ReadAll(r.Body)
		}
	} else {
		body, err = io.ReadAll(http.MaxBytesReader(a.w, r.Body, limit))
		if body == nil {
			body = []byte{}
		}
	}
	_ = http.NewResponseController(a.w).SetReadDeadline(time.Time{})
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge()
	case err != nil:
		a.w.Header()["Connection"] = []string{"close"}
		a.problem(http.StatusBadRequest, "bad_request", "The request's body did not arrive.")
		return nil, false
	}
	return body, true
}

// request makes the URL and the headers that the script sees.
func (a *answer) request(path, query string, hideAuthorization bool) (target string, headers []string) {
	r, proxies := a.r, a.g.cfg.TrustedProxies
	trusted := proxies.Trusts(r)
	headers = make([]string, 0, 2*len(r.Header)+4)
	headers = append(headers, "host", a.origin.Host)
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
					headers = append(headers, lower, v)
				}
			}
		case "Cookie":
			if cookies := a.cookies(values); cookies != "" {
				headers = append(headers, lower, cookies)
			}
		default:
			for _, v := range values {
				if !holdsKey(v) {
					headers = append(headers, lower, v)
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
