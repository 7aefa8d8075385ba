package pgserver

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Pooler is a PgBouncer in transaction mode before a server: sessions belong to no client there.
type Pooler struct {
	Port int

	program, ini string
	cred         *syscall.Credential
	cmd          *exec.Cmd
}

// NewPooler starts a PgBouncer before the server at host and port, which knows the user as a superuser does. Its files are below dir. A test
// is skipped where there is no PgBouncer.
func NewPooler(t testing.TB, dir, host string, port int, user string) *Pooler {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; exec.Command(program, "--version").Run() != nil {
			t.Skip("there is no pgbouncer on this machine")
		}
	}
	// As root it refuses to run; its user reads the settings.
	at := &Server{Dir: filepath.Join(dir, "pgbouncer")}
	at.makeDir(t)
	p := &Pooler{Port: FreePort(t), program: program, ini: filepath.Join(at.Dir, "pgbouncer.ini"), cred: at.Cred}
	at.write(t, "pgbouncer.ini", fmt.Sprintf(`[databases]
* = host=%s port=%d user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 30
ignore_startup_parameters = extra_float_digits
`, host, port, user, p.Port))
	p.Start(t)
	t.Cleanup(p.Kill)
	return p
}

// URL is the connection string of a database behind the pooler. Before 1.21 a PgBouncer has no prepared statements of its own.
func (p *Pooler) URL(name string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable&default_query_exec_mode=cache_describe", p.Port, name)
}

// Start starts the pooler and returns when it accepts connections.
func (p *Pooler) Start(t testing.TB) {
	t.Helper()
	p.cmd = exec.Command(p.program, p.ini)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Setpgid: true}
	require.NoError(t, p.cmd.Start())
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", p.Port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, startTimeout, 20*time.Millisecond, "pgbouncer does not accept connections")
}

// Kill ends the pooler as a crash does.
func (p *Pooler) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
