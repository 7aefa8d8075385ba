package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postmasterPID is what Postgres writes into its data directory.
type postmasterPID struct {
	pid  int
	port int
}

func readPostmasterPID(data string) (postmasterPID, bool) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return postmasterPID{}, false
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return postmasterPID{}, false
	}
	file := postmasterPID{pid: pid}
	if len(lines) > 3 {
		file.port, _ = strconv.Atoi(strings.TrimSpace(lines[3]))
	}
	return file, true
}

// endLeftover stops the Postgres that a killed node left running on our directory, and removes a stale pid file. The lock of
// the data directory is ours by now, so no living node uses that server.
func (s *Server) endLeftover(ctx context.Context) error {
	data := filepath.Join(s.dir, "data")
	file, ok := readPostmasterPID(data)
	if !ok {
		return nil
	}
	ours, known := runsIn(file.pid, data)
	if known && !ours {
		// The pid belongs to another process by now, or to none. Postgres itself would take any living process of its own
		// user for a postmaster and refuse to start.
		s.log.Info("removed the pid file of a postgres that is gone", "pid", file.pid)
		if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	if !known {
		// Without /proc the pid may be anybody's: leave the decision to Postgres.
		return nil
	}
	s.log.Info("stopping the postgres that an earlier node left running", "pid", file.pid, "port", file.port)
	for _, step := range shutdownSteps {
		if err := syscall.Kill(file.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the earlier postgres %d: %w", file.pid, err)
		}
		ended, err := waitGone(ctx, file.pid, data, step.wait)
		if err != nil {
			return err
		}
		if ended {
			return nil
		}
	}
	return fmt.Errorf("the earlier postgres %d cannot be stopped", file.pid)
}

// waitGone polls, since the process is no child of ours.
func waitGone(ctx context.Context, pid int, data string, limit time.Duration) (bool, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		if ours, _ := runsIn(pid, data); !ours {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return false, nil
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// runsIn reports whether pid is a living process whose working directory is data, as a postmaster's is. known is false where
// that cannot be found out.
func runsIn(pid int, data string) (ours, known bool) {
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		return false, false
	}
	proc := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return false, true
	}
	// The state follows the command's closing parenthesis; a zombie has no work left to do.
	if _, after, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(after, "Z") {
		return false, true
	}
	cwd, err := os.Stat(proc + "/cwd")
	if err != nil {
		// Another user's process is not ours to look at, and so not the process that we started.
		return false, true
	}
	own, err := os.Stat(data)
	return err == nil && os.SameFile(cwd, own), true
}
