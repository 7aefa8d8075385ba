//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"example.com/jsruntime/migrations"
)

var errNoDatabase = errors.New("database-url: must be set (the embedded Postgres is migrated by serve)")

func migrateUp(ctx context.Context, databaseURL string, stdout io.Writer) error {
	if databaseURL == "" {
		return errNoDatabase
	}
	if err := migrations.Up(ctx, databaseURL); err != nil {
		return err
	}
	return migrateStatus(ctx, databaseURL, stdout)
}

func migrateStatus(ctx context.Context, databaseURL string, stdout io.Writer) error {
	if databaseURL == "" {
		return errNoDatabase
	}
	states, err := migrations.Status(ctx, databaseURL)
	if err != nil {
		return err
	}
	for _, s := range states {
		state := "missing"
		if s.Applied {
			state = "applied"
		}
		fmt.Fprintf(stdout, "%05d  %-8s %s\n", s.Version, state, s.Name)
	}
	return nil
}
