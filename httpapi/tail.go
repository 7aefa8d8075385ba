package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/google/uuid"

	"jsruntime/engine/logtail"
	"jsruntime/sqlc"
)

// Tail shows log lines as they happen.
type Tail interface {
	Watch(tenantID, scriptID uuid.UUID) *logtail.Watcher
}

// tailBeat is how often a quiet stream says that it is alive, and tailCheck how often it is asked whether its key still is.
const (
	tailBeat  = 15 * time.Second
	tailCheck = 5 * time.Second
)

type logTailIn struct {
	ScriptID string `query:"script_id" maxLength:"64" doc:"One script only."`
}

type logTailOut struct {
	Body func(huma.Context)
}

// logTail streams lines as server-sent events until the client leaves or its key ends.
func (a *API) logTail(ctx context.Context, in *logTailIn) (*logTailOut, error) {
	script, err := givenID("script_id", in.ScriptID)
	if err != nil {
		return nil, err
	}
	if a.cfg.Tail == nil {
		return nil, newProblem(http.StatusServiceUnavailable, "tail_unavailable", "This server does not stream logs.")
	}
	tenant, of := tenantOf(ctx), uuid.Nil
	if script != nil {
		of = *script
		err := a.read(ctx, func(q *sqlc.Queries) error {
			_, err := q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenant, ID: of})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	bearer := callOf(ctx).bearer
	return &logTailOut{Body: func(h huma.Context) { a.streamLines(h, tenant, of, bearer) }}, nil
}

func (a *API) streamLines(h huma.Context, tenant, script uuid.UUID, bearer string) {
	c := humagin.Unwrap(h)
	ctx := c.Request.Context()
	control := http.NewResponseController(c.Writer)
	w := a.cfg.Tail.Watch(tenant, script)
	defer w.Close()
	c.Header("Content-Type", "text/event-stream")
	c.Header("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	// send writes one piece; a client that takes nothing for a while is given up.
	send := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(tailBeat))
		_, err := c.Writer.WriteString(text)
		return err == nil && control.Flush() == nil
	}
	if !send(": watching\n\n") {
		return
	}
	beat, check := time.NewTicker(tailBeat), time.NewTicker(tailCheck)
	defer beat.Stop()
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.closing:
			return
		case line := <-w.C:
			text, err := json.Marshal(line)
			if err != nil || !send(fmt.Sprintf("id: %s-%d\nevent: log\ndata: %s\n\n", line.ExecutionID, line.Seq, text)) {
				return
			}
		case <-beat.C:
			if !send(": alive\n\n") {
				return
			}
		case <-check.C:
			p, err := a.keys.Authenticate(ctx, bearer)
			if err != nil || (p.Role != RoleSuperadmin && p.TenantID != tenant) {
				return
			}
		}
	}
}
