package host

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/stretchr/testify/require"
)

// echoHeads starts a server that answers each request with the bytes of its head. A path that holds "to=" is answered with a redirect to
// what follows.
func echoHeads(t *testing.T) *Host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var head []byte
				for r := bufio.NewReader(conn); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
					line, err := r.ReadBytes('\n')
					if err != nil {
						return
					}
					head = append(head, line...)
				}
				line, _, _ := strings.Cut(string(head), "\r\n")
				if _, to, ok := strings.Cut(line, "to="); ok {
					fmt.Fprintf(conn, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", strings.TrimSuffix(to, " HTTP/1.1"))
					return
				}
				fmt.Fprintf(conn, "HTTP/1.1 200 Caf\xe9\r\nX-Name: caf\xe9\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(head), head)
			}()
		}
	}()
	world := &internet{site: map[netip.AddrPort]net.Addr{netip.AddrPortFrom(public, 80): l.Addr()}}
	return newTestHost(t, Config{Dial: world.dial, Resolver: names{"site.test": {public}, "xn--caf-dma.test": {public}}})
}

// What the script wrote is what leaves, byte for byte.
func TestFetchSendsURLsAsTheyAre(t *testing.T) {
	t.Parallel()
	h := echoHeads(t)
	for url, want := range map[string]string{
		"http://site.test":                  "GET / HTTP/1.1",
		"http://site.test/a%2F..%2Fb|c":     "GET /a%2F..%2Fb|c HTTP/1.1",
		"http://site.test/100%/x":           "GET /100%/x HTTP/1.1",
		"http://site.test/%zz?100%&a|b[]^":  "GET /%zz?100%&a|b[]^ HTTP/1.1",
		"http://site.test/a//b/../c;d=1,2":  "GET /a//b/../c;d=1,2 HTTP/1.1",
		"http://site.test//a%2Fb":           "GET //a%2Fb HTTP/1.1",
		"http://site.test//a|b":             "GET http://site.test//a|b HTTP/1.1",
		"http://site.test/?":                "GET /? HTTP/1.1",
		"http://site.test?x=/y":             "GET /?x=/y HTTP/1.1",
		"http://site.test/%41%7e%2e/[x]'()": "GET /%41%7e%2e/[x]'() HTTP/1.1",
		"http://site.test/é x":              "GET /%C3%A9%20x HTTP/1.1",
		"http://site.test/a#b|c":            "GET /a HTTP/1.1",
		"http://site.test:80/a":             "GET /a HTTP/1.1",
		"http://site.test/%2e%2e/http://x":  "GET /%2e%2e/http://x HTTP/1.1",
	} {
		a := get(t, h, url)
		require.NoError(t, a.err, url)
		line, rest, _ := strings.Cut(string(a.body), "\r\n")
		require.Equal(t, want, line, url)
		require.Contains(t, rest, "Host: site.test\r\n", url)
	}
	for _, bad := range []string{"http://site.test/a\r\nb: c", "http://site.test/\x00", "http://site.test/\x7f", "http://si te.test/", "http:site.test/", "http://site.test:x/"} {
		require.Error(t, get(t, h, bad).err, "%q", bad)
	}
	require.Equal(t, "http://site.test/100%/x?a|b", get(t, h, "http://site.test/100%/x?a|b#c").URL)
}

func TestRedirectsAreReadAsByTheStandard(t *testing.T) {
	t.Parallel()
	h := echoHeads(t)
	for location, want := range map[string]string{
		"/a|b%2F..":              "/a|b%2F..",
		"/100%":                  "/100%",
		"next?x|y":               "/dir/next?x|y",
		"../up/./x":              "/up/x",
		"/a/%2e%2E/b/.":          "/b/",
		"?only":                  "/dir/?only",
		"//site.test/other":      "/other",
		"HTTP://SITE.test:80/a":  "/a",
		"http://site.test?q":     "/?q",
		`\\site.test\back\slash`: "/back/slash",
		"/{}\"<>`^":              "/%7B%7D%22%3C%3E%60%5E",
		"/caf\u00e9?\u00e9'":     "/caf%C3%A9?%C3%A9%27",
	} {
		a := get(t, h, "http://site.test/dir/?to="+strings.NewReplacer(" ", "%20").Replace(location))
		if strings.ContainsAny(location, "\"<>`é") { // these do not survive in the query that the test's server reads
			from, detail := parseTarget("http://site.test/dir/")
			require.Empty(t, detail)
			next, detail := from.resolve(location)
			require.Empty(t, detail)
			require.Equal(t, "http://site.test"+want, next.String())
			continue
		}
		require.NoError(t, a.err, location)
		require.Equal(t, "http://site.test"+want, a.URL, location)
		require.True(t, strings.HasPrefix(string(a.body), "GET "+want+" HTTP/1.1\r\n"), "%s: %.80s", location, a.body)
	}
	for _, bad := range []string{"http:site.test/", "ftp://site.test/", "http://user@site.test/", "http:///x", "//", "http://si te.test/", "javascript:1", "//[::1"} {
		from, _ := parseTarget("http://site.test/dir/")
		_, detail := from.resolve(bad)
		require.NotEmpty(t, detail, bad)
	}
}

