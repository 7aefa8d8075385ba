package host

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/egress"
)

// egressPayloads are targets against {"allow": ["api.test", "*.hooks.test:443", "93.184.0.0/16:8080", "[2606:2800::1]"], "deny":
// ["bad.hooks.test", "93.184.7.0/24"]}, and whether they are allowed. Every name has a public address.
var egressPayloads = map[bool][]string{
	true: {
		"http://api.test/", "https://api.test/", "http://API.test/", "http://api.test./", "http://api.test:80/", "https://api.test:443/", "http://api.test:8080/",
		"http://ａｐｉ.test/", "http://api。test/", "https://a.hooks.test/", "https://a.b.hooks.test/", "https://A.HOOKS.TEST/", "https://a.hooks.test./",
		"http://93.184.216.34:8080/", "http://93.184.0.1:8080/", "http://[::ffff:93.184.216.34]:8080/", "http://[::ffff:5db8:d822]:8080/", "http://in-network.test:8080/",
		"http://[2606:2800::1]/", "http://[2606:2800:0:0:0:0:0:1]/", "http://[2606:2800:0000::0001]:8080/", "https://[2606:2800::1]/", "http://93.184.6.255:8080/", "http://93.184.216.34.:8080/x@",
	},
	false: {
		// other names
		"http://other.test/", "http://test/", "http://xapi.test/", "http://api.test.other.test/", "http://a.api.test/", "http://api-test/", "http://api.tes/",
		"http://api.testt/", "http://api.test.test/", "http://apiatest/", "http://аpi.test/", "http://api.te st/", "http://api.test%2eother.test/", "http://api.test%00.other.test/",
		"http://xn--pi-7kc.test/", "http://ap\u0131.test/", "http://api..test/",
		// wildcards end at a dot, and have their port
		"https://hooks.test/", "https://xhooks.test/", "https://hooks.test.other.test/", "https://.hooks.test/", "http://a.hooks.test/", "https://a.hooks.test:8443/",
		"http://a.hooks.test:80/", "https://a.hooks.test:80/", "https://*.hooks.test/", "https://a.hooks.test.other.test/", "https://ahooks.test/",
		// what deny has
		"https://bad.hooks.test/", "https://BAD.hooks.test/", "https://bad.hooks.test./", "https://ｂａｄ.hooks.test/", "http://93.184.7.1:8080/", "http://[::ffff:93.184.7.1]:8080/",
		"http://denied-network.test:8080/", "http://two-networks.test:8080/", "https://denied.hooks.test/", "http://93.184.7.255:8080/",
		// addresses in other spellings, and other ports
		"http://93.184.216.34/", "https://93.184.216.34/", "http://93.184.216.34:80/", "http://93.184.216.34:8081/", "http://93.184.216.34:808/", "http://93.184.216.34:18080/",
		"http://93.185.216.34:8080/", "http://94.184.216.34:8080/", "http://1572395042:8080/", "http://0x5db8d823:8080/", "http://0135.0270.0330.042:8080/",
		"http://93.12113954:8080/", "http://93.184.55330:8080/", "http://[2606:2800::2]/", "http://[2606:2800::1%25eth0]/", "http://[::2606:2800:1]/",
		"http://8.8.8.8/", "http://[2001:4860:4860::8888]/", "http://two-answers.test:8080/", "http://in-network.test/", "http://nowhere.test:8080/",
		// the operator's guard holds whatever the list has
		"http://127.0.0.1:8080/", "http://10.0.0.1:8080/", "http://inside.hooks.test/", "https://inside.hooks.test/", "http://169.254.169.254/", "http://localhost/",
		"http://[::1]/", "http://[::ffff:127.0.0.1]:8080/", "http://[64:ff9b::5db8:d822]:8080/", "http://[2002:5db8:d822::1]:8080/", "http://0.0.0.0:8080/",
		// URLs that are not what they seem
		"http://api.test@other.test/", "http://other.test#@api.test/", "http://other.test/?http://api.test/", "http://other.test\\@api.test/", "http://api.test:80@other.test/",
		"ftp://api.test/", "file://api.test/", "http:///api.test/", "http://api.test:99999/", "http://api.test:-80/", "gopher://api.test/",
	},
}

func egressOf(t *testing.T, texts ...string) *egress.Policy {
	t.Helper()
	lists := make([]*egress.List, len(texts))
	for i, text := range texts {
		var err error
		lists[i], err = egress.Parse(json.RawMessage(text))
		require.NoError(t, err, text)
	}
	return egress.Of(lists...)
}

