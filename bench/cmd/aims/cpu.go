package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

//go:embed kernels.js
var kernels string

// handler runs the kernels inside of a script; driver does in Node.
const (
	handler = "\nexport default { fetch() { return Response.json(measure()); } };\n"
	driver  = "\nconsole.log(JSON.stringify(measure()));\n"
)

func cpu(ctx context.Context, o *options) error {
	node, err := exec.LookPath("node")
	if err != nil {
		say("cpu       left out: no node in PATH")
		return nil
	}
	dir, err := os.MkdirTemp("", "jsruntime-aims-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "kernels.mjs")
	if err := os.WriteFile(file, []byte(kernels+driver), 0o600); err != nil {
		return err
	}
	n, err := startNode(ctx, o, "cpu", content{tenants: o.rounds, scripts: 1, source: kernels + handler, limits: `{"max_execution_time_ms": 60000}`})
	if err != nil {
		return err
	}
	defer n.stop()
	client := &http.Client{Timeout: 2 * time.Minute}
	ours, theirs := map[string][]float64{}, map[string][]float64{}
	note := func(into map[string][]float64, raw string) error {
		var took map[string]float64
		if err := json.Unmarshal([]byte(raw), &took); err != nil {
			return fmt.Errorf("%q: %w", raw, err)
		}
		if len(took) == 0 {
			return errors.New("no kernel ran")
		}
		for name, ms := range took {
			into[name] = append(into[name], ms)
		}
		return nil
	}
	for round := range o.rounds {
		out, err := exec.CommandContext(ctx, node, file).Output()
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		if err := note(theirs, string(out)); err != nil {
			return err
		}
		raw, _, err := n.expect(client, path(round+1, 1)) // a fresh worker, as Node's process is fresh
		if err != nil {
			return err
		}
		if err := note(ours, raw); err != nil {
			return err
		}
	}
	version, _ := exec.CommandContext(ctx, node, "--version").Output()
	say("cpu       speed in a script by speed in Node %.20s (aim: 0.95)", trim(version))
	all := make([]float64, o.rounds)
	names := make([]string, 0, len(ours))
	for name := range ours {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		say("          %-10s %v   (%v and %v ms)", name, ratios(theirs[name], ours[name]), spreadOf(ours[name]), spreadOf(theirs[name]))
		for i := range all {
			all[i] += theirs[name][i] / ours[name][i] / float64(len(names))
		}
	}
	say("          mean       %v", spreadOf(all))
	return nil
}

func trim(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return string(b)
}