// The guard judges the URL that is dialled: package url reads the same host in every request line that is sent.
func FuzzTarget(f *testing.F) {
	for _, s := range append([]string{"http://a.test/b?c", "http://a.test//b|", "https://[::1]:8443/%", "http://a@b/", "?x", `\\a\b`, "a:b"}, urls...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		base, _ := parseTarget("http://base.test/dir/x?y")
		direct, detail := parseTarget(s)
		followed, detail2 := base.resolve(s)
		for _, c := range []struct {
			t      *target
			detail string
		}{{direct, detail}, {followed, detail2}} {
			if (c.t == nil) == (c.detail == "") {
				t.Fatalf("%q: %v %q", s, c.t, c.detail)
			}
			if c.t == nil {
				continue
			}
			u := c.t.url
			var out bytes.Buffer
			require.NoError(t, (&http.Request{Method: "GET", URL: &u, Host: u.Host}).Write(&out))
			line, rest, _ := strings.Cut(out.String(), "\r\n")
			want := "GET " + c.t.path + c.t.query + " HTTP/1.1"
			if line != want {
				require.Equal(t, "GET "+c.t.String()+" HTTP/1.1", line)
			}
			require.True(t, strings.HasPrefix(rest, "Host: "), "%q: %q", s, rest)
			require.Equal(t, 2, strings.Count(line, " "), "%q: %q", s, line)
			again, detail := parseTarget(c.t.String())
			require.Empty(t, detail, "%q: %q", s, c.t.String())
			require.Equal(t, u.Host, again.url.Host, "%q", s)
			require.Equal(t, c.t.path+c.t.query, again.path+again.query, "%q", s)
		}
	})
}

func TestFetchHeadersAreLatin1(t *testing.T) {
	t.Parallel()
	h := echoHeads(t)
	a := do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/", Headers: [][2]string{{"x-name", "café ÿ"}}}, nil, nil)
	require.NoError(t, a.err)
	require.Contains(t, string(a.body), "X-Name: caf\xe9 \xff\r\n")
	require.Equal(t, "café", a.header("x-name"))
	require.Equal(t, "Café", a.StatusText)
	a = do(t.Context(), h, newInvocation(), fetchArgs{URL: "http://site.test/", Headers: [][2]string{{"x-name", "€"}}}, nil, nil)
	require.ErrorContains(t, a.err, "the value of the header x-name is not valid")
}

func TestFetchDecodesBrotli(t *testing.T) {
	t.Parallel()
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		w := brotli.NewWriterLevel(&out, 5)
		_, _ = w.Write(b)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	gzipped := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	long := bytes.Repeat([]byte("many words, "), 50_000)
	bodies := map[string][2][]byte{
		"/small":   {[]byte("br"), pack([]byte("plain text"))},
		"/long":    {[]byte("BR"), pack(long)},
		"/twice":   {[]byte("br, gzip"), gzipped(pack([]byte("plain text")))},
		"/bomb":    {[]byte("br"), pack(make([]byte, 64<<20))},
		"/bombs":   {[]byte("br, br"), pack(pack(make([]byte, 64<<20)))},
		"/broken":  {[]byte("br"), []byte("\xff\xff\xff this is no brotli")},
		"/cut":     {[]byte("br"), pack(long)[:20]},
		"/empty":   {[]byte("br"), nil},
		"/unknown": {[]byte("zstd"), []byte("as it is")},
	}
	h, _ := web(t, Config{MaxFetchBytes: 1 << 20}, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "gzip, deflate", r.Header.Get("Accept-Encoding"))
		b := bodies[r.URL.Path]
		w.Header().Set("Content-Encoding", string(b[0]))
		_, _ = w.Write(b[1])
	})
	for path, want := range map[string]string{"/small": "plain text", "/long": string(long), "/twice": "plain text", "/empty": ""} {
		a := get(t, h, "http://site.test"+path)
		require.NoError(t, a.err, path)
		require.Equal(t, want, string(a.body), path)
		require.Empty(t, a.header("content-encoding"), path)
		require.Empty(t, a.header("content-length"), path)
	}
	for _, path := range []string{"/bomb", "/bombs"} {
		a := get(t, h, "http://site.test"+path)
		require.Contains(t, requireHostError(t, a.err, "fetch_too_large").Message, "limit of 1048576 bytes", path)
		require.LessOrEqual(t, len(a.body), 1<<20)
	}
	require.Contains(t, requireHostError(t, get(t, h, "http://site.test/broken").err, "fetch_failed").Message, "cannot be decompressed")
	require.Error(t, get(t, h, "http://site.test/cut").err)
	a := get(t, h, "http://site.test/unknown")
	require.NoError(t, a.err)
	require.Equal(t, "as it is", string(a.body))
	require.Equal(t, "zstd", a.header("content-encoding"))
}
