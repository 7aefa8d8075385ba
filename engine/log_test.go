package engine_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/enginetest"
)

// logLines gets each line of a log.
type logLines chan map[string]any

func (l logLines) Write(b []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	l <- line
	return len(b), nil
}

// next waits for a line with that message.
func (l logLines) next(message string) map[string]any {
	for line := range l {
		if line["msg"] == message {
			return line
		}
	}
	return nil
}

func logging(t *testing.T, level slog.Level) (*engine.Engine, logLines) {
	t.Helper()
	lines := make(logLines, 1000)
	return enginetest.Start(t, func(c *engine.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level}))
	}), lines
}

func TestLogNamesTheExecutionThatKilledItsWorker(t *testing.T) {
	t.Parallel()
	e, lines := logging(t, slog.LevelInfo)
	inv := enginetest.Invocation(enginetest.NewTenant().Script("exit", nil), "null")
	require.Equal(t, engine.CodeWorkerLost, enginetest.Execute(t, e, inv).Code)
	line := lines.next("worker ended")
	require.Equal(t, inv.Script.TenantID.String(), line["tenant_id"])
	require.Equal(t, inv.Script.ID.String(), line["script_id"])
	require.Equal(t, inv.ExecutionID.String(), line["execution_id"])
	require.NotZero(t, line["worker_pid"])
}

func TestLogHasEachEndedExecutionAtDebug(t *testing.T) {
	t.Parallel()
	e, lines := logging(t, slog.LevelDebug)
	inv := enginetest.Invocation(enginetest.NewTenant().Script("echo", nil), "null")
	enginetest.Execute(t, e, inv)
	line := lines.next("execution ended")
	for _, key := range []string{"time", "level", "msg", "duration_ms"} {
		require.Contains(t, line, key)
		delete(line, key)
	}
	require.NotZero(t, line["worker_pid"])
	delete(line, "worker_pid")
	require.Equal(t, map[string]any{
		"tenant_id": inv.Script.TenantID.String(), "script_id": inv.Script.ID.String(), "execution_id": inv.ExecutionID.String(),
		"outcome": "completed", "trigger": string(inv.Trigger),
	}, line)
}
