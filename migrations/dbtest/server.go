package dbtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"

	"jsruntime/migrations/postgres"
)

// Environment of the tests.
const (
	EnvDatabaseURL = "TEST_DATABASE_URL"
	envServer      = "JSRUNTIME_TEST_SERVER"
	envImage       = "JSRUNTIME_TEST_IMAGE"

	defaultImage = "postgres:16-alpine"

	// containerLife is when a container ends itself, should nobody be left to remove it.
	containerLife = 30 * 60 // seconds
)

// parameters suit tests: nothing needs to survive a crash, and many tests are connected at once.
var parameters = map[string]string{
	"max_connections": "400", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB",
	"max_wal_size": "4GB", "autovacuum": "on",
}

// ServerURL returns the URL of a server's maintenance database, as a superuser, starting a server where none is given. The
// server ends with this process.
func ServerURL(ctx context.Context) (string, error) {
	if given := os.Getenv(EnvDatabaseURL); given != "" {
		return given, nil
	}
	switch wish := os.Getenv(envServer); wish {
	case "docker":
		return startContainer(ctx)
	case "local":
		return startLocal(ctx)
	case "":
		fromDocker, errDocker := startContainer(ctx)
		if errDocker == nil {
			return fromDocker, nil
		}
		local, errLocal := startLocal(ctx)
		if errLocal != nil {
			return "", errors.Join(fmt.Errorf("docker: %w", errDocker), fmt.Errorf("local: %w", errLocal))
		}
		return local, nil
	default:
		return "", fmt.Errorf("%s: %q is neither docker nor local", envServer, wish)
	}
}

var (
	localMu sync.Mutex
	// local keeps the server reachable: its lifeline closes when the process ends, and the server with it.
	local *postgres.Server
)

func startLocal(ctx context.Context) (string, error) {
	s, err := postgres.Start(ctx, postgres.Config{
		Temporary: true, Parameters: parameters, StartTimeout: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", err
	}
	localMu.Lock()
	defer localMu.Unlock()
	local = s
	return s.URL(), nil
}

func startContainer(ctx context.Context) (string, error) {
	pool, err := dockertest.NewPool("")
	if err != nil {
		return "", err
	}
	if err := pool.Client.PingWithContext(ctx); err != nil {
		return "", err
	}
	image := os.Getenv(envImage)
	if image == "" {
		image = defaultImage
	}
	repository, tag, ok := strings.Cut(image, ":")
	if !ok {
		tag = "latest"
	}
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
		return "", fmt.Errorf("run %s: %w", image, err)
	}
	if err := resource.Expire(containerLife); err != nil {
		return "", errors.Join(err, pool.Purge(resource))
	}
	serverURL := fmt.Sprintf("postgres://postgres:jsruntime@%s/postgres?sslmode=disable", resource.GetHostPort("5432/tcp"))
	pool.MaxWait = time.Minute
	err = pool.Retry(func() error {
		return onServer(ctx, serverURL, func(conn *pgx.Conn) error { return conn.Ping(ctx) })
	})
	if err != nil {
		return "", errors.Join(fmt.Errorf("%s does not answer: %w", image, err), pool.Purge(resource))
	}
	return serverURL, nil
}
