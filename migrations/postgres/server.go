package postgres

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

const (
	superuser = "postgres" // maintenance: nothing of the node's connects as it, once the node's role is made
	database  = "jsruntime"
	// owner is the role that the node connects as. It owns the database and is no superuser: a hole in the node's SQL reads no file of
	// the machine and starts no program.
	owner = "jsruntime"

	// inheritedDir is how a Postgres that runs as another user than ours names its directory: see doc.go.
	inheritedDir = "/proc/self/fd/3"

	maxLogBytes = 8 << 20
	// fastShutdown is what a running Postgres gets to end its backends and write a checkpoint before it is told to quit at
	// once, which costs nothing but recovery at the next start.
	fastShutdown = 20 * time.Second
)

// Config says where the server lives.
type Config struct {
	// DataDir is the node's data directory. Required, unless Temporary.
	DataDir string
	// Temporary makes a server for tests: in a new directory below os.TempDir, without fsync, gone with this process
	// however it ends.
	Temporary bool
	// Binaries is a directory that holds postgres and initdb. Empty: they are searched, and downloaded where there are none.
	Binaries string
	// Parameters are server settings beside our own. nil: none.
	Parameters map[string]string
	// StartTimeout bounds one start, recovery included. 0: 2 minutes.
	StartTimeout time.Duration
	// Log gets a line for every start and stop. nil: slog.Default().
	Log *slog.Logger
}

// Server is a running Postgres.
type Server struct {
	cfg      Config
	log      *slog.Logger
	account  *account // nil: Postgres runs as our own user
	dir      string   // the directory that Postgres owns
	dirFile  *os.File
	lock     *os.File
	lifeline *os.File // Temporary only: Postgres ends when it closes
	binaries string
	password string
	// newPassword: the file was missing, so a cluster that exists has another.
	newPassword bool
	port        int
	process     *process
}

// process is one life of the postmaster.
type process struct {
	cmd  *exec.Cmd
	pid  int           // of the postmaster itself
	done chan struct{} // closed when it has ended
	err  error
}

