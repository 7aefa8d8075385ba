package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"example.com/jsruntime/bench/load"
)

// token is a JWT (RFC 7519) with an HMAC under key, good for an hour.
func token(key string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	signed := part(`{"alg":"HS256"}`) + "." + part(fmt.Sprintf(`{"iss":"bench","exp":%d}`, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// rules measures an endpoint with a jwt, a rate limit and egress rules by the same endpoint without, in turns: the p99 at a rate that leaves
// processors idle, and in a closed loop the node's CPU of a request.
func rules(ctx context.Context, o *options) error {
	n, a, err := startForAuthor(ctx, o, "rules")
	if err != nil {
		return err
	}
	defer n.stop()
	const key = "a key of at least thirty-two bytes"
	if err := a.call(ctx, http.MethodPut, "/api/v1/secrets/SHARED", map[string]any{"value": key}, nil); err != nil {
		return err
	}
	if _, err := a.endpoint(ctx, "/bare", endpoint); err != nil {
		return err
	}
	id, err := a.endpoint(ctx, "/ruled", endpoint)
	if err != nil {
		return err
	}
	if err := a.call(ctx, http.MethodPatch, "/api/v1/scripts/"+id, map[string]any{
		"http": map[string]any{
			"auth":       map[string]any{"type": "jwt", "secret": "SHARED", "issuer": "bench"},
			"rate_limit": map[string]any{"requests": 1_000_000, "per": "second", "key": "ip"},
		},
		"egress": map[string]any{"allow": []string{"api.stripe.com", "*.slack.com:443", "10.0.0.0/8"}, "deny": []string{"10.1.0.0/16"}},
	}, nil); err != nil {
		return err
	}
	bearer := []string{"Authorization: Bearer " + token(key)}
	run := func(path string, headers []string, rate float64) (*load.Result, float64, error) {
		cfg := load.Config{Address: n.address, Paths: []string{"/t/" + a.slug + path}, Headers: headers, Connections: o.connections, Rate: rate, Warmup: time.Second, Duration: o.duration}
		before, err := load.Tree(n.cmd.Process.Pid)
		if err != nil {
			return nil, 0, err
		}
		res, err := load.Run(ctx, cfg)
		if err != nil {
			return nil, 0, err
		}
		if res.Status[http.StatusOK] != res.Requests || res.Failed() > 0 {
			return nil, 0, fmt.Errorf("not every answer was a 200: %v", res)
		}
		after, err := load.Tree(n.cmd.Process.Pid)
		if err != nil {
			return nil, 0, err
		}
		return res, float64((after["jsruntime"].CPU - before["jsruntime"].CPU).Microseconds()) / float64(res.Requests), nil
	}
	var p99, cpu [2][]float64 // bare, ruled
	for range o.rounds {
		for i, path := range []string{"/bare", "/ruled"} {
			headers := [][]string{nil, bearer}[i]
			open, _, err := run(path, headers, 500)
			if err != nil {
				return err
			}
			_, micros, err := run(path, headers, 0)
			if err != nil {
				return err
			}
			p99[i], cpu[i] = append(p99[i], millis(open.Quantile(.99))), append(cpu[i], micros)
		}
	}
	say("rules     p99 at 500 requests/s with jwt, rate limit and egress by that without: %v   (%v and %v ms); the node's CPU of a request in a closed loop: %v   (%v and %v us)",
		ratios(p99[1], p99[0]), spreadOf(p99[1]), spreadOf(p99[0]), ratios(cpu[1], cpu[0]), spreadOf(cpu[1]), spreadOf(cpu[0]))
	return nil
}
