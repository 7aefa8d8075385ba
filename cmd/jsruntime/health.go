package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/jsruntime/cmd/jsruntime/author"
)

// healthTimeout is longer than a node takes to find that its database does not answer.
const healthTimeout = 5 * time.Second

type healthConfig struct {
	author.Output
	URL     string   `name:"url" default:"http://127.0.0.1:8080" help:"The node's listener."`
	Exclude []string `help:"Checks to leave out: database."`
}

// Run asks a node. A node that is ready needs no words.
func (c *healthConfig) Run(ctx context.Context, p *author.Program) error {
	if err := health(ctx, *c); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"ready": true}, func(io.Writer) {})
}

// health asks a node's /readyz. Its error is what the node said.
func health(ctx context.Context, cfg healthConfig) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	target := strings.TrimSuffix(cfg.URL, "/") + "/readyz?" + url.Values{"exclude": cfg.Exclude}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	// The node itself is meant: a proxy of the environment is nothing for it.
	resp, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the status says enough
		return fmt.Errorf("not ready: %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
