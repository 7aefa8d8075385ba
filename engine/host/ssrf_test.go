package host

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/egress"
)

// canary counts connections on every local address, IPv4 and IPv6, on one port.
type canary struct {
	port uint16
	hits atomic.Int64
}

func newCanary(t *testing.T) *canary {
	t.Helper()
	c := &canary{}
	first, err := net.Listen("tcp4", "0.0.0.0:0")
	require.NoError(t, err)
	c.port = uint16(first.Addr().(*net.TCPAddr).Port)
	listeners := []net.Listener{first}
	for _, addr := range []string{"[::1]"} {
		l, err := net.Listen("tcp6", fmt.Sprintf("%s:%d", addr, c.port))
		require.NoError(t, err)
		listeners = append(listeners, l)
	}
	for _, l := range listeners {
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				c.hits.Add(1)
				conn.Close()
			}
		}()
	}
	return c
}

// attempts are hosts that lead, or could lead to some reader, to an address that is not public. %d is the canary's port.
var attempts = []string{
	// plain
	"127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0.1.2.3", "localhost", "LOCALHOST", "localhost.", "localhost.localdomain",
	"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "127.0.0.1.", "ip6-localhost",
	// odd IPv4
	"127.1", "127.0.1", "0", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0X7F.0.0.1", "017700000001", "0177.0.0.1", "0177.1",
	"127.000.000.001", "0127.0.0.1", "00.0.0.0", "127.0.0.0x1", "4294967295", "0xffffffff", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
	"169.16689662", "10.1", "192.168.257", "3232235777", "0300.0250.0.1", "0x0a.0.0.1", "127.0.0.1.0x0", "1.2.3.4.5", "256.256.256.256",
	// Unicode
	"127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.⓪.⓪.①", "１２７.０.０.１", "ⓛocalhost", "ｌｏｃａｌｈｏｓｔ", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "⑯⑨.254.169.254", "loc\u00adalhost",
	// IPv4 in IPv6
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:0001]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::ffff:10.0.0.1]", "[::ffff:0.0.0.0]",
	"[::127.0.0.1]", "[::7f00:1]", "[::ffff:0:127.0.0.1]", "[::ffff:0:7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
	"[64:ff9b:1::7f00:1]", "[64:ff9b:1::10.0.0.1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2002:a9fe:a9fe::]", "[2002:0a00:0001::1]",
	"[2001:0:7f00:1::]", "[2001:0000:4136:e378:8000:63bf:80ff:fffe]", "[::ffff:168.63.129.16]",
	// link-local, unique local, zones, documentation, multicast
	"[fe80::1]", "[fe80::1%25lo]", "[::1%25lo]", "[fe80::a9fe:a9fe]", "[febf::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[fdff::1]", "[ff02::1]", "[ff0e::1]",
	"[100::1]", "[2001:db8::1]", "[2001:10::1]", "[3fff::1]", "[5f00::1]", "[4000::1]",
	// metadata
	"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "metadata.google.internal", "metadata", "instance-data",
	"kubernetes.default.svc", "host.docker.internal",
	// special IPv4
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.0.1", "100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255",
	"192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	// what only parses in a careless reader
	"127.0.0.1%00.example.com", "127.0.0.1%2eexample.com", "example.com%00", "127.0.0.1\t", "%31%32%37.0.0.1", "127.0.0.1%20", "-127.0.0.1",
	"1.0.0.127.in-addr.arpa", "127.0.0.1.nip.io", "localtest.me", "spoofed.burpcollaborator.net",
}

// urls are whole URLs in which the host is not where it seems, or which are none of ours.
var urls = []string{
	"http://user@127.0.0.1:%d/", "http://93.184.216.34@127.0.0.1:%d/", "http://127.0.0.1:%d@site.test/", "http://site.test#@127.0.0.1:%d/",
	"http://site.test:%d#@127.0.0.1/", "http://site.test\\@127.0.0.1:%d/", "http:\\\\127.0.0.1:%d/", "http:///127.0.0.1:%d/", "http:127.0.0.1:%d/",
	"//127.0.0.1:%d/", "http://[::1]:%d@site.test/", "http://[::1/]:%d/", "http://[127.0.0.1]:%d/", "http://[::1]a:%d/", "http://::1:%d/",
	"http://127.0.0.1:0%d/", "http://127.0.0.1:+%d/", "http://127.0.0.1:%d\r\nHost: x/", "http://127.0.0.1:%d \t/", " http://127.0.0.1:%d/",
	"file:///etc/passwd?%d", "gopher://127.0.0.1:%d/_x", "dict://127.0.0.1:%d/", "ftp://127.0.0.1:%d/", "ldap://127.0.0.1:%d/", "ws://127.0.0.1:%d/",
	"unix:///var/run/docker.sock?%d", "http+unix://%%2Fvar%%2Frun%%2Fdocker.sock/?%d", "data:text/plain,%d", "jar:http://127.0.0.1:%d/!/", "HTTP://127.0.0.1:%d/", "hTTps://LOCALHOST:%d/",
}