func TestEgressPayloads(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(egressPayloads[true])+len(egressPayloads[false]), 100)
	resolver := names{"nowhere.test": {}}
	for _, name := range []string{"api.test", "a.hooks.test", "a.b.hooks.test", "bad.hooks.test", "other.test", "hooks.test", "xhooks.test", "in-network.test", "a.api.test", "xapi.test", "test"} {
		resolver[name] = []netip.Addr{netip.MustParseAddr("93.184.216.34")}
	}
	addr := netip.MustParseAddr
	resolver["denied-network.test"] = []netip.Addr{addr("93.184.7.9")}
	resolver["denied.hooks.test"] = []netip.Addr{addr("93.184.7.9")}
	resolver["two-networks.test"] = []netip.Addr{addr("93.184.216.34"), addr("93.184.7.9")}
	resolver["two-answers.test"] = []netip.Addr{addr("93.184.216.34"), addr("8.8.8.8")}
	resolver["inside.hooks.test"] = []netip.Addr{addr("10.0.0.7")}
	var dials atomic.Int64
	h := newTestHost(t, Config{Resolver: resolver, FetchPorts: []uint16{80, 443, 8080}, Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
		dials.Add(1)
		return nil, &net.OpError{Op: "dial"}
	}})
	policy := egressOf(t, `{"allow": ["api.test", "*.hooks.test:443", "93.184.0.0/16:8080", "[2606:2800::1]"], "deny": ["bad.hooks.test", "93.184.7.0/24"]}`)
	for allowed, targets := range egressPayloads {
		for _, url := range targets {
			inv := newInvocation()
			inv.Script.Egress = policy
			before := dials.Load()
			a := do(t.Context(), h, inv, fetchArgs{URL: url}, nil, nil)
			require.Error(t, a.err, url)
			require.Equal(t, allowed, dials.Load() > before, "%s: %v", url, a.err)
		}
	}
}

// A script has what both lists allow, on each hop, and no connection that another one has opened.
func TestEgressOnEveryHop(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("reached"))
	}))
	t.Cleanup(srv.Close)
	world := &internet{site: map[netip.AddrPort]net.Addr{}}
	rebound := netip.MustParseAddr("93.184.216.99")
	for _, addr := range []netip.Addr{public, rebound} {
		world.site[netip.AddrPortFrom(addr, 80)] = srv.Listener.Addr()
	}
	rebinding := &rebinds{first: public, then: rebound}
	h := newTestHost(t, Config{Resolver: rebinding, Dial: world.dial})
	inv := newInvocation()
	fetch := func(url string, policies ...string) answer {
		inv.Script.Egress = egressOf(t, policies...)
		return do(t.Context(), h, inv, fetchArgs{URL: url}, nil, nil)
	}
	const site = `{"allow": ["site.test"]}`
	require.NoError(t, fetch("http://site.test/").err)
	require.NoError(t, fetch("http://site.test/", site).err)
	require.NoError(t, fetch("http://site.test/", `{"deny": ["other.test"]}`).err)
	// The connection above is open, and not this script's.
	denied := requireHostError(t, fetch("http://site.test/", `{"allow": []}`).err, "egress_denied")
	require.Equal(t, "TypeError", denied.Name)
	requireHostError(t, fetch("http://site.test/", `{"deny": ["*"]}`).err, "egress_denied")
	requireHostError(t, fetch("http://site.test/", `{"deny": ["*.test"]}`).err, "egress_denied")
	requireHostError(t, fetch("http://site.test/", `{"allow": ["site.test:443"]}`).err, "egress_denied")
	requireHostError(t, fetch("http://other.test/", site).err, "egress_denied")
	// The plan's list and the script's.
	requireHostError(t, fetch("http://other.test/", site, `{"allow": ["other.test"]}`).err, "egress_denied")
	requireHostError(t, fetch("http://site.test/", site, `{"allow": []}`).err, "egress_denied")
	require.NoError(t, fetch("http://site.test/", site, `{"allow": ["*"]}`).err)
	// A redirect is judged as what it leads to.
	require.NoError(t, fetch("http://site.test/?to=/here", site).err)
	for _, to := range []string{"http://other.test/", "//other.test/", "http://93.184.216.34/", "http://site.test.other.test/"} {
		requireHostError(t, fetch("http://site.test/?to="+to, site).err, "egress_denied")
	}
	// A name whose address changes between two connections is judged by the new one.
	require.NoError(t, fetch("http://rebind.test/", `{"allow": ["93.184.216.34/32"]}`).err)
	h.pools.close()
	requireHostError(t, fetch("http://rebind.test/", `{"allow": ["93.184.216.34/32"]}`).err, "egress_denied")
	// A name that is not allowed is not looked up: a DNS query can carry data out.
	looked := rebinding.looked.Load()
	requireHostError(t, fetch("http://data.other.test/", site).err, "egress_denied")
	require.Equal(t, looked, rebinding.looked.Load())
}

// rebinds answers rebind.test with another address each time, and all other names with the first.
type rebinds struct {
	first, then netip.Addr
	looked      atomic.Int64
	asked       atomic.Bool
}

func (r *rebinds) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.looked.Add(1)
	if host == "rebind.test." && r.asked.Swap(true) {
		return []netip.Addr{r.then}, nil
	}
	return []netip.Addr{r.first}, nil
}
