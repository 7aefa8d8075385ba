package engine_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
)

// refuseAll is the host of a program whose scripts only compute.
type refuseAll struct{}

func (refuseAll) Call(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	return nil, &engine.HostError{Name: "NotSupportedError", Message: call.Method + " is not there"}
}

// A program of yours can run scripts without a database and without HTTP: it imports engine and engine/compile, and has the
// jsruntime-worker binary of the same build beside it. A host serves what its scripts may call.
//
// Without Config.Command compile works in this process: a source may then take its memory. A program that compiles strangers' sources
// starts itself as the child, as `jsruntime compile-child` does.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	worker, err := enginetest.RealPath() // in your program: the path of jsruntime-worker
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := engine.New(engine.Config{WorkerPath: worker, Sandbox: "auto", Host: refuseAll{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		stop()
		<-ended
	}()

	compiler, err := compile.New(compile.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	source := `export default { run(input: { name: string }) { return { hello: input.name, squares: [1, 2, 3].map((n) => n * n) }; } }`
	out, err := compiler.Compile(ctx, compile.Input{Source: source, Handler: string(engine.HandlerRun)})
	if err != nil {
		fmt.Println(err)
		return
	}
	script := &engine.Script{
		ID: uuid.New(), TenantID: uuid.New(), Name: "hello", Type: "oneoff", Version: 1,
		Compiled: out.Compiled, SourceMap: out.SourceMap, Handlers: out.Handlers, Limits: engine.DefaultLimits(),
	}
	result, err := e.Execute(ctx, &engine.Invocation{
		ExecutionID: uuid.New(), Script: script, Trigger: engine.TriggerAPI, Handler: engine.HandlerRun, Attempt: 1,
		Input: json.RawMessage(`{"name":"world"}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Code.Outcome(), string(result.Output))
	// Output: completed {"hello":"world","squares":[1,4,9]}
}
