// Package node is what the commands of bench share to start a jsruntime node and to speak with it.
package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Address is a free one on this machine, as host:port. Another program could take it before a node does.
func Address() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Ready reports whether the node at base ("http://host:port") takes requests.
func Ready(ctx context.Context, client *http.Client, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// AwaitReady waits until the node takes requests. Its error says that the process is gone, that ctx has ended, or that it took longer
// than within.
func AwaitReady(ctx context.Context, client *http.Client, base string, gone <-chan struct{}, within time.Duration) error {
	for until := time.Now().Add(within); time.Now().Before(until); {
		if Ready(ctx, client, base) {
			return nil
		}
		select {
		case <-gone:
			return errors.New("the node ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("the node is not ready after %v", within)
}

// Answer is a response that was read to its end.
type Answer struct {
	Status      int
	ExecutionID string // of X-Execution-Id
	Text        []byte
}

// Call sends one request, with body as JSON unless it is nil and with key as a bearer token unless it is empty. The error is the
// connection's.
func Call(ctx context.Context, client *http.Client, method, url, key string, body any) (Answer, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case body != nil && method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{Status: resp.StatusCode, ExecutionID: resp.Header.Get("X-Execution-Id"), Text: text}, err
}
