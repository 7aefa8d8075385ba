package connect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/dbtest/pgserver"
)

func open(t *testing.T, databaseURL string, use connect.Use) *pgxpool.Pool {
	t.Helper()
	pool, err := connect.Open(t.Context(), connect.Pool{URL: databaseURL, Use: use, Name: "test", Conns: 4, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func value[T any](t *testing.T, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, sql string,
) (v T) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), sql).Scan(&v))
	return v
}

// A standby is promoted: every way of connecting finds the server that takes writes, wherever it stands in the list.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	primary := pgserver.New(t, dir)
	standby := primary.Standby(t, dir, "standby")
	list := fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", standby.Port, primary.Port)
	databaseURL := "postgres://postgres@" + list + "/postgres?sslmode=disable"

	db := open(t, databaseURL, connect.ReadWrite)
	require.Equal(t, primary.Port, value[int](t, db, "SELECT current_setting('port')::int"))
	require.Equal(t, standby.Port, value[int](t, open(t, databaseURL, connect.ReadOnly), "SELECT current_setting('port')::int"), "reads prefer the standby")
	require.Equal(t, standby.Port, value[int](t, open(t, databaseURL+"&target_session_attrs=any", connect.ReadWrite), "SELECT current_setting('port')::int"), "what the string says holds")
	require.NoError(t, migrations.Up(t.Context(), databaseURL))
	cfg, err := connect.Parse(databaseURL, connect.ReadWrite)
	require.NoError(t, err)
	require.Equal(t, strings.Split(list, ","), connect.Hosts(cfg.ConnConfig))
	require.Equal(t, 3*time.Second, cfg.ConnConfig.ConnectTimeout)

	require.Eventually(t, func() bool {
		return standby.Query(t, "to_regclass('nodes')") == "nodes"
	}, time.Minute, 20*time.Millisecond, "the standby does not follow")
	primary.Stop(syscall.SIGQUIT)
	standby.Promote(t)
	require.Eventually(t, func() bool {
		var port int
		err := db.QueryRow(t.Context(), "SELECT current_setting('port')::int FROM pg_current_xact_id()").Scan(&port)
		return err == nil && port == standby.Port
	}, time.Minute, 10*time.Millisecond)
	states, err := migrations.Status(t.Context(), databaseURL)
	require.NoError(t, err)
	require.True(t, states[len(states)-1].Applied)
	conn, err := connect.One(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, standby.Port, value[int](t, conn, "SELECT current_setting('port')::int"))
	require.NoError(t, conn.Close(t.Context()))

	// The old primary comes back as a standby of the new one, which then goes: the list is walked in the other direction.
	primary.Follow(t, standby)
	standby.Stop(syscall.SIGINT)
	primary.Promote(t)
	require.Eventually(t, func() bool {
		var port int
		err := db.QueryRow(t.Context(), "SELECT current_setting('port')::int FROM pg_current_xact_id()").Scan(&port)
		return err == nil && port == primary.Port
	}, time.Minute, 10*time.Millisecond)
}

// One of the hosts accepts and never answers, as a machine does that hangs: it is waited for once.
func TestAHostThatHangsIsAskedOnce(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var asked atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			asked.Add(1)
		}
	}()
	u, err := url.Parse(dbtest.Empty(t))
	require.NoError(t, err)
	u.Host = listener.Addr().String() + "," + u.Host
	db := open(t, u.String()+"&connect_timeout=1", connect.ReadWrite)
	require.NoError(t, db.Ping(t.Context()))
	require.Eventually(t, func() bool { return db.Stat().ConstructingConns() == 0 }, time.Minute, time.Millisecond, "the pool makes a first connection of its own")
	first := asked.Load()
	require.Positive(t, first)
	for range 3 {
		db.Reset()
		require.NoError(t, db.Ping(t.Context()))
	}
	require.Equal(t, first, asked.Load())
}

// A server that became read-only without ending its sessions: the pool has no connection to it any more after the first refusal.
func TestConnectionsToADemotedServerAreDropped(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := pgserver.New(t, t.TempDir())
	db := open(t, server.URL("postgres"), connect.ReadWrite)
	var held []*pgxpool.Conn
	for range 4 {
		conn, err := db.Acquire(ctx)
		require.NoError(t, err)
		held = append(held, conn)
	}
	for _, conn := range held[1:] {
		conn.Release()
	}
	// As the row of a standby says it, and as it says it to sessions that it has already.
	server.Exec(t, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
	server.Exec(t, "postgres", "SELECT pg_reload_conf()")
	var refused *pgconn.PgError
	require.Eventually(t, func() bool {
		_, err := held[0].Exec(ctx, "CREATE TABLE t ()")
		if err == nil {
			_, err = held[0].Exec(ctx, "DROP TABLE t")
		}
		return errors.As(err, &refused)
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, "25006", refused.Code)
	require.Equal(t, connect.Away, connect.ClassOf(refused))
	require.True(t, held[0].Conn().IsClosed())
	held[0].Release()
	require.Eventually(t, func() bool { return db.Stat().TotalConns() == 0 }, time.Minute, 5*time.Millisecond, "idle connections stay")
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for code, class := range map[string]connect.Class{
		"08006": connect.Away, "53100": connect.Away, "53300": connect.Away, "57P01": connect.Away, "57P03": connect.Away, "57P05": connect.Away,
		"25006": connect.Away, "25P03": connect.Away, "25P04": connect.Away, "58030": connect.Away,
		"40001": connect.Busy, "40P01": connect.Busy, "55P03": connect.Busy, "57014": connect.Cancelled,
		"22P02": connect.Value, "54001": connect.Value, "23502": connect.Check, "23514": connect.Check, "23505": connect.Duplicate, "23503": connect.Reference,
		"42501": connect.Denied, "42P01": connect.Missing, "26000": connect.Unprepared,
		"28P01": connect.Other, "3D000": connect.Other, "42601": connect.Other, "58P01": connect.Other, "JSR03": connect.Other, "": connect.Other,
	} {
		require.Equal(t, class, connect.ClassOf(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})), code)
	}
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, pgconn.ErrConnClosed, net.ErrClosed, context.DeadlineExceeded} {
		require.Equal(t, connect.Away, connect.ClassOf(fmt.Errorf("x: %w", err)), err)
	}
	require.Equal(t, connect.Other, connect.ClassOf(errors.New("x")))
	require.False(t, connect.Demoted("57014"))
	require.False(t, connect.Demoted("57P04"))
	require.True(t, connect.Demoted("57P02"))
	_, err := connect.Parse("postgres://u:secret@[", connect.ReadWrite)
	require.ErrorIs(t, err, connect.ErrURL)
	require.NotContains(t, err.Error(), "secret")
}
