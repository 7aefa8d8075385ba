// Package pgserver runs Postgres servers whose every death is a test's to cause: a primary, and standbys that stream from it.
//
//	primary := pgserver.New(t, dir)            initdb, start
//	standby := primary.Standby(t, dir)         a copy of the primary's files, streaming from it
//	primary.Stop(syscall.SIGQUIT)              a crash
//	standby.Promote(t)                         the standby is the primary now
//
// The binaries are those of TEST_POSTGRES_BIN, else the newest of this machine; a test is skipped where there are none. Copies are made
// by SQL (pg_backup_start), so that a directory with postgres and initdb alone is enough.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
	"example.com/jsruntime/migrations/postgres"
)

// Server is one Postgres server.
type Server struct {
	Dir  string // of its data
	Port int
	// Cred is the user that it runs as; nil: our own.
	Cred *syscall.Credential

	bin  string
	log  string       // file
	held net.Listener // keeps Port from other processes until the first start
	cmd  *exec.Cmd

	mu   sync.Mutex
	gone chan struct{} // closed when the process has ended
}

// startTimeout bounds a start, recovery included.
const startTimeout = time.Minute

// New makes and starts a server with its data below dir, which must exist. settings are lines of postgresql.conf.
func New(t testing.TB, dir string, settings ...string) *Server {
	t.Helper()
	s := &Server{Dir: filepath.Join(dir, "pg"), log: filepath.Join(dir, "postgres.log"), bin: binaries(t)}
	s.held, s.Port = reserve(t)
	s.makeDir(t)
	out, err := s.command("initdb", "-D", s.Dir, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale").CombinedOutput()
	require.NoError(t, err, string(out))
	s.configure(t, settings...)
	s.write(t, "pg_hba.conf", "host all all 0.0.0.0/0 trust\nhost all all ::0/0 trust\nhost replication all 127.0.0.1/32 trust\n")
	s.Start(t)
	t.Cleanup(func() { s.Stop(syscall.SIGQUIT) })
	return s
}

// Standby makes and starts a standby of a running server, with its data below dir. It streams under the name of its directory.
func (s *Server) Standby(t testing.TB, dir, name string, settings ...string) *Server {
	t.Helper()
	standby := &Server{Dir: filepath.Join(dir, name), log: filepath.Join(dir, name+".log"), bin: s.bin}
	standby.held, standby.Port = reserve(t)
	standby.follow(t, s, settings...)
	t.Cleanup(func() { standby.Stop(syscall.SIGQUIT) })
	return standby
}

// Follow makes a server that has stopped a standby of another one, from a fresh copy of the other's files, at its old port.
func (s *Server) Follow(t testing.TB, primary *Server, settings ...string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(s.Dir))
	s.follow(t, primary, settings...)
}

func (s *Server) follow(t testing.TB, primary *Server, settings ...string) {
	t.Helper()
	s.makeDir(t)
	label := primary.copyTo(t, s)
	s.write(t, "backup_label", label)
	s.write(t, "standby.signal", "")
	s.configure(t, append(settings,
		fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres application_name=%s'", primary.Port, filepath.Base(s.Dir)),
		"hot_standby_feedback = on")...)
	s.Start(t)
}

// copyTo copies the files of a running server as a base backup does, without its log: the standby streams that. It returns the label.
func (s *Server) copyTo(t testing.TB, to *Server) (label string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, "SELECT pg_backup_start('standby', true)")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(s.Dir, path) // path is below Dir
		switch {
		case errors.Is(err, fs.ErrNotExist): // dropped meanwhile
			return nil
		case err != nil:
			return err
		case name == "postmaster.pid" || name == "postmaster.opts":
			return nil
		case entry.IsDir():
			if name != "." {
				if err := to.own(os.Mkdir(filepath.Join(to.Dir, name), 0o700), name); err != nil {
					return err
				}
			}
			return nil
		case strings.HasPrefix(name, "pg_wal/") || strings.HasPrefix(name, "pg_replslot/"):
			return nil
		}
		return to.own(copyFile(path, filepath.Join(to.Dir, name)), name)
	}))
	require.NoError(t, conn.QueryRow(ctx, "SELECT labelfile FROM pg_backup_stop(false)").Scan(&label))
	return label
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// own gives a file to the server's user, unless making it failed; a file that was dropped while it was copied is no failure.
func (s *Server) own(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || s.Cred == nil {
		return err
	}
	return os.Chown(filepath.Join(s.Dir, name), int(s.Cred.Uid), int(s.Cred.Gid))
}

// Promote makes a standby the primary, and returns when it takes writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.Exec(t, "postgres", "SELECT pg_promote(false)") // a statement that waits for the end of recovery may be cancelled by what it replays
	require.Eventually(t, func() bool { return s.Query(t, "NOT pg_is_in_recovery()") == "true" }, startTimeout, 10*time.Millisecond, "the standby is not promoted")
}