// careless resolves like a C library that reads every spelling of an address, and has names that point inside.
type careless struct{}

func (careless) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestSSRF(t *testing.T) {
	t.Parallel()
	c := newCanary(t)
	tried := 0
	for name, resolver := range map[string]Resolver{
		"own resolver":      &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("no network") }},
		"careless resolver": careless{},
	} {
		h := newTestHost(t, Config{Resolver: resolver, FetchPorts: []uint16{c.port}})
		for _, host := range attempts {
			for _, scheme := range []string{"http", "https"} {
				a := get(t, h, fmt.Sprintf("%s://%s:%d/", scheme, host, c.port))
				require.Error(t, a.err, "%s: %s", name, host)
				require.NotContains(t, a.err.Error(), "127.0.0.1", "%s: %s", name, host)
				tried++
			}
		}
		for _, format := range urls {
			url := fmt.Sprintf(format, c.port)
			require.Error(t, get(t, h, url).err, "%s: %s", name, url)
			tried++
		}
	}
	require.Zero(t, c.hits.Load(), "a connection arrived")
	require.Greater(t, tried, 500)
	t.Logf("%d attempts with %d hosts and %d URLs, 2 resolvers: all refused, %d connections arrived", tried, len(attempts), len(urls), c.hits.Load())

	// The canary sings: what the operator allows does arrive, so that the silence above means something.
	h := newTestHost(t, Config{Resolver: careless{}, FetchAllow: []string{"127.0.0.1", "::1"}})
	get(t, h, fmt.Sprintf("http://127.0.0.1:%d/", c.port))
	get(t, h, fmt.Sprintf("http://[::1]:%d/", c.port))
	require.GreaterOrEqual(t, c.hits.Load(), int64(2))
}

// Every hop is judged: a public server cannot send the node inside.
func TestSSRFByRedirect(t *testing.T) {
	t.Parallel()
	c := newCanary(t)
	var target atomic.Pointer[string]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{*target.Load()}
		w.WriteHeader(307)
	}))
	t.Cleanup(srv.Close)
	redirects := 0
	h := newTestHost(t, Config{
		Resolver:   names{"site.test": {public}, "inside.test": {netip.MustParseAddr("127.0.0.1")}},
		FetchPorts: []uint16{80, c.port},
		Dial: func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
			if addr == netip.AddrPortFrom(public, 80) {
				redirects++
				return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
			}
			return new(net.Dialer).DialContext(ctx, network, addr.String())
		},
	})
	targets := []string{fmt.Sprintf("//inside.test:%d/", c.port)}
	for _, host := range attempts {
		targets = append(targets, fmt.Sprintf("http://%s:%d/", host, c.port))
	}
	for _, to := range targets {
		target.Store(&to)
		require.Error(t, get(t, h, "http://site.test/").err, to)
	}
	require.Equal(t, len(targets), redirects)
	require.Zero(t, c.hits.Load())
}

// flipping answers with a public address first and an inner one after that, as a name does that rebinds.
type flipping struct{ asked atomic.Int64 }

func (f *flipping) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if f.asked.Add(1)%2 == 1 {
		return []netip.Addr{public}, nil
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestSSRFByRebinding(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") }))
	t.Cleanup(srv.Close)
	var inside atomic.Int64
	h := newTestHost(t, Config{Resolver: &flipping{}, Dial: func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
		if addr.Addr() != public {
			inside.Add(1)
		}
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}})
	for i := range 20 {
		a := get(t, h, "http://rebind.test/")
		if i%2 == 0 {
			require.NoError(t, a.err)
		} else {
			requireHostError(t, a.err, "fetch_blocked")
		}
	}
	require.Zero(t, inside.Load())
}

func TestSSRFByMixedAnswers(t *testing.T) {
	t.Parallel()
	many := make([]netip.Addr, maxAnswers+1)
	for i := range many {
		many[i] = public
	}
	var dials atomic.Int64
	h := newTestHost(t, Config{
		Resolver: names{"mixed.test": {public, netip.MustParseAddr("10.0.0.1")}, "mapped.test": {netip.MustParseAddr("::ffff:10.0.0.1")}, "many.test": many, "none.test": {}},
		Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			dials.Add(1)
			return nil, fmt.Errorf("dialled")
		},
	})
	// Blocked and unknown names read the same: no oracle for what exists inside.
	var texts []string
	for _, name := range []string{"mixed", "mapped", "many", "none", "unknown"} {
		texts = append(texts, requireHostError(t, get(t, h, "http://"+name+".test/").err, "fetch_blocked").Message)
	}
	for _, text := range texts {
		require.Equal(t, texts[0], text)
	}
	require.Zero(t, dials.Load())
}

