package forwarded_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/forwarded"
)

func TestProxiesAreBelievedOnlyWhereTheyAreTrusted(t *testing.T) {
	t.Parallel()
	trusted := forwarded.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		proxies forwarded.Proxies
		remote  string
		header  http.Header
		tls     bool
		secure  bool
		host    string
	}{
		{trusted, "10.1.2.3:1", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"a.test"}}, false, true, "a.test"},
		{trusted, "[::ffff:10.1.2.3]:1", http.Header{"X-Forwarded-Proto": {"HTTPS, http"}, "X-Forwarded-Host": {"a.test, b.test"}}, false, true, "a.test"},
		{trusted, "10.1.2.3:1", http.Header{}, false, false, "host.test"},
		{trusted, "10.1.2.3:1", http.Header{"X-Forwarded-Proto": {"http"}}, false, false, "host.test"},
		{trusted, "11.1.2.3:1", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"a.test"}}, false, false, "host.test"},
		{trusted, "@", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"a.test"}}, false, false, "host.test"},
		{nil, "10.1.2.3:1", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"a.test"}}, false, false, "host.test"},
		{nil, "10.1.2.3:1", http.Header{}, true, true, "host.test"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header, r.Host = c.remote, c.header, "host.test"
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		require.Equal(t, c.secure, c.proxies.Secure(r), "%v", c)
		require.Equal(t, c.host, c.proxies.Host(r), "%v", c)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	trusted := forwarded.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		proxies forwarded.Proxies
		remote  string
		chain   []string
		want    string
	}{
		{trusted, "203.0.113.1:1", nil, "203.0.113.1"},
		{trusted, "203.0.113.1:1", []string{"192.0.2.1"}, "203.0.113.1"}, // no proxy of ours: it says what it likes
		{nil, "10.0.0.1:1", []string{"192.0.2.1"}, "10.0.0.1"},
		{trusted, "10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{trusted, "10.0.0.1:1", []string{"9.9.9.9, 192.0.2.1"}, "192.0.2.1"}, // the client's own claim comes first
		{trusted, "10.0.0.1:1", []string{"9.9.9.9", "192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{trusted, "[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{trusted, "10.0.0.1:1", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{trusted, "10.0.0.1:1", []string{"192.0.2.1:99"}, "192.0.2.1"},
		{trusted, "10.0.0.1:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{trusted, "10.0.0.1:1", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{trusted, "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{trusted, "10.0.0.1:1", nil, "10.0.0.1"},
		{trusted, "@", []string{"192.0.2.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header = c.remote, http.Header{"X-Forwarded-For": c.chain}
		require.Equal(t, c.want, c.proxies.Client(r).String(), "%v", c)
	}
}
