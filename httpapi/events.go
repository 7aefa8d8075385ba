package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/sqlc"
)

type eventPublishIn struct {
	Body struct {
		Type      string          `json:"type" minLength:"1" maxLength:"255" doc:"Dot-separated words."`
		Data      json.RawMessage `json:"data" doc:"Any JSON."`
		ID        string          `json:"id,omitempty" minLength:"1" maxLength:"255" doc:"The event's own id: within 24 hours it is published once."`
		DeliverAt *time.Time      `json:"deliver_at,omitempty" doc:"Not before this time."`
	}
}

// Published is the answer to an event.
type Published struct {
	EventID    string `json:"event_id"`
	Executions int32  `json:"executions" doc:"How many executions it makes: one a subscription."`
	Duplicate  bool   `json:"duplicate" doc:"An event with this id was published before; nothing was made."`
}

func (a *API) eventPublish(ctx context.Context, in *eventPublishIn) (*found[Published], error) {
	if !isEventType(in.Body.Type) {
		return nil, invalid("body.type", "must be dot-separated words of letters, digits, _ and -")
	}
	if err := inputFits(len(in.Body.Data), a.cfg.Bounds.Limits(a.planLimits(ctx), nil)); err != nil {
		return nil, err
	}
	if err := a.mayStore(ctx); err != nil {
		return nil, err
	}
	out := &found[Published]{}
	full := false
	err := a.change(ctx, func(c *change) error {
		row, err := c.EventPublish(ctx, sqlc.EventPublishParams{
			TenantID: c.tenant, Type: in.Body.Type, Data: rawOrNull(in.Body.Data), ID: given(in.Body.ID), DeliverAt: in.Body.DeliverAt,
			Traceparent: a.traceParent(ctx),
		})
		if err != nil {
			return err
		}
		// The count that found the queue full is kept: no error, so that the transaction is committed.
		full = row.QueueFull
		out.Body = Published{EventID: row.EventID, Executions: row.Executions, Duplicate: row.Duplicate}
		if !full && !row.Duplicate {
			a.stored(c, storage.Events, int64(150+len(in.Body.Data)))
			a.stored(c, storage.Executions, int64(row.Executions)*(storage.RowBytes+150))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if full {
		return nil, newProblem(http.StatusTooManyRequests, "queue_full", "The tenant has as many executions waiting as it may.").RetryAfter(5 * time.Second)
	}
	if out.Body.Executions > 0 && !out.Body.Duplicate {
		a.after(ctx, a.cfg.Wake)
	}
	return out, nil
}

// eventActivated is the built-in event of a version that went live: of a script that became active, or of an active script's new version.
const eventActivated = "jsruntime.script.activated"

// activated is the data of an eventActivated.
type activated struct {
	ScriptID uuid.UUID `json:"script_id"`
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Version  int32     `json:"version"`
}

// tellActivated publishes that the row's version went live. It is called after the script's own subscriptions are set: a script can prepare its own
// version.
func (a *API) tellActivated(ctx context.Context, c *change, row sqlc.Script) error {
	data, err := json.Marshal(activated{ScriptID: row.ID, Name: row.Name, Type: row.Type, Version: row.Version})
	if err != nil {
		return err
	}
	executions, err := c.EventPublishBuiltIn(ctx, sqlc.EventPublishBuiltInParams{TenantID: c.tenant, Type: eventActivated, Data: data})
	if executions > 0 {
		c.after = append(c.after, a.cfg.Wake)
	}
	return err
}
