package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/enginetest"
)

// ended counts executions.
type ended struct {
	engine.NopObserver
	count atomic.Int32
}

func (o *ended) ExecutionEnded(*engine.Invocation, *engine.Result) { o.count.Add(1) }

// A trial says how a script will load, and does nothing else: no host call, no record, no isolate of the script's.
func TestTryLoad(t *testing.T) {
	t.Parallel()
	g := newGate()
	observer := &ended{}
	e := enginetest.Real(t).Start(t, func(c *engine.Config) { c.Host, c.Observer = g, observer })
	for name, c := range map[string]struct {
		source, scriptType string
		code               engine.Code
		says, at           string
	}{
		"good":                {`export default { run() {} }`, "oneoff", engine.CodeNone, "", ""},
		"throws":              {"const config = {};\nconst port = config.server.port;\nexport default { run() {} }", "oneoff", engine.CodeBootError, "TypeError: Cannot read properties of undefined", ":2:"},
		"rejects":             {"\nawait Promise.reject(new Error('down'));\nexport default { run() {} }", "oneoff", engine.CodeBootError, "Error: down", ":2:"},
		"needs a module":      {"const pg = require('pg'); export default { run() {} }", "oneoff", engine.CodeBootError, "Cannot find module 'pg'", ":1:"},
		"asks the node":       {"import { kv } from 'jsruntime';\nawait kv.put('a', 1); throw new Error('after it');\nexport default { run() {} }", "oneoff", engine.CodeNone, "", ""},
		"fetches":             {"const r = await fetch('http://a.test/'); throw r; export default { run() {} }", "oneoff", engine.CodeNone, "", ""},
		"waits for a timer":   {"await new Promise((r) => setTimeout(r, 5)); throw 1; export default { run() {} }", "oneoff", engine.CodeBootError, "1", ""},
		"never settles":       {"await new Promise(() => {}); export default { run() {} }", "oneoff", engine.CodeBootError, "can never settle", ""},
		"loops":               {"await 1; for (;;); export default { run() {} }", "oneoff", engine.CodeExceededWallTime, "max_execution_time_ms", ""},
		"lacks its handler":   {"class App {}; export default new App()", "http", engine.CodeHandlerMissing, "no fetch handler", ""},
		"lacks it, and waits": {"await 1; class App {}; export default new App()", "http", engine.CodeHandlerMissing, "no fetch handler", ""},
	} {
		out, err := compile.Compile(t.Context(), compile.Input{Source: c.source, Handler: string(engine.HandlerOf(c.scriptType))})
		require.NoError(t, err, name)
		s := enginetest.NewTenant().Script("trial", func(l *engine.Limits) { l.MaxExecutionTime = time.Second })
		s.Compiled, s.SourceMap, s.Type = out.Compiled, out.SourceMap, c.scriptType
		res, err := e.TryLoad(t.Context(), s)
		require.NoError(t, err, name)
		require.Equal(t, c.code, res.Code, "%s: %s", name, res.Message)
		require.Contains(t, res.Message, c.says, name)
		require.Contains(t, res.Stack, c.at, name)
	}
	require.Empty(t, g.put)
	require.Zero(t, observer.count.Load(), "executions were observed")
}
