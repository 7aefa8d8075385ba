package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/tenantdb"
)

const (
	// reachTimeout bounds the first connection, to a Postgres that perhaps accepts and never answers.
	reachTimeout = 10 * time.Second

	firstWait = 200 * time.Millisecond
	lastWait  = 5 * time.Second
	tellEvery = 30 * time.Second
)

var errDatabaseURL = errors.New("database-url: cannot be read as a Postgres URL") // pgx's own error could quote the password

// awaitDatabase brings the database to this version's schema. One that is away is waited for until ctx ends: a node that starts in an
// outage serves when that is over. What waiting does not mend is an error at once, a wrong password or a missing database among it.
func awaitDatabase(ctx context.Context, databaseURL string, log *slog.Logger) error {
	var told time.Time
	for pause := firstWait; ; pause = min(2*pause, lastWait) {
		err := prepareDatabase(ctx, databaseURL)
		if err == nil || ctx.Err() != nil || !databaseAway(err) {
			return err
		}
		if told.IsZero() || time.Since(told) >= tellEvery {
			told = time.Now()
			log.Warn("waiting for the database", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func prepareDatabase(ctx context.Context, databaseURL string) error {
	if err := checkDatabase(ctx, databaseURL); err != nil {
		return err
	}
	return migrations.Up(ctx, databaseURL)
}

func checkDatabase(ctx context.Context, databaseURL string) error {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return errDatabaseURL
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return tenantdb.Check(ctx, conn)
}

// databaseAway reports whether err is of a database that cannot be reached or serves no client at the moment, by SQLSTATE: 08 (connection),
// 53 (out of connections, memory or disk), 57P01 to 57P03 (stopping, crashed, starting), 25006 (a standby that is perhaps about to
// be the primary); and errors of the network, which have none. All others stay: 28 (password, pg_hba.conf), 3D000 (no such
// database), and what a migration does wrong.
func databaseAway(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "57P01", "57P02", "57P03", "25006":
			return true
		}
		return len(pg.Code) == 5 && (pg.Code[:2] == "08" || pg.Code[:2] == "53")
	}
	var connect *pgconn.ConnectError
	var network net.Error // context.DeadlineExceeded is one
	if errors.As(err, &connect) || errors.As(err, &network) {
		return true
	}
	for _, lost := range []error{driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}
