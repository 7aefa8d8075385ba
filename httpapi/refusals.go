package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/httpapi/problem"
	"example.com/jsruntime/sqlc"
)

// Refusals are the requests to a script that were refused in one minute: nothing ran, and there are no executions of them.
type Refusals struct {
	Minute     time.Time        `json:"minute" doc:"When the minute began."`
	ScriptID   uuid.UUID        `json:"script_id" format:"uuid"`
	ScriptName string           `json:"script_name"`
	Refused    int64            `json:"refused" doc:"How many there were."`
	Reasons    map[string]int64 `json:"reasons" nullable:"false" doc:"How many by the code of the answer: concurrency_limit, overloaded, quarantined, body_too_large, …"`
}

type refusalListIn struct {
	ListQuery
	ScriptID string    `query:"script_id" maxLength:"64"`
	Since    time.Time `query:"since" doc:"Minutes that began at this time or later."`
	Until    time.Time `query:"until" doc:"Minutes that began before this time."`
}

func (a *API) refusalList(ctx context.Context, in *refusalListIn) (*found[Page[Refusals]], error) {
	script, err := givenID("script_id", in.ScriptID)
	if err != nil {
		return nil, err
	}
	bind := []string{"refusals", tenantOf(ctx).String(), in.ScriptID, in.Since.String(), in.Until.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	if in.Cursor == "" {
		settling, cancel := context.WithTimeout(ctx, settleWait)
		defer cancel()
		if err := a.cfg.Ledger.FlushRefusals(settling); err != nil {
			a.logOf(ctx).WarnContext(ctx, "refusals not counted", "error", err)
		}
	}
	var rows []sqlc.RefusalPageRow
	err = a.list(ctx, func(q *sqlc.Queries) error {
		rows, err = q.RefusalPage(ctx, sqlc.RefusalPageParams{
			TenantID: tenantOf(ctx), BeforeAt: at.at, BeforeID: at.id, ScriptID: script, Since: givenTime(in.Since), Until: givenTime(in.Until), RowLimit: int32(in.Limit + 1),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Refusals]]{pageOf(a.cursors, rows, in.Limit, bind, func(r sqlc.RefusalPageRow) Refusals {
		out := Refusals{Minute: utc(r.Minute), ScriptID: r.ScriptID, ScriptName: r.ScriptName, Refused: r.Refused}
		_ = json.Unmarshal(r.Reasons, &out.Reasons) // Postgres has made it of numbers
		return out
	}, func(r sqlc.RefusalPageRow) position { return position{at: r.Minute, id: r.ScriptID} })}, nil
}

// countRefusal counts a run that was refused before anything ran, and returns err.
func (a *API) countRefusal(ctx context.Context, scriptID uuid.UUID, err error) error {
	if err == nil {
		return nil
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = a.problem(ctx, err)
	}
	if p.ExecutionID == nil && problem.Refuses(p.Status) {
		a.cfg.Ledger.Refused(tenantOf(ctx), scriptID, p.Code)
	}
	return p
}
