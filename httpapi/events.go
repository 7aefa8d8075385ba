package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

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
