package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/sqlc"
)

// maxWebhooks bounds the webhooks of a tenant, and of the operator.
const maxWebhooks = 20

// Webhook is where a tenant or the operator hears of what happens to scripts.
type Webhook struct {
	ID         uuid.UUID  `json:"id" format:"uuid"`
	URL        string     `json:"url"`
	Events     []string   `json:"events" nullable:"false"`
	DisabledAt *time.Time `json:"disabled_at" doc:"When the receiver said that it is gone (410); nothing is sent until a redrive."`
	CreatedAt  time.Time  `json:"created_at"`
}

// NewWebhook is a webhook at the one time that its secret is shown.
type NewWebhook struct {
	Webhook
	Secret string `json:"secret" doc:"It signs deliveries, as Standard Webhooks has it. It is not shown again." example:"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"`
}

// WebhookDelivery is one event for one webhook.
type WebhookDelivery struct {
	ID             uuid.UUID       `json:"id" format:"uuid"`
	Event          string          `json:"event"`
	Payload        json.RawMessage `json:"payload" doc:"{\"type\", \"timestamp\", \"data\"}"`
	Status         string          `json:"status" enum:"pending,delivered,failed"`
	Attempts       int32           `json:"attempts"`
	NextAttemptAt  *time.Time      `json:"next_attempt_at" doc:"Of one that is pending."`
	ResponseStatus *int32          `json:"response_status" doc:"Of the last answer; null: there was none."`
	Error          *string         `json:"error"`
	CreatedAt      time.Time       `json:"created_at"`
}

func webhookOfRow(w sqlc.Webhook) Webhook {
	return Webhook{ID: w.ID, URL: w.Url, Events: w.Events, DisabledAt: utcPtr(w.DisabledAt), CreatedAt: utc(w.CreatedAt)}
}

func deliveryOfRow(d sqlc.WebhookDelivery) WebhookDelivery {
	out := WebhookDelivery{
		ID: d.ID, Event: d.Event, Payload: d.Payload, Status: d.Status, Attempts: d.Attempts, ResponseStatus: d.ResponseStatus, Error: d.Error, CreatedAt: utc(d.CreatedAt),
	}
	if d.Status == "pending" {
		out.NextAttemptAt = utcPtr(&d.RunAt)
	}
	return out
}

// webhookOwner is whose webhooks a request is about: the tenant's, or without one the operator's.
func webhookOwner(ctx context.Context) *uuid.UUID {
	p := principalOf(ctx)
	if !p.HasTenant() {
		return nil
	}
	return &p.TenantID
}

// owned runs fn for the webhooks of an owner, in a transaction.
func (a *API) owned(ctx context.Context, owner *uuid.UUID, fn func(c *change) error) error {
	if owner == nil {
		return a.operate(ctx, uuid.Nil, fn)
	}
	return a.change(ctx, fn)
}

// ownedRead is owned for what only reads.
func (a *API) ownedRead(ctx context.Context, owner *uuid.UUID, fn func(q *sqlc.Queries) error) error {
	if owner == nil {
		return fn(a.queries)
	}
	return a.read(ctx, fn)
}

// EventName is the name of an event of webhooks.
type EventName string

// Schema documents EventName.
func (EventName) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Examples: []any{webhook.Events()[0]}}
	for _, event := range webhook.Events() {
		s.Enum = append(s.Enum, event)
	}
	s.PrecomputeMessages()
	return s
}

// WebhookCreate is a webhook that is made.
type WebhookCreate struct {
	URL    string      `json:"url" minLength:"1" maxLength:"2048" doc:"Where to POST. The operator's rules for fetch hold, and the egress of the tenant's plan; http is for hosts that the operator's allow list names." example:"https://ops.example.com/hooks"`
	Events []EventName `json:"events" nullable:"false" minItems:"1" maxItems:"20" doc:"What it hears of. script.failing: so many failures in a row as the script's breaker allows, or five; script.recovered: an execution completed after that; script.quarantined; breaker.opened; rollout.reverted: a version was taken back by itself; dead_letter.created; quota.warning and quota.exceeded: the soft and the hard mark of a quota, once a period; schedule.missed: a tick that no node could start in time."`
	Secret string      `json:"secret,omitempty" maxLength:"128" doc:"whsec_ and 24 to 64 bytes as base64; made by the node by default." example:"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"`
}

type webhookCreateIn struct {
	Body WebhookCreate
}

