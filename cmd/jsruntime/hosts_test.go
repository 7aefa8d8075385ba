//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

const hostsSource = `export default { async fetch(request) {
	const url = new URL(request.url);
	switch (url.pathname.split("/").pop()) {
		case "go": return Response.redirect(new URL("/shop/end", request.url));
		case "cookie": return new Response("set", { headers: [["set-cookie", "a=1; Path=/"], ["set-cookie", "b=2; Domain=localhost"], ["x-accel-redirect", "/x"], ["content-type", "text/html,"]] });
		case "name": return new Response(null, { headers: { "x-name": request.headers.get("x-name") + " é" } });
		case "length": return new Response(null, { headers: { "content-length": "1234" } });
	}
	return Response.json({ url: request.url, headers: [...request.headers] });
} }`

// The real program: a tenant's host serves the tenant alone, /t/{slug} serves it sandboxed, and what the operator has exists on neither.
func TestTenantsHosts(t *testing.T) { bothWays(t, tenantsHosts) }

func tenantsHosts(t *testing.T, lean bool) {
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t), args: append(httpArgs(lean), "--tenant-domain", "apps.example.com")})
	key := n.tenant("acme")
	n.endpoint(key, "/shop/*rest", hostsSource, nil)
	n.live("/t/acme/shop/x")
	port := n.base[strings.LastIndexByte(n.base, ':'):]
	ask := func(method, host, path string, header http.Header) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, n.base+path, nil)
		require.NoError(t, err)
		req.Host = host
		for name, values := range header {
			req.Header[name] = values
		}
		resp, err := (&http.Transport{}).RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, string(text)
	}
	own, domain := "acme.localhost"+port, "acme.apps.example.com"

	for _, host := range []string{own, domain, "nobody.localhost", "apps.example.com", "a.b.localhost"} {
		for _, path := range []string{"/", "/console/", "/console", "/api/v1/whoami", "/docs", "/metrics", "/openapi.json", "/healthz", "/readyz", "/jsruntime.d.ts", "/t/acme/shop/x"} {
			resp, text := ask("GET", host, path, http.Header{"Authorization": {"Bearer " + key}})
			require.Equal(t, 404, resp.StatusCode, "%s%s", host, path)
			require.Equal(t, "not_found", code(t, text), "%s%s: the tenant has no such path", host, path)
		}
	}
	for host, status := range map[string]int{"localhost" + port: 200, "127.0.0.1" + port: 200, "evil.example" + port: 421} {
		for _, path := range []string{"/console/", "/api/v1/whoami", "/docs"} {
			resp, _ := ask("GET", host, path, http.Header{"Authorization": {"Bearer " + key}})
			require.Equal(t, status, resp.StatusCode, "%s%s", host, path)
		}
		resp, _ := ask("GET", host, "/healthz", nil)
		require.Equal(t, 200, resp.StatusCode)
	}

	resp, text := ask("GET", own, "/shop/100%25/x?q=1&key="+key, http.Header{"Authorization": {"Bearer " + key}, "X-Tenant": {"acme"}, "Cookie": {"jsr_session=1; a=2"}})
	require.Equal(t, 200, resp.StatusCode, text)
	require.Empty(t, resp.Header["Content-Security-Policy"])
	var saw struct {
		URL     string
		Headers [][2]string
	}
	require.NoError(t, json.Unmarshal([]byte(text), &saw))
	require.Equal(t, "http://"+own+"/shop/100%25/x?q=1&key=jsr_redacted", saw.URL)
	require.NotContains(t, text, key)
	require.Contains(t, saw.Headers, [2]string{"cookie", "a=2"})
	execution := resp.Header.Get("X-Execution-Id")
	require.Eventually(t, func() bool {
		status, record := n.try("GET", "/api/v1/executions/"+execution, key, nil)
		return status == 200 && strings.Contains(record, "completed") && !strings.Contains(record, key)
	}, time.Minute, 10*time.Millisecond, "history has the run, without the key")

	resp, _ = ask("GET", own, "/shop/go", nil)
	require.Equal(t, "http://"+own+"/shop/end", resp.Header.Get("Location"))
	resp, _ = ask("GET", own, "/shop/cookie", nil)
	require.Equal(t, []string{"a=1; Path=/"}, resp.Header["Set-Cookie"])
	require.Empty(t, resp.Header["X-Accel-Redirect"])
	resp, _ = ask("GET", "localhost"+port, "/t/acme/shop/go", nil)
	require.Equal(t, "http://localhost"+port+"/t/acme/shop/end", resp.Header.Get("Location"))
	resp, _ = ask("GET", own, "/shop/name", http.Header{"X-Name": {"caf\xe9"}})
	require.Equal(t, "caf\xe9 \xe9", resp.Header.Get("X-Name"))
	resp, _ = ask("HEAD", own, "/shop/length", nil)
	require.EqualValues(t, 1234, resp.ContentLength)
	resp, _ = ask("HEAD", own, "/shop/nothing", nil)
	require.Positive(t, resp.ContentLength)

	resp, _ = ask("GET", "localhost"+port, "/t/acme/shop/cookie", nil)
	require.Equal(t, []string{"t.acme.a=1; Path=/t/acme; Priority=Low"}, resp.Header["Set-Cookie"])
	require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "sandbox "))
	require.Empty(t, resp.Header["X-Accel-Redirect"])
	_, text = ask("GET", "localhost"+port, "/t/acme/shop/x", http.Header{"Cookie": {"t.acme.a=1; t.other.a=2; b=3"}})
	require.Contains(t, text, `["cookie","a=1"]`)

	// A path that browsers send and Go's URL parser refuses.
	require.Equal(t, `200 "http://acme.localhost/shop/100%?a=%"`, n.raw(t, "GET /shop/100%?a=% HTTP/1.1\r\nHost: acme.localhost\r\nConnection: close\r\n\r\n"))
}

