//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"example.com/jsruntime/cmd/jsruntime/term"
	"example.com/jsruntime/migrations"
)

var errNoDatabase = errors.New("database-url: must be set (the embedded Postgres is migrated by serve)")

func migrateUp(ctx context.Context, databaseURL string, t *term.Terminal) error {
	if databaseURL == "" {
		return errNoDatabase
	}
	if err := migrations.Up(ctx, databaseURL); err != nil {
		return err
	}
	return migrateStatus(ctx, databaseURL, t)
}

func migrateStatus(ctx context.Context, databaseURL string, t *term.Terminal) error {
	if databaseURL == "" {
		return errNoDatabase
	}
	states, err := migrations.Status(ctx, databaseURL)
	if err != nil {
		return err
	}
	type migration struct {
		Version int64  `json:"version"`
		Name    string `json:"name"`
		Applied bool   `json:"applied"`
	}
	all := make([]migration, 0, len(states))
	for _, s := range states {
		all = append(all, migration(s))
	}
	return t.Show(map[string]any{"migrations": all}, func(w io.Writer) {
		for _, m := range all {
			state := "missing"
			if m.Applied {
				state = "applied"
			}
			fmt.Fprintf(w, "%05d  %-8s %s\n", m.Version, state, m.Name)
		}
	})
}
