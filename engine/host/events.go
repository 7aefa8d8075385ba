package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

var eventMethods = []method{
	{"events.publish", (*Host).publish}, // {type, data, id, delaySeconds} → {eventId, executions, duplicate}
}

// farDelay is beyond what jsruntime_enqueue_event allows, and still an interval of Postgres's.
const farDelay = 100 * 365 * 24 * time.Hour

type publishReply struct {
	EventID    string `json:"eventId"`
	Executions int32  `json:"executions"`
	Duplicate  bool   `json:"duplicate"`
}

// publish hands an event to jsruntime_enqueue_event, one level deeper in the chain than the caller: an execution at the
// deepest level publishes nothing, and ends.
func (h *Host) publish(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Type         string          `json:"type"`
		Data         json.RawMessage `json:"data"`
		ID           string          `json:"id"`
		DelaySeconds float64         `json:"delaySeconds"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Type
	inv := call.Invocation
	if err := checkDepth(inv); err != nil {
		return nil, err
	}
	if len(args.Data) == 0 {
		args.Data = json.RawMessage("null")
	}
	if limit := h.cfg.MaxEventBytes; len(args.Data) > limit {
		return nil, &engine.HostError{
			Name: "RangeError", Code: "event_too_large",
			Message: fmt.Sprintf("events.publish: the data is %d bytes of JSON, the limit of an event is %d bytes", len(args.Data), limit),
		}
	}
	if limit := inv.Script.Limits.MaxRequestBodyBytes; limit > 0 && int64(len(args.Data)) > limit {
		return nil, &engine.HostError{
			Name: "RangeError", Code: "event_too_large",
			Message: fmt.Sprintf("events.publish: the data is %d bytes of JSON, the script's max_request_body_bytes is %d bytes", len(args.Data), limit),
		}
	}
	if state, stored := h.cfg.Storage.State(inv.Script.TenantID); state == storage.Full {
		return nil, &engine.HostError{
			Name: "QuotaExceededError", Code: "storage_quota", RetryAfter: 5000,
			Message: fmt.Sprintf("events.publish: the tenant stores %d bytes and may store %d (max_history_bytes)", stored, h.cfg.Storage.Quota(inv.Script.TenantID)),
		}
	}
	if args.DelaySeconds < 0 {
		return nil, typeError(call.Method, "delaySeconds must not be negative")
	}
	data, err := text.CleanJSON(args.Data)
	if err != nil {
		return nil, typeError(call.Method, "data "+err.Error())
	}
	var id *string
	if args.ID != "" {
		id = &args.ID
	}
	var traceParent *string
	if engine.Sampled(inv.TraceParent) {
		traceParent = &inv.TraceParent
	}
	row, err := h.queries.EventPublishAfter(ctx, sqlc.EventPublishAfterParams{
		TenantID: inv.Script.TenantID, Type: args.Type, Data: data, ID: id,
		DelaySeconds: min(args.DelaySeconds, farDelay.Seconds()), Depth: int32(inv.Depth + 1), Traceparent: traceParent,
	})
	if err != nil {
		return nil, explainPublish(call.Method, err)
	}
	if row.QueueFull {
		return nil, queueFull(call.Method, "the tenant has as many executions waiting as it may")
	}
	if !row.Duplicate {
		h.cfg.Storage.Add(inv.Script.TenantID, storage.Events, int64(150+len(args.Data)))
		h.cfg.Storage.Add(inv.Script.TenantID, storage.Executions, int64(row.Executions)*(storage.RowBytes+150))
	}
	if row.Executions > 0 && !row.Duplicate && h.cfg.Wake != nil {
		h.cfg.Wake()
	}
	return reply(publishReply{EventID: row.EventID, Executions: row.Executions, Duplicate: row.Duplicate})
}

// explainPublish tells the refusals of jsruntime_enqueue_event, which have states of their own, from failures of ours.
func explainPublish(method string, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return fmt.Errorf("publish event: %w", err)
	}
	switch {
	case refused.Code == "JSR03":
		return queueFull(method, refused.Message)
	case refused.Code == "JSR05":
		return &engine.HostError{Name: "Error", Code: string(engine.CodeLoopDetected), Fatal: engine.CodeLoopDetected, Message: refused.Message}
	case refused.Code == "JSR04" && strings.HasPrefix(refused.Message, "deliver_at: "):
		return &engine.HostError{Name: "RangeError", Message: method + ": delaySeconds: " + strings.TrimPrefix(refused.Message, "deliver_at: ")}
	case strings.HasPrefix(refused.Code, "JSR"):
		return typeError(method, refused.Message)
	case refused.Code == "54001", strings.HasPrefix(refused.Code, "22"):
		// statement_too_complex: nested too deeply for jsonb; class 22: a number or text that it has no form for.
		return typeError(method, "data cannot be stored: it is nested too deeply, or has a number beyond all bounds")
	}
	return fmt.Errorf("publish event: %w", err)
}

func queueFull(method, detail string) *engine.HostError {
	return &engine.HostError{Name: "QuotaExceededError", Code: "queue_full", Message: method + ": " + detail, RetryAfter: 1000}
}
