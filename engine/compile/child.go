package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/sandbox"
)

// A child's bounds. esbuild is recursive and needs about 5 KB of stack for a level of nesting (measured with v0.28, Nov 2026), so
// that a source of 200 KB can outgrow Go's 1 GB, which no recover catches; and a list of 50,000 comma operators takes it 26 s.
// Both end a child and not the node.
const (
	// ChildMemory is what one child may allocate, in bytes of RLIMIT_DATA: the largest packages of 1 MiB need a third of it.
	ChildMemory = 384 << 20
	childHeap   = 256 << 20 // bytes; from here on Go collects garbage
	childStack  = 64 << 20  // bytes: about 12,000 levels
	childCPU    = 2 * time.Second
	// childTime is the wall time. A child has a low priority, so on a busy machine it gets its CPU time late: that is the node's
	// failure and not the source's.
	childTime = 10 * time.Second
	childNice = 10
	// maxReply is what a child may write: a compiled script and its map, with every character escaped.
	maxReply  = 32 << 20
	maxStderr = 2 << 10
)

// reply is what a child writes.
type reply struct {
	Output *Output
	Error  *Error
}

// Child is the main function of the process that Config.Command starts: it compiles the Input that it reads from stdin as JSON,
// and returns the exit code. Its limits, its low priority and, where confined is set, its sandbox are those of the whole process.
func Child(stdin io.Reader, stdout, stderr io.Writer, confined bool) int {
	fail := func(err error) int {
		fmt.Fprintln(stderr, "compile:", err)
		return 1
	}
	// Neither is a wall: where the kernel refuses, the child compiles all the same.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if unix.Getpgrp() == os.Getpid() {
		_ = unix.Setpriority(unix.PRIO_PGRP, 0, childNice) // of all threads; PRIO_PROCESS means one
	}
	runtime.GOMAXPROCS(1) // a turn is one processor's
	debug.SetMaxStack(childStack)
	// A child lives for one source, so there is little to collect.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(childHeap)
	limits := map[int]uint64{
		unix.RLIMIT_DATA: ChildMemory, unix.RLIMIT_CPU: uint64(childCPU / time.Second), unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_NOFILE: 16,
	}
	for resource, limit := range limits {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fail(fmt.Errorf("rlimit %d: %w", resource, err))
		}
	}
	var in Input
	if err := json.NewDecoder(io.LimitReader(stdin, maxReply)).Decode(&in); err != nil {
		return fail(fmt.Errorf("reading the source: %w", err))
	}
	if confined {
		if err := sandbox.Confine(); err != nil {
			return fail(fmt.Errorf("sandbox: %w", err))
		}
	}
	var r reply
	out, err := Compile(context.Background(), in)
	if err != nil && !errors.As(err, &r.Error) {
		return fail(err)
	}
	r.Output = out
	if err := json.NewEncoder(stdout).Encode(r); err != nil {
		return fail(fmt.Errorf("writing the answer: %w", err))
	}
	return 0
}

// Causes of a child's end by the node.
var (
	errReplyTooLarge = errors.New("the compiler's answer is too large")
	errLate          = errors.New("the compiler takes too long")
)

// bounded is a buffer that takes max bytes, and then calls full.
type bounded struct {
	buffer bytes.Buffer // not embedded: io.Copy would go past Write, to its ReadFrom
	max    int
	full   context.CancelCauseFunc
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buffer.Len()+len(p) > b.max {
		b.full(errReplyTooLarge)
		return 0, errReplyTooLarge
	}
	return b.buffer.Write(p)
}

// compileInChild runs command and gives it in. Its error is an *Error for a source that is beyond the child's limits, a *BusyError
// where the machine had no time for it, and otherwise ours.
func compileInChild(ctx context.Context, command []string, in Input) (*Output, error) {
	request, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encoding a source: %w", err)
	}
	limited, end := context.WithCancelCause(ctx)
	defer end(nil)
	timer := time.AfterFunc(childTime, func() { end(errLate) })
	defer timer.Stop()
	cmd := exec.CommandContext(limited, command[0], command[1:]...)
	cmd.Env = []string{} // not nil: that would be the node's
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(request)
	// A group of its own: a Ctrl-C at the terminal is for the node.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, stderr := bounded{max: maxReply, full: end}, bounded{max: maxStderr, full: func(error) {}} // what a crash prints may be cut
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if cmd.ProcessState == nil {
		return nil, fmt.Errorf("starting the compiler: %w", err)
	}
	if err != nil {
		return nil, childFailure(cmd.ProcessState, context.Cause(limited), stderr.buffer.String())
	}
	var r reply
	if err := json.Unmarshal(stdout.buffer.Bytes(), &r); err != nil || !r.sound() {
		return nil, errors.New("the compiler's answer cannot be read")
	}
	if r.Error != nil {
		return nil, r.Error
	}
	r.Output.SHA256 = in.Hash() // whatever the child says
	return r.Output, nil
}

// sound reports whether a reply is one that Child writes: an attacker who breaks the compiler writes others.
func (r *reply) sound() bool {
	if r.Error != nil {
		return r.Output == nil && len(r.Error.Diagnostics) > 0 && len(r.Error.Diagnostics) <= maxDiagnostics
	}
	return r.Output != nil && r.Output.Compiled != "" && len(r.Output.Compiled) <= MaxCompiledBytes && utf8.ValidString(r.Output.Compiled) &&
		!strings.ContainsRune(r.Output.Compiled, 0) && !strings.ContainsRune(r.Output.SourceMap, 0) && len(r.Output.Warnings) <= maxDiagnostics
}

// goFatal is the exit code of a Go program whose runtime gives up, as it does without memory or beyond SetMaxStack.
const goFatal = 2

func childFailure(state *os.ProcessState, cause error, stderr string) error {
	beyond := func(limit string) error {
		return refuse("", 0, "the source cannot be compiled within the compiler's limits: "+limit)
	}
	cpu := state.UserTime() + state.SystemTime()
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case errors.Is(cause, errReplyTooLarge):
		return beyond(fmt.Sprintf("its output exceeds %d bytes", maxReply))
	case cause == nil && status.Signaled() && status.Signal() == syscall.SIGKILL && cpu >= childCPU/2: // the kernel's limit counts time in other ways
		return beyond(fmt.Sprintf("it takes over %d s of CPU time", int(childCPU/time.Second)))
	case errors.Is(cause, errLate):
		return &BusyError{Scope: admission.ScopeNode, Limit: "compile_time", Detail: fmt.Sprintf("the machine had no time to compile the source within %d s", int(childTime/time.Second)), RetryAfter: childTime}
	case state.ExitCode() == goFatal:
		return beyond(fmt.Sprintf("it is nested too deeply (%d MiB of stack) or needs over %d MiB of memory", childStack>>20, ChildMemory>>20))
	default:
		return fmt.Errorf("the compiler ended with %s: %s", state, bytes.ToValidUTF8([]byte(stderr), []byte("?")))
	}
}
