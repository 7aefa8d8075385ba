package dbtest

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"example.com/jsruntime/migrations"
)

//go:embed invariants.sql
var invariants string

const (
	templatePrefix = "jsr_template_"
	testPrefix     = "jsr_test_"

	// poolConns is enough for tests of concurrency, and few enough that packages × parallel tests stay below the server's
	// max_connections of 250.
	poolConns = 10

	// abandonedAfter is longer than any test runs: older databases are of test processes that were killed.
	abandonedAfter = 3 * time.Hour
)

// server is one per test process: the server's URL, and the migrated template's name in it.
var server = sync.OnceValues(func() (*template, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	serverURL, stop, err := Server(ctx)
	if err != nil {
		return nil, err
	}
	tmpl, err := prepareTemplate(ctx, serverURL)
	if err != nil {
		return nil, err
	}
	tmpl.stop = stop
	return tmpl, nil
})

type template struct {
	serverURL string
	name      string
	// stop is never called: the server ends with the process. It is held because it holds what keeps the server alive.
	stop func() error
}

// DB returns a pool on a database that only this test uses.
func DB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return pool(t, URL(t))
}

// URL returns the connection string of a migrated database that only this test uses.
func URL(t testing.TB) string {
	t.Helper()
	tmpl := prepared(t)
	name := create(t, tmpl, tmpl.name)
	databaseURL := withDatabase(cmp.Or(os.Getenv(EnvPoolerURL), tmpl.serverURL), name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		Invariants(ctx, t, withDatabase(tmpl.serverURL, name))
	})
	return databaseURL
}

// PastDays makes partitions of history tables, one for each of so many days before today. A template database that was migrated before midnight has
// yesterday's.
func PastDays(t testing.TB, db interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}, days int, tables ...string) {
	t.Helper()
	_, err := db.Exec(t.Context(), `SELECT jsruntime_make_partition(parent, day, day + interval '1 day')
		FROM unnest($1::text[]) parent, generate_series(date_trunc('day', now(), 'UTC') - $2::int * interval '1 day', date_trunc('day', now(), 'UTC') - interval '1 day', interval '1 day') day
		WHERE to_regclass(parent || '_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDDHH24')) IS NULL`, tables, days)
	require.NoError(t, err)
}

// Kept returns the connection string of a migrated database of this name, which no test drops: of benchmarks whose rows take minutes to make. made
// is false where an earlier run has made it. It is not migrated again.
func Kept(t testing.TB, name string) (databaseURL string, made bool) {
	t.Helper()
	tmpl := prepared(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := createDatabase(ctx, tmpl.serverURL, name, tmpl.name)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P04" {
		return withDatabase(tmpl.serverURL, name), false
	}
	require.NoError(t, err)
	return withDatabase(tmpl.serverURL, name), true
}

// Empty returns the connection string of a database without our schema.
func Empty(t testing.TB) string {
	t.Helper()
	tmpl := prepared(t)
	return withDatabase(tmpl.serverURL, create(t, tmpl, ""))
}

// shared makes the database of all Tx of a process. No test owns it, so no cleanup drops it: the sweep of a later run does,
// where the server lives that long.
var shared = sync.OnceValues(func() (string, error) {
	tmpl, err := server()
	if err != nil {
		return "", err
	}
	name := newName()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return withDatabase(tmpl.serverURL, name), createDatabase(ctx, tmpl.serverURL, name, tmpl.name)
})

// Tx returns a transaction that is rolled back when the test ends. now() stands still in it.
func Tx(t testing.TB) pgx.Tx {
	t.Helper()
	prepared(t)
	databaseURL, err := shared()
	require.NoError(t, err)
	conn, err := pgx.Connect(context.Background(), databaseURL)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil { // which rolls back
			t.Errorf("close: %v", err)
		}
	})
	tx, err := conn.Begin(context.Background())
	require.NoError(t, err)
	return tx
}

