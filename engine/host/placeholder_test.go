package host

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/sqlc"
)

// carried is a world in which secrets are for hosts: api.test and *.hooks.test over TLS, and plain.test:8080 over http too.
type carried struct {
	t    *testing.T
	host *Host
	logs *bytes.Buffer
	inv  *engine.Invocation

	mu   sync.Mutex
	seen []string // requests that arrived, whole
}

const (
	firstCanary  = "sk_live_canary/one+"
	secondCanary = "ca-nary-two"
)

// received are the requests that have arrived since the last call.
func (c *carried) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := strings.Join(c.seen, "\n")
	c.seen = nil
	return all
}

func (c *carried) placeholder(name string) string {
	bound, err := c.host.cfg.Secrets.bound(c.t.Context(), c.inv.Script.TenantID)
	require.NoError(c.t, err)
	for placeholder, secret := range bound {
		if secret.name == name {
			return placeholder
		}
	}
	c.t.Fatal("no secret " + name)
	return ""
}

func newCarried(t *testing.T) *carried {
	db := dbtest.DB(t)
	c := &carried{t: t, logs: new(bytes.Buffer), inv: newTenant(t, db, "acme")}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var head bytes.Buffer
		_ = r.Header.Write(&head)
		c.mu.Lock()
		c.seen = append(c.seen, fmt.Sprintf("%s %s%s\n%s\n%s", r.Method, r.Host, r.URL, head.String(), body))
		c.mu.Unlock()
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	secure, plain := httptest.NewUnstartedServer(handler), httptest.NewServer(handler)
	roots := certify(t, secure, "api.test", "a.hooks.test", "hooks.test", "xhooks.test", "other.test", "closed.test")
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	world := &internet{site: map[netip.AddrPort]net.Addr{}}
	for _, port := range []uint16{443, 8443} {
		world.site[netip.AddrPortFrom(public, port)] = secure.Listener.Addr()
	}
	for _, port := range []uint16{80, 8080} {
		world.site[netip.AddrPortFrom(public, port)] = plain.Listener.Addr()
	}
	resolver := names{}
	for _, name := range []string{"api.test", "a.hooks.test", "hooks.test", "xhooks.test", "other.test", "plain.test", "closed.test"} {
		resolver[name] = []netip.Addr{public}
	}
	secrets := secretsOf(t, db, strings.Repeat("0f", 32), "")
	for name, secret := range map[string]Secret{
		"KEY":    {Value: firstCanary, Hosts: []string{"api.test", "*.hooks.test:443", "example.com"}},
		"PLAIN":  {Value: secondCanary, Hosts: []string{"plain.test:8080", "closed.test:8080", "93.184.216.34:8443"}},
		"THEIRS": {Value: "of-another-script", Hosts: []string{"api.test"}, Scripts: []string{"billing"}},
		"LATIN":  {Value: "caf\u00e9-canary", Hosts: []string{"api.test"}},
	} {
		require.NoError(t, secrets.Put(t.Context(), c.inv.Script.TenantID, name, secret))
	}
	c.host = newTestHost(t, Config{
		Resolver: resolver, Dial: world.dial, RootCAs: roots, Secrets: secrets, FetchPorts: []uint16{80, 443, 8080, 8443}, FetchAllow: []string{"plain.test"},
		Log: slog.New(slog.NewJSONHandler(c.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return c
}

// certify starts a server with a certificate for the names and the public address, and returns who has signed it.
func certify(t *testing.T, srv *httptest.Server, names ...string) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, IPAddresses: []net.IP{public.AsSlice()}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	require.NoError(t, err)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.EnableHTTP2 = true
	srv.StartTLS()
	signed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(signed)
	return roots
}

func (c *carried) fetch(args fetchArgs, body string, stream io.Reader) answer {
	return do(c.t.Context(), c.host, c.inv, args, []byte(body), stream)
}

// TestSecretsOfHosts: a secret with hosts arrives at its hosts, in headers, and at no other place in any form. What is refused never leaves.
func TestSecretsOfHosts(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	key, plain, theirs, latin := c.placeholder("KEY"), c.placeholder("PLAIN"), c.placeholder("THEIRS"), c.placeholder("LATIN")
	auth := func(value string) [][2]string { return [][2]string{{"authorization", value}} }
	basic := func(text string) [][2]string {
		return auth("Basic " + base64.StdEncoding.EncodeToString([]byte(text)))
	}
	for name, tc := range map[string]struct {
		url     string
		headers [][2]string
		want    string // in the request that arrives
	}{
		"bearer":               {"https://api.test/v1", auth("Bearer " + key), "Authorization: Bearer " + firstCanary + "\r\n"},
		"any header, any port": {"https://api.test:8443/", [][2]string{{"X-CUSTOM-key", key}}, "X-Custom-Key: " + firstCanary + "\r\n"},
		"twice, with text":     {"https://api.test/", [][2]string{{"x-a", "1" + key + "2" + key + "3"}}, "X-A: 1" + firstCanary + "2" + firstCanary + "3\r\n"},
		"two headers":          {"https://api.test/", [][2]string{{"x-a", key}, {"x-a", "b" + key}, {"cookie", "k=" + key}}, "Cookie: k=" + firstCanary + "\r\n"},
		"case of the host":     {"https://API.Test./", auth(key), firstCanary},
		"below a wildcard":     {"https://a.hooks.test/", auth(key), firstCanary},
		"basic, password":      {"https://api.test/", basic("user:" + key), "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+firstCanary)) + "\r\n"},
		"basic, user":          {"https://api.test/", basic(key + ":"), "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(firstCanary+":")) + "\r\n"},
		"basic, in small":      {"https://api.test/", auth("basic " + base64.StdEncoding.EncodeToString([]byte("user:"+key))), base64.StdEncoding.EncodeToString([]byte("user:" + firstCanary))},
		"latin":                {"https://api.test/", auth(latin), "caf\xe9-canary"},
		"plain http":           {"http://plain.test:8080/", auth(plain), secondCanary},
		"an address":           {"https://93.184.216.34:8443/", auth(plain), secondCanary},
		"manual redirect":      {"https://api.test/?to=https://other.test/", auth(key), firstCanary},
	} {
		a := c.fetch(fetchArgs{URL: tc.url, Headers: tc.headers, Redirect: "manual"}, "", nil)
		require.NoError(t, a.err, name)
		got := c.received()
		require.Contains(t, got, tc.want, name)
		require.NotContains(t, got, placeholderMark, name)
		require.NotContains(t, fmt.Sprint(a.Headers), "canary", name)
	}

	half := len(key) / 2
	escaped := url.QueryEscape(strings.ReplaceAll(key, "j", "%6A"))
	percent := ""
	for _, b := range []byte(key) {
		percent += fmt.Sprintf("%%%02x", b)
	}
	for name, tc := range map[string]struct {
		args   fetchArgs
		body   string
		stream io.Reader
		why    string
	}{
		"another host":           {args: fetchArgs{URL: "https://other.test/", Headers: auth("Bearer " + key)}, why: "the secret KEY, which is for api.test, *.hooks.test:443, example.com and not for other.test"},
		"basic to another host":  {args: fetchArgs{URL: "https://other.test/", Headers: basic("u:" + key)}, why: "and not for other.test"},
		"wildcard's own name":    {args: fetchArgs{URL: "https://hooks.test/", Headers: auth(key)}, why: "not for hooks.test"},
		"border of a label":      {args: fetchArgs{URL: "https://xhooks.test/", Headers: auth(key)}, why: "not for xhooks.test"},
		"another port":           {args: fetchArgs{URL: "https://a.hooks.test:8443/", Headers: auth(key)}, why: "not for a.hooks.test:8443"},
		"http":                   {args: fetchArgs{URL: "http://api.test/", Headers: auth(key)}, why: "over https"},
		"http, with the port":    {args: fetchArgs{URL: "http://api.test:443/", Headers: auth(key)}, why: "over https"},
		"http, not the operator": {args: fetchArgs{URL: "http://closed.test:8080/", Headers: auth(plain)}, why: "JSRUNTIME_FETCH_ALLOW"},
		"http, another port":     {args: fetchArgs{URL: "http://plain.test/", Headers: auth(plain)}, why: "not for plain.test"},
		"name of the address":    {args: fetchArgs{URL: "https://api.test:8443/", Headers: auth(plain)}, why: "not for api.test:8443"},
		"of another script":      {args: fetchArgs{URL: "https://api.test/", Headers: auth(theirs)}, why: "of no secret of this script"},
		"guessed":                {args: fetchArgs{URL: "https://api.test/", Headers: auth(placeholderMark + strings.Repeat("0", 40))}, why: "of no secret of this script"},
		"in upper case":          {args: fetchArgs{URL: "https://api.test/", Headers: auth(strings.ToUpper(key))}, why: "of no secret of this script"},
		"one of two is not":      {args: fetchArgs{URL: "https://api.test/", Headers: [][2]string{{"x-a", key}, {"x-b", plain}}}, why: "the secret PLAIN"},
		"one of two in one":      {args: fetchArgs{URL: "https://api.test/", Headers: auth(key + plain)}, why: "the secret PLAIN"},
		"query":                  {args: fetchArgs{URL: "https://api.test/?key=" + key}, why: "the URL"},
		"query, with the header": {args: fetchArgs{URL: "https://api.test/?key=" + key, Headers: auth(key)}, why: "the URL"},
		"query, percent-encoded": {args: fetchArgs{URL: "https://api.test/?key=" + percent}, why: "the URL"},
		"query, encoded twice":   {args: fetchArgs{URL: "https://api.test/?key=" + escaped}, why: "the URL"},
		"path":                   {args: fetchArgs{URL: "https://api.test/" + key + "/x"}, why: "the URL"},
		"path of another host":   {args: fetchArgs{URL: "https://other.test/" + key}, why: "the URL"},
		"label of a host":        {args: fetchArgs{URL: "https://" + key + ".other.test/"}, why: "the URL"},
		"label, in upper case":   {args: fetchArgs{URL: "https://" + strings.ToUpper(key) + ".other.test/"}, why: "the URL"},
		"name of a header":       {args: fetchArgs{URL: "https://api.test/", Headers: [][2]string{{key, "x"}}}, why: "the name of a header"},
		"method":                 {args: fetchArgs{URL: "https://api.test/", Method: key}, why: "the method"},
		"body":                   {args: fetchArgs{URL: "https://api.test/", Method: "POST", HasBody: true}, body: `{"key":"` + key + `"}`, why: "the body"},
		"body to another host":   {args: fetchArgs{URL: "https://other.test/", Method: "POST", HasBody: true}, body: key, why: "the body"},
		"body and header":        {args: fetchArgs{URL: "https://api.test/", Method: "POST", HasBody: true, Headers: auth(key)}, body: "k=" + key, why: "the body"},
	} {
		a := c.fetch(tc.args, tc.body, tc.stream)
		refused := requireHostError(t, a.err, "secret_refused")
		require.Equal(t, "TypeError", refused.Name, name)
		require.Contains(t, refused.Message, tc.why, name)
		require.NotContains(t, refused.Message, "canary", name)
		require.Empty(t, c.received(), name)
	}

	// A streamed body ends before the whole of a placeholder has left, however it is cut.
	for _, parts := range [][]string{{key}, {"x" + key + "y"}, {key[:half], key[half:]}, strings.Split(key, ""), {strings.Repeat("x", 70_000), key[:1], key[1:]}} {
		a := c.fetch(fetchArgs{URL: "https://api.test/", Method: "POST", HasBody: true, StreamBody: true, Headers: auth(key)}, parts[0], inParts(parts[1:]))
		requireHostError(t, a.err, "secret_refused")
		require.NotContains(t, c.received(), key)
	}
	// Halves of one are no secret's, and stay what they are.
	a := c.fetch(fetchArgs{URL: "https://other.test/", Headers: [][2]string{{"x-a", key[:half]}, {"x-b", key[half:]}}}, "", nil)
	require.NoError(t, a.err)
	require.Contains(t, c.received(), key[half:])

	// What the node has logged and what it shows has no value.
	require.NotContains(t, c.logs.String(), "canary")
}

func TestFindPlaceholder(t *testing.T) {
	t.Parallel()
	made := newPlaceholder()
	require.NotEqual(t, made, newPlaceholder())
	for text, at := range map[string]int{
		made: 0, "x" + made + "y": 1, strings.ToUpper(made): 0, strings.Repeat("j", 40) + made: 40, "jsruntime-secret-" + made: 17, strings.Repeat("jsruntime-", 9) + made: 90,
		"": -1, made[1:]: -1, made[:len(made)-1]: -1, strings.Replace(made, "-", "_", 1): -1, placeholderMark + strings.Repeat("g", 40): -1, placeholderMark: -1,
	} {
		require.Equal(t, at, findPlaceholder(text), text)
		require.Equal(t, at, findPlaceholder([]byte(text)), text)
	}
	for text, has := range map[string]bool{"/%6a" + made[1:]: true, "/%256a" + made[1:]: true, "/%" + made: true, "/%zz%6": false, "/" + made[:30] + "/" + made[30:]: false} {
		require.Equal(t, has, inText(text), text)
	}
}

func inParts(parts []string) io.Reader {
	readers := make([]io.Reader, len(parts))
	for i, part := range parts {
		readers[i] = strings.NewReader(part)
	}
	return io.MultiReader(readers...)
}

// TestSecretsOfHostsOnRedirects: the header goes on to the same origin, and to no other, not even one of the secret's hosts.
func TestSecretsOfHostsOnRedirects(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	key := c.placeholder("KEY")
	headers := [][2]string{{"x-key", "k " + key}, {"x-other", "kept"}}
	hops := func(to string) (first, second string, a answer) {
		a = c.fetch(fetchArgs{URL: "https://api.test/?to=" + url.QueryEscape(to), Headers: headers}, "", nil)
		first, second, _ = strings.Cut(c.received(), "\nGET ")
		return first, second, a
	}
	first, second, a := hops("/here")
	require.NoError(t, a.err)
	require.Contains(t, first, firstCanary)
	require.Contains(t, second, "api.test/here")
	require.Contains(t, second, firstCanary)
	for _, to := range []string{
		"https://other.test/", "//other.test/", "https://a.hooks.test/", "https://api.test:8443/", "http://api.test/", "http://plain.test:8080/", "https://93.184.216.34/",
	} {
		first, second, a = hops(to)
		require.NoError(t, a.err, to)
		require.True(t, a.Redirected)
		require.Contains(t, first, firstCanary, to)
		require.Contains(t, second, "X-Other: kept", to)
		require.NotContains(t, second, "canary", to)
		require.NotContains(t, second, placeholderMark, to)
		require.NotContains(t, fmt.Sprint(a.fetchReply), "canary", to)
	}
	// There and back is another origin too: what was taken off stays off.
	_, second, a = hops("https://other.test/?to=" + url.QueryEscape("https://api.test/back"))
	require.NoError(t, a.err)
	require.Contains(t, second, "api.test/back")
	require.NotContains(t, second, "canary")
	// A server that puts a placeholder into its Location gets no further.
	_, _, a = hops("https://other.test/?k=" + key)
	requireHostError(t, a.err, "secret_refused")
	require.NotContains(t, c.logs.String(), "canary")
}

// A secret that is deleted, or of which the value or hosts change, counts for the next request, whatever the script holds.
func TestSecretsOfHostsChange(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	tenant, secrets := c.inv.Script.TenantID, c.host.cfg.Secrets
	key := c.placeholder("KEY")
	send := func() error {
		return c.fetch(fetchArgs{URL: "https://api.test/", Headers: [][2]string{{"x-key", key}}}, "", nil).err
	}
	require.NoError(t, send())
	require.Contains(t, c.received(), firstCanary)
	require.NoError(t, secrets.Put(t.Context(), tenant, "KEY", Secret{Value: "rotated", Hosts: []string{"api.test"}}))
	secrets.Forget(tenant)
	require.NoError(t, send())
	require.Contains(t, c.received(), "X-Key: rotated")
	require.NoError(t, secrets.Put(t.Context(), tenant, "KEY", Secret{Value: "rotated", Hosts: []string{"other.test"}}))
	secrets.Forget(tenant)
	requireHostError(t, send(), "secret_refused")
	_, err := secrets.queries.SecretDelete(t.Context(), sqlc.SecretDeleteParams{TenantID: tenant, Name: "KEY"})
	require.NoError(t, err)
	secrets.Forget(tenant)
	requireHostError(t, send(), "secret_refused")
	require.Empty(t, c.received())
	// Another tenant's placeholder is nothing.
	stranger := newInvocation()
	a := do(t.Context(), c.host, stranger, fetchArgs{URL: "https://api.test/", Headers: [][2]string{{"x-key", c.placeholder("LATIN")}}}, nil, nil)
	require.Error(t, a.err)
	require.Empty(t, c.received())
}
