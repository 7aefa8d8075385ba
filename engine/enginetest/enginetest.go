package enginetest

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

// Start runs an engine with fake workers until the test ends. Change alters its Config; nil leaves it.
func Start(t testing.TB, change func(*engine.Config)) *engine.Engine {
	t.Helper()
	cfg := engine.Config{
		WorkerPath: "/proc/self/exe",
		WorkerArgs: Args(StartGood),
		Sandbox:    "off", // the fake runs no tenant's code

		NoWorkerImages: true,
		MaxWorkers:     4,
		Spares:         1,
		DrainGrace:     200 * time.Millisecond,
		Logger:         Logger(t),
	}
	if exe, err := os.Executable(); err == nil {
		cfg.WorkerPath = exe
	}
	if change != nil {
		change(&cfg)
	}
	e, err := engine.New(cfg)
	require.NoError(t, err)
	Run(t, e)
	return e
}

// Run runs e until the test ends.
func Run(t testing.TB, e *engine.Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(30 * time.Second):
			t.Error("the engine did not end")
		}
	})
}

// Logger writes to the test's log, until the test ends.
func Logger(t testing.TB) *slog.Logger {
	w := &logWriter{t: t}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type logWriter struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *logWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

func (w *logWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

// Tenant makes scripts of one tenant.
type Tenant struct {
	ID  uuid.UUID
	Org uuid.UUID
}

// NewTenant returns another tenant each time.
func NewTenant() *Tenant { return &Tenant{ID: uuid.New(), Org: uuid.New()} }

// Script returns a script that the fake performs by its name. Change alters its limits; nil leaves the defaults.
func (t *Tenant) Script(name string, change func(*engine.Limits)) *engine.Script {
	s := &engine.Script{
		ID: uuid.New(), TenantID: t.ID, TenantSlug: "tenant", OrganizationID: t.Org, Name: name, Type: "oneoff", Version: 1,
		Compiled: "-", Limits: engine.DefaultLimits(),
	}
	if change != nil {
		change(&s.Limits)
	}
	return s
}

// Invocation runs a script with an input, as a manual run does.
func Invocation(s *engine.Script, input string) *engine.Invocation {
	return &engine.Invocation{
		ExecutionID: uuid.New(), Script: s, Trigger: engine.TriggerManual, Handler: engine.HandlerRun, Attempt: 1,
		QueuedAt: time.Now(), Input: []byte(input),
	}
}

// Execute runs an invocation that must be accepted.
func Execute(t testing.TB, e engine.Executor, inv *engine.Invocation) *engine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := e.Execute(ctx, inv)
	require.NoError(t, err)
	require.NotNil(t, res)
	return res
}
