package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/httpapi/forwarded"
	"example.com/jsruntime/httpapi/gateway"
)

func TestRateLimits(t *testing.T) {
	t.Parallel()
	members := new(cluster.Members)
	members.Set(2, 0)
	from := func(ip string) http.Header { return http.Header{"X-Forwarded-For": {ip}} }
	for _, tc := range []struct {
		name     string
		http     string
		members  *cluster.Members
		requests []http.Header
		statuses []int
	}{
		{
			"by address", `{"rate_limit": {"requests": 2, "per": "hour", "key": "ip"}}`, nil,
			[]http.Header{from("192.0.2.1"), from("192.0.2.1"), from("192.0.2.1"), from("192.0.2.2"), from("2001:db8::1"), from("2001:db8::2"), from("2001:db8::3"), from("2001:db8:0:1::1")},
			[]int{200, 200, 429, 200, 200, 200, 429, 200},
		},
		{
			"by header", `{"rate_limit": {"requests": 1, "per": "hour", "key": "header:x-customer"}}`, nil,
			[]http.Header{{"X-Customer": {"a"}}, {"X-Customer": {"a"}}, {"X-Customer": {"b"}}, nil, nil}, []int{200, 429, 200, 200, 429},
		},
		{"by endpoint", `{"rate_limit": {"requests": 2, "per": "hour", "key": "endpoint"}}`, nil, []http.Header{from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.3")}, []int{200, 200, 429}},
		{"a node's part", `{"rate_limit": {"requests": 4, "per": "hour", "key": "endpoint"}}`, members, []http.Header{nil, nil, nil}, []int{200, 200, 429}},
		{
			"strangers use up nothing", `{"auth": {"type": "api_key"}, "rate_limit": {"requests": 1, "per": "hour", "key": "endpoint"}}`, nil,
			[]http.Header{nil, nil, {"Authorization": {"Bearer own"}}, {"Authorization": {"Bearer own"}}, nil}, []int{401, 401, 200, 429, 401},
		},
		{
			"strangers are counted by address", `{"auth": {"type": "api_key"}, "rate_limit": {"requests": 2, "per": "hour", "key": "ip"}}`, nil,
			[]http.Header{nil, nil, nil, {"Authorization": {"Bearer own"}, "X-Forwarded-For": {"192.0.2.9"}}}, []int{401, 401, 429, 200},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			options, err := catalog.HTTPOf(json.RawMessage(tc.http))
			require.NoError(t, err)
			counted := map[string]int{}
			s := start(t, &parts{execute: answering(engine.Response{Status: 200})}, catalog.Endpoint{ScriptID: uuid.New(), Auth: options.Auth, RateLimit: options.RateLimit}, func(cfg *gateway.Config) {
				cfg.Members, cfg.TrustedProxies = tc.members, forwarded.Proxies{netip.MustParsePrefix("127.0.0.0/8")}
				cfg.Refused = func(_, _ uuid.UUID, code string) { counted[code]++ }
			})
			var got []int
			refused := 0
			for _, header := range tc.requests {
				resp, text := do(t, s, "GET", "/t/acme/x", header, nil)
				got = append(got, resp.StatusCode)
				if resp.StatusCode == 429 {
					refused++
					require.Equal(t, "rate_limited", code(t, resp, text))
					retry, err := strconv.Atoi(resp.Header.Get("Retry-After"))
					require.NoError(t, err)
					require.Positive(t, retry)
					require.Empty(t, resp.Header.Get("X-Execution-Id"))
				}
				if resp.StatusCode != 401 {
					require.Equal(t, []string{strconv.Itoa(options.RateLimit.Requests), strconv.Itoa(options.RateLimit.Requests) + ";w=3600"},
						[]string{resp.Header.Get("RateLimit-Limit"), resp.Header.Get("RateLimit-Policy")})
					require.NotEmpty(t, resp.Header.Get("RateLimit-Remaining"))
					require.NotEmpty(t, resp.Header.Get("RateLimit-Reset"))
				}
			}
			require.Equal(t, tc.statuses, got)
			require.Equal(t, refused, counted["rate_limited"])
		})
	}
}
