//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/dbtest"
)

// forward passes connections at address on to a database, until the test ends.
func forward(t *testing.T, address, databaseURL string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(databaseURL)
	require.NoError(t, err)
	network, target := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	var pumps sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		pumps.Wait()
	})
	pumps.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, target)
			if err != nil {
				client.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
				pumps.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
					pair[1].Close()
				})
			}
		}
	})
}

func at(t *testing.T, databaseURL, address string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	u.Host = address
	return u.String()
}

func TestStartWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	database, address := dbtest.Empty(t), freeAddress(t)
	var text lockedBuffer
	done := make(chan error, 1)
	go func() {
		done <- awaitDatabase(t.Context(), at(t, database, address), slog.New(slog.NewTextHandler(&text, nil)))
	}()
	require.Eventually(t, func() bool { return strings.Contains(text.String(), "waiting for the database") }, 30*time.Second, 5*time.Millisecond)
	forward(t, address, database)
	require.NoError(t, <-done)
	require.Equal(t, 1, strings.Count(text.String(), "waiting for the database"), "told once, and not for every try")
	states, err := migrations.Status(t.Context(), database)
	require.NoError(t, err)
	for _, s := range states {
		require.True(t, s.Applied, s.Name)
	}
}

func TestStartEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var text lockedBuffer
	done := make(chan error, 1)
	go func() {
		done <- awaitDatabase(ctx, "postgres://u:secret@"+freeAddress(t)+"/d", slog.New(slog.NewTextHandler(&text, nil)))
	}()
	require.Eventually(t, func() bool { return strings.Contains(text.String(), "waiting for the database") }, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NotContains(t, text.String(), "secret")
}

func TestStartRefusesWhatWaitingDoesNotMend(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbtest.Empty(t))
	require.NoError(t, err)
	u.Path = "/jsr_no_such_database"
	var pg *pgconn.PgError
	require.ErrorAs(t, awaitDatabase(t.Context(), u.String(), slog.New(slog.DiscardHandler)), &pg)
	require.Equal(t, "3D000", pg.Code)
	require.ErrorIs(t, awaitDatabase(t.Context(), "postgres://u:p@[", slog.New(slog.DiscardHandler)), connect.ErrURL)

	for _, code := range []string{"08006", "53300", "57P01", "57P03", "25006"} {
		require.Equal(t, connect.Away, connect.ClassOf(fmt.Errorf("migrate: %w", &pgconn.PgError{Code: code})), code)
	}
	for _, code := range []string{"28P01", "28000", "3D000", "42601", "42501", "57014"} {
		require.NotEqual(t, connect.Away, connect.ClassOf(fmt.Errorf("migrate: %w", &pgconn.PgError{Code: code})), code)
	}
	require.Equal(t, connect.Away, connect.ClassOf(fmt.Errorf("connect: %w", context.DeadlineExceeded)))
	require.Equal(t, connect.Away, connect.ClassOf(io.ErrUnexpectedEOF))
	require.NotEqual(t, connect.Away, connect.ClassOf(errors.New("read migrations: no such file")))
}

// A dump restored where the role of tenants is missing leaves tables that no tenant's request can read.
func TestStartSaysThatTheRoleIsNotInPlace(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	database := dbtest.URL(t)
	conn, err := pgx.Connect(ctx, database)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "DROP POLICY jsruntime_tenant_rows ON scripts; REVOKE ALL ON script_kv FROM jsruntime_tenant")
	require.NoError(t, err)
	err = awaitDatabase(ctx, database, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "2 of ")
	require.ErrorContains(t, err, "SELECT jsruntime_protect_tenant_tables();")
	_, err = conn.Exec(ctx, "SELECT jsruntime_protect_tenant_tables()")
	require.NoError(t, err)
	require.NoError(t, awaitDatabase(ctx, database, slog.New(slog.DiscardHandler)))
}
