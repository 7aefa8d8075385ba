package httpapi

import (
	"context"
	"strings"
	"time"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/sqlc"
)

// Call is a host call of an execution.
type Call struct {
	Seq           int32     `json:"seq"`
	Kind          string    `json:"kind" enum:"fetch,kv,events,scripts,step"`
	Operation     string    `json:"operation" example:"GET" doc:"A fetch's method; get, put, delete, list, compareAndSet, increment, publish or invoke."`
	Target        string    `json:"target" example:"https://api.example.com/rates?key=%5Bredacted%5D" doc:"A URL without user, password and fragment; a key or prefix of kv; an event's type; a script's name. At most 1 KiB. Credentials are masked as in the history. Viewers see no keys of kv and no query strings."`
	Status        *int32    `json:"status" nullable:"true" doc:"Of a fetch's answer; null for other calls, and where there was no answer."`
	StartedAt     time.Time `json:"started_at"`
	DurationMS    float64   `json:"duration_ms" doc:"Until the answer was whole, or until the execution ended."`
	RequestBytes  int64     `json:"request_bytes" doc:"Of a fetch's body; of any other call's arguments as JSON."`
	ResponseBytes int64     `json:"response_bytes"`
	Error         *string   `json:"error,omitempty" doc:"What the script was told; absent where the call went well. A fetch that was answered with an error status went well."`
	ErrorCode     *string   `json:"error_code,omitempty" example:"fetch_blocked"`
}

type executionCallsIn struct {
	IDPath
	ListQuery
}

// executionCalls lists the host calls of an execution in the order in which they began.
func (a *API) executionCalls(ctx context.Context, in *executionCallsIn) (*found[Page[Call]], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	bind := []string{"calls", tenantOf(ctx).String(), id.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	a.settleOwn(ctx)
	after := int32(-1)
	if in.Cursor != "" {
		after = int32(at.number)
	}
	var rows []sqlc.ExecutionCallListRow
	var status string
	err = a.listWhole(ctx, func(q *sqlc.Queries) error {
		row, err := q.ExecutionGet(ctx, sqlc.ExecutionGetParams{TenantID: tenantOf(ctx), ID: id})
		if err != nil {
			return err
		}
		status = row.ScriptExecution.Status
		rows, err = q.ExecutionCallList(ctx, sqlc.ExecutionCallListParams{TenantID: tenantOf(ctx), ExecutionID: id, AfterSeq: after, RowLimit: int32(in.Limit + 1)})
		return err
	}, func() bool { // they are written with the ending
		return status != string(engine.StatusPending) && status != string(engine.StatusRunning)
	})
	if err != nil {
		return nil, err
	}
	whole := mayReadBodies(ctx)
	page := pageOf(a.cursors, rows, in.Limit, bind, func(c sqlc.ExecutionCallListRow) Call {
		return callOfRow(c, whole)
	}, func(c sqlc.ExecutionCallListRow) position { return position{number: int64(c.Seq)} })
	return &found[Page[Call]]{page}, nil
}

// callOfRow is a call for the caller: kv's keys are data of the tenant's users, which viewers may not list either.
func callOfRow(c sqlc.ExecutionCallListRow, whole bool) Call {
	out := Call{
		Seq: c.Seq, Kind: c.Kind, Operation: c.Operation, Target: c.Target, Status: c.Status, StartedAt: utc(c.StartedAt),
		DurationMS: float64(c.DurationUs) / 1000, RequestBytes: c.RequestBytes, ResponseBytes: c.ResponseBytes, Error: c.Error, ErrorCode: c.ErrorCode,
	}
	switch {
	case whole:
	case c.Kind == engine.CallKV:
		out.Target = ""
	default:
		out.Target, _, _ = strings.Cut(c.Target, "?")
	}
	return out
}