// binaries is the directory of postgres and initdb.
func binaries(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(dbtest.EnvPostgresBin); dir != "" {
		return dir
	}
	installed := postgres.Installed()
	if len(installed) == 0 {
		t.Skip("this test stops a Postgres of its own, and there are no Postgres binaries on this machine")
	}
	return installed[0]
}

// makeDir makes the directory of the data, and lets the server's user reach it.
func (s *Server) makeDir(t testing.TB) {
	t.Helper()
	require.NoError(t, os.Mkdir(s.Dir, 0o700))
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("Postgres refuses to run as root, and there is no user postgres")
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	require.NoError(t, errors.Join(errUID, errGID))
	s.Cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	require.NoError(t, os.Chown(s.Dir, uid, gid))
	for p := filepath.Dir(s.Dir); p != "/" && p != "/tmp"; p = filepath.Dir(p) {
		require.NoError(t, os.Chmod(p, 0o755))
	}
}

func (s *Server) configure(t testing.TB, settings ...string) {
	t.Helper()
	s.write(t, "postgresql.auto.conf", strings.Join(append([]string{
		"listen_addresses = '*'", fmt.Sprintf("port = %d", s.Port), "unix_socket_directories = ''", "max_connections = 200", "wal_keep_size = '256MB'",
		// The machine does not lose power here: what Postgres wrote is in the page cache whatever happens to its processes.
		"fsync = off", "shared_buffers = '64MB'", "log_min_messages = warning",
	}, settings...), "\n")+"\n")
}

func (s *Server) write(t testing.TB, name, text string) {
	t.Helper()
	require.NoError(t, s.own(os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600), name))
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.Cred, Setpgid: true}
	return cmd
}

// Start starts the server and returns when it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer log.Close()
	cmd := s.command("postgres", "-D", s.Dir)
	cmd.Stdout, cmd.Stderr = log, log
	if s.held != nil {
		s.held.Close()
		s.held = nil
	}
	require.NoError(t, cmd.Start())
	gone := make(chan struct{})
	s.mu.Lock()
	s.cmd, s.gone = cmd, gone
	s.mu.Unlock()
	go func() { _ = cmd.Wait(); close(gone) }()
	for until := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			var dir string
			if err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&dir); err == nil {
				require.Equal(t, s.Dir, dir, "another server has taken port %d", s.Port)
			}
			_ = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			text, _ := os.ReadFile(s.log)
			require.FailNow(t, "postgres does not answer", "%v\n%s", err, text)
		}
	}
}

// Gone is closed when the server has ended.
func (s *Server) Gone() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Stop ends the server: SIGINT is a fast shutdown, SIGQUIT an immediate one, which leaves a crash to recover from. SIGKILL takes the
// postmaster only; its children end when they notice.
func (s *Server) Stop(signal syscall.Signal) {
	gone := s.Gone()
	if gone == nil {
		return
	}
	select {
	case <-gone:
		return
	default:
	}
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-gone
	}
}

// URL is the connection string of a database of this server.
func (s *Server) URL(name string) string { return URL(name, s) }

// URL is the connection string of a database that one of several servers has: the one that takes writes, where there are several.
func URL(name string, servers ...*Server) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", s.Port))
	}
	url := fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", strings.Join(hosts, ","), name)
	if len(servers) > 1 {
		url += "&target_session_attrs=read-write"
	}
	return url
}

// Exec runs a statement in the given database of this server.
func (s *Server) Exec(t testing.TB, name, sql string, args ...any) {
	t.Helper()
	Exec(t, s.URL(name), sql, args...)
}

// Exec runs a statement where the connection string leads.
func Exec(t testing.TB, databaseURL, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, sql, args...)
	require.NoError(t, err)
}

// Query reads the value of an expression in the database postgres, as text; empty where the server does not answer.
func (s *Server) Query(t testing.TB, expression string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return ""
	}
	defer conn.Close(context.Background())
	var value *string
	if err := conn.QueryRow(ctx, "SELECT ("+expression+")::text").Scan(&value); err != nil || value == nil {
		return ""
	}
	return *value
}

var ports sync.Map // that were given out: a server that has not bound its port yet does not lose it to another

// FreePort is below what the kernel gives to clients.
func FreePort(t testing.TB) int {
	t.Helper()
	l, port := reserve(t)
	l.Close()
	return port
}

// reserve listens on a free port, which no other process takes until the listener is closed.
func reserve(t testing.TB) (net.Listener, int) {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		if _, taken := ports.LoadOrStore(port, true); !taken {
			return l, port
		}
		l.Close()
	}
	t.Fatal("no port is free")
	return nil, 0
}
