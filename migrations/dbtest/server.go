package dbtest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"

	"example.com/jsruntime/migrations/postgres"
)

// Environment of the tests.
const (
	EnvDatabaseURL = "TEST_DATABASE_URL"
	// EnvPostgresBin is a directory with postgres and initdb: servers that tests start are of these, and not of Docker.
	EnvPostgresBin = "TEST_POSTGRES_BIN"
	// EnvPoolerURL is a pooler before the server of EnvDatabaseURL: tests reach migrated databases through it.
	EnvPoolerURL = "TEST_POOLER_URL"

	envServer = "JSRUNTIME_TEST_SERVER"
	envImage  = "JSRUNTIME_TEST_IMAGE"

	defaultImage = "postgres:16-alpine"
)

// parameters suit tests: nothing needs to survive a crash, and many tests are connected at once.
var parameters = map[string]string{
	"max_connections": "400", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB",
	"max_wal_size": "4GB", "autovacuum": "on",
}

// Server returns the URL of a server's maintenance database, as a superuser, starting a server where none is given. A server
// that it started ends by stop, or with this process.
func Server(ctx context.Context) (serverURL string, stop func() error, err error) {
	if given := os.Getenv(EnvDatabaseURL); given != "" {
		return given, func() error { return nil }, nil
	}
	if os.Getenv(EnvPostgresBin) != "" {
		return startLocal(ctx)
	}
	switch wish := os.Getenv(envServer); wish {
	case "docker":
		return startContainer(ctx)
	case "local":
		return startLocal(ctx)
	case "":
		serverURL, stop, errDocker := startContainer(ctx)
		if errDocker == nil {
			return serverURL, stop, nil
		}
		serverURL, stop, errLocal := startLocal(ctx)
		if errLocal != nil {
			return "", nil, errors.Join(fmt.Errorf("docker: %w", errDocker), fmt.Errorf("local: %w", errLocal))
		}
		return serverURL, stop, nil
	default:
		return "", nil, fmt.Errorf("%s: %q is neither docker nor local", envServer, wish)
	}
}

func startLocal(ctx context.Context) (string, func() error, error) {
	s, err := postgres.Start(ctx, postgres.Config{
		Temporary: true, Binaries: os.Getenv(EnvPostgresBin), Parameters: parameters, StartTimeout: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", nil, err
	}
	return s.URL(), func() error { return s.Stop(context.Background()) }, nil
}

func startContainer(ctx context.Context) (_ string, _ func() error, err error) {
	pool, err := dockertest.NewPool("")
	if err != nil {
		return "", nil, err
	}
	if err := pool.Client.PingWithContext(ctx); err != nil {
		return "", nil, err
	}
	image := cmp.Or(os.Getenv(envImage), defaultImage)
	repository, tag := docker.ParseRepositoryTag(image)
	tag = cmp.Or(tag, "latest")
	cmd := []string{"postgres"}
	for name, value := range parameters {
		cmd = append(cmd, "-c", name+"="+value)
	}
	resource, err := pool.RunWithOptions(&dockertest.RunOptions{
		Repository: repository, Tag: tag, Cmd: cmd,
		Env: []string{"POSTGRES_PASSWORD=jsruntime", "POSTGRES_INITDB_ARGS=--no-sync"},
	}, func(host *docker.HostConfig) {
		host.AutoRemove = true
		host.RestartPolicy = docker.RestartPolicy{Name: "no"}
		host.Tmpfs = map[string]string{"/var/lib/postgresql/data": ""}
	})
	if err != nil {
		return "", nil, fmt.Errorf("run %s: %w", image, err)
	}
	stop := func() error { return pool.Purge(resource) }
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	lifeline, err := tie(ctx, pool.Client, resource.Container.ID)
	if err != nil {
		return "", nil, fmt.Errorf("tie %s to this process: %w", image, err)
	}
	serverURL := fmt.Sprintf("postgres://postgres:jsruntime@%s/postgres?sslmode=disable", resource.GetHostPort("5432/tcp"))
	pool.MaxWait = time.Minute
	err = pool.Retry(func() error {
		return onServer(ctx, serverURL, func(conn *pgx.Conn) error { return conn.Ping(ctx) })
	})
	if err != nil {
		return "", nil, fmt.Errorf("%s does not answer: %w", image, err)
	}
	return serverURL, func() error { return errors.Join(lifeline.Close(), stop()) }, nil
}

// tie makes the container end with this process, however that ends: a shell in it reads from a connection that the kernel
// closes then. The connection is made by hand because it must not need a goroutine, which tests that look for leaks would find.
func tie(ctx context.Context, client *docker.Client, container string) (io.Closer, error) {
	shell, err := client.CreateExec(docker.CreateExecOptions{
		Context: ctx, Container: container, AttachStdin: true, User: "root",
		Cmd: []string{"/bin/sh", "-c", "cat >/dev/null; kill -INT 1"},
	})
	if err != nil {
		return nil, err
	}
	network, address, ok := strings.Cut(client.Endpoint(), "://")
	if !ok {
		return nil, fmt.Errorf("unknown endpoint %q", client.Endpoint())
	}
	if network == "http" {
		network = "tcp"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	const body = `{"Detach":false,"Tty":false}`
	_, err = fmt.Fprintf(conn, "POST /exec/%s/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"+
		"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: %d\r\n\r\n%s", shell.ID, len(body), body)
	if err == nil {
		var answer *http.Response
		if answer, err = http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			_ = answer.Body.Close() // it has none: what follows is the shell's stream
			if answer.StatusCode != http.StatusSwitchingProtocols {
				err = fmt.Errorf("start shell: %s", answer.Status)
			}
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
