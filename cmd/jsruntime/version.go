//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/advisory"
)

type versionConfig struct {
	Worker string `help:"Path of jsruntime-worker; empty means beside this program."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// printVersion names this build, and what its worker runs scripts with. A worker that cannot say is named with the reason: the
// version of this program is known all the same.
func printVersion(ctx context.Context, cfg versionConfig, stdout io.Writer) error {
	path, err := workerPath(cfg.Worker)
	if err != nil {
		return err
	}
	out := struct {
		Version     string        `json:"version"`
		Worker      *workerReport `json:"worker,omitempty"`
		WorkerError string        `json:"worker_error,omitempty"`
	}{Version: version()}
	if info, err := engine.Inspect(ctx, path, nil, "", nil); err != nil {
		out.WorkerError = err.Error()
	} else {
		out.Worker = &workerReport{Build: info.Build, V8: info.V8, AgeDays: advisory.AgeDays(info.V8, time.Now()), JIT: info.JIT, ICU: info.ICU, TZData: info.TZData}
	}
	if cfg.JSON {
		return json.NewEncoder(stdout).Encode(out)
	}
	fmt.Fprintln(stdout, "jsruntime", out.Version)
	if w := out.Worker; w != nil {
		fmt.Fprintf(stdout, "V8 %s, %s\nICU %s, time zones %s\n", w.V8, age(w.AgeDays), w.ICU, w.TZData)
	} else {
		fmt.Fprintln(stdout, "worker:", out.WorkerError)
	}
	return nil
}

// workerPath is the worker binary's path: the given one, or beside this program.
func workerPath(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("worker: %w", err)
	}
	return filepath.Join(filepath.Dir(self), "jsruntime-worker"), nil
}
