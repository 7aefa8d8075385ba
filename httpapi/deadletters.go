package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/sqlc"
)

// DeadLetter is an event that no attempt could handle.
type DeadLetter struct {
	ID               uuid.UUID       `json:"id" format:"uuid"`
	ScriptID         uuid.UUID       `json:"script_id" format:"uuid"`
	ScriptName       string          `json:"script_name"`
	ExecutionID      *uuid.UUID      `json:"execution_id" format:"uuid" nullable:"true" doc:"The last attempt; null once it is pruned."`
	EventID          *string         `json:"event_id"`
	EventType        string          `json:"event_type"`
	EventData        json.RawMessage `json:"event_data"`
	Error            string          `json:"error"`
	ErrorCode        *string         `json:"error_code"`
	RetryCount       int32           `json:"retry_count"`
	LastRetryAt      *time.Time      `json:"last_retry_at"`
	RetryExecutionID *uuid.UUID      `json:"retry_execution_id" format:"uuid" nullable:"true" doc:"The redrive under way, or the last one."`
	CreatedAt        time.Time       `json:"created_at"`
	BodiesHidden     bool            `json:"bodies_hidden" doc:"event_data is null because the caller's role may not read it."`
}

// shownLetter is a dead letter for the caller: viewers do not see the event's data, and others see them without credentials and without
// what the script's history setting masks. They are stored whole, since a redrive needs them.
func (a *API) shownLetter(ctx context.Context, d DeadLetter, history json.RawMessage, values *redact.Values) DeadLetter {
	if !mayReadBodies(ctx) {
		d.EventData, d.BodiesHidden = json.RawMessage("null"), true
		return d
	}
	rules, whole := catalog.HistoryOf(history).Rules("input", values).Below("data")
	if whole {
		d.EventData = json.RawMessage(`"` + redact.Mask + `"`)
		return d
	}
	d.EventData, _ = rules.JSON(d.EventData)
	return d
}

func deadLetterOfRow(d sqlc.ScriptEventDeadLetter, scriptName string) DeadLetter {
	out := DeadLetter{
		ID: d.ID, ScriptID: d.ScriptID, ScriptName: scriptName, ExecutionID: d.ExecutionID, EventID: d.EventID, EventType: d.EventType,
		EventData: rawOrNull(d.EventData), Error: d.Error, ErrorCode: d.ErrorCode, LastRetryAt: utcPtr(d.LastRetryAt),
		RetryExecutionID: d.RetryExecutionID, CreatedAt: orZero(d.CreatedAt),
	}
	if d.RetryCount != nil {
		out.RetryCount = *d.RetryCount
	}
	return out
}

type deadLetterListIn struct {
	ListQuery
	FieldsQuery
	ScriptID  string `query:"script_id" maxLength:"64"`
	EventType string `query:"event_type" maxLength:"255"`
}

