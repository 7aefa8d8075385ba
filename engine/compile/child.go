package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// A child's bounds. esbuild is recursive and needs about 5 KB of stack for a level of nesting (measured with v0.28, Nov 2026), so
// that a source of 200 KB can outgrow Go's 1 GB, which no recover catches; and a list of 50,000 comma operators takes it 26 s.
// Both end a child and not the node.
const (
	childStack  = 256 << 20 // bytes: about 50,000 levels
	childMemory = 1 << 30   // bytes of RLIMIT_DATA
	childTime   = 10 * time.Second
)

// reply is what a child writes.
type reply struct {
	Output *Output
	Error  *Error
}

// Child is the main function of the process that Config.Command starts: it compiles the Input that it reads from stdin as JSON,
// and returns the exit code. Its stack and memory limits are those of the whole process.
func Child(stdin io.Reader, stdout io.Writer) int {
	debug.SetMaxStack(childStack)
	for resource, limit := range map[int]uint64{unix.RLIMIT_DATA: childMemory, unix.RLIMIT_CPU: uint64(childTime / time.Second), unix.RLIMIT_CORE: 0} {
		if unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}) != nil {
			return 1
		}
	}
	var in Input
	if json.NewDecoder(stdin).Decode(&in) != nil {
		return 1
	}
	var r reply
	out, err := Compile(context.Background(), in)
	if err != nil && !errors.As(err, &r.Error) {
		return 1
	}
	r.Output = out
	if json.NewEncoder(stdout).Encode(r) != nil {
		return 1
	}
	return 0
}

// compileInChild runs command and gives it in.
func compileInChild(ctx context.Context, command []string, in Input) (*Output, error) {
	request, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encoding a source: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, childTime)
	defer cancel()
	cmd := exec.CommandContext(limited, command[0], command[1:]...)
	cmd.Env = []string{} // not nil: that would be the node's
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(request)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if cmd.ProcessState == nil {
		return nil, fmt.Errorf("starting the compiler: %w", err)
	}
	if err != nil {
		return nil, refuse("", 0, "the source cannot be compiled within the compiler's limits: it is nested too deeply, or takes over "+childTime.String())
	}
	var r reply
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || (r.Output == nil) == (r.Error == nil) {
		return nil, errors.New("the compiler's answer cannot be read")
	}
	if r.Error != nil {
		return nil, r.Error
	}
	return r.Output, nil
}
