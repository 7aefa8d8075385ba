package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/httpapi/problem"
	"example.com/jsruntime/sqlc"
)

// Execution is one run as the API shows it.
type Execution struct {
	ID           uuid.UUID       `json:"id" format:"uuid"`
	ScriptID     uuid.UUID       `json:"script_id" format:"uuid"`
	ScriptName   string          `json:"script_name"`
	Version      int32           `json:"version"`
	Status       string          `json:"status" enum:"pending,running,completed,failed,timeout,cancelled"`
	TriggerType  string          `json:"trigger_type" enum:"cron,http,event,manual,api"`
	TriggerData  json.RawMessage `json:"trigger_data"`
	Input        json.RawMessage `json:"input"`
	Output       json.RawMessage `json:"output"`
	Error        *string         `json:"error"`
	ErrorCode    *string         `json:"error_code"`
	ErrorStack   *string         `json:"error_stack"`
	Attempt      int32           `json:"attempt"`
	Metrics      Metrics         `json:"metrics"`
	QueuedAt     time.Time       `json:"queued_at"`
	RunAt        *time.Time      `json:"run_at" doc:"Not before."`
	StartedAt    *time.Time      `json:"started_at"`
	CompletedAt  *time.Time      `json:"completed_at"`
	EventID      *string         `json:"event_id"`
	ScheduledFor *time.Time      `json:"scheduled_for" doc:"The cron tick that it belongs to."`
	HTTPStatus   *int32          `json:"http_status" doc:"Of the answer to a request: what its client got, or what the script gave where no client waited for it. null: there was none."`
	ReplayOf     *uuid.UUID      `json:"replay_of" format:"uuid" nullable:"true"`
	ParentID     *uuid.UUID      `json:"parent_id" format:"uuid" nullable:"true" doc:"The execution that caused it."`
	BodiesHidden bool            `json:"bodies_hidden" doc:"Input and output are null because the caller's role may not read them."`

	handler string
}

// Metrics are what an execution cost.
type Metrics struct {
	DurationMS      float64 `json:"duration_ms" doc:"From its begin to its end, work of waitUntil included."`
	ResponseMS      float64 `json:"response_ms" doc:"From its begin until its answer was whole; 0 where there was none."`
	CPUMS           float64 `json:"cpu_ms"`
	QueueMS         float64 `json:"queue_ms"`
	ColdStart       bool    `json:"cold_start"`
	PeakMemoryBytes int64   `json:"peak_memory_bytes"`
	APICalls        int64   `json:"api_calls"`
	OutputBytes     int64   `json:"output_bytes"`
	LogBytes        int64   `json:"log_bytes"`
}

func metricsOf(stored json.RawMessage) Metrics {
	var m Metrics
	_ = json.Unmarshal(stored, &m)
	return m
}

func executionOfRow(e sqlc.ScriptExecution, scriptName string) Execution {
	out := Execution{
		ID: e.ID, ScriptID: e.ScriptID, ScriptName: scriptName, Version: e.Version, Status: e.Status, TriggerType: e.TriggerType,
		TriggerData: rawOrNull(e.TriggerData), Input: rawOrNull(e.Input), Output: rawOrNull(e.Output), Error: e.Error, ErrorCode: e.ErrorCode,
		ErrorStack: e.ErrorStack, Attempt: e.Attempt, Metrics: metricsOf(e.Metrics), QueuedAt: utc(e.QueuedAt), StartedAt: utcPtr(e.StartedAt),
		CompletedAt: utcPtr(e.CompletedAt), EventID: e.EventID, ScheduledFor: utcPtr(e.ScheduledFor), ReplayOf: e.ReplayOf, ParentID: e.ParentID,
		handler: e.Handler,
	}
	if e.HttpStatus != nil {
		status := int32(*e.HttpStatus)
		out.HTTPStatus = &status
	}
	if e.Status == string(engine.StatusPending) {
		out.RunAt = utcPtr(&e.RunAt)
		out.StartedAt = nil
	}
	return out
}

// mayReadBodies reports whether the caller may read what executions got and gave: developers and those above, and keys whose scopes let them
// run scripts.
func mayReadBodies(ctx context.Context) bool {
	return routeInfo{permission: execute, scope: "executions:run"}.mayPass(principalOf(ctx), "")
}

