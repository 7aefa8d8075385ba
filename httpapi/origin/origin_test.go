package origin_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/forwarded"
	"example.com/jsruntime/httpapi/origin"
)

func request(host string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	return r
}

func TestHosts(t *testing.T) {
	t.Parallel()
	m, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com", "Apps.Example.ORG"}, OperatorHosts: []string{"console.example.net"}})
	require.NoError(t, err)
	for host, want := range map[string]origin.Origin{
		"localhost":                       {Kind: origin.Operator, Host: "localhost"},
		"LOCALHOST:8080":                  {Kind: origin.Operator, Host: "localhost:8080"},
		"127.0.0.1:8080":                  {Kind: origin.Operator, Host: "127.0.0.1:8080"},
		"[::1]:8080":                      {Kind: origin.Operator, Host: "[::1]:8080"},
		"[::1]":                           {Kind: origin.Operator, Host: "[::1]"},
		"":                                {Kind: origin.Operator, Host: "localhost"},
		"console.example.net":             {Kind: origin.Operator, Host: "console.example.net"},
		"Console.Example.Net:443":         {Kind: origin.Operator, Host: "console.example.net:443"},
		"evil.example":                    {Kind: origin.Foreign, Host: "evil.example"},
		"console.example.net.evil":        {Kind: origin.Foreign, Host: "console.example.net.evil"},
		"xconsole.example.net":            {Kind: origin.Foreign, Host: "xconsole.example.net"},
		"2130706433":                      {Kind: origin.Foreign, Host: "2130706433"},
		"127.1":                           {Kind: origin.Foreign, Host: "127.1"},
		"acme.localhost":                  {Kind: origin.Tenant, Slug: "acme", Host: "acme.localhost"},
		"ACME.LocalHost:8080":             {Kind: origin.Tenant, Slug: "acme", Host: "acme.localhost:8080"},
		"a-1.apps.example.com":            {Kind: origin.Tenant, Slug: "a-1", Host: "a-1.apps.example.com"},
		"acme.apps.example.org:1":         {Kind: origin.Tenant, Slug: "acme", Host: "acme.apps.example.org:1"},
		"xapps.example.com":               {Kind: origin.Foreign, Host: "xapps.example.com"},
		"apps.example.com":                {Kind: origin.Nobody, Host: "apps.example.com"},
		"a.b.apps.example.com":            {Kind: origin.Nobody, Host: "a.b.apps.example.com"},
		"a.b.localhost":                   {Kind: origin.Nobody, Host: "a.b.localhost"},
		"-a.localhost":                    {Kind: origin.Nobody, Host: "-a.localhost"},
		"a_b.localhost":                   {Kind: origin.Nobody, Host: "a_b.localhost"},
		"acme.localhost.":                 {},
		"localhost.":                      {},
		".localhost":                      {},
		"acme..localhost":                 {},
		"acme.localhost:":                 {},
		"acme.localhost:0":                {},
		"acme.localhost:99999":            {},
		"acme.localhost:80:80":            {},
		"acme.localhost:8080x":            {},
		"user@acme.localhost":             {},
		"acme.localhost/":                 {},
		"acme.localhost\\":                {},
		"acme.localhost, evil.example":    {},
		"acme localhost":                  {},
		"acme.localhost#":                 {},
		"acme.localhost%2e":               {},
		"::1":                             {},
		"[::1%25eth0]:80":                 {},
		"[::1":                            {},
		"[::1]8080":                       {},
		"[127.0.0.1]":                     {},
		"[]":                              {},
		"ac\u212aE.localhost":             {}, // a Kelvin sign, which folds to k
		strings.Repeat("a.", 130) + "com": {},
		strings.Repeat("a", 64) + ".com":  {},
	} {
		want.Scheme = "http"
		require.Equal(t, want, m.Of(request(host)), "%q", host)
	}
}

// A name that a stranger points at a node on a user's machine does not reach console and API. Where the node is public and the
// operator named no hosts, any name does.
func TestWhichNamesAreTheOperators(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  origin.Config
		want origin.Kind
	}{
		{origin.Config{}, origin.Operator},
		{origin.Config{Loopback: true}, origin.Foreign},
		{origin.Config{OperatorHosts: []string{"other.example"}}, origin.Foreign},
		{origin.Config{OperatorHosts: []string{"name.example"}, Loopback: true}, origin.Operator},
	} {
		m, err := origin.New(c.cfg)
		require.NoError(t, err)
		o := m.Of(request("name.example:8080"))
		require.Equal(t, c.want, o.Kind, "%+v", c.cfg)
		require.Equal(t, "name.example", o.Name())
		o = m.Of(request("127.0.0.1:8080"))
		require.Equal(t, origin.Operator, o.Kind)
	}
}

