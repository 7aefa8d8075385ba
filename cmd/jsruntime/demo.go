//go:build linux

package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// demoSources are the samples of --demo: each script type is among them.
//
//go:embed demo/*.ts
var demoSources embed.FS

// demoScripts are the samples' triggers.
var demoScripts = []struct {
	name, scriptType, description string
	trigger                       map[string]any
}{
	{"headline", "embedded", "Called by other scripts.", nil},
	{"hello", "http", "Says hello.", map[string]any{"http_path": "/hello/:name", "http_methods": []string{"GET"}}},
	{"counter", "http", "Counts its visits.", map[string]any{"http_path": "/counter", "http_methods": []string{"GET", "POST"}}},
	{"heartbeat", "scheduled", "Counts minutes.", map[string]any{"cron_expression": "* * * * *"}},
	{"milestone", "event", "Handles demo.milestone.", map[string]any{"event_types": []string{"demo.milestone"}}},
	{"primes", "oneoff", "Counts primes.", nil},
}

const demoTenant = "demo"

// demo makes the tenant demo, its samples and a key, unless they are there, and prints how to call them. It uses the admin API,
// so that any user could make the same. Samples that a user has changed stay as they are.
func demo(ctx context.Context, api http.Handler, adminKey, dataDir, baseURL, operatorURL string, stdout io.Writer) error {
	c := apiCaller{handler: api, key: adminKey}
	status, body, err := c.call(ctx, "POST", "/api/v1/tenants", map[string]any{"slug": demoTenant, "name": "Demo"})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if status != http.StatusCreated && status != http.StatusConflict {
		return fmt.Errorf("demo: making the tenant: %d %s", status, body)
	}
	c.tenant = demoTenant
	for _, s := range demoScripts {
		source, err := demoSources.ReadFile("demo/" + s.name + ".ts")
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		script := map[string]any{
			"name": s.name, "type": s.scriptType, "source": string(source), "description": s.description, "status": "active", "tags": []string{"demo"},
		}
		for field, value := range s.trigger {
			script[field] = value
		}
		status, body, err := c.call(ctx, "POST", "/api/v1/scripts", script)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		if status != http.StatusCreated && status != http.StatusConflict {
			return fmt.Errorf("demo: making the script %s: %d %s", s.name, status, body)
		}
	}
	key, err := tenantKey(ctx, c, dataDir, demoTenant)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(stdout, `
The demo tenant is ready. An endpoint answers without a key:

  curl %[1]s/t/demo/hello/world
  curl %[3]s/hello/world            # on the tenant's own host, where pages work too

Its key opens the admin API:

  export JSR_KEY=%[2]s
  curl -H "Authorization: Bearer $JSR_KEY" '%[4]s/api/v1/executions?limit=5'
  curl -H "Authorization: Bearer $JSR_KEY" -d '{"upTo": 1000}' -H 'Content-Type: application/json' %[4]s/api/v1/invoke/primes

Where to look:

  %[4]s/console/        the console, with the same key or the link below
  %[4]s/docs            the API
  %[4]s/jsruntime.d.ts  the types for scripts

Ctrl-C ends it. What it keeps is in %[5]s.

`, baseURL, key, tenantURL(baseURL, demoTenant), operatorURL, dataDir)
	return nil
}

// printConsole says where the console is, with a link that signs the operator in, which it returns if there is one. With --demo the link leads to
// the demo tenant.
func printConsole(ctx context.Context, api http.Handler, adminKey, baseURL string, cfg serveConfig, stdout io.Writer) (link string, err error) {
	if !cfg.ConsoleLink {
		fmt.Fprintf(stdout, "The console: %s/console/\n\n", baseURL)
		return "", nil
	}
	c := apiCaller{handler: api, key: adminKey}
	status, body, err := c.call(ctx, "POST", "/api/v1/session-links", nil)
	if err != nil {
		return "", fmt.Errorf("console's link: %w", err)
	}
	var made struct {
		Link string `json:"link"`
	}
	if status != http.StatusCreated || json.Unmarshal(body, &made) != nil || made.Link == "" {
		return "", fmt.Errorf("console's link: %d %s", status, body)
	}
	fragment := "link=" + made.Link
	if cfg.Demo {
		fragment += "&tenant=" + demoTenant
	}
	link = baseURL + "/console/#" + fragment
	fmt.Fprintf(stdout, "The console, signed in with this link (once, within ten minutes):\n\n  %s\n\n", link)
	return link, nil
}

// tenantKey returns the key of an earlier start while it still works, else a new one. It is kept beside the node's own keys, in a file that
// has the tenant's slug.
func tenantKey(ctx context.Context, c apiCaller, dataDir, slug string) (string, error) {
	file := filepath.Join(dataDir, slug+".key")
	if kept, err := os.ReadFile(file); err == nil {
		key := strings.TrimSpace(string(kept))
		status, _, err := (apiCaller{handler: c.handler, key: key}).call(ctx, "GET", "/api/v1/whoami", nil)
		if err != nil {
			return "", err
		}
		if status == http.StatusOK {
			return key, nil
		}
	}
	status, body, err := c.call(ctx, "POST", "/api/v1/api-keys", map[string]any{"name": slug, "role": "admin"})
	if err != nil {
		return "", err
	}
	var made struct {
		Key string `json:"key"`
	}
	if status != http.StatusCreated || json.Unmarshal(body, &made) != nil || made.Key == "" {
		return "", fmt.Errorf("making a key: %d %s", status, body)
	}
	if err := os.WriteFile(file, []byte(made.Key+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the key: %w", err)
	}
	return made.Key, nil
}

// apiCaller calls the admin API in this process.
type apiCaller struct {
	handler http.Handler
	key     string
	tenant  string
}

func (c apiCaller) call(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(sent))
	if err != nil {
		return 0, nil, err
	}
	req.RequestURI = path
	req.RemoteAddr = "127.0.0.1:0"
	req.Host = "localhost"
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.tenant != "" {
		req.Header.Set("X-Tenant", c.tenant)
	}
	w := &responseBuffer{header: http.Header{}, status: http.StatusOK}
	c.handler.ServeHTTP(w, req)
	return w.status, w.body.Bytes(), nil
}

// responseBuffer is an http.ResponseWriter in memory.
type responseBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *responseBuffer) Header() http.Header         { return w.header }
func (w *responseBuffer) WriteHeader(status int)      { w.status = status }
func (w *responseBuffer) Write(b []byte) (int, error) { return w.body.Write(b) }

// tenantURL is a tenant's own host on this machine.
func tenantURL(baseURL, slug string) string {
	at, err := url.Parse(baseURL)
	if err != nil {
		return baseURL
	}
	at.Host = slug + ".localhost:" + at.Port()
	return at.String()
}