// shown is an execution for the caller: viewers see neither input nor output, and others see the input of a run of the queue, whose row has
// it whole, without credentials.
func (a *API) shown(ctx context.Context, e Execution, history json.RawMessage, values *redact.Values) Execution {
	if !mayReadBodies(ctx) {
		e.Input, e.Output, e.BodiesHidden = json.RawMessage("null"), json.RawMessage("null"), true
		return e
	}
	e.Input = record.Shown(e.handler, e.Input, catalog.HistoryOf(history).Rules("input", values))
	return e
}

// secretValues are the tenant's secrets as they are masked. Where they cannot be read, credentials are masked by their names only.
func (a *API) secretValues(ctx context.Context) *redact.Values {
	if a.cfg.Secrets == nil || !mayReadBodies(ctx) {
		return nil
	}
	values, err := a.cfg.Secrets(ctx, tenantOf(ctx))
	if err != nil {
		a.logOf(ctx).WarnContext(ctx, "secrets cannot be read to mask them", "error", err)
	}
	return values
}

// outputFor is a run's output as its caller gets it: JSON as it is, a response as it is kept.
func outputFor(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	if res.Response == nil && !res.Streamed {
		return text.StorableJSON(res.Output)
	}
	return record.Output(inv, res)
}

// executionOfResult shows a synchronous run as it will be on record, with the output whole.
func executionOfResult(inv *engine.Invocation, res *engine.Result) Execution {
	out := Execution{
		ID: inv.ExecutionID, ScriptID: inv.Script.ID, ScriptName: inv.Script.Name, Version: int32(inv.Script.Version), Status: string(res.Code.Status()),
		TriggerType: string(inv.Trigger), TriggerData: rawOrNull(record.TriggerData(inv, res)), Input: rawOrNull(record.Input(inv, res)),
		Output: rawOrNull(outputFor(inv, res)), Attempt: int32(inv.Attempt), Metrics: metricsOf(record.Metrics(res.Metrics)), QueuedAt: utc(inv.QueuedAt),
		StartedAt: utcPtr(&res.StartedAt), CompletedAt: utcPtr(&res.EndedAt),
	}
	if status := int32(res.HTTPStatus()); status != 0 {
		out.HTTPStatus = &status
	}
	if res.Code != engine.CodeNone {
		code, message := string(res.Code), text.Clean(res.Message)
		out.ErrorCode, out.Error = &code, &message
		if res.Stack != "" {
			stack := text.Clean(res.Stack)
			out.ErrorStack = &stack
		}
	}
	return out
}

type executionListIn struct {
	ListQuery
	FieldsQuery
	ScriptID    string    `query:"script_id" maxLength:"64"`
	Status      string    `query:"status" enum:"pending,running,completed,failed,timeout,cancelled"`
	TriggerType string    `query:"trigger_type" enum:"cron,http,event,manual,api"`
	ErrorCode   string    `query:"error_code" maxLength:"64" example:"exceeded_memory"`
	EventID     string    `query:"event_id" maxLength:"255" doc:"Runs that this event caused."`
	Path        string    `query:"path" maxLength:"2000" example:"/orders/7" doc:"Requests to exactly this path, as trigger_data has it. There is no index: see looked_back_to."`
	HTTPStatus  string    `query:"http_status" pattern:"^[1-5]([0-9][0-9]|xx)$" patternDescription:"a status such as 404, or 5xx for all of a class" example:"5xx" doc:"The status of the answer, or 4xx, 5xx and so on for all of a class."`
	Q           string    `query:"q" minLength:"2" maxLength:"200" example:"customer 17" doc:"Text in the path, the error's message, the event's id or the execution's own, and in the URL of a request for callers who may read inputs; in any case of letters. There is no index: see looked_back_to."`
	Since       time.Time `query:"since" doc:"Accepted at this time or later."`
	Until       time.Time `query:"until" doc:"Accepted before this time."`
}

func givenTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// givenID reads an id of a query.
func givenID(name, s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return nil, invalid("query."+name, "not a UUID")
	}
	return &id, nil
}

// settleOwn lets the runs that this node has just answered be on record before a client reads executions: a client that calls an
// endpoint and then asks for its execution finds it. Runs of another node follow within its ledger's interval.
func (a *API) settleOwn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	if err := a.cfg.Ledger.Flush(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		a.logOf(ctx).WarnContext(ctx, "ledger cannot be flushed", "error", err)
	}
}