// Start makes the cluster if there is none, ends a Postgres that an earlier node left behind, and returns when the server
// answers. The caller must call Run or Stop.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg.DataDir == "" && !cfg.Temporary {
		return nil, errors.New("DataDir: must be set")
	}
	cfg.StartTimeout = cmp.Or(cfg.StartTimeout, 2*time.Minute)
	s := &Server{cfg: cfg, log: cmp.Or(cfg.Log, slog.Default())}
	defer func() {
		if err != nil {
			err = fmt.Errorf("start postgres: %w", err)
			s.release()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if err := s.endLeftover(ctx); err != nil {
		return nil, err
	}
	if err := s.initCluster(ctx); err != nil {
		return nil, err
	}
	if err := s.choosePort(); err != nil {
		return nil, err
	}
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	if err := s.createDatabase(ctx); err != nil {
		return nil, errors.Join(err, s.stopProcess(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// URL is how the node connects: as the owner of the database, who is no superuser. Of a Temporary server it is AdminURL, since tests make
// roles and databases.
func (s *Server) URL() string {
	if s.cfg.Temporary {
		return s.AdminURL()
	}
	return s.urlAs(owner, s.ownerPassword(), database)
}

// AdminURL connects to the same database as the superuser.
func (s *Server) AdminURL() string { return s.url(database) }

// ownerPassword is made from the superuser's, which it does not give away.
func (s *Server) ownerPassword() string {
	mac := hmac.New(sha256.New, []byte(s.password))
	mac.Write([]byte("role " + owner))
	return hex.EncodeToString(mac.Sum(nil)[:24])
}

func (s *Server) url(db string) string { return s.urlAs(superuser, s.password, db) }

func (s *Server) urlAs(role, password, db string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + db, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.process.pid }

// Run keeps the server up until ctx ends, starting it again when it dies, and then stops it cleanly. It gives up when three
// starts in a row fail.
func (s *Server) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return s.Stop(context.WithoutCancel(ctx))
		case <-s.process.done:
		}
		s.log.Error("postgres ended by itself, starting it again", "pid", s.process.pid, "error", s.process.err)
		if err := s.restart(ctx); err != nil {
			if ctx.Err() != nil {
				s.release()
				return nil
			}
			s.release()
			return err
		}
	}
}

func (s *Server) restart(ctx context.Context) (err error) {
	for attempt := range 3 {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
		once, cancel := context.WithTimeout(ctx, s.cfg.StartTimeout)
		err = s.endLeftover(once)
		if err == nil {
			err = s.launch(once)
		}
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("restart postgres: %w", err)
}

// Restart ends the server in the way that the signal stands for (SIGINT: fast, with a checkpoint; SIGQUIT: at once, with recovery at
// the next start) and starts it again at the same port. It is for tests of what an outage does, and must not be called while Run runs.
func (s *Server) Restart(ctx context.Context, signal syscall.Signal) error {
	if err := syscall.Kill(s.process.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %d: %w", s.process.pid, err)
	}
	select {
	case <-s.process.done:
	case <-time.After(fastShutdown):
		if err := s.stopProcess(ctx); err != nil {
			return fmt.Errorf("stop postgres: %w", err)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.restart(ctx)
}

// Stop ends the server with a checkpoint and gives the data directory free.
func (s *Server) Stop(ctx context.Context) error {
	err := s.stopProcess(ctx)
	s.release()
	if err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	return nil
}

func (s *Server) stopProcess(ctx context.Context) error {
	if s.process == nil {
		return nil
	}
	select {
	case <-s.process.done:
		return nil
	default:
	}
	for _, step := range shutdownSteps {
		if err := syscall.Kill(s.process.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %d: %w", s.process.pid, err)
		}
		select {
		case <-s.process.done:
			s.log.Info("postgres stopped", "pid", s.process.pid, "signal", step.signal.String())
			return nil
		case <-time.After(step.wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("pid %d survives SIGKILL", s.process.pid)
}

// shutdownSteps are Postgres's fast shutdown, its immediate shutdown, and the end.
var shutdownSteps = []struct {
	signal syscall.Signal
	wait   time.Duration
}{{syscall.SIGINT, fastShutdown}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}}

func (s *Server) release() {
	if s.lock != nil {
		_ = os.Remove(s.lock.Name()) // held until the next line: takeLock knows that a file may have gone
	}
	for _, f := range []*os.File{s.lifeline, s.dirFile, s.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
	s.lifeline, s.dirFile, s.lock = nil, nil, nil
	if s.cfg.Temporary && s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// prepare finds directory, account, binaries and password.
func (s *Server) prepare(ctx context.Context) (err error) {
	if s.cfg.Temporary {
		if s.dir, err = os.MkdirTemp("", "jsruntime-postgres-"); err != nil {
			return err
		}
	} else {
		if s.cfg.DataDir, err = filepath.Abs(s.cfg.DataDir); err != nil {
			return err
		}
		if err := os.MkdirAll(s.cfg.DataDir, 0o750); err != nil {
			return err
		}
		if err := s.takeLock(); err != nil {
			return err
		}
		s.dir = filepath.Join(s.cfg.DataDir, "postgres")
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return err
		}
	}
	if s.account, err = accountFor(filepath.Join(s.dir, "data")); err != nil {
		return err
	}
	if s.account != nil {
		if err := os.Chown(s.dir, s.account.uid, s.account.gid); err != nil {
			return fmt.Errorf("give %s to uid %d: %w", s.dir, s.account.uid, err)
		}
	}
	if s.dirFile, err = os.Open(s.dir); err != nil {
		return err
	}
	if err := s.loadPassword(); err != nil {
		return err
	}
	s.binaries, err = s.findBinaries(ctx)
	return err
}

// lockPatience is how long the lock is waited for: a worker that a node was starting when it ended holds it until it is gone too.
const lockPatience = 2 * time.Second

func (s *Server) takeLock() error {
	path := filepath.Join(s.cfg.DataDir, "postgres.lock")
	var f *os.File
	// lock takes the lock of the file that has the name now: its last holder may have removed the one that was opened.
	lock := func() (err error) {
		if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return err
		}
		opened, err := f.Stat()
		if err != nil {
			return err
		}
		named, err := os.Stat(path)
		if err == nil && !os.SameFile(opened, named) {
			err = os.ErrNotExist
		}
		return err
	}
	err := lock()
	for begun := time.Now(); err != nil && f != nil && time.Since(begun) < lockPatience; err = lock() {
		_ = f.Close()
		time.Sleep(20 * time.Millisecond)
	}
	if f == nil {
		return err
	}
	if err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		return fmt.Errorf("data directory %s is in use by another node (pid %s)", s.cfg.DataDir, strings.TrimSpace(string(holder)))
	}
	s.lock = f
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func (s *Server) loadPassword() error {
	path := filepath.Join(s.cfg.DataDir, "postgres.password")
	if !s.cfg.Temporary {
		kept, err := os.ReadFile(path)
		if err == nil && len(kept) >= 32 {
			s.password = strings.TrimSpace(string(kept))
			return os.Chmod(path, 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	var secret [24]byte
	_, _ = rand.Read(secret[:])
	s.password, s.newPassword = hex.EncodeToString(secret[:]), true
	if s.cfg.Temporary {
		return nil
	}
	return writeFile(path, s.password+"\n")
}

// writeFile replaces path with text as one step, readable by its owner only.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// inside is the name by which Postgres knows a file of s.dir.
func (s *Server) inside(name string) string {
	if s.account != nil {
		return filepath.Join(inheritedDir, name)
	}
	return filepath.Join(s.dir, name)
}

// command runs a Postgres program as the right user, with a directory it can reach and nothing of our environment.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + s.binaries + ":/usr/bin:/bin"}
	cmd.ExtraFiles = []*os.File{s.dirFile}
	// Its own process group: a Ctrl-C at the terminal is for the node, which drains first and stops Postgres last.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.account != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.account.uid), Gid: uint32(s.account.gid)}
	}
	return cmd
}

func (s *Server) initCluster(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.dir, "data", "PG_VERSION")); err == nil {
		if s.newPassword {
			return s.setPassword(ctx)
		}
		return nil
	}
	unfinished := filepath.Join(s.dir, "data.new")
	passwordFile := filepath.Join(s.dir, "pwfile")
	if err := writeFile(passwordFile, s.password+"\n"); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	if s.account != nil {
		if err := os.Chown(passwordFile, s.account.uid, s.account.gid); err != nil {
			return err
		}
	}
	var failure error
	// C.UTF-8 knows the case of all letters, and sorts by code point; some systems lack it.
	for _, ctype := range []string{"C.UTF-8", "C"} {
		if err := os.RemoveAll(unfinished); err != nil {
			return err
		}
		args := []string{
			"-D", s.inside("data.new"), "-U", superuser, "--encoding=UTF8", "--lc-collate=C", "--lc-ctype=" + ctype,
			"--auth=scram-sha-256", "--pwfile=" + s.inside("pwfile"),
		}
		if s.cfg.Temporary {
			args = append(args, "--no-sync")
		}
		cmd := s.command(ctx, filepath.Join(s.binaries, "initdb"), args...)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return os.Rename(unfinished, filepath.Join(s.dir, "data"))
		}
		failure = fmt.Errorf("initdb: %w: %s", err, lastLines(string(out)))
	}
	return failure
}

// setPassword gives an existing cluster the password of a file that had to be made anew, in single-user mode.
func (s *Server) setPassword(ctx context.Context) error {
	cmd := s.command(ctx, filepath.Join(s.binaries, "postgres"), "--single", "-D", s.inside("data"), "postgres")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("ALTER ROLE %s PASSWORD '%s';\n", superuser, s.password))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set a new password: %w: %s", err, lastLines(string(out)))
	}
	s.log.Warn("postgres.password was missing, the server has a new one")
	return nil
}

// choosePort takes the port of the last start while no other process has it, so that psql's history and scripts keep working.
func (s *Server) choosePort() error {
	kept := filepath.Join(s.cfg.DataDir, "postgres.port")
	if !s.cfg.Temporary {
		if text, err := os.ReadFile(kept); err == nil {
			if port, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && portFree(port) {
				s.port = port
				return nil
			}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return err
	}
	if s.cfg.Temporary {
		return nil
	}
	return writeFile(kept, strconv.Itoa(s.port)+"\n")
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// settings are the server's, as arguments.
func (s *Server) settings() []string {
	set := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(s.port), "unix_socket_directories": "",
		// 4 pools of 25 connections for each of two nodes, and room for psql.
		"max_connections": "250", "log_checkpoints": "off", "timezone": "UTC", "log_timezone": "UTC",
		// Scripts' writes go through us in short transactions; what idles longer is a bug, and holds back vacuum.
		"idle_in_transaction_session_timeout": "60s",
	}
	if s.cfg.Temporary {
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "autovacuum"} {
			set[name] = "off"
		}
	}
	for name, value := range s.cfg.Parameters {
		set[name] = value
	}
	var args []string
	for name, value := range set {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// lifelineScript runs Postgres until descriptor 4 closes, which the kernel does whichever way its writer ends, and then removes
// the directory.
const lifelineScript = `dir=$1; shift
"$@" & postmaster=$!
( cat <&4 >/dev/null; kill -INT $postmaster ) 2>/dev/null &
wait $postmaster; code=$?; cd /; rm -rf "$dir"; exit $code`

// launch starts the postmaster and returns when it answers.
func (s *Server) launch(ctx context.Context) error {
	var failure error
	// A second and third try help where the backends of a killed postmaster need a moment to notice, and hold its memory.
	for attempt := range 3 {
		if attempt > 0 {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return failure
			}
		}
		if failure = s.launchOnce(ctx); failure == nil || ctx.Err() != nil {
			return failure
		}
	}
	return failure
}

func (s *Server) launchOnce(ctx context.Context) error {
	logFile, err := s.openLog()
	if err != nil {
		return err
	}
	defer logFile.Close()
	args := append([]string{filepath.Join(s.binaries, "postgres"), "-D", s.inside("data")}, s.settings()...)
	// The server outlives ctx, which bounds its start.
	cmd := s.command(context.WithoutCancel(ctx), args[0], args[1:]...)
	if s.cfg.Temporary {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		s.lifeline = w
		cmd = s.command(context.WithoutCancel(ctx), "/bin/sh", append([]string{"-c", lifelineScript, "sh", s.dir}, args...)...)
		cmd.ExtraFiles = append(cmd.ExtraFiles, r)
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{cmd: cmd, pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	s.process = p
	if err := s.waitReady(ctx, p); err != nil {
		return errors.Join(fmt.Errorf("%w: %s", err, s.logTail()), s.stopProcess(context.WithoutCancel(ctx)))
	}
	if s.cfg.Temporary {
		// Signals are for the postmaster, not for the shell that waits for it.
		if file, ok := readPostmasterPID(filepath.Join(s.dir, "data")); ok {
			p.pid = file.pid
		}
	}
	s.log.Info("postgres started", "pid", p.pid, "port", s.port, "binaries", s.binaries)
	return nil
}

func (s *Server) waitReady(ctx context.Context, p *process) error {
	var failure error
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		conn, err := pgx.Connect(once, s.url("postgres"))
		if err == nil {
			err = conn.Close(once)
		}
		cancel()
		if err == nil {
			return nil
		}
		failure = err
		select {
		case <-p.done:
			return fmt.Errorf("postgres ended at its start (%v): %w", p.cmd.ProcessState, failure)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", failure)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// createDatabase makes the node's role and its database, where they are missing, as the superuser. The tenants' role is made here too: the
// migrations would need the right to make roles for it.
func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, role := range []string{owner + " LOGIN", "jsruntime_tenant NOLOGIN NOINHERIT"} {
		name, _, _ := strings.Cut(role, " ")
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := conn.Exec(ctx, "CREATE ROLE "+role+" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"); err != nil {
				return err
			}
		}
	}
	// The password follows that of the superuser, which is made anew when its file is lost. It is hexadecimal.
	if _, err := conn.Exec(ctx, "ALTER ROLE "+owner+" PASSWORD '"+s.ownerPassword()+"'; GRANT jsruntime_tenant TO "+owner); err != nil {
		return err
	}
	// The ledger checks the foreign keys of a batch at once; before Postgres 15 only superusers may.
	var grantable bool
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::integer >= 150000").Scan(&grantable); err != nil {
		return err
	}
	if grantable {
		if _, err := conn.Exec(ctx, "GRANT SET ON PARAMETER session_replication_role TO "+owner); err != nil {
			return err
		}
	}
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return nil
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+database+" OWNER "+owner)
	return err
}

func (s *Server) openLog() (*os.File, error) {
	path := filepath.Join(s.dir, "log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

func (s *Server) logTail() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return "no log"
	}
	return lastLines(string(text))
}

// lastLines is the end of a program's output, short enough for an error message.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-6):], " | ")
}

// newestFirst orders directories such as /usr/lib/postgresql/15/bin by the number in them.
func newestFirst(dirs []string) {
	major := func(dir string) int {
		n, _ := strconv.Atoi(strings.TrimLeft(filepath.Base(filepath.Dir(dir)), "abcdefghijklmnopqrstuvwxyz@-"))
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return major(b) - major(a) })
}
