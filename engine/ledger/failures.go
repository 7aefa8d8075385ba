package ledger

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/sqlc"
)

// Failures counts the executions of scripts that failed and were followed by none that completed, in the order in which they are added. The zero
// value is ready. While nothing fails, it holds nothing and writes nothing.
type Failures struct {
	runs map[scriptVersion]failureRun
}

type scriptVersion struct {
	script  uuid.UUID
	version int
}

type failureRun struct {
	failures int64
	code     engine.Code // of the last
}

// Add counts an execution of a version of a script that ended with a code. One that was cancelled, and our own failures, say nothing about the script.
func (f *Failures) Add(scriptID uuid.UUID, version int, code engine.Code) {
	key := scriptVersion{scriptID, version}
	switch {
	case code == engine.CodeNone:
		delete(f.runs, key)
	case code.Ours(), code == engine.CodeCancelled, code == engine.CodeQuarantined:
	default:
		if f.runs == nil {
			f.runs = map[scriptVersion]failureRun{}
		}
		f.runs[key] = failureRun{f.runs[key].failures + 1, code}
	}
}

// Write adds the counts to script_health, which tells of scripts that fail and trips their breakers. It is called after the transaction that wrote
// the executions, whose usage says which have completed: nothing waits for it, and a node that ends before it loses some counts.
func (f *Failures) Write(ctx context.Context, queries *sqlc.Queries, log *slog.Logger) {
	if len(f.runs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rolloutTimeout)
	defer cancel()
	var p sqlc.ScriptFailuresParams
	for _, key := range slices.SortedFunc(maps.Keys(f.runs), func(a, b scriptVersion) int {
		return cmp.Or(bytes.Compare(a.script[:], b.script[:]), cmp.Compare(a.version, b.version))
	}) {
		run := f.runs[key]
		p.ScriptIds = append(p.ScriptIds, key.script)
		p.Versions = append(p.Versions, int32(key.version))
		p.Failures = append(p.Failures, run.failures)
		p.Codes = append(p.Codes, string(run.code))
	}
	if err := queries.ScriptFailures(ctx, p); err != nil && ctx.Err() == nil {
		log.Warn("failures of scripts not counted", "error", err)
	}
}