func (a *API) webhookCreate(ctx context.Context, in *webhookCreateIn) (*created[NewWebhook], error) {
	if fault := webhook.CheckURL(in.Body.URL); fault != "" {
		return nil, invalid("body.url", fault)
	}
	if a.cfg.MayFetchPlain != nil && !a.cfg.MayFetchPlain(in.Body.URL) {
		return nil, invalid("body.url", "must be an https URL; http is for hosts that the operator's allow list of fetch names")
	}
	secret := in.Body.Secret
	if secret == "" {
		secret = webhook.NewSecret()
	} else if fault := webhook.CheckSecret(secret); fault != "" {
		return nil, invalid("body.secret", fault)
	}
	if a.cfg.Sealer == nil {
		return nil, notSealed(host.ErrNoSecretKey)
	}
	owner, id := webhookOwner(ctx), newID()
	nonce, ciphertext, err := a.cfg.Sealer.Seal(tenantOf(ctx), webhook.SecretName(id), []byte(secret))
	if err != nil {
		return nil, notSealed(err)
	}
	var events []string
	for _, event := range in.Body.Events {
		events = append(events, string(event))
	}
	slices.Sort(events)
	out := &created[NewWebhook]{}
	err = a.owned(ctx, owner, func(c *change) error {
		if err := c.WebhookLock(ctx, owner); err != nil {
			return err
		}
		n, err := c.WebhookCount(ctx, owner)
		if err != nil {
			return err
		}
		if n >= maxWebhooks {
			return conflict("webhook_limit", "max_webhooks: limit "+strconv.Itoa(maxWebhooks)+"; delete webhooks that are not used.")
		}
		row, err := c.WebhookCreate(ctx, sqlc.WebhookCreateParams{ID: id, Owner: owner, Url: in.Body.URL, Events: slices.Compact(events), Nonce: nonce, Ciphertext: ciphertext})
		if err != nil {
			return err
		}
		out.Body = NewWebhook{Webhook: webhookOfRow(row), Secret: secret}
		out.Location = "/api/v1/webhooks/" + id.String()
		return c.audit("webhook.create", "webhook", id.String(), nil, out.Body.Webhook)
	})
	return out, err
}

type webhookListIn struct{ ListQuery }