// settleWait bounds how long reading waits for settleOwn: while Postgres is slow the reader gets what is there.
const settleWait = 300 * time.Millisecond

// ExecutionPage is a page of executions.
type ExecutionPage struct {
	Page[Item[Execution]]
	LookedBackTo *time.Time `json:"looked_back_to" doc:"The page ended before it was full: it has looked at 20,000 executions, the newest that one of its filters finds by an index, and the others left most of them out. next_cursor goes on from this time. null: the page is full, or there are no more."`
}

func (a *API) executionList(ctx context.Context, in *executionListIn) (*found[ExecutionPage], error) {
	fields, err := choose[Execution](in.Fields, "input", "output")
	if err != nil {
		return nil, err
	}
	script, err := givenID("script_id", in.ScriptID)
	if err != nil {
		return nil, err
	}
	if codes := codeNames(); in.ErrorCode != "" && !slices.Contains(codes, in.ErrorCode) {
		message := "no error code"
		if near := text.Nearest(in.ErrorCode, codes); near != "" {
			message += "; did you mean " + near + "?"
		}
		return nil, invalid("query.error_code", message)
	}
	bind := []string{"executions", tenantOf(ctx).String(), in.ScriptID, in.Status, in.TriggerType, in.ErrorCode, in.EventID, in.Path, in.HTTPStatus, in.Q, in.Since.String(), in.Until.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	if in.Cursor == "" {
		a.settleOwn(ctx)
	}
	out := &found[ExecutionPage]{ExecutionPage{Page: Page[Item[Execution]]{Items: []Item[Execution]{}}}}
	var shown []Execution
	var histories []json.RawMessage
	whole := fields.has("input", "output")
	err = a.list(ctx, func(q *sqlc.Queries) error {
		rows, next, err := executionPage(ctx, q, in, script, at, whole)
		if err != nil {
			return err
		}
		size := func(r listed) int64 { return r.bytes }
		n := fitPage(rows, in.Limit, size)
		if err := reservePage(ctx, a, rows[:n], size); err != nil {
			return err
		}
		switch {
		case n < len(rows):
			out.Body.NextCursor = a.cursors.encode(rows[n-1].position, bind)
		case next != nil:
			out.Body.NextCursor = a.cursors.encode(*next, bind)
			out.Body.LookedBackTo = utcPtr(&next.at)
		}
		ids := make([]uuid.UUID, n)
		for i := range ids {
			ids[i] = rows[i].id
		}
		shown, histories, err = executionsByID(ctx, q, ids, whole)
		return err
	})
	values := (*redact.Values)(nil)
	if whole {
		values = a.secretValues(ctx)
	}
	for i, e := range shown {
		e = a.shown(ctx, e, histories[i], values)
		out.Body.Items = append(out.Body.Items, Item[Execution]{&e, fields})
	}
	return out, err
}

// codeNames are the codes that an execution's error_code may be.
func codeNames() []string {
	var names []string
	for _, code := range engine.Codes() {
		if code != engine.CodeNone {
			names = append(names, string(code))
		}
	}
	return names
}

// executionsByID reads executions in the order of their ids, with what their scripts keep of history.
func executionsByID(ctx context.Context, q *sqlc.Queries, ids []uuid.UUID, whole bool) (out []Execution, histories []json.RawMessage, err error) {
	if len(ids) == 0 {
		return nil, nil, nil // the statement would be planned for every partition
	}
	if err := q.PlanByValues(ctx); err != nil {
		return nil, nil, err
	}
	if !whole {
		first, last := ids[0], ids[0]
		for _, id := range ids {
			first, last = lowerID(first, id), higherID(last, id)
		}
		if idTime(last).Sub(idTime(first)) > plannedRange {
			if err := q.PlanOnce(ctx); err != nil {
				return nil, nil, err
			}
		}
		rows, err := q.ExecutionGetManyLean(ctx, sqlc.ExecutionGetManyLeanParams{TenantID: tenantOf(ctx), Ids: ids, FirstID: first, LastID: last})
		slices.SortFunc(rows, func(x, y sqlc.ExecutionGetManyLeanRow) int { return slices.Index(ids, x.ID) - slices.Index(ids, y.ID) })
		for _, e := range rows {
			out = append(out, executionOfRow(sqlc.ScriptExecution{
				ID: e.ID, ScriptID: e.ScriptID, Status: e.Status, TriggerType: e.TriggerType, TriggerData: e.TriggerData, Error: e.Error, Metrics: e.Metrics,
				StartedAt: e.StartedAt, CompletedAt: e.CompletedAt, Version: e.Version, Attempt: e.Attempt, ErrorCode: e.ErrorCode, ErrorStack: e.ErrorStack,
				QueuedAt: e.QueuedAt, RunAt: e.RunAt, EventID: e.EventID, ScheduledFor: e.ScheduledFor, ReplayOf: e.ReplayOf, ParentID: e.ParentID, HttpStatus: e.HttpStatus,
			}, e.ScriptName))
		}
		return out, make([]json.RawMessage, len(out)), err
	}
	rows, err := q.ExecutionGetMany(ctx, sqlc.ExecutionGetManyParams{TenantID: tenantOf(ctx), Ids: ids})
	slices.SortFunc(rows, func(x, y sqlc.ExecutionGetManyRow) int {
		return slices.Index(ids, x.ScriptExecution.ID) - slices.Index(ids, y.ScriptExecution.ID)
	})
	for _, e := range rows {
		e.ScriptExecution.Input = e.FullInput
		out, histories = append(out, executionOfRow(e.ScriptExecution, e.ScriptName)), append(histories, e.ScriptHistory)
	}
	return out, histories, err
}

func (a *API) executionGet(ctx context.Context, in *IDPath) (*found[Execution], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	a.settleOwn(ctx)
	out := &found[Execution]{}
	var history json.RawMessage
	err = a.read(ctx, func(q *sqlc.Queries) error {
		e, err := q.ExecutionGet(ctx, sqlc.ExecutionGetParams{TenantID: tenantOf(ctx), ID: id})
		e.ScriptExecution.Input = e.FullInput
		out.Body, history = executionOfRow(e.ScriptExecution, e.ScriptName), e.ScriptHistory
		return err
	})
	out.Body = a.shown(ctx, out.Body, history, a.secretValues(ctx))
	return out, err
}

// LogLine is one line of an execution's log.
type LogLine struct {
	Seq     int32     `json:"seq"`
	Level   string    `json:"level" enum:"debug,info,warn,error"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

type executionLogsIn struct {
	IDPath
	ListQuery
}

// executionLogs lists a log in its own order: oldest first, as one reads it. The log of an execution that failed ends with its error. The
// error is the row's: it stands there whatever ended the execution, where no log is kept, and when the log was deleted before its execution.
func (a *API) executionLogs(ctx context.Context, in *executionLogsIn) (*found[Page[LogLine]], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	bind := []string{"logs", tenantOf(ctx).String(), id.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	a.settleOwn(ctx)
	after := int32(-1)
	if in.Cursor != "" {
		after = int32(at.number)
	}
	var rows []sqlc.ExecutionLogListRow
	var of sqlc.ScriptExecution
	err = a.listWhole(ctx, func(q *sqlc.Queries) error {
		row, err := q.ExecutionGet(ctx, sqlc.ExecutionGetParams{TenantID: tenantOf(ctx), ID: id})
		if err != nil {
			return err
		}
		of = row.ScriptExecution
		rows, err = q.ExecutionLogList(ctx, sqlc.ExecutionLogListParams{TenantID: tenantOf(ctx), ExecutionID: id, AfterSeq: after, RowLimit: int32(in.Limit + 1)})
		return err
	}, func() bool { // the log of an execution that has ended is complete where its ending is
		return of.Status != string(engine.StatusPending) && of.Status != string(engine.StatusRunning)
	})
	if err != nil {
		return nil, err
	}
	where := func(l sqlc.ExecutionLogListRow) position { return position{number: int64(l.Seq)} }
	page := pageOf(a.cursors, rows, in.Limit, bind, func(l sqlc.ExecutionLogListRow) LogLine {
		return LogLine{Seq: l.Seq, Level: l.Level, Message: l.Message, At: utc(l.At)}
	}, where)
	if last := errorLine(of); last != nil && len(rows) <= in.Limit {
		switch {
		case len(rows) == in.Limit: // it has a page of its own
			page.NextCursor = a.cursors.encode(where(rows[len(rows)-1]), bind)
		default:
			last.Seq = max(after, 0) + 1
			if n := len(rows); n > 0 {
				last.Seq = rows[n-1].Seq + 1
			}
			page.Items = append(page.Items, *last)
		}
	}
	return &found[Page[LogLine]]{page}, nil
}

// errorLine is the line with which the log of an execution that failed ends, without its number; nil: it did not fail, or has not ended.
func errorLine(e sqlc.ScriptExecution) *LogLine {
	switch engine.Status(e.Status) {
	case engine.StatusFailed, engine.StatusTimeout, engine.StatusCancelled:
	default:
		return nil
	}
	text := func(s *string, other string) string {
		if s == nil {
			return other
		}
		return *s
	}
	message, stack, at := text(e.Error, ""), text(e.ErrorStack, ""), e.QueuedAt
	if strings.HasPrefix(stack, message) {
		message = stack
	} else if stack != "" {
		message += "\n" + stack
	}
	if e.CompletedAt != nil {
		at = *e.CompletedAt
	}
	return &LogLine{Level: "error", Message: text(e.ErrorCode, e.Status) + ": " + message, At: utc(at)}
}

// ExecutionGiven is how a script is run by hand.
type ExecutionGiven struct {
	Wait bool `query:"wait" doc:"Run it at once and answer 200 with the finished execution."`
	Body struct {
		Input json.RawMessage `json:"input,omitempty" doc:"Any JSON; what the handler gets."`
	}
}

type executionCreateIn struct {
	IDPath
	ExecutionGiven
}

type versionExecutionCreateIn struct {
	VersionPath
	ExecutionGiven
}

type executionOut struct {
	Status      int
	Location    string `header:"Location"`
	ExecutionID string `header:"X-Execution-Id"`
	Body        Execution
}

func (a *API) executionCreate(ctx context.Context, in *executionCreateIn) (*executionOut, error) {
	return a.runByHand(ctx, in.ID, "", &in.ExecutionGiven)
}

// versionExecutionCreate runs a version that need not be live.
func (a *API) versionExecutionCreate(ctx context.Context, in *versionExecutionCreateIn) (*executionOut, error) {
	return a.runByHand(ctx, in.ID, in.Version, &in.ExecutionGiven)
}

// runByHand runs a script at the version that is named by number or tag; without a name as any other execution.
func (a *API) runByHand(ctx context.Context, scriptID, version string, in *ExecutionGiven) (_ *executionOut, err error) {
	id, err := parseID(scriptID)
	if err != nil {
		return nil, err
	}
	defer func() { err = a.countRefusal(ctx, id, err) }()
	script, handlers, err := a.runnable(ctx, id, version)
	if err != nil {
		return nil, err
	}
	if script.Status == "archived" {
		return nil, scriptArchived()
	}
	if err := inputFits(len(in.Body.Input), a.limitsOf(ctx, script)); err != nil {
		return nil, err
	}
	h := manualHandler(script.Type, handlers)
	input, err := manualInput(script, h, in.Body.Input)
	if err != nil {
		return nil, err
	}
	if in.Wait {
		inv, res, err := a.runNow(ctx, script.ID, int(script.Version), engine.TriggerManual, h, input, false)
		if err != nil {
			return nil, err
		}
		out := executionOfResult(inv, res)
		return &executionOut{Status: http.StatusOK, Location: "/api/v1/executions/" + out.ID.String(), ExecutionID: out.ID.String(), Body: out}, nil
	}
	return a.enqueue(ctx, "execution.create", script, sqlc.ExecutionEnqueueParams{
		TriggerType: string(engine.TriggerManual), TriggerData: json.RawMessage(`{}`), Input: rawOrNull(input), Version: script.Version, Handler: string(h),
	})
}

// runnable is a script as it is with a version, which is in its Version, and the handlers of that.
func (a *API) runnable(ctx context.Context, id uuid.UUID, version string) (script sqlc.Script, handlers []string, err error) {
	written := false
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if script, err = q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id}); err != nil {
			return err
		}
		live := script.Version
		if version == "" {
			script.Version = int32(catalog.RolloutOf(script.CandidateVersion, script.CandidatePercent).Choose(id, int(live), ""))
		} else if script.Version, err = versionNumber(ctx, q, id, version); err != nil {
			return err
		}
		head, err := q.VersionHead(ctx, sqlc.VersionHeadParams{TenantID: tenantOf(ctx), ScriptID: id, VersionNumber: script.Version})
		written = errors.Is(err, pgx.ErrNoRows)
		if handlers = head.Handlers; script.Version != live {
			settingsIn(head.Settings).onto(&script)
		}
		return err
	})
	if written && version == "" {
		// The script was written by SQL, and nothing has compiled it yet: the catalog does.
		var compiled *engine.Script
		if compiled, err = a.cfg.Catalog.Script(ctx, script.TenantID, id, int(script.Version)); err == nil {
			handlers = compiled.Handlers
		}
	}
	return script, handlers, err
}

func scriptArchived() *Problem {
	return conflict("script_archived", "An archived script can't be run; restore it to draft first.")
}

// manualHandler is the handler that a run by hand calls: run where the script is seen to have one, else its type's own.
func manualHandler(scriptType string, handlers []string) engine.Handler {
	if slices.Contains(handlers, string(engine.HandlerRun)) {
		return engine.HandlerRun
	}
	return engine.HandlerOf(scriptType)
}

// manualInput completes what the caller left out of an input that is shaped as a trigger's: {cron, scheduledTime, timezone} of
// a scheduled handler, {id, type, time, data} of an event handler, a request of a fetch handler, whose path is that of the script and gives
// its parameters.
func manualInput(script sqlc.Script, h engine.Handler, input json.RawMessage) (json.RawMessage, error) {
	now := time.Now().UTC()
	switch h {
	case engine.HandlerScheduled:
		return record.Completed(input, record.ScheduledInput(script.CronExpression, script.Timezone, now)), nil
	case engine.HandlerEvent:
		return record.Completed(input, record.EventInput(newID().String(), "manual", now, nil)), nil
	case engine.HandlerFetch:
		var given struct {
			Params map[string]string `json:"params"`
		}
		_ = json.Unmarshal(input, &given) // requestOf says what is wrong with it
		path := ""
		if script.HttpPath != nil {
			path, _ = catalog.Path(*script.HttpPath, given.Params)
		}
		r, err := requestOf(input, path)
		if err != nil {
			return nil, err
		}
		if script.HttpPath != nil {
			if params, ok := catalog.Params(*script.HttpPath, record.PathOf(r)); ok {
				r.Params = params
			}
		}
		return record.RequestJSON(r), nil
	default:
		return input, nil
	}
}

// requestOf reads the request that a fetch handler gets on a run by hand.
func requestOf(input json.RawMessage, path string) (*engine.Request, error) {
	r, err := record.Request(input, path)
	if err != nil {
		location, message, _ := strings.Cut(text.Clip(err.Error(), 200), ": ")
		return nil, invalid("body."+location, message)
	}
	return r, nil
}

// enqueue puts an execution into the queue. Once it is committed it will run.
func (a *API) enqueue(ctx context.Context, action string, script sqlc.Script, p sqlc.ExecutionEnqueueParams) (*executionOut, error) {
	p.ID, p.ScriptID, p.TenantID, p.Traceparent = newID(), script.ID, tenantOf(ctx), a.traceParent(ctx)
	out := &executionOut{Status: http.StatusAccepted}
	if err := a.mayStore(ctx); err != nil {
		return nil, err
	}
	err := a.change(ctx, func(c *change) error {
		if err := a.checkQueue(ctx, c); err != nil {
			return err
		}
		row, err := c.ExecutionEnqueue(ctx, p)
		if err != nil {
			return err
		}
		out.Body = executionOfRow(row, script.Name)
		a.stored(c, storage.Executions, int64(storage.RowBytes+len(p.Input)+len(p.TriggerData)))
		return c.audit(action, "execution", row.ID.String(), nil, map[string]any{"script_id": script.ID, "script_name": script.Name, "version": row.Version})
	})
	if err != nil {
		return nil, err
	}
	a.after(ctx, a.cfg.Wake)
	out.Location = "/api/v1/executions/" + out.Body.ID.String()
	out.ExecutionID = out.Body.ID.String()
	return out, nil
}

// traceParent is the trace that what ctx's request puts into the queue belongs to.
func (a *API) traceParent(ctx context.Context) *string {
	if a.cfg.TraceParent == nil {
		return nil
	}
	return given(a.cfg.TraceParent(ctx))
}

// checkQueue refuses work where too much waits already.
func (a *API) checkQueue(ctx context.Context, c *change) error {
	queue, err := c.ExecutionQueueFull(ctx, sqlc.ExecutionQueueFullParams{TenantID: c.tenant, Wanted: 1})
	if err != nil {
		return err
	}
	if queue.QueueFull {
		return queueFull(int(queue.MaxDepth))
	}
	return nil
}

func queueFull(limit int) *Problem {
	return newProblem(http.StatusTooManyRequests, "queue_full", fmt.Sprintf("The tenant has %d executions waiting, its limit.", limit)).RetryAfter(5 * time.Second)
}

// runNow runs a script and waits for its end, or with early for its answer: work of waitUntil goes on then. A run that has ended is on
// record (or will be within the ledger's interval) when it returns.
func (a *API) runNow(ctx context.Context, scriptID uuid.UUID, version int, trigger engine.Trigger, h engine.Handler, input json.RawMessage, early bool) (*engine.Invocation, *engine.Result, error) {
	script, err := a.cfg.Catalog.Script(ctx, tenantOf(ctx), scriptID, version)
	if err != nil {
		return nil, nil, fmt.Errorf("load script: %w", err)
	}
	inv := &engine.Invocation{
		ExecutionID: newID(), Script: script, Trigger: trigger, Handler: h, Attempt: 1, QueuedAt: time.Now(), Input: rawOrNull(input),
	}
	if h == engine.HandlerFetch {
		if inv.Request, err = requestOf(input, ""); err != nil {
			return nil, nil, err
		}
		inv.Input = nil
	}
	keep := func(inv *engine.Invocation, res *engine.Result) error {
		ctx, cancel := lasting(ctx, 10*time.Second)
		defer cancel()
		err := a.cfg.Ledger.Record(ctx, inv, res)
		if err != nil {
			a.logOf(ctx).ErrorContext(ctx, "execution not recorded", "script_id", inv.Script.ID, "execution_id", inv.ExecutionID, "error", err)
		}
		return err
	}
	if early {
		inv.OnEnd = func(inv *engine.Invocation, res *engine.Result) { _ = keep(inv, res) } // it has logged what went wrong
	}
	run, cancel := context.WithTimeout(ctx, script.Limits.MaxExecutionTime+a.cfg.WaitTimeout)
	defer cancel()
	res, err := a.cfg.Executor.Execute(run, inv)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil, newProblem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "No worker was free in time.").RetryAfter(time.Second)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("execute: %w", err)
	}
	if !res.GoesOn && keep(inv, res) != nil {
		return nil, nil, newProblem(http.StatusServiceUnavailable, "overloaded", "The execution ran, but could not be recorded.").RetryAfter(time.Second)
	}
	return inv, res, nil
}

// Invoked is the answer of an invocation.
type Invoked struct {
	ExecutionID uuid.UUID       `json:"execution_id" format:"uuid"`
	Output      json.RawMessage `json:"output"`
}

type invokeIn struct {
	Name string          `path:"name" maxLength:"255" doc:"The script's name."`
	Body json.RawMessage `doc:"The input: any JSON."`
}

type invokeOut struct {
	ExecutionID string `header:"X-Execution-Id"`
	Body        Invoked
}

func (a *API) scriptInvoke(ctx context.Context, in *invokeIn) (_ *invokeOut, err error) {
	// From the node's memory: invocations are a tenant's own traffic, and go on while the database does not answer.
	script, err := a.cfg.Catalog.HeadByName(ctx, tenantOf(ctx), in.Name)
	switch {
	case err != nil:
		return nil, err
	case script.Type != "embedded" && script.Type != "oneoff":
		return nil, conflict("not_invocable", "Only scripts of type embedded and oneoff are invoked by name; this one is "+script.Type+".")
	case script.Status != "active":
		return nil, conflict("not_active", "Only active scripts are invoked; this one is "+script.Status+".")
	}
	defer func() { err = a.countRefusal(ctx, script.ID, err) }()
	if err := inputFits(len(in.Body), script.Limits); err != nil {
		return nil, err
	}
	inv, res, err := a.runNow(ctx, script.ID, 0, engine.TriggerAPI, engine.HandlerRun, in.Body, true)
	if err != nil {
		return nil, err
	}
	if res.Code != engine.CodeNone {
		return nil, problem.Invoked(res.Code, res.Message).Of(inv.ExecutionID)
	}
	return &invokeOut{ExecutionID: inv.ExecutionID.String(), Body: Invoked{ExecutionID: inv.ExecutionID, Output: rawOrNull(text.StorableJSON(res.Output))}}, nil
}

// errCancelledByCaller is the cause that a cancelled execution shows.
var errCancelledByCaller = errors.New("cancelled through the API")

func (a *API) executionCancel(ctx context.Context, in *IDPath) (*found[Execution], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	out := &found[Execution]{}
	running := false
	err = a.change(ctx, func(c *change) error {
		running = false
		cancelled, err := c.ExecutionCancelPending(ctx, sqlc.ExecutionCancelPendingParams{TenantID: c.tenant, ID: id, Message: given(errCancelledByCaller.Error())})
		waited := err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			_, err = c.ExecutionRequestCancel(ctx, sqlc.ExecutionRequestCancelParams{TenantID: c.tenant, ID: id})
			if running = err == nil; running {
				// Sent with the commit; the node that runs it also looks by itself, so a lost notification costs time only.
				err = c.NotifySend(ctx, sqlc.NotifySendParams{Channel: "jsruntime_cancel", Payload: id.String()})
			}
		}
		ended := errors.Is(err, pgx.ErrNoRows)
		if err != nil && !ended {
			return err
		}
		e, err := c.ExecutionGet(ctx, sqlc.ExecutionGetParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if ended {
			return conflict("already_ended", "The execution has ended: "+e.ScriptExecution.Status+".")
		}
		out.Body = executionOfRow(e.ScriptExecution, e.ScriptName)
		if waited {
			forgotten, err := ledger.Forget(ctx, c.Queries, a.cfg.Storage, []ledger.Ended{{ID: cancelled.ID, ScriptID: cancelled.ScriptID, Code: engine.CodeCancelled}})
			if err != nil {
				return err
			}
			c.after = append(c.after, forgotten)
		}
		return c.audit("execution.cancel", "execution", id.String(), nil, map[string]any{"script_id": e.ScriptExecution.ScriptID, "status": e.ScriptExecution.Status})
	})
	if err != nil {
		return nil, err
	}
	a.after(ctx, func() {
		if running && a.cfg.Cancel != nil {
			a.cfg.Cancel.Cancel(id, errCancelledByCaller)
		}
		a.cfg.Wake()
	})
	return out, nil
}

type executionReplayIn struct {
	IDPath
	Body struct {
		Version *int32 `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"The version to run; that of the execution by default."`
	}
}

func (a *API) executionReplay(ctx context.Context, in *executionReplayIn) (*executionOut, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	a.settleOwn(ctx)
	var script sqlc.Script
	p := sqlc.ExecutionEnqueueParams{TriggerType: string(engine.TriggerManual), ReplayOf: &id}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		row, err := q.ExecutionGet(ctx, sqlc.ExecutionGetParams{TenantID: tenantOf(ctx), ID: id})
		if err != nil {
			return err
		}
		e := row.ScriptExecution
		input, redacted, err := record.Replay(e.Handler, row.FullInput, e.TriggerData)
		var notWhole *record.NotWholeError
		if errors.As(err, &notWhole) {
			return conflict(notWhole.Code, notWhole.Detail)
		}
		if script, err = q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: e.ScriptID}); err != nil {
			return err
		}
		p.Version, p.Handler, p.Input = e.Version, e.Handler, rawOrNull(input)
		if in.Body.Version != nil {
			p.Version = *in.Body.Version
		}
		if err := hasVersion(ctx, q, e.ScriptID, &p.Version); err != nil {
			return err
		}
		data := map[string]any{"replay_of": id, "trigger_type": e.TriggerType}
		if len(redacted) > 0 {
			data["redacted"] = redacted
		}
		p.TriggerData, err = json.Marshal(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	if script.Status == "archived" {
		return nil, scriptArchived()
	}
	out, err := a.enqueue(ctx, "execution.replay", script, p)
	return out, a.countRefusal(ctx, script.ID, err)
}
