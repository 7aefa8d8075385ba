package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// database is a Postgres server whose every death is ours to cause.
type database struct {
	dir  string
	bin  string
	port int
	cred *syscall.Credential // nil: our own user
	cmd  *exec.Cmd
	gone chan struct{}
}

// newDatabase makes and starts a server with its data below dir, which must exist.
func newDatabase(t *testing.T, dir string, settings ...string) *database {
	t.Helper()
	d := &database{dir: filepath.Join(dir, "pg"), port: freePort(t)}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		path, err := exec.LookPath("initdb")
		if err != nil {
			t.Skip("the fault suite kills a Postgres of its own, and needs its binaries")
		}
		found = []string{path}
	}
	slices.Sort(found)
	d.bin = filepath.Dir(found[len(found)-1])
	require.NoError(t, os.Mkdir(d.dir, 0o700))
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("Postgres refuses to run as root, and there is no user postgres")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		d.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		require.NoError(t, os.Chown(d.dir, uid, gid))
		for p := dir; p != "/" && p != "/tmp"; p = filepath.Dir(p) {
			require.NoError(t, os.Chmod(p, 0o755))
		}
	}
	initdb := d.command("initdb", "-D", d.dir, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")
	out, err := initdb.CombinedOutput()
	require.NoError(t, err, string(out))
	conf := strings.Join(append([]string{
		"listen_addresses = '*'", fmt.Sprintf("port = %d", d.port), "unix_socket_directories = ''", "max_connections = 200",
		// The machine does not lose power here: what Postgres wrote is in the page cache whatever happens to its processes.
		"fsync = off", "shared_buffers = '64MB'", "log_min_messages = warning",
	}, settings...), "\n")
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "postgresql.auto.conf"), []byte(conf+"\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "pg_hba.conf"), []byte("host all all 0.0.0.0/0 trust\nhost all all ::0/0 trust\n"), 0o644))
	d.start(t)
	t.Cleanup(func() { d.stop(syscall.SIGQUIT) })
	return d
}

func (d *database) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.cred, Setpgid: true}
	return cmd
}

func (d *database) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(filepath.Dir(d.dir), "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer log.Close()
	d.cmd = d.command("postgres", "-D", d.dir)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	require.NoError(t, d.cmd.Start())
	gone := make(chan struct{})
	d.gone = gone
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(gone) }(d.cmd)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, d.url("postgres"))
		if err != nil {
			return false
		}
		return conn.Close(ctx) == nil
	}, time.Minute, 50*time.Millisecond, "postgres does not answer")
}

// stop ends the server: SIGINT is a fast shutdown, SIGQUIT an immediate one, which leaves a crash to recover from.
func (d *database) stop(signal syscall.Signal) {
	select {
	case <-d.gone:
		return
	default:
	}
	_ = d.cmd.Process.Signal(signal)
	select {
	case <-d.gone:
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.gone
	}
}

func (d *database) url(name string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", d.port, name)
}

// exec runs a statement of the test's own in the given database.
func (d *database) exec(t *testing.T, name, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.url(name))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, sql, args...)
	require.NoError(t, err)
}

var ports sync.Map // that were given out: a node that has not bound its port yet does not lose it to another

// freePort is below what the kernel gives to clients.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		l.Close()
		if _, taken := ports.LoadOrStore(port, true); !taken {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
