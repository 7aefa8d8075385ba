package connect

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// ErrURL says that a connection string cannot be read. pgx's own error could quote the password.
var ErrURL = errors.New("cannot be read as a Postgres URL")

// Use says what the connections are for, which decides about several hosts.
type Use int

// The uses.
const (
	ReadWrite Use = iota // only a server that takes writes will do
	ReadOnly             // a standby is preferred, the primary will do
)

// hostTimeout is how long one of several hosts may take to accept a connection, unless connect_timeout says otherwise.
const hostTimeout = 3 * time.Second

// Parse reads a connection string, as a URL or as key=value, with what libpq's environment variables add.
func Parse(databaseURL string, use Use) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, ErrURL
	}
	conn := cfg.ConnConfig
	if len(Hosts(conn)) < 2 {
		return cfg, nil
	}
	given := func(setting, variable string) bool {
		return strings.Contains(databaseURL, setting) || os.Getenv(variable) != ""
	}
	if !given("target_session_attrs", "PGTARGETSESSIONATTRS") {
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		if use == ReadOnly {
			conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPreferStandby
		}
	}
	if !given("connect_timeout", "PGCONNECT_TIMEOUT") {
		conn.ConnectTimeout = hostTimeout
	}
	route := &route{}
	cfg.BeforeConnect = route.prefer
	return cfg, nil
}

// Hosts are the servers that a connection may reach, as host:port in their order.
func Hosts(cfg *pgx.ConnConfig) []string {
	hosts := []string{net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))}
	for _, f := range cfg.Fallbacks {
		if h := net.JoinHostPort(f.Host, fmt.Sprint(f.Port)); !slices.Contains(hosts, h) { // sslmode=prefer has each twice
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// One makes a single connection with a pool's settings.
func One(ctx context.Context, cfg *pgxpool.Config) (*pgx.Conn, error) {
	conn := cfg.ConnConfig.Copy()
	if cfg.BeforeConnect != nil {
		if err := cfg.BeforeConnect(ctx, conn); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, conn)
}

// ErrReadOnly says that a server answers and takes no writes.
var ErrReadOnly = errors.New("the server takes no writes")

// Writable asks the server of a connection or a pool whether it takes writes.
func Writable(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) error {
	var readOnly string
	if err := db.QueryRow(ctx, "SHOW transaction_read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return ErrReadOnly
	}
	return nil
}

// Pool says what Open makes.
type Pool struct {
	URL string
	Use Use
	// Name is the sessions' application_name, unless URL has one. Required.
	Name string
	// Conns bounds the connections. Required.
	Conns int
	// Wrap gives a network connection another form before it is used. nil: none.
	Wrap func(net.Conn) net.Conn
	// Log gets a line when connections are dropped. nil: slog.Default().
	Log *slog.Logger
}

// Open opens a pool. It does not wait for the first connection.
func Open(ctx context.Context, p Pool) (*pgxpool.Pool, error) {
	cfg, err := Parse(p.URL, p.Use)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(p.Conns)
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.MaxConnLifetime = time.Hour
	cfg.MaxConnLifetimeJitter = 5 * time.Minute
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = p.Name
	}
	// Without this pgx takes a uuid.UUID for a driver.Valuer: an error, a string and a parse for each.
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	if p.Wrap != nil {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return p.Wrap(conn), nil
		}
	}
	d := &dropper{name: p.Name, log: cmp.Or(p.Log, slog.Default())}
	if p.Use == ReadWrite {
		cfg.ConnConfig.OnPgError = d.watch(cfg.ConnConfig.OnPgError)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	d.pool.Store(pool)
	return pool, nil
}

// dropEvery is the least time between two times that a pool's connections are dropped.
const dropEvery = time.Second

// dropper empties a pool whose server stops or became read-only: its other connections are of the same server.
type dropper struct {
	name string
	log  *slog.Logger
	pool atomic.Pointer[pgxpool.Pool]
	last atomic.Int64 // when the pool was emptied, in Unix nanoseconds
}

// watch makes pgconn.Config.OnPgError, which returns whether the connection may go on.
func (d *dropper) watch(before pgconn.PgErrorHandler) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		goesOn := before == nil || before(conn, err)
		if !Demoted(err.Code) {
			return goesOn
		}
		pool, now, last := d.pool.Load(), time.Now().UnixNano(), d.last.Load()
		if pool != nil && now-last >= int64(dropEvery) && d.last.CompareAndSwap(last, now) {
			d.log.Warn("connections dropped: the server stops or takes no writes", "pool", d.name, "sqlstate", err.Code)
			pool.Reset()
		}
		return false
	}
}

// route remembers which of several hosts was reached last. It is shared by all connections of one configuration.
type route struct {
	mu   sync.Mutex
	last host // that was reached last; zero: none
}

type host struct {
	name string
	port uint16
}

// prefer is pgxpool.Config.BeforeConnect: it moves the host that was reached last to the front.
func (r *route) prefer(_ context.Context, cfg *pgx.ConnConfig) error {
	type entry struct {
		host
		tls *tls.Config
	}
	entries := []entry{{host{cfg.Host, cfg.Port}, cfg.TLSConfig}}
	for _, f := range cfg.Fallbacks {
		entries = append(entries, entry{host{f.Host, f.Port}, f.TLSConfig})
	}
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	rank := func(e entry) int {
		if e.host == last {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(entries, func(x, y entry) int { return rank(x) - rank(y) })
	cfg.Host, cfg.Port, cfg.TLSConfig = entries[0].name, entries[0].port, entries[0].tls
	cfg.Fallbacks = nil
	for _, e := range entries[1:] {
		cfg.Fallbacks = append(cfg.Fallbacks, &pgconn.FallbackConfig{Host: e.name, Port: e.port, TLSConfig: e.tls})
	}

	// Which host a connection is of, pgx does not say: its address does, with what the names resolved to.
	resolved := map[string][]string{} // of this connection, whose hosts are looked up one after the other
	lookup, validate := cfg.LookupFunc, cfg.ValidateConnect
	cfg.LookupFunc = func(ctx context.Context, name string) ([]string, error) {
		addresses, err := lookup(ctx, name)
		resolved[name] = addresses
		return addresses, err
	}
	cfg.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if validate != nil {
			if err := validate(ctx, conn); err != nil {
				return err
			}
		}
		address, err := netip.ParseAddrPort(conn.Conn().RemoteAddr().String())
		if err != nil { // a Unix socket
			return nil
		}
		for _, e := range entries {
			if e.port == address.Port() && slices.ContainsFunc(resolved[e.name], func(text string) bool {
				ip, err := netip.ParseAddr(text)
				return err == nil && ip.Unmap() == address.Addr().Unmap()
			}) {
				r.mu.Lock()
				r.last = e.host
				r.mu.Unlock()
				return nil
			}
		}
		return nil
	}
	return nil
}