func TestPortsRule(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	h := newTestHost(t, Config{
		Resolver: names{"site.test": {public}}, FetchAllow: []string{"site.test:8443", "10.9.0.0/16:9000"},
		Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			dials.Add(1)
			return nil, fmt.Errorf("dialled")
		},
	})
	for _, port := range []string{":22", ":25", ":0", ":65536", ":5432", ":6379", ":8080", ":081"} {
		require.Error(t, get(t, h, "http://site.test"+port+"/").err)
	}
	require.Zero(t, dials.Load())
	for i, url := range []string{"http://site.test/", "https://site.test:443/", "http://site.test:080/", "http://site.test:8443/", "http://10.9.1.1:9000/"} {
		requireHostError(t, get(t, h, url).err, "fetch_failed")
		require.EqualValues(t, i+1, dials.Load(), url)
	}
	requireHostError(t, get(t, h, "http://10.9.1.1/").err, "fetch_blocked")
}

func TestOperatorRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		allow, deny []string
		host, addr  string
		port        uint16
		blocked     bool
	}{
		{nil, nil, "a.test", "93.184.216.34", 443, false},
		{nil, nil, "a.test", "10.0.0.1", 443, true},
		{[]string{"10.0.0.0/8"}, nil, "a.test", "10.0.0.1", 443, false},
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.1"}, "a.test", "10.0.0.1", 443, true},
		{[]string{"10.0.0.0/8"}, nil, "a.test", "::ffff:10.0.0.1", 443, false},
		{nil, []string{"93.184.216.0/24"}, "a.test", "::ffff:93.184.216.34", 443, true},
		{[]string{"a.test"}, nil, "a.test", "192.168.1.1", 8080, false},
		{[]string{"a.test"}, nil, "b.a.test", "192.168.1.1", 8080, true},
		{[]string{"*.a.test"}, nil, "b.a.test", "192.168.1.1", 8080, false},
		{[]string{"*.a.test"}, nil, "a.test", "192.168.1.1", 8080, true},
		{[]string{"*.a.test"}, nil, "xa.test", "192.168.1.1", 8080, true},
		{nil, []string{"A.Test."}, "a.test", "93.184.216.34", 443, true},
		{nil, []string{"*"}, "a.test", "93.184.216.34", 443, true},
		{[]string{"a.test"}, []string{"*"}, "a.test", "93.184.216.34", 443, false},
		{[]string{"*"}, []string{"a.test"}, "a.test", "93.184.216.34", 443, true},
		{[]string{"*"}, nil, "a.test", "127.0.0.1", 1234, false},
		{[]string{"*"}, nil, "a.test", "127.0.0.1", 5432, true}, // the database
		{[]string{"*"}, nil, "a.test", "127.0.0.9", 8080, true}, // this node, by another loopback address
		{[]string{"*"}, nil, "a.test", "0.0.0.0", 8080, true},   // this node
		{[]string{"*"}, nil, "a.test", "::1", 8080, true},       // this node
		{nil, nil, "db.test", "203.0.114.9", 443, true},         // the database's address, on any port
		{[]string{"db.test"}, nil, "db.test", "203.0.114.9", 443, false},
		{[]string{"db.test"}, nil, "db.test", "203.0.114.9", 5433, true},
		{[]string{"fd00::/8", "bücher.test"}, nil, "a.test", "fd00::1", 443, false},
		{[]string{"bücher.test"}, nil, "xn--bcher-kva.test", "10.0.0.1", 443, false},
	} {
		g, err := newGuard(&Config{
			FetchAllow: tc.allow, FetchDeny: tc.deny, FetchPorts: []uint16{80, 443},
			FetchRefuse: []string{":8080", "127.0.0.1:5432", "203.0.114.9:5433"},
		})
		require.NoError(t, err)
		err = g.check(tc.host, netip.MustParseAddr(tc.addr), tc.port)
		require.Equal(t, tc.blocked, err != nil, "%+v", tc)
	}
	for _, bad := range []string{"a b", "http://a.test", "1.2.3", "a.test:99999", "a.test:x", "*.*", "10.0.0.0/99"} {
		_, err := egress.ParseRules([]string{bad})
		require.Error(t, err, bad)
	}
}

func TestHostNameNeverNumeric(t *testing.T) {
	t.Parallel()
	for _, host := range attempts {
		name, err := egress.HostName(strings.Trim(host, "[]"))
		if err == nil {
			last := name[strings.LastIndexByte(name, '.')+1:]
			require.NotEmpty(t, strings.Trim(last, "0123456789"), host)
		}
	}
}
