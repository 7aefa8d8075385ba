package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/postgres"
)

// A copy of this binary plays a node: it starts Postgres in the directory and waits to be killed.
const envNode = "JSRUNTIME_TEST_NODE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envNode); dir != "" {
		s, err := postgres.Start(context.Background(), postgres.Config{DataDir: dir})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("pid", s.PID())
		select {}
	}
	os.Exit(m.Run())
}

// dataDir is below a directory that other users cannot walk through, as /root is.
func dataDir(t *testing.T) string {
	t.Helper()
	if len(postgres.Installed()) == 0 {
		t.Skip("no Postgres binaries on this machine")
	}
	return filepath.Join(t.TempDir(), "closed", "data")
}

func start(t *testing.T, dir string) *postgres.Server {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	s, err := postgres.Start(context.Background(), postgres.Config{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

func query[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	require.NoError(t, conn.QueryRow(ctx, sql).Scan(&value))
	return value
}

// exists reports whether the process lives. A dead one whose new parent has not asked for it yet does not.
func exists(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

func TestDataOutlivesRestarts(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := start(t, dir)
	first := s.URL()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, first)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, "CREATE TABLE kept AS SELECT 'kept' AS v")
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
	require.NoError(t, s.Stop(context.Background()))
	require.False(t, exists(s.PID()))

	s = start(t, dir)
	require.Equal(t, first, s.URL(), "same port and password")
	require.Equal(t, "kept", query[string](t, s.URL(), "SELECT v FROM kept"))
	require.Equal(t, "on", query[string](t, s.URL(), "SHOW fsync"))
	// The node is no superuser, and cannot become one.
	require.Equal(t, "jsruntime f f f f f", query[string](t, s.URL(), `
		SELECT concat_ws(' ', rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls) FROM pg_roles WHERE rolname = current_user`))
	require.Equal(t, "jsruntime_tenant pg_database_owner", query[string](t, s.URL(), `
		SELECT string_agg(rolname, ' ' ORDER BY rolname COLLATE "C") FROM pg_roles WHERE rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER')`))
	require.Equal(t, "jsruntime", query[string](t, s.URL(), "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"))
	require.Equal(t, "true", query[string](t, s.URL(), `SELECT (current_setting('server_version_num')::integer < 150000
		OR has_parameter_privilege('session_replication_role', 'SET'))::text`), "as the ledger writes fastest")
	for _, beyond := range []string{"SELECT pg_read_file('PG_VERSION')", "COPY kept TO PROGRAM 'true'", "SET ROLE postgres", "CREATE ROLE other", "ALTER SYSTEM SET fsync = off"} {
		conn, err := pgx.Connect(ctx, s.URL())
		require.NoError(t, err)
		_, err = conn.Exec(ctx, beyond)
		require.ErrorContains(t, err, "42501", beyond)
		require.NoError(t, conn.Close(ctx))
	}
	require.Equal(t, "postgres", query[string](t, s.AdminURL(), "SELECT current_user"))

	info, err := os.Stat(filepath.Join(dir, "postgres.password"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = pgx.Connect(ctx, strings.Replace(s.URL(), "jsruntime:", "jsruntime:x", 1))
	require.ErrorContains(t, err, "28P01", "a wrong password opens nothing")
	owner, err := os.Stat(filepath.Join(dir, "postgres", "data"))
	require.NoError(t, err)
	if os.Geteuid() == 0 {
		require.NotZero(t, owner.Sys().(*syscall.Stat_t).Uid, "Postgres must not be root")
	}
}

func TestSecondNodeInTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := start(t, dir)
	_, err := postgres.Start(context.Background(), postgres.Config{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "in use by another node (pid "+strconv.Itoa(os.Getpid())+")")
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
}

func TestNodeKilledLeavesAPostgresThatTheNextOneReplaces(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	node := exec.Command("/proc/self/exe")
	node.Env = append(os.Environ(), envNode+"="+dir)
	out, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "pid ")))
	require.NoError(t, err, line)
	require.NoError(t, node.Process.Kill())
	_ = node.Wait()
	require.True(t, exists(pid), "the fault must have happened: Postgres outlives its node")

	s := start(t, dir)
	require.NotEqual(t, pid, s.PID())
	require.False(t, exists(pid))
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
}

func TestStalePIDFileIsRemoved(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := start(t, dir)
	pidFile := filepath.Join(dir, "postgres", "data", "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	require.NoError(t, s.Stop(context.Background()))
	// As after a power cut: the pid is now of a process of somebody else, here of this test.
	_, rest, _ := strings.Cut(string(text), "\n")
	require.NoError(t, os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600))
	s = start(t, dir)
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
}

func TestRunStartsAKilledPostgresAgain(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	s, err := postgres.Start(context.Background(), postgres.Config{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	killed := s.PID()
	require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(ctx, s.URL())
		return err == nil && conn.Close(ctx) == nil
	}, time.Minute, 20*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	_, err = pgx.Connect(context.Background(), s.URL())
	require.Error(t, err)
}

func TestHalfMadeClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "postgres", "data.new", "base"), 0o700))
	s := start(t, dir)
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
}

func TestLostPasswordFileIsReplaced(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := start(t, dir)
	before := s.URL()
	require.NoError(t, s.Stop(context.Background()))
	require.NoError(t, os.Remove(filepath.Join(dir, "postgres.password")))
	s = start(t, dir)
	require.NotEqual(t, before, s.URL())
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
}

// The tests above run as whoever runs them; this one runs two of them as an ordinary user where that is root.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("is one already")
	}
	dataDir(t)
	temp, err := os.MkdirTemp("", "jsruntime-user-")
	require.NoError(t, err)
	defer os.RemoveAll(temp)
	const nobody = 65534
	require.NoError(t, os.Chown(temp, nobody, nobody))
	cmd := exec.Command("/proc/self/exe", "-test.run=^(TestDataOutlivesRestarts|TestNodeKilled.*)$", "-test.v")
	cmd.Dir = temp
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOME="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestDataOutlivesRestarts")
	require.Contains(t, string(out), "--- PASS: TestNodeKilled")
}

func TestTemporaryServerLeavesNothing(t *testing.T) {
	dataDir(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s, err := postgres.Start(context.Background(), postgres.Config{Temporary: true, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, "off", query[string](t, s.URL(), "SHOW fsync"))
	require.NoError(t, s.Stop(context.Background()))
	require.False(t, exists(s.PID()))
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}
