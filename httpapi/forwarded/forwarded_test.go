package forwarded_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"jsruntime/httpapi/forwarded"
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
