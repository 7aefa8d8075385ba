// Package client speaks the admin API.
//
//	answer                        what happens
//	2xx                           decoded
//	429, 503 with Retry-After     waited for and sent again, up to MaxWait in all; a POST carries an Idempotency-Key
//	connection refused or lost    said at once: a command's user knows better than a loop whether the node is coming
//	other                         *Problem, with the code, the detail and the places that the API names
//	3xx                           an error: a key is not sent to where an answer points
//
// A key goes into one header and nowhere else: no error and no message has it.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config is what a Client is made of.
type Config struct {
	URL       string // of the node, required
	Key       string // empty sends none
	Tenant    string // for an operator's key: whose tenant is meant; empty sends none
	UserAgent string
	// MaxWait is how long a call may wait for Retry-After in all; 0 means a minute.
	MaxWait time.Duration
	// Waiting is called before each wait, with its length and reason; nil: no call.
	Waiting func(wait time.Duration, reason string)
}

// Client calls one node.
type Client struct {
	cfg  Config
	http *http.Client
}

const (
	maxAnswer  = 256 << 20
	maxProblem = 1 << 20
)

// New makes a client.
func New(cfg Config) *Client {
	if cfg.MaxWait == 0 {
		cfg.MaxWait = time.Minute
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &Client{cfg: cfg, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// URL is the node's.
func (c *Client) URL() string { return c.cfg.URL }

// Call is a request.
type Call struct {
	Method string
	Path   string // below the node's URL, escaped
	Query  url.Values
	// Body is sent as JSON; nil sends none. A json.RawMessage is sent as it is.
	Body any
	// Reader wraps the body as it is sent, to count it; nil leaves it.
	Reader func(io.Reader) io.Reader
	Header http.Header
}

// Do calls and decodes the answer into out, unless that is nil.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	resp, err := c.Send(ctx, call)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: %w", c.cfg.URL, err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("%s: the answer has more than %d bytes", c.cfg.URL, maxAnswer)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = text
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: its answer to %s %s is not what this version reads: %w", c.cfg.URL, call.Method, call.Path, err)
	}
	return nil
}

// Get calls GET.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	return c.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: query}, out)
}

// Post calls POST.
func (c *Client) Post(ctx context.Context, path string, query url.Values, body, out any) error {
	return c.Do(ctx, Call{Method: http.MethodPost, Path: path, Query: query, Body: body}, out)
}

// Patch sends a merge patch.
func (c *Client) Patch(ctx context.Context, path string, body, out any) error {
	return c.Do(ctx, Call{Method: http.MethodPatch, Path: path, Body: body}, out)
}

// Send calls and returns the answer, which is a 2xx. The caller closes its body.
func (c *Client) Send(ctx context.Context, call Call) (*http.Response, error) {
	var body []byte
	if call.Body != nil {
		var err error
		if body, err = json.Marshal(call.Body); err != nil {
			return nil, err
		}
	}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	if call.Method == http.MethodPost && call.Header.Get("Idempotency-Key") == "" {
		call.Header.Set("Idempotency-Key", rand.Text())
	}
	for waited := time.Duration(0); ; {
		resp, err := c.once(ctx, call, body)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode/100 == 2 {
			return resp, nil
		}
		problem := readProblem(resp)
		wait, retry := retryAfter(resp)
		if !retry || waited+wait > c.cfg.MaxWait {
			return nil, problem
		}
		waited += wait
		if c.cfg.Waiting != nil {
			c.cfg.Waiting(wait, problem.Error())
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Client) once(ctx context.Context, call Call, body []byte) (*http.Response, error) {
	target := c.cfg.URL + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	var sent io.Reader
	if call.Body != nil {
		sent = bytes.NewReader(body)
		if call.Reader != nil {
			sent = call.Reader(sent)
		}
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, sent)
	if err != nil {
		return nil, errors.New("url: cannot be called") // the URL is left out: it may hold a password
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	if call.Body != nil {
		req.ContentLength = int64(len(body))
		req.Header.Set("Content-Type", "application/json")
		if call.Method == http.MethodPatch {
			req.Header.Set("Content-Type", "application/merge-patch+json")
		}
	}
	if c.cfg.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Key)
	}
	if c.cfg.Tenant != "" {
		req.Header.Set("X-Tenant", c.cfg.Tenant)
	}
	if c.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	resp, err := c.http.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return nil, fmt.Errorf("%s: the connection broke before the answer came; what was asked for may have been done (%w)", c.cfg.URL, err)
	}
	return nil, fmt.Errorf("%s cannot be reached: %w", c.cfg.URL, err)
}

// retryAfter reports whether an answer asks for another try, and when.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	seconds, err := strconv.Atoi(strings.TrimSpace(resp.Header.Get("Retry-After")))
	if err != nil || seconds < 0 {
		return 0, false
	}
	return max(time.Duration(seconds)*time.Second, 100*time.Millisecond), true
}
