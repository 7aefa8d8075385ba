// Package console is the web console: a page of TypeScript and Preact that talks to the admin API of its own origin with a session cookie
// which it cannot read (see httpapi/sessions.go). No key is kept in it. It loads nothing from other hosts, has no place where a text could
// become markup (Trusted Types: one policy is allowed, which admits the page's own workers), and makes every text of a tenant's a text node.
//
// The sources are in src, whose README says how a page is added. make console bundles them into static, which is committed, so that
// building the node needs no Node.js; make verify fails where the two differ.
//
//	/console/assets/NAME-HASH.js   a file of the bundle; never changes under its name, so that browsers keep it
//	/console/icon.svg              the icon
//	/console/…                     every other address without a dot in it: the page, which reads the address itself
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

//go:embed static
var static embed.FS

// Prefix is the path that Handler serves.
const Prefix = "/console/"

// policy lets the page run its own files and call its own host, and nothing else. The one Trusted Types policy is that of
// src/lib/worker.ts, which makes the address of one of the page's own workers. A text can become neither markup nor script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types jsruntime-worker"

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// Protect sets the headers of a page of ours: its policy, and that no page of another origin frames it, opens it with a hold on its
// window, loads its parts, or is told its address.
func Protect(h http.Header, contentSecurityPolicy string) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "+
		"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// file is a built file as it is sent.
type file struct {
	name string // below static
	data []byte
	etag string
	// zipped is data compressed, made with the first request that takes it; nil where that would not make it shorter.
	zipped func() []byte
}

func newFile(name string) (*file, error) {
	data, err := static.ReadFile(path.Join("static", name))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return &file{name: name, data: data, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, zipped: sync.OnceValue(func() []byte {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a valid one
		_, _ = z.Write(data)                                  // a buffer takes everything
		_ = z.Close()
		if b.Len() >= len(data) {
			return nil
		}
		return b.Bytes()
	})}, nil
}

// files returns the built files by their path below Prefix; the page is "".
func files() map[string]*file {
	all := map[string]*file{}
	add := func(at, name string) {
		f, err := newFile(name)
		if err != nil {
			panic("console: static has no " + name) // it is embedded
		}
		all[at] = f
	}
	add("", "index.html")
	add("icon.svg", "icon.svg")
	entries, err := static.ReadDir("static/assets")
	if err != nil {
		panic("console: static has no assets")
	}
	for _, entry := range entries {
		add("assets/"+entry.Name(), "assets/"+entry.Name())
	}
	return all
}

// pagePath is what an address of the page looks like below Prefix: it has no dot, so that it is not taken for a file.
var pagePath = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/?$`)

// Handler serves the console below Prefix.
func Handler() http.Handler {
	all := files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		Protect(h, policy)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		if r.URL.Path+"/" == Prefix {
			http.Redirect(w, r, Prefix, http.StatusMovedPermanently)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, Prefix)
		f := all[name]
		if f == nil && pagePath.MatchString(name) && !strings.HasPrefix(name, "assets/") {
			f = all[""]
		}
		if f == nil {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", contentTypes[path.Ext(f.name)])
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(f.name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // its name has a hash of it
	}
	h.Set("Vary", "Accept-Encoding")
	data, etag := f.data, f.etag
	if zipped := f.zipped(); zipped != nil && acceptsGzip(r) {
		data, etag = zipped, strings.TrimSuffix(etag, `"`)+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// acceptsGzip reports whether a client says that it takes gzip. A client that says so with a weight of zero gets the file as it is.
func acceptsGzip(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept-Encoding") {
		for _, coding := range strings.Split(header, ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
			weight = strings.ReplaceAll(strings.TrimSpace(weight), " ", "")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") && !strings.HasPrefix(weight, "q=0.0") && weight != "q=0" {
				return true
			}
		}
	}
	return false
}
