package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/google/uuid"

	"example.com/jsruntime/engine/logtail"
	"example.com/jsruntime/sqlc"
)

// Tail shows what scripts do as they do it.
type Tail interface {
	// Watch returns a *logtail.LimitError where as many watch as may.
	Watch(tenantID uuid.UUID, filter logtail.Filter) (*logtail.Watcher, error)
	// Deaf reports whether the events of other nodes do not come.
	Deaf() bool
}

// tailBeat is how often a quiet stream says that it is alive, and tailCheck how often it is asked whether its key still is.
const (
	tailBeat  = 15 * time.Second
	tailCheck = 5 * time.Second
)

type logTailIn struct {
	ScriptID    string   `query:"script_id" maxLength:"64" doc:"One script only."`
	Status      []string `query:"status" maxItems:"6" enum:"running,completed,failed,timeout,cancelled,refused" doc:"Only events of these statuses, with commas in between: lines and starts are running, ends have the execution's status, or refused."`
	Level       string   `query:"level" enum:"debug,info,warn,error" doc:"Only events of this level and above. Ends are of level error where the execution failed or ran out of time, warn where it was cancelled or refused, else info."`
	Text        string   `query:"text" maxLength:"200" doc:"Only events that have this text, in upper or lower case, in their message, error, stack, path, type of event or script's name."`
	LastEventID string   `header:"Last-Event-ID" maxLength:"128" doc:"Sent with a reconnection: the stream then begins with a notice that lines may be missing."`
}

type logTailOut struct {
	Body func(huma.Context)
}

// TailEvent is an event of the stream, in the document.
type TailEvent struct{ logtail.Event }

// TailNotice is what a stream says of itself. Level and message are those of a line, so that it can be shown as one.
type TailNotice struct {
	Code    string    `json:"code" enum:"lines_missing,lines_dropped,node_local,node_local_ended"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// logTail streams events as server-sent ones until the client leaves or its key ends.
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
	w, err := a.cfg.Tail.Watch(tenant, logtail.Filter{ScriptID: of, Statuses: in.Status, Level: in.Level, Text: in.Text})
	if err != nil {
		return nil, tailProblem(err)
	}
	context.AfterFunc(ctx, w.Close) // the request's end, whether or not the stream began
	return &logTailOut{Body: func(h huma.Context) {
		defer w.Close()
		s := &logStream{api: a, watcher: w, tenant: tenant, credential: callOf(ctx).credential()}
		s.run(h, in.LastEventID != "")
	}}, nil
}

func tailProblem(err error) error {
	var limit *logtail.LimitError
	if !errors.As(err, &limit) {
		return err
	}
	status, whose := http.StatusTooManyRequests, "this tenant may have on a node now"
	if limit.Scope == "node" {
		status, whose = http.StatusServiceUnavailable, "a node may have"
	}
	return newProblem(status, "tail_limit", fmt.Sprintf("log_streams: limit %d that %s, all in use.", limit.Limit, whose)).RetryAfter(tailCheck)
}

// logStream is one open stream.
type logStream struct {
	api        *API
	watcher    *logtail.Watcher
	tenant     uuid.UUID
	credential credential
	write      func(text string) error
	deaf       bool // the client was told that other nodes' lines are missing
}

// run writes to the client until it leaves or may watch no more. Every error is that of a client that has gone.
func (s *logStream) run(h huma.Context, again bool) {
	c := humagin.Unwrap(h)
	control := http.NewResponseController(c.Writer)
	c.Header("Content-Type", "text/event-stream")
	c.Header("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	// A client that takes nothing for a while is given up.
	s.write = func(text string) error {
		_ = control.SetWriteDeadline(time.Now().Add(tailBeat))
		if _, err := c.Writer.WriteString(text); err != nil {
			return err
		}
		return control.Flush()
	}
	err := s.write(": watching\n\n")
	if err == nil && again {
		err = s.notice("lines_missing", "reconnected: events of the time between may be missing here, the executions and their logs have them")
	}
	beat, check := time.NewTicker(tailBeat), time.NewTicker(tailCheck)
	defer beat.Stop()
	defer check.Stop()
	for err == nil {
		select {
		case <-c.Request.Context().Done():
			return
		case <-s.api.closing:
			return
		case e := <-s.watcher.C:
			id := strconv.Itoa(e.Seq)
			if e.Kind != logtail.KindLog {
				id = strings.TrimPrefix(string(e.Kind), "execution.")
			}
			err = s.event(fmt.Sprintf("id: %s-%s\nevent: %s", e.ExecutionID, id, e.Kind), e)
		case <-beat.C:
			err = s.alive()
		case <-check.C:
			if !s.api.mayWatch(c.Request.Context(), s.credential, s.tenant) {
				return
			}
			err = s.hearing()
		}
	}
}

func (s *logStream) event(head string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return s.write(head + "\ndata: " + string(text) + "\n\n")
}

func (s *logStream) notice(code, message string) error {
	return s.event("event: notice", TailNotice{Code: code, Level: "warn", Message: message, At: time.Now().UTC()})
}

// alive tells of events that were left out and that no event has told of.
func (s *logStream) alive() error {
	if n := s.watcher.Dropped(); n > 0 {
		return s.notice("lines_dropped", fmt.Sprintf("%d events were left out, the executions and their logs have them", n))
	}
	return s.write(": alive\n\n")
}

// hearing tells once when this node ceases to hear other nodes, and once when it hears them again.
func (s *logStream) hearing() error {
	deaf := s.api.cfg.Tail.Deaf()
	if deaf == s.deaf {
		return nil
	}
	s.deaf = deaf
	if deaf {
		return s.notice("node_local", "the database's notifications do not reach this node: lines of executions on other nodes are missing here")
	}
	return s.notice("node_local_ended", "the database's notifications reach this node again: lines of other nodes are shown")
}

// mayWatch reports whether a key or a session may still watch a tenant. While the database cannot say, it may: it has been let in.
func (a *API) mayWatch(ctx context.Context, with credential, tenant uuid.UUID) bool {
	p, err := a.whose(ctx, with)
	if err != nil {
		return !errors.Is(err, ErrUnknownKey)
	}
	return routeInfo{permission: read, scope: "executions:read"}.mayPass(&p, "") && (p.Role == RoleSuperadmin || p.TenantID == tenant)
}
