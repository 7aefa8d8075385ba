//go:build linux

package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/tenantdb"
)

const (
	// reachTimeout bounds the first connection, to a Postgres that perhaps accepts and never answers.
	reachTimeout = 10 * time.Second

	firstWait = 200 * time.Millisecond
	lastWait  = 5 * time.Second
	tellEvery = 30 * time.Second
)

// awaitDatabase brings the database to this version's schema. One that is away is waited for until ctx ends: a node that starts in an
// outage serves when that is over. What waiting does not mend is an error at once, a wrong password or a missing database among it.
func awaitDatabase(ctx context.Context, databaseURL string, log *slog.Logger) error {
	var told time.Time
	for pause := firstWait; ; pause = min(2*pause, lastWait) {
		err := prepareDatabase(ctx, databaseURL)
		if err == nil || ctx.Err() != nil || connect.ClassOf(err) != connect.Away {
			return err
		}
		if told.IsZero() || time.Since(told) >= tellEvery {
			told = time.Now()
			log.Warn("waiting for the database", "error", err)
		}
		if !wake.Pause(ctx, pause/2+rand.N(pause)) { // nodes that lost it together do not come back together
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
	cfg, err := connect.Parse(databaseURL, connect.ReadWrite)
	if err != nil {
		return fmt.Errorf("database-url: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	conn, err := connect.One(ctx, cfg)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return tenantdb.Check(ctx, conn)
}