func TestProxiesSayWhichHost(t *testing.T) {
	t.Parallel()
	m, err := origin.New(origin.Config{Proxies: forwarded.Proxies{netip.MustParsePrefix("10.0.0.0/8")}})
	require.NoError(t, err)
	r := request("node1:8080")
	r.Header.Set("X-Forwarded-Host", "acme.localhost")
	r.Header.Set("X-Forwarded-Proto", "https")
	r.RemoteAddr = "10.0.0.1:1"
	require.Equal(t, origin.Origin{Kind: origin.Tenant, Slug: "acme", Scheme: "https", Host: "acme.localhost"}, m.Of(r))
	r.RemoteAddr = "11.0.0.1:1"
	require.Equal(t, origin.Origin{Kind: origin.Operator, Scheme: "http", Host: "node1:8080"}, m.Of(r))
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []origin.Config{
		{TenantDomains: []string{"127.0.0.1"}}, {TenantDomains: []string{"a..b"}}, {TenantDomains: []string{"a.b:80"}}, {TenantDomains: []string{""}},
		{OperatorHosts: []string{"x.localhost"}}, {OperatorHosts: []string{"apps.example.com"}, TenantDomains: []string{"apps.example.com"}},
		{OperatorHosts: []string{"c.apps.example.com"}, TenantDomains: []string{"apps.example.com"}}, {OperatorHosts: []string{"a b"}},
	} {
		_, err := origin.New(cfg)
		require.Error(t, err, "%+v", cfg)
	}
	m, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}, OperatorHosts: []string{"console.example.com"}})
	require.NoError(t, err)
	require.ErrorIs(t, m.CheckSites(), origin.ErrSameSite)
	m, err = origin.New(origin.Config{TenantDomains: []string{"github.io"}, OperatorHosts: []string{"console.example.com"}})
	require.NoError(t, err)
	require.NoError(t, m.CheckSites())
}

func BenchmarkOf(b *testing.B) {
	m, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}})
	require.NoError(b, err)
	r := request("acme.apps.example.com")
	b.ReportAllocs()
	for b.Loop() {
		if m.Of(r).Kind != origin.Tenant {
			b.Fatal()
		}
	}
}

func FuzzHost(f *testing.F) {
	f.Add("acme.localhost:80")
	f.Add("[::1]:80")
	m, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}, OperatorHosts: []string{"console.example.net"}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, host string) {
		o := m.Of(request(host))
		switch o.Kind {
		case origin.Tenant:
			if n := o.Name(); n != o.Slug+".localhost" && n != o.Slug+".apps.example.com" {
				t.Fatalf("%q: %+v", host, o)
			}
		case origin.Operator:
			if n := o.Name(); strings.HasSuffix(n, ".localhost") || strings.HasSuffix(n, "apps.example.com") {
				t.Fatalf("%q: %+v", host, o)
			}
		}
		if again := m.Of(request(o.Host)); o.Kind != origin.Invalid && again != o {
			t.Fatalf("%q: %+v, then %+v", host, o, again)
		}
	})
}

// A host that a tenant has taken is that tenant's, and never one that is the operator's or within a tenant domain.
func TestHostsOfTenantsOwn(t *testing.T) {
	t.Parallel()
	taken := func(name string) (string, bool) { return "acme", name != "free.example" } // as if tenants had all others
	m, err := origin.New(origin.Config{TenantDomains: []string{"apps.example.com"}, OperatorHosts: []string{"console.example.net"}, Custom: taken})
	require.NoError(t, err)
	for host, want := range map[string]origin.Origin{
		"api.customer.com":      {Kind: origin.Tenant, Slug: "acme", Custom: true, Host: "api.customer.com"},
		"API.Customer.com:8080": {Kind: origin.Tenant, Slug: "acme", Custom: true, Host: "api.customer.com:8080"},
		"free.example":          {Kind: origin.Foreign, Host: "free.example"},
		"console.example.net":   {Kind: origin.Operator, Host: "console.example.net"},
		"localhost":             {Kind: origin.Operator, Host: "localhost"},
		"127.0.0.1":             {Kind: origin.Operator, Host: "127.0.0.1"},
		"b.apps.example.com":    {Kind: origin.Tenant, Slug: "b", Host: "b.apps.example.com"},
		"apps.example.com":      {Kind: origin.Nobody, Host: "apps.example.com"},
		"api.customer.com.":     {},
	} {
		want.Scheme = "http"
		require.Equal(t, want, m.Of(request(host)), "%q", host)
	}
	for name, free := range map[string]bool{
		"api.customer.com": true, "example.org": true, "xconsole.example.net": true, "apps.example.org": true,
		"localhost": false, "a.localhost": false, "apps.example.com": false, "a.b.apps.example.com": false, "example.com": false, "console.example.net": false, "example.net": false, "net": false,
	} {
		require.Equal(t, free, m.CheckCustom(name) == nil, name)
	}

	// Where every name may be the operator's, none is a tenant's.
	open, err := origin.New(origin.Config{Custom: taken})
	require.NoError(t, err)
	require.Equal(t, origin.Operator, open.Of(request("api.customer.com")).Kind)
	require.ErrorContains(t, open.CheckCustom("api.customer.com"), "--operator-host")
	loopback, err := origin.New(origin.Config{Custom: taken, Loopback: true})
	require.NoError(t, err)
	require.NoError(t, loopback.CheckCustom("api.customer.com"))
	require.Equal(t, origin.Tenant, loopback.Of(request("api.customer.com")).Kind)
}
