package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
)

// WorkerInfo is what a worker binary says of itself.
type WorkerInfo struct {
	Build  string // as the node's
	V8     string // version of V8
	ICU    string // version of ICU, which does Intl
	TZData string // version of ICU's time zone database
	JIT    string // how far V8 compiles
	// UnknownZones are those of the zones that Inspect was asked for that Intl refuses.
	UnknownZones []string
}

// inspectTimeout is far more than a worker takes to check itself, which is a tenth of a second.
const inspectTimeout = 30 * time.Second

// Inspect starts the worker binary with the given arguments and has it check what it assumes of V8, and say what it is. zones are names
// of time zones that it tries. An error says why a node could not work with it: that it does not start, is of another build (build is
// this program's; empty means what the linker noted), or that its V8 is not as it assumes.
func Inspect(ctx context.Context, path string, args []string, build string, zones []string) (*WorkerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(append([]string(nil), args...), wire.VersionArg)...)
	cmd.Dir, cmd.Env = "/", []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "TZ=UTC", "LANG=C"}
	cmd.Stdin = strings.NewReader(strings.Join(zones, "\n"))
	var stdout, stderr capped
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return nil, fmt.Errorf("%s: %w: %s", path, err, said)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var d wire.Description
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		return nil, fmt.Errorf("%s: it does not say what it is: %w", path, err)
	}
	if build == "" {
		build = wire.Build()
	}
	const devel = "devel" // built outside of version control: goes with any
	switch {
	case d.Protocol != wire.Protocol:
		return nil, fmt.Errorf("%s: it speaks protocol %d, and this program %d: both must be of one build", path, d.Protocol, wire.Protocol)
	case d.Build != build && d.Build != devel && build != devel:
		return nil, fmt.Errorf("%s: it is of build %s, and this program of %s: both must be of one build", path, d.Build, build)
	}
	return &WorkerInfo{Build: d.Build, V8: d.V8, ICU: d.ICU, TZData: d.TZData, JIT: d.JIT, UnknownZones: d.UnknownZones}, nil
}

// Layers starts one worker as a node with this configuration would, and returns the layers of its sandbox: "name=on", or "name=off: why".
func Layers(ctx context.Context, cfg Config) ([]string, error) {
	cfg.Spares, cfg.MaxWorkers = 1, 1
	var said capped
	cfg.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))
	e, err := New(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	for ctx.Err() == nil && e.Stats().V8 == "" {
		select {
		case err := <-done:
			return nil, fmt.Errorf("the engine ended: %w", cmp.Or(err, ctx.Err()))
		case <-time.After(10 * time.Millisecond):
		}
	}
	layers, started := e.Stats().Layers, e.Stats().V8 != ""
	cancel()
	if err := <-done; err != nil {
		return nil, fmt.Errorf("the engine ended: %w", err)
	}
	if !started {
		return nil, fmt.Errorf("no worker started: %s", strings.TrimSpace(said.String()))
	}
	return layers, nil
}

// MachineMemory is the memory in bytes that this process and its children may use: the machine's, or the least that one of its cgroups
// allows; 0 if unknown.
func MachineMemory() int64 { return sandbox.MachineMemory() }

// capped keeps the first 64 KiB of what a process writes.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	_, _ = c.Buffer.Write(p[:min(len(p), max(0, 64<<10-c.Len()))]) // a Buffer's Write does not fail
	return len(p), nil
}

var _ io.Writer = (*capped)(nil)