// Invariants fails t for every violation that invariants.sql finds.
func Invariants(ctx context.Context, t testing.TB, databaseURL string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Errorf("check invariants: %v", err)
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	violations, err := violated(ctx, conn)
	if err != nil {
		t.Errorf("check invariants: %v", err)
	}
	for _, v := range violations {
		t.Errorf("invariant violated: %s: %s", v.Invariant, v.Row)
	}
}

type violation struct {
	Invariant string
	Row       string
}

func violated(ctx context.Context, conn *pgx.Conn) ([]violation, error) {
	rows, err := conn.Query(ctx, invariants)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[violation])
}

func prepared(t testing.TB) *template {
	t.Helper()
	tmpl, err := server()
	require.NoError(t, err, "tests need a Postgres: set TEST_DATABASE_URL, run a Docker engine, or install postgresql")
	return tmpl
}

func pool(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(databaseURL)
	require.NoError(t, err)
	cfg.MaxConns = poolConns
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap()) // as the node does
		return nil
	}
	p, err := pgxpool.NewWithConfig(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func create(t testing.TB, tmpl *template, from string) string {
	t.Helper()
	name := newName()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, createDatabase(ctx, tmpl.serverURL, name, from))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := onServer(ctx, tmpl.serverURL, func(conn *pgx.Conn) error { return drop(ctx, conn, name) }); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return name
}

// newName carries the time, by which a later run knows what was left behind.
func newName() string {
	return fmt.Sprintf("%s%d_%d_%x", testPrefix, time.Now().Unix(), os.Getpid(), rand.Uint32())
}

// empty are the settings of a database that is no clone: those of the embedded Postgres, as far as every server has them.
const empty = " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"

// createDatabase clones the database from, or makes an empty one where that is "".
func createDatabase(ctx context.Context, serverURL, name, from string) error {
	return onServer(ctx, serverURL, func(conn *pgx.Conn) error {
		statement := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
		if from == "" {
			statement += empty
		} else {
			statement += " TEMPLATE " + pgx.Identifier{from}.Sanitize()
		}
		for {
			_, err := conn.Exec(ctx, statement)
			// The template is briefly "being accessed by other users" while another process finishes it.
			var refused *pgconn.PgError
			if err == nil || !errors.As(err, &refused) || refused.Code != "55006" {
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

func drop(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	return err
}

func onServer(ctx context.Context, serverURL string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}

// templateLock is the advisory lock under which a template is made, on the maintenance database.
const templateLock = 0x6a737274 // "jsrt"

func prepareTemplate(ctx context.Context, serverURL string) (*template, error) {
	tmpl := &template{serverURL: serverURL, name: templatePrefix + migrations.Fingerprint()}
	err := onServer(ctx, serverURL, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
			return err
		}
		var ready bool
		const isTemplate = "SELECT COALESCE((SELECT datistemplate FROM pg_database WHERE datname = $1), false)"
		if err := conn.QueryRow(ctx, isTemplate, tmpl.name).Scan(&ready); err != nil || ready {
			return err
		}
		if err := sweep(ctx, conn); err != nil {
			return err
		}
		// What a killed process left half migrated.
		if err := drop(ctx, conn, tmpl.name); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{tmpl.name}.Sanitize()+empty); err != nil {
			return err
		}
		if err := migrations.Up(ctx, withDatabase(serverURL, tmpl.name)); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "ALTER DATABASE "+pgx.Identifier{tmpl.name}.Sanitize()+" IS_TEMPLATE true")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare template database: %w", err)
	}
	return tmpl, nil
}

// sweep drops the databases of test processes that were killed.
func sweep(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", testPrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		seconds, _, _ := strings.Cut(strings.TrimPrefix(name, testPrefix), "_")
		made, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil || time.Since(time.Unix(made, 0)) < abandonedAfter {
			continue
		}
		if err := drop(ctx, conn, name); err != nil {
			return err
		}
	}
	return nil
}

func withDatabase(serverURL, name string) string {
	u, err := url.Parse(serverURL)
	if err != nil || u.Scheme == "" {
		return serverURL + " dbname=" + name // the key=value form
	}
	u.Path = "/" + name
	return u.String()
}
