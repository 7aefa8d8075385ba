package host

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/egress"
)

const (
	// maxHeaderBytes bounds a response's head, and a request's.
	maxHeaderBytes = 64 << 10
	// maxConnsPerHost lets one tenant's thousand executions wait on one host at once.
	maxConnsPerHost     = 1024
	maxIdleConns        = 64
	maxIdleConnsPerHost = 32
	// poolIdle is after how long without a fetch a tenant's pool is taken down.
	poolIdle = 2 * time.Minute
)

// pools holds a transport for each tenant that fetched lately: connections and TLS sessions are never shared between tenants.
type pools struct {
	guard   *guard
	rootCAs *x509.CertPool
	most    int

	mu      sync.Mutex
	recent  *list.List // of *pool, the last used in front
	tenants map[poolKey]*list.Element
}

// poolKey is a tenant and its policy of egress: a connection that one script may have, another of the tenant may not.
type poolKey struct {
	tenant uuid.UUID
	policy string
}

type pool struct {
	key       poolKey
	transport *http.Transport
	usedAt    time.Time
}

func newPools(cfg *Config, g *guard) *pools {
	return &pools{guard: g, rootCAs: cfg.RootCAs, most: cfg.MaxTenantPools, recent: list.New(), tenants: map[poolKey]*list.Element{}}
}

func (p *pools) of(tenant uuid.UUID, policy *egress.Policy) *http.Transport {
	key := poolKey{tenant, policy.ID()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.tenants[key]; e != nil {
		p.recent.MoveToFront(e)
		e.Value.(*pool).usedAt = time.Now()
		return e.Value.(*pool).transport
	}
	for p.recent.Len() >= p.most {
		p.drop(p.recent.Back())
	}
	t := &http.Transport{
		// No Proxy: one from the environment would dial out of the guard's sight.
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return p.guard.dial(ctx, policy, address)
		},
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            p.rootCAs,
			ClientSessionCache: tls.NewLRUClientSessionCache(32),
		},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConnsPerHost,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// Bodies are decompressed in fetch, under its cap.
		DisableCompression: true,
	}
	p.tenants[key] = p.recent.PushFront(&pool{key: key, transport: t, usedAt: time.Now()})
	return t
}

// drop forgets a pool. What it has under way goes on; its idle connections are closed, and so are connections that become idle later
// are closed by IdleConnTimeout.
func (p *pools) drop(e *list.Element) {
	gone := p.recent.Remove(e).(*pool)
	delete(p.tenants, gone.key)
	gone.transport.CloseIdleConnections()
}

func (p *pools) closeIdle(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.recent.Back(); e != nil && now.Sub(e.Value.(*pool).usedAt) > poolIdle; e = p.recent.Back() {
		p.drop(e)
	}
}

func (p *pools) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.recent.Len() > 0 {
		p.drop(p.recent.Back())
	}
}
