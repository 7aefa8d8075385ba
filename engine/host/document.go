package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/egress"
)

// Document gets a document of at most limit bytes for the node itself, on behalf of a tenant: from where the tenant's scripts may fetch, over
// https, and without following redirects. Over http only where MayFetchPlain allows it.
func (h *Host) Document(ctx context.Context, tenantID uuid.UUID, url string, limit int64) ([]byte, error) {
	if !h.MayFetchPlain(url) {
		return nil, errPlain
	}
	t, detail := parseTarget(url)
	if detail != "" {
		return nil, errors.New(detail)
	}
	u := t.url
	req := (&http.Request{
		Method: http.MethodGet, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"application/json"}, "User-Agent": {h.cfg.Product}},
	}).WithContext(ctx)
	resp, err := h.pools.of(tenantID, nil).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("the document is longer than %d bytes", limit)
	}
	return body, nil
}

// Post posts a body for the node itself, on behalf of a tenant or of the operator (no tenant), to an address that they have given: where the operator's
// guard and rules allow it, and without following redirects. Plain http is for where MayFetchPlain allows it.
func (h *Host) Post(ctx context.Context, tenantID uuid.UUID, rules *egress.List, url string, header http.Header, body []byte) (*http.Response, error) {
	if !h.MayFetchPlain(url) {
		return nil, errPlain
	}
	t, detail := parseTarget(url)
	if detail != "" {
		return nil, errors.New(detail)
	}
	u := t.url
	req := (&http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header.Clone(),
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}).WithContext(ctx)
	req.Header.Set("User-Agent", h.cfg.Product)
	return h.pools.of(tenantID, egress.Of(rules)).RoundTrip(req)
}

var errPlain = errors.New("not an https URL, and its host is not one that JSRUNTIME_FETCH_ALLOW names")

// MayFetchPlain reports whether a URL is safe for data that the network must not read or change: any https URL, and http URLs of hosts and
// addresses that FetchAllow names.
func (h *Host) MayFetchPlain(url string) bool {
	t, detail := parseTarget(url)
	if detail != "" {
		return false
	}
	return t.url.Scheme == "https" || h.guard.allows(&t.url)
}