func (a *API) webhookList(ctx context.Context, in *webhookListIn) (*found[Page[Webhook]], error) {
	owner := webhookOwner(ctx)
	bind := []string{"webhooks", tenantOf(ctx).String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.Webhook
	err = a.ownedRead(ctx, owner, func(q *sqlc.Queries) (err error) {
		if owner == nil {
			rows, err = q.WebhookListOperators(ctx, sqlc.WebhookListOperatorsParams{BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
			return err
		}
		rows, err = q.WebhookList(ctx, sqlc.WebhookListParams{TenantID: *owner, BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Webhook]]{pageOf(a.cursors, rows, in.Limit, bind, webhookOfRow, func(w sqlc.Webhook) position { return position{at: w.CreatedAt, id: w.ID} })}, nil
}

func (a *API) webhookGet(ctx context.Context, in *IDPath) (*found[Webhook], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	owner := webhookOwner(ctx)
	out := &found[Webhook]{}
	err = a.ownedRead(ctx, owner, func(q *sqlc.Queries) error {
		row, err := q.WebhookGet(ctx, sqlc.WebhookGetParams{ID: id, Owner: owner})
		out.Body = webhookOfRow(row)
		return err
	})
	return out, err
}

// ownedWebhook runs fn in a transaction for a webhook of the caller's.
func (a *API) ownedWebhook(ctx context.Context, in *IDPath, fn func(c *change, row sqlc.Webhook) error) error {
	id, err := parseID(in.ID)
	if err != nil {
		return err
	}
	owner := webhookOwner(ctx)
	return a.owned(ctx, owner, func(c *change) error {
		row, err := c.WebhookGet(ctx, sqlc.WebhookGetParams{ID: id, Owner: owner})
		if err != nil {
			return err
		}
		return fn(c, row)
	})
}

func (a *API) webhookDelete(ctx context.Context, in *IDPath) (*none, error) {
	return nil, a.ownedWebhook(ctx, in, func(c *change, row sqlc.Webhook) error {
		if _, err := c.WebhookDelete(ctx, sqlc.WebhookDeleteParams{ID: row.ID, Owner: row.TenantID}); err != nil {
			return err
		}
		return c.audit("webhook.delete", "webhook", row.ID.String(), webhookOfRow(row), nil)
	})
}

func (a *API) webhookTest(ctx context.Context, in *IDPath) (*found[WebhookDelivery], error) {
	out := &found[WebhookDelivery]{}
	err := a.ownedWebhook(ctx, in, func(c *change, row sqlc.Webhook) error {
		payload, err := json.Marshal(map[string]any{
			"type": webhook.EventTest, "timestamp": time.Now().UTC(), "data": map[string]any{"tenant_id": row.TenantID, "webhook_id": row.ID},
		})
		if err != nil {
			return err
		}
		waiting, err := c.WebhookWaitingCount(ctx, row.ID)
		if err != nil {
			return err
		}
		if waiting >= webhook.MaxWaiting {
			return conflict("webhook_limit", "1000 deliveries of this webhook wait; a test can be sent when there are fewer.")
		}
		delivery, err := c.WebhookTest(ctx, sqlc.WebhookTestParams{WebhookID: row.ID, Owner: row.TenantID, Event: webhook.EventTest, Payload: payload})
		out.Body = deliveryOfRow(delivery)
		return err
	})
	if err == nil {
		a.wakeWebhooks()
	}
	return out, err
}

// wakeWebhooks has deliveries that a request has queued made at once by this node.
func (a *API) wakeWebhooks() {
	if a.cfg.WakeWebhooks != nil {
		a.cfg.WakeWebhooks()
	}
}

type webhookDeliveriesIn struct {
	IDPath
	ListQuery
}

func (a *API) webhookDeliveries(ctx context.Context, in *webhookDeliveriesIn) (*found[Page[WebhookDelivery]], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	bind := []string{"deliveries", id.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	owner := webhookOwner(ctx)
	var rows []sqlc.WebhookDelivery
	err = a.ownedRead(ctx, owner, func(q *sqlc.Queries) error {
		if _, err := q.WebhookGet(ctx, sqlc.WebhookGetParams{ID: id, Owner: owner}); err != nil {
			return err
		}
		rows, err = q.WebhookDeliveryList(ctx, sqlc.WebhookDeliveryListParams{WebhookID: id, BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[WebhookDelivery]]{pageOf(a.cursors, rows, in.Limit, bind, deliveryOfRow, func(d sqlc.WebhookDelivery) position {
		return position{at: d.CreatedAt, id: d.ID}
	})}, nil
}

type deliveryPath struct {
	IDPath
	Delivery string `path:"delivery" maxLength:"64"`
}

func (a *API) webhookDeliveryRedrive(ctx context.Context, in *deliveryPath) (*found[WebhookDelivery], error) {
	id, err := parseID(in.Delivery)
	if err != nil {
		return nil, err
	}
	out := &found[WebhookDelivery]{}
	err = a.ownedWebhook(ctx, &in.IDPath, func(c *change, row sqlc.Webhook) error {
		before, err := c.WebhookDeliveryGet(ctx, sqlc.WebhookDeliveryGetParams{WebhookID: row.ID, ID: id})
		if err != nil {
			return err
		}
		delivery, err := c.WebhookDeliveryRedrive(ctx, sqlc.WebhookDeliveryRedriveParams{WebhookID: row.ID, ID: id})
		if errors.Is(err, pgx.ErrNoRows) {
			return conflict("already_pending", "An attempt to make this delivery is under way.")
		}
		if err != nil {
			return err
		}
		out.Body = deliveryOfRow(delivery)
		return c.audit("webhook.redrive", "webhook", row.ID.String(), deliveryOfRow(before), out.Body)
	})
	if err == nil {
		a.wakeWebhooks()
	}
	return out, err
}

// Redriven says how many deliveries are made once more.
type Redriven struct {
	Redriven int64 `json:"redriven"`
}

func (a *API) webhookRedrive(ctx context.Context, in *IDPath) (*found[Redriven], error) {
	out := &found[Redriven]{}
	err := a.ownedWebhook(ctx, in, func(c *change, row sqlc.Webhook) error {
		n, err := c.WebhookRedrive(ctx, sqlc.WebhookRedriveParams{WebhookID: row.ID, RowLimit: webhook.MaxWaiting})
		out.Body.Redriven = n
		if err != nil {
			return err
		}
		return c.audit("webhook.redrive", "webhook", row.ID.String(), nil, out.Body)
	})
	if err == nil {
		a.wakeWebhooks()
	}
	return out, err
}
