// Package migrations holds the schema: goose files, embedded, applied in order under a session lock so that any number of
// nodes may start at once.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"example.com/jsruntime/migrations/connect"
)

//go:embed *.sql
var files embed.FS

// State is one migration and whether the database has it.
type State struct {
	Version int64
	Name    string
	Applied bool
}

// Fingerprint names the schema by its content: any change of a migration gives another.
func Fingerprint() string {
	sum := sha256.New()
	names, _ := fs.Glob(files, "*.sql") // fails for a malformed pattern only
	for _, name := range names {
		text, _ := files.ReadFile(name) // embedded, and listed just now
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Up brings the database to the newest schema.
func Up(ctx context.Context, databaseURL string) error {
	return with(databaseURL, func(p *goose.Provider) error {
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		return nil
	})
}

// Status lists all migrations in order.
func Status(ctx context.Context, databaseURL string) (states []State, err error) {
	err = with(databaseURL, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		if err != nil {
			return fmt.Errorf("migration status: %w", err)
		}
		for _, s := range all {
			states = append(states, State{Version: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied})
		}
		return nil
	})
	return states, err
}

func with(databaseURL string, do func(*goose.Provider) error) error {
	cfg, err := connect.Parse(databaseURL, connect.ReadWrite)
	if err != nil {
		return fmt.Errorf("database-url: %w", err)
	}
	db := stdlib.OpenDB(*cfg.ConnConfig, stdlib.OptionBeforeConnect(func(ctx context.Context, conn *pgx.ConnConfig) error {
		if cfg.BeforeConnect == nil {
			return nil
		}
		return cfg.BeforeConnect(ctx, conn)
	}))
	defer db.Close()
	// Nodes that start together take turns: each looks again soon, for as long as the others may take.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 60))
	if err != nil {
		return fmt.Errorf("session lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	return do(p)
}
