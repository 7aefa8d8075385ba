package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// series is one curve. It grows where its line rises by more than bound a minute, and by more than its scatter explains: by more than
// twice the slope's standard error, which chance does one time in forty. A bound of 0 judges nothing: times on a machine that others
// use say nothing about us.
type series struct {
	name, unit string
	bound      float64
	values     []float64
}

func (c *series) grows(l line) bool { return l.slope > max(c.bound, 2*l.doubt) }

type samples struct {
	at     []time.Duration // since the load began
	series []*series
}

// The bounds: for memory 1 MiB a minute, which a node with a week's leak of 10 GB would exceed ten times; for things that are
// counted, one in five minutes, or what the coming and going of attacked workers moves the line by.
func newSamples() *samples {
	return &samples{series: []*series{
		{name: "node, resident memory", unit: "MiB", bound: 1},
		{name: "workers, private memory, sum", unit: "MiB", bound: 1},
		{name: "worker processes", bound: .2},
		{name: "node, goroutines", bound: 1},
		{name: "node, descriptors", bound: .5},
		{name: "workers, descriptors, sum", bound: 2},
		{name: "connections to Postgres", bound: .2},
		{name: "history not yet written", unit: "rows", bound: 1},
		{name: "queue, pending or running", unit: "executions", bound: 1},
		{name: "zombies", bound: .05},
		{name: "warm request, p50", unit: "ms"},
		{name: "warm request, p99", unit: "ms"},
	}}
}

func (s *samples) take(ctx context.Context, at time.Duration, n *node, db *database, m *mix) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	metrics, err := n.metrics(ctx)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	connections, err := db.count(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> $1`, application)
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	queue, err := db.count(ctx, `SELECT count(*) FROM script_executions WHERE status IN ('pending', 'running')`)
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	var memory, descriptors, workers, zombies float64
	for _, p := range descendants(n.pid()) {
		if p.state == "Z" {
			zombies++
			continue
		}
		if p.name != "jsruntime-worke" { // the kernel keeps 15 letters of a name
			continue
		}
		workers++
		memory += privateMiB(p.pid)
		descriptors += countDescriptors(p.pid)
	}
	p50, p99 := m.latencies()
	s.at = append(s.at, at)
	for i, v := range []float64{
		residentMiB(n.pid()), memory, workers, metrics["go_goroutines"], countDescriptors(n.pid()), descriptors, float64(connections),
		metrics["jsruntime_ledger_backlog_rows"], float64(queue), zombies, milliseconds(p50), milliseconds(p99),
	} {
		s.series[i].values = append(s.series[i].values, v)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// line is the newest sample.
func (s *samples) line() string {
	var parts []string
	for _, c := range s.series {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %.4g %s", c.name, c.values[len(c.values)-1], c.unit)))
	}
	return strings.Join(parts, "; ")
}

func (s *samples) csv() string {
	var b strings.Builder
	b.WriteString("seconds")
	for _, c := range s.series {
		fmt.Fprintf(&b, ",%q", strings.TrimSpace(c.name+" "+c.unit))
	}
	for i, at := range s.at {
		fmt.Fprintf(&b, "\n%.1f", at.Seconds())
		for _, c := range s.series {
			fmt.Fprintf(&b, ",%g", c.values[i])
		}
	}
	return b.String() + "\n"
}

// half is where the second half of the samples begins.
func (s *samples) half() int { return len(s.at) / 2 }

// line is a straight line through points, by least squares, in minutes.
type line struct {
	slope, intercept float64
	// doubt is the slope's standard error. Samples that follow each other are alike, so that there are fewer of them than it seems: the
	// error is that of independent ones times √((1+r)/(1-r)), where r is the correlation of a residual with the one before.
	doubt float64
}

func fit(at []time.Duration, values []float64) (l line) {
	n := float64(len(at))
	var sx, sy, sxx, sxy float64
	for i := range at {
		x, y := at[i].Minutes(), values[i]
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	d := n*sxx - sx*sx
	if d == 0 {
		l.intercept = sy / n
		return l
	}
	l.slope = (n*sxy - sx*sy) / d
	l.intercept = (sy - l.slope*sx) / n
	var squares, pairs, before float64
	for i := range at {
		residual := values[i] - l.intercept - l.slope*at[i].Minutes()
		squares += residual * residual
		pairs += residual * before
		before = residual
	}
	if n < 3 || squares == 0 {
		return l
	}
	r := min(max(pairs/squares, 0), .95)
	l.doubt = math.Sqrt(squares/(n-2)*n/d) * math.Sqrt((1+r)/(1-r))
	return l
}

// process is a process for good: the kernel uses a pid again, but not with the same start.
type process struct {
	pid, parent        int
	state, name, start string
}

func stat(path string) (p process, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return p, false
	}
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return p, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 {
		return p, false
	}
	p = process{name: string(text[open+1 : end]), state: fields[0], start: fields[19]}
	p.pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:open])))
	p.parent, _ = strconv.Atoi(fields[1])
	return p, true
}

func (p process) alive() bool {
	now, ok := stat(fmt.Sprintf("/proc/%d/stat", p.pid))
	return ok && now.start == p.start && now.state != "Z"
}

// descendants are the processes below root.
func descendants(root int) (below []process) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]process{}
	for _, path := range paths {
		if p, ok := stat(path); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, p := range children[next[0]] {
			below = append(below, p)
			next = append(next, p.pid)
		}
	}
	return below
}

func countDescriptors(pid int) float64 {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0 // it has ended meanwhile
	}
	return float64(len(list))
}

func residentMiB(pid int) float64 { return kilobytes(pid, "status", "VmRSS:") / 1024 }

func privateMiB(pid int) float64 {
	return kilobytes(pid, "smaps_rollup", "Private_Clean:", "Private_Dirty:") / 1024
}

// kilobytes adds up lines of a file of /proc/<pid>.
func kilobytes(pid int, file string, names ...string) (sum float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		for _, name := range names {
			if len(f) >= 2 && f[0] == name {
				kb, _ := strconv.ParseFloat(f[1], 64)
				sum += kb
			}
		}
	}
	return sum
}
