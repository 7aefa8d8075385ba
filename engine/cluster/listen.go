package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/connect"
)

const (
	// checkListen is how long the connection may be silent before it is tried: a half-open one never says anything.
	checkListen = 15 * time.Second
	// listenAgain is the mean pause before a lost connection is made anew.
	listenAgain = 500 * time.Millisecond
)

// Listener keeps the node's one LISTEN connection, and passes notifications on to subscribers. Notifications are hints: each subscriber
// also polls for what they tell.
type Listener struct {
	db          *pgxpool.Pool
	log         *slog.Logger
	subscribers map[string][]func(payload string)
}

// NewListener returns a Listener that has not connected yet. The connection is made of db's settings, beside the pool. A nil log means
// slog.Default().
func NewListener(db *pgxpool.Pool, log *slog.Logger) (*Listener, error) {
	if db == nil {
		return nil, errors.New("DB is required")
	}
	return &Listener{db: db, log: cmp.Or(log, slog.Default()), subscribers: map[string][]func(string){}}, nil
}

// Subscribe calls heard with each notification of a channel, and with "" whenever the connection has been made anew: notifications may
// have been missed before. heard must not block. All subscriptions are made before Run.
func (l *Listener) Subscribe(channel string, heard func(payload string)) {
	l.subscribers[channel] = append(l.subscribers[channel], heard)
}

// Run listens until ctx ends. It waits through outages of Postgres.
func (l *Listener) Run(ctx context.Context) error {
	for {
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return nil
		}
		l.log.Warn("not listening for notifications; polling goes on", "error", err)
		if !wake.Pause(ctx, listenAgain/2+rand.N(listenAgain)) { // nodes that lost it together do not come back together
			return nil
		}
	}
}

// listen connects, and passes notifications on until the connection is lost.
func (l *Listener) listen(ctx context.Context) error {
	conn, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	for channel := range l.subscribers {
		l.tell(channel, "")
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, checkListen)
		notification, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case err == nil:
			l.tell(notification.Channel, notification.Payload)
		case ctx.Err() != nil:
			return ctx.Err()
		case pgconn.Timeout(err) && !conn.IsClosed():
			// A primary that was demoted and lives sends no notifications any more.
			if err := Within(ctx, func(ctx context.Context) error { return connect.Writable(ctx, conn) }); err != nil {
				return fmt.Errorf("check: %w", err)
			}
		default:
			return fmt.Errorf("wait: %w", err)
		}
	}
}

// connect makes a connection that listens to all channels.
func (l *Listener) connect(ctx context.Context) (conn *pgx.Conn, err error) {
	err = Within(ctx, func(ctx context.Context) error {
		cfg := l.db.Config()
		if cfg.ConnConfig.RuntimeParams == nil {
			cfg.ConnConfig.RuntimeParams = make(map[string]string)
		}
		cfg.ConnConfig.RuntimeParams["application_name"] = "jsruntime listen"
		if conn, err = connect.One(ctx, cfg); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		for channel := range l.subscribers {
			if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
				_ = conn.Close(ctx)
				return fmt.Errorf("listen: %w", err)
			}
		}
		return nil
	})
	return conn, err
}

func (l *Listener) tell(channel, payload string) {
	for _, heard := range l.subscribers[channel] {
		heard(payload)
	}
}

// StatementTimeout bounds every statement, so that a database that accepts and never answers is noticed.
const StatementTimeout = 10 * time.Second

// Within runs do, which is one statement or one transaction, with a context that ends with ctx, and after StatementTimeout.
func Within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	return do(ctx)
}