func (a *API) deadLetterList(ctx context.Context, in *deadLetterListIn) (*found[Page[Item[DeadLetter]]], error) {
	fields, err := choose[DeadLetter](in.Fields, "event_data")
	if err != nil {
		return nil, err
	}
	script, err := givenID("script_id", in.ScriptID)
	if err != nil {
		return nil, err
	}
	bind := []string{"dead-letters", tenantOf(ctx).String(), in.ScriptID, in.EventType}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.DeadLetterListRow
	err = a.list(ctx, func(q *sqlc.Queries) error {
		rows, err = q.DeadLetterList(ctx, sqlc.DeadLetterListParams{
			TenantID: tenantOf(ctx), BeforeAt: at.at, BeforeID: at.id, ScriptID: script, EventType: given(in.EventType), Whole: fields.has("event_data"), RowLimit: int32(in.Limit + 1),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	values := (*redact.Values)(nil)
	if fields.has("event_data") {
		values = a.secretValues(ctx)
	}
	return &found[Page[Item[DeadLetter]]]{pageOf(a.cursors, rows, in.Limit, bind, func(d sqlc.DeadLetterListRow) Item[DeadLetter] {
		shown := a.shownLetter(ctx, deadLetterOfRow(sqlc.ScriptEventDeadLetter{
			ID: d.ID, ScriptID: d.ScriptID, ExecutionID: d.ExecutionID, EventType: d.EventType, EventData: d.EventData, Error: d.Error, RetryCount: d.RetryCount,
			LastRetryAt: d.LastRetryAt, CreatedAt: d.CreatedAt, EventID: d.EventID, ErrorCode: d.ErrorCode, RetryExecutionID: d.RetryExecutionID,
		}, d.ScriptName), d.History, values)
		return Item[DeadLetter]{&shown, fields}
	}, func(d sqlc.DeadLetterListRow) position {
		return position{at: orZero(d.CreatedAt), id: d.ID}
	})}, nil
}

func (a *API) deadLetterGet(ctx context.Context, in *IDPath) (*found[DeadLetter], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	var d sqlc.DeadLetterGetRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		d, err = q.DeadLetterGet(ctx, sqlc.DeadLetterGetParams{TenantID: tenantOf(ctx), ID: id})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[DeadLetter]{a.shownLetter(ctx, deadLetterOfRow(d.ScriptEventDeadLetter, d.ScriptName), d.History, a.secretValues(ctx))}, nil
}

func (a *API) deadLetterDelete(ctx context.Context, in *IDPath) (*none, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(c *change) error {
		d, err := c.DeadLetterGet(ctx, sqlc.DeadLetterGetParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if _, err := c.DeadLetterDelete(ctx, sqlc.DeadLetterDeleteParams{TenantID: c.tenant, ID: id}); err != nil {
			return err
		}
		return c.audit("dead_letter.delete", "dead_letter", id.String(), a.shownLetter(ctx, deadLetterOfRow(d.ScriptEventDeadLetter, d.ScriptName), d.History, a.secretValues(ctx)), nil)
	})
}

// Retried is the answer to a redrive of one dead letter.
type Retried struct {
	ExecutionID uuid.UUID `json:"execution_id" format:"uuid"`
}

type deadLetterRetryIn struct {
	IDPath
	Body struct {
		Data    json.RawMessage `json:"data,omitempty" doc:"The event's data instead of that of the letter, which keeps its own until the redrive has succeeded."`
		Version *int32          `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"The version that handles it; the live one by default."`
	}
}

func (a *API) deadLetterRetry(ctx context.Context, in *deadLetterRetryIn) (*found[Retried], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	if len(in.Body.Data) > 0 {
		if bytes.Contains(in.Body.Data, []byte(`"`+redact.Mask+`"`)) {
			return nil, invalid("body.data", "has a value that was masked when it was shown: put the value in its place")
		}
		if err := inputFits(len(in.Body.Data), a.cfg.Bounds.Limits(a.planLimits(ctx), nil)); err != nil {
			return nil, err
		}
	}
	if err := a.mayStore(ctx); err != nil {
		return nil, err
	}
	out := &found[Retried]{}
	err = a.change(ctx, func(c *change) error {
		letter, err := c.DeadLetterGet(ctx, sqlc.DeadLetterGetParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := hasVersion(ctx, c.Queries, letter.ScriptEventDeadLetter.ScriptID, in.Body.Version); err != nil {
			return err
		}
		rows, err := c.DeadLetterTakeForRetry(ctx, sqlc.DeadLetterTakeForRetryParams{TenantID: c.tenant, ID: &id, RowLimit: 1})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return conflict("retry_in_progress", "A redrive of this dead letter is under way.")
		}
		if rows[0].ScriptStatus == "archived" {
			return scriptArchived()
		}
		if len(in.Body.Data) > 0 {
			rows[0].ScriptEventDeadLetter.EventData = in.Body.Data
		}
		if in.Body.Version != nil {
			rows[0].ScriptVersion = *in.Body.Version
		}
		out.Body.ExecutionID, err = a.redrive(ctx, c, rows[0])
		return err
	})
	if err == nil {
		a.after(ctx, a.cfg.Wake)
	}
	return out, err
}

// redrive puts a dead letter's event into the queue again. Success removes the letter, failure keeps it with the newer error:
// the node that ends the execution decides that.
func (a *API) redrive(ctx context.Context, c *change, d sqlc.DeadLetterTakeForRetryRow) (uuid.UUID, error) {
	letter := d.ScriptEventDeadLetter
	eventID := letter.ID.String()
	if letter.EventID != nil {
		eventID = *letter.EventID
	}
	input := record.EventInput(eventID, letter.EventType, orZero(letter.CreatedAt), rawOrNull(letter.EventData))
	trigger, err := json.Marshal(map[string]any{"event_id": eventID, "event_type": letter.EventType, "dead_letter_id": letter.ID})
	if err != nil {
		return uuid.Nil, err
	}
	row, err := c.ExecutionEnqueue(ctx, sqlc.ExecutionEnqueueParams{
		ID: newID(), ScriptID: letter.ScriptID, TenantID: c.tenant, TriggerType: string(engine.TriggerEvent), TriggerData: trigger, Input: input,
		Version: d.ScriptVersion, Handler: string(engine.HandlerEvent), EventID: letter.EventID, DeadLetterID: &letter.ID,
		Traceparent: d.Traceparent, // the event's own trace, to which the attempts before belong
	})
	if err != nil {
		return uuid.Nil, err
	}
	if err := c.DeadLetterMarkRetried(ctx, sqlc.DeadLetterMarkRetriedParams{TenantID: c.tenant, ID: letter.ID, ExecutionID: &row.ID}); err != nil {
		return uuid.Nil, err
	}
	return row.ID, c.audit("dead_letter.retry", "dead_letter", letter.ID.String(), nil, map[string]any{"execution_id": row.ID})
}

type deadLetterRetryManyIn struct {
	Body struct {
		ScriptID  *uuid.UUID `json:"script_id,omitempty" format:"uuid"`
		EventType *string    `json:"event_type,omitempty" maxLength:"255"`
		ErrorCode *string    `json:"error_code,omitempty" maxLength:"64"`
		Since     *time.Time `json:"since,omitempty" doc:"Made at this time or later."`
		Until     *time.Time `json:"until,omitempty" doc:"Made before this time."`
		Version   *int32     `json:"version,omitempty" minimum:"1" maximum:"2147483647" doc:"The version that handles them; the live one by default. It needs script_id."`
		DryRun    bool       `json:"dry_run,omitempty" doc:"Only say how many it would be."`
	}
}

// RetriedMany is the answer to a redrive of many dead letters.
type RetriedMany struct {
	Retried int `json:"retried" doc:"How many are under way again, or would be; at most 1000 a request, the newest first."`
}

// retryBatch is how many dead letters one request redrives at most: so many rows are locked at one time.
const retryBatch = 1000

func (a *API) deadLetterRetryMany(ctx context.Context, in *deadLetterRetryManyIn) (*found[RetriedMany], error) {
	b := in.Body
	if b.Version != nil && b.ScriptID == nil {
		return nil, invalid("body.version", "needs script_id: each script has versions of its own")
	}
	if err := a.mayStore(ctx); err != nil {
		return nil, err
	}
	out := &found[RetriedMany]{}
	err := a.change(ctx, func(c *change) error {
		out.Body.Retried = 0
		if b.ScriptID != nil {
			if err := hasVersion(ctx, c.Queries, *b.ScriptID, b.Version); err != nil {
				return err
			}
		}
		if !b.DryRun {
			if err := a.checkQueue(ctx, c); err != nil {
				return err
			}
		}
		rows, err := c.DeadLetterTakeForRetry(ctx, sqlc.DeadLetterTakeForRetryParams{
			TenantID: c.tenant, ScriptID: b.ScriptID, EventType: b.EventType, ErrorCode: b.ErrorCode, Since: b.Since, Until: b.Until, RowLimit: retryBatch,
		})
		if err != nil {
			return err
		}
		for _, d := range rows {
			if d.ScriptStatus == "archived" {
				continue
			}
			if b.Version != nil {
				d.ScriptVersion = *b.Version
			}
			if !b.DryRun {
				if _, err := a.redrive(ctx, c, d); err != nil {
					return err
				}
			}
			out.Body.Retried++
		}
		return nil
	})
	if err == nil && out.Body.Retried > 0 && !b.DryRun {
		a.after(ctx, a.cfg.Wake)
	}
	return out, err
}