// A host of a tenant's own reaches the endpoints that name it, on every node and by either way of HTTP, and nothing of the operator's.
func TestHostsOfTenantsOwn(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	nodes := []*process{
		start(t, nodeConfig{databaseURL: database, args: append(httpArgs(true), "--tenant-domain", "apps.example.com", "--operator-host", "console.example.net")}),
		start(t, nodeConfig{databaseURL: database, args: append(httpArgs(false), "--tenant-domain", "apps.example.com", "--operator-host", "console.example.net")}),
	}
	key := nodes[0].tenant("acme")
	for _, host := range []string{"localhost", "acme.localhost", "x.apps.example.com", "apps.example.com", "console.example.net", "example.net"} {
		status, text := nodes[0].try("POST", "/api/v1/scripts", key, map[string]any{
			"name": "x", "type": "http", "http_path": "/x", "http_methods": []string{"GET"}, "source": hostsSource, "http": map[string]any{"hosts": []string{host}},
		})
		require.Equal(t, 422, status, "%s: %s", host, text)
		require.Contains(t, text, "body.http.hosts[0]")
	}
	id := nodes[0].endpoint(key, "/shop/:page", hostsSource, nil)
	nodes[0].endpoint(key, "/inside", hostsSource, nil)
	nodes[0].must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"http": map[string]any{"hosts": []string{"shop.customer.com"}}})
	ask := func(n *process, method, host, path string) (int, string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), method, n.base+path, strings.NewReader(""))
		require.NoError(t, err)
		req.Host = host
		resp, err := e2eClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text), resp.Header
	}
	for i, n := range nodes {
		require.Eventually(t, func() bool { status, _, _ := ask(n, "GET", "shop.customer.com", "/shop/x"); return status == 200 }, time.Minute, 5*time.Millisecond, "node %d", i)
		_, text, header := ask(n, "GET", "Shop.Customer.com:8443", "/shop/x?a=1")
		require.Contains(t, text, `"url":"http://shop.customer.com:8443/shop/x?a=1"`)
		require.Empty(t, header["Content-Security-Policy"], "it is an origin of the tenant's own")
		_, _, header = ask(n, "GET", "shop.customer.com", "/shop/cookie")
		require.Equal(t, []string{"a=1; Path=/"}, header["Set-Cookie"])
		for _, path := range []string{"/", "/inside", "/t/acme/shop/x", "/console/", "/api/v1/whoami", "/docs", "/metrics", "/openapi.json", "/healthz", "/readyz"} {
			status, text, _ := ask(n, "GET", "shop.customer.com", path)
			require.Equal(t, 404, status, "%s: %s", path, text)
			require.Equal(t, "not_found", code(t, text))
		}
		status, _, header := ask(n, "DELETE", "shop.customer.com", "/shop/x")
		require.Equal(t, 405, status)
		require.Equal(t, "GET, HEAD, POST", header.Get("Allow"))
		status, _, _ = ask(n, "GET", "customer.com", "/shop/x")
		require.Equal(t, 421, status)
		status, _, _ = ask(n, "GET", "acme.localhost", "/shop/x")
		require.Equal(t, 200, status)
	}
	nodes[1].must(200, "PATCH", "/api/v1/scripts/"+id, key, map[string]any{"status": "paused"})
	for i, n := range nodes {
		require.Eventually(t, func() bool { status, _, _ := ask(n, "GET", "shop.customer.com", "/shop/x"); return status == 421 }, time.Minute, 5*time.Millisecond, "node %d", i)
	}
}

// raw sends bytes and returns the answer's status and the URL that the script saw.
func (n *process) raw(t *testing.T, sent string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, sent)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var saw struct{ URL json.RawMessage }
	require.NoError(t, json.Unmarshal(body, &saw), string(body))
	return fmt.Sprint(resp.StatusCode, " ", string(saw.URL))
}
