package host

import (
	"errors"
	"net/url"
	"strings"
)

// A script's URL comes as the WHATWG parser of package webapi wrote it, and leaves as it came: package url would write it anew ("|" as
// "%7C", "%2F" between dots as a slash) and refuses a "%" without two digits, which the standard lets pass. So only what is before the
// path is read by package url, and judged; path and query go into the request line as they are. A worker may send any text: what is no
// URL is refused here.

var errBadURL = errors.New("the URL is not valid")

// target is an http or https URL.
type target struct {
	// url has scheme and host, which the guard judges and the transport dials, and makes the request line of path and query.
	url url.URL
	// path begins with a slash. query is empty or begins with "?".
	path, query string
}

// String is the URL without its fragment.
func (t *target) String() string { return t.url.Scheme + "://" + t.url.Host + t.path + t.query }

// parseTarget reads an absolute URL. detail says in words what is wrong with it, where that is known.
func parseTarget(text string) (t *target, detail string) {
	if strings.IndexFunc(text, isControl) >= 0 {
		return nil, errBadURL.Error()
	}
	text, _, _ = strings.Cut(text, "#")
	end := len(text)
	if _, rest, ok := strings.Cut(text, "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			end -= len(rest) - i
		}
	}
	u, err := url.Parse(text[:end])
	if err != nil || u.Opaque != "" {
		return nil, errBadURL.Error()
	}
	if detail := checkURL(u); detail != "" {
		return nil, detail
	}
	if u.Path != "" || u.RawQuery != "" || u.ForceQuery {
		return nil, errBadURL.Error()
	}
	u.Host = strings.ToLower(u.Host)
	if strings.HasPrefix(u.Host, "[") || strings.Count(u.Host, ":") == 1 {
		u.Host = strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	}
	path, query := cutQuery(text[end:])
	if path == "" {
		path = "/"
	}
	t = &target{url: *u, path: escape(path, ""), query: escape(query, "")}
	t.setRequestLine()
	return t, ""
}

func cutQuery(text string) (path, query string) {
	if i := strings.IndexByte(text, '?'); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// setRequestLine makes url.RequestURI return path and query as they are.
func (t *target) setRequestLine() {
	u := &t.url
	u.Opaque, u.Path, u.RawPath, u.RawQuery, u.ForceQuery = "", "", "", "", false
	if t.query != "" {
		u.RawQuery = t.query[1:]
		u.ForceQuery = u.RawQuery == ""
	}
	if path, err := url.PathUnescape(t.path); err == nil {
		u.Path, u.RawPath = path, t.path
		if u.EscapedPath() == t.path {
			return
		}
	}
	u.Path, u.RawPath = "", ""
	u.Opaque = t.path
	if strings.HasPrefix(t.path, "//") {
		// An opaque part with two slashes counts as an authority: the request line then has the whole URL. HTTP/2 takes that off again.
		u.Opaque = "//" + u.Host + t.path
	}
}

// resolve reads a redirect's Location as the URL standard does, relative to t.
func (t *target) resolve(location string) (*target, string) {
	location = strings.Trim(location, " \t")
	if strings.IndexFunc(location, isControl) >= 0 {
		return nil, errBadURL.Error()
	}
	location, _, _ = strings.Cut(location, "#")
	path, query := cutQuery(location)
	path = strings.ReplaceAll(path, `\`, "/")
	prefix := t.url.Scheme + "://" + t.url.Host
	switch scheme, rest, ok := strings.Cut(path, ":"); {
	case ok && isScheme(scheme):
		host, ok := strings.CutPrefix(rest, "//")
		if !ok {
			return nil, errBadURL.Error()
		}
		i := strings.IndexByte(host+"/", '/')
		prefix, path = scheme+"://"+host[:i], host[i:]
	case strings.HasPrefix(path, "//"):
		i := strings.IndexByte(path[2:]+"/", '/') + 2
		prefix, path = t.url.Scheme+":"+path[:i], path[i:]
	case path == "":
		path = t.path
		if query == "" {
			query = t.query
		}
	case path[0] != '/':
		path = t.path[:strings.LastIndexByte(t.path, '/')+1] + path
	}
	return parseTarget(prefix + escape(removeDots(path), "\"<>`{}^") + escape(query, `"<>'`))
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || (s[i] < '0' || s[i] > '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

// removeDots takes the segments "." and ".." out of a path, also where their dots are escaped.
func removeDots(path string) string {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	segments := strings.Split(path[1:], "/")
	out := make([]string, 0, len(segments))
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// escape writes spaces, bytes above ASCII and the bytes of also as "%XX".
func escape(s, also string) string {
	const hex = "0123456789ABCDEF"
	var out []byte
	for i := range len(s) {
		c := s[i]
		strange := c <= ' ' || c >= 0x7f || strings.IndexByte(also, c) >= 0
		if strange && out == nil {
			out = append(make([]byte, 0, len(s)+16), s[:i]...)
		}
		switch {
		case strange:
			out = append(out, '%', hex[c>>4], hex[c&15])
		case out != nil:
			out = append(out, c)
		}
	}
	if out == nil {
		return s
	}
	return string(out)
}
