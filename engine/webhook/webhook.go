package webhook

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

// Events returns what a webhook can ask for.
func Events() []string {
	return []string{
		"script.failing", "script.recovered", "script.quarantined", "breaker.opened", "rollout.reverted", "dead_letter.created", "quota.warning", "quota.exceeded",
		"schedule.missed",
	}
}

// EventTest is the event that a test sends.
const EventTest = "webhook.test"

// SecretName is the name under which a webhook's secret is enciphered.
func SecretName(id uuid.UUID) string { return "webhook " + id.String() }

// SecretPrefix begins a secret in text; the rest is its bytes as base64.
const SecretPrefix = "whsec_"

const (
	attemptTimeout = 15 * time.Second
	bodyTimeout    = time.Second // for the rest of an answer, whose status is known
	finishTimeout  = 5 * time.Second
	leaseFor       = time.Minute
	// atOnce is how many attempts a node makes at one time; atOnceOwner of them for one owner, atOnceEach for one webhook.
	atOnce, atOnceOwner, atOnceEach = 64, 4, 2
	// lookAt is how many webhooks with waiting deliveries, and how many failing scripts, one pass looks at; the next goes on after them.
	lookAt     = 1000
	pruneEvery = 10 * time.Minute
	pruneRows  = 5000
	// kept is how many deliveries of one webhook are kept.
	kept = 2000
)

// MaxWaiting is how many deliveries of one webhook wait at most: see jsruntime_emit.
const MaxWaiting = 1000

// delays are the times after each attempt.
var delays = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour}

// Config says how a Dispatcher delivers.
type Config struct {
	// DB has the queue. Required.
	DB sqlc.DBTX
	// Post sends a delivery; it must refuse addresses that the owner may not reach, and follow no redirects. Required.
	Post func(ctx context.Context, tenantID uuid.UUID, rules *egress.List, url string, header http.Header, body []byte) (*http.Response, error)
	// Open deciphers a secret. Required.
	Open func(tenantID uuid.UUID, name string, nonce, ciphertext []byte) (string, error)
	// Poll is how often the queue is looked at without a notification. 0: 1 s.
	Poll time.Duration
	// Log gets failures of ours. nil: slog.Default().
	Log *slog.Logger
}

// Dispatcher delivers.
type Dispatcher struct {
	cfg     Config
	queries *sqlc.Queries
	wake    wake.Signal

	mu     sync.Mutex // guards hooks and owners
	hooks  map[uuid.UUID]int
	owners map[uuid.UUID]int

	// Of the goroutine of Run: where the next pass goes on.
	afterHook, afterScript, afterPruned uuid.UUID

	delivered, retried, failed, opened atomic.Int64
}

// Stats count since the start: attempts by how they ended, and breakers that this node has opened.
type Stats struct{ Delivered, Retried, Failed, Opened int64 }

// Stats returns the figures of now.
func (d *Dispatcher) Stats() Stats {
	return Stats{Delivered: d.delivered.Load(), Retried: d.retried.Load(), Failed: d.failed.Load(), Opened: d.opened.Load()}
}

// New makes a Dispatcher. Run delivers.
func New(cfg Config) (*Dispatcher, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("DB is required")
	case cfg.Post == nil:
		return nil, errors.New("Post is required")
	case cfg.Open == nil:
		return nil, errors.New("Open is required")
	}
	cfg.Poll = cmp.Or(cfg.Poll, time.Second)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	return &Dispatcher{cfg: cfg, queries: sqlc.New(cfg.DB), wake: wake.New(), hooks: map[uuid.UUID]int{}, owners: map[uuid.UUID]int{}}, nil
}

// Wake makes Run look at the queue at once.
func (d *Dispatcher) Wake() { d.wake.Set() }

// Run delivers until ctx ends; attempts under way are then given up, and made again when their lease has ended.
func (d *Dispatcher) Run(ctx context.Context) error {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	failing := false
	looked, pruned := time.Time{}, time.Now()
	for {
		var err error
		if time.Since(looked) >= d.cfg.Poll { // not at each attempt's end
			looked = time.Now()
			err = d.recover(ctx)
		}
		if err == nil {
			err = d.pass(ctx, &attempts)
		}
		if err == nil && time.Since(pruned) > pruneEvery {
			pruned = time.Now()
			err = d.prune(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			d.cfg.Log.Warn("webhooks not delivered", "error", err)
		}
		failing = err != nil
		if !d.wake.Sleep(ctx, d.cfg.Poll) {
			return nil
		}
	}
}

// recover ends the failing of scripts that have completed.
func (d *Dispatcher) recover(ctx context.Context) error {
	last, err := d.queries.ScriptsRecover(ctx, sqlc.ScriptsRecoverParams{After: d.afterScript, LookAt: lookAt})
	if err != nil {
		return fmt.Errorf("look at failing scripts: %w", err)
	}
	d.afterScript = last
	return nil
}

func (d *Dispatcher) prune(ctx context.Context) error {
	if _, err := d.queries.WebhookPrune(ctx, pruneRows); err != nil {
		return fmt.Errorf("prune deliveries: %w", err)
	}
	row, err := d.queries.WebhookPruneMany(ctx, sqlc.WebhookPruneManyParams{After: d.afterPruned, LookAt: lookAt, Keep: kept})
	if err != nil {
		return fmt.Errorf("prune deliveries: %w", err)
	}
	d.afterPruned = row.Last
	return nil
}

// pass opens the breakers that are due, and begins attempts.
func (d *Dispatcher) pass(ctx context.Context, attempts *sync.WaitGroup) error {
	opened, err := d.queries.BreakersOpen(ctx)
	if err != nil {
		return fmt.Errorf("open breakers: %w", err)
	}
	d.opened.Add(int64(opened))
	p := sqlc.WebhookClaimParams{LeaseSeconds: leaseFor.Seconds(), EachWebhook: atOnceEach, EachOwner: atOnceOwner, BusyOwners: []uuid.UUID{}}
	running := 0
	var busy []uuid.UUID
	d.mu.Lock()
	for id, n := range d.hooks {
		running += n
		if n >= atOnceEach {
			busy = append(busy, id)
		}
	}
	for id, n := range d.owners {
		if n >= atOnceOwner {
			p.BusyOwners = append(p.BusyOwners, id)
		}
	}
	d.mu.Unlock()
	if running >= atOnce {
		return nil // an attempt's end wakes us
	}
	waiting, err := d.queries.WebhookWaiting(ctx, sqlc.WebhookWaitingParams{After: d.afterHook, LookAt: lookAt})
	if err != nil {
		return fmt.Errorf("look for deliveries: %w", err)
	}
	if d.afterHook = uuid.Nil; len(waiting) >= lookAt {
		d.afterHook = waiting[len(waiting)-1]
	}
	p.Webhooks = slices.DeleteFunc(waiting, func(id uuid.UUID) bool { return slices.Contains(busy, id) })
	if len(p.Webhooks) == 0 {
		return nil
	}
	token := uuid.New()
	p.LeaseToken, p.RowLimit = &token, int32(atOnce-running)
	rows, err := d.queries.WebhookClaim(ctx, p)
	if err != nil {
		return fmt.Errorf("claim deliveries: %w", err)
	}
	for _, row := range rows {
		d.begin(&row)
		attempts.Go(func() {
			d.attempt(ctx, &row, token)
			d.end(&row)
		})
	}
	return nil
}

func ownerOf(row *sqlc.WebhookClaimRow) uuid.UUID {
	if row.TenantID == nil {
		return uuid.Nil
	}
	return *row.TenantID
}

func (d *Dispatcher) begin(row *sqlc.WebhookClaimRow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hooks[row.WebhookID]++
	d.owners[ownerOf(row)]++
}

func (d *Dispatcher) end(row *sqlc.WebhookClaimRow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hooks[row.WebhookID]--; d.hooks[row.WebhookID] == 0 {
		delete(d.hooks, row.WebhookID)
	}
	owner := ownerOf(row)
	if d.owners[owner]--; d.owners[owner] == 0 {
		delete(d.owners, owner)
	}
	d.wake.Set()
}

// attempt makes one attempt and writes how it ended.
func (d *Dispatcher) attempt(ctx context.Context, row *sqlc.WebhookClaimRow, token uuid.UUID) {
	status, err := 0, errors.New("the webhook is disabled")
	if !row.Disabled {
		status, err = d.send(ctx, row)
	}
	p := sqlc.WebhookFinishParams{ID: row.ID, LeaseToken: &token, WebhookID: row.WebhookID, ResponseStatus: int32(status), Status: "delivered"}
	switch {
	case err == nil && status >= 200 && status < 300:
		d.delivered.Add(1)
	case status == http.StatusGone, row.Disabled:
		p.Status, p.Disable = "failed", true
		d.failed.Add(1)
	case err != nil && ctx.Err() != nil: // the node ends
		p.Status = "pending"
	case int(row.Attempts) > len(delays):
		p.Status = "failed"
		d.failed.Add(1)
	default:
		p.Status = "pending"
		delay := delays[max(row.Attempts, 1)-1]
		p.DelaySeconds = (delay + mathrand.N(delay/5)).Seconds()
		d.retried.Add(1)
	}
	if p.Status != "delivered" {
		p.Error = "the receiver answered " + strconv.Itoa(status)
		switch {
		case err != nil:
			p.Error = err.Error()
		case status >= 300 && status < 400:
			p.Error += "; redirects are not followed"
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if _, err := d.queries.WebhookFinish(ctx, p); err != nil {
		d.cfg.Log.Warn("delivery of a webhook not written, it is made again", "webhook_id", row.WebhookID, "error", err)
	}
}

// send posts a delivery and returns the status of the answer.
func (d *Dispatcher) send(ctx context.Context, row *sqlc.WebhookClaimRow) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	owner := ownerOf(row)
	secret, err := d.cfg.Open(owner, SecretName(row.WebhookID), row.Nonce, row.Ciphertext)
	if err != nil {
		return 0, errors.New("the webhook's secret cannot be deciphered")
	}
	id, at := "msg_"+strings.ReplaceAll(row.ID.String(), "-", ""), time.Now()
	signature, err := Sign(secret, id, at, row.Payload)
	if err != nil {
		return 0, err
	}
	resp, err := d.cfg.Post(ctx, owner, catalog.EgressOf(row.Egress), row.Url, http.Header{
		"Content-Type": {"application/json"}, "Webhook-Id": {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Webhook-Signature": {signature},
	}, row.Payload)
	if err != nil {
		if ctx.Err() != nil {
			return 0, fmt.Errorf("no answer within %s", attemptTimeout)
		}
		// What the guard, a resolver or TLS has to say may name addresses inside.
		return 0, errors.New("the address cannot be reached, or is not allowed")
	}
	defer func() { _ = resp.Body.Close() }()
	defer time.AfterFunc(bodyTimeout, cancel).Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	return resp.StatusCode, nil
}

// Sign signs a delivery: v1 of Standard Webhooks, HMAC-SHA256 over id, time and body.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, SecretPrefix))
	if err != nil || !strings.HasPrefix(secret, SecretPrefix) {
		return "", errors.New("the webhook's secret is none")
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// NewSecret makes a secret.
func NewSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it does not fail
	return SecretPrefix + base64.StdEncoding.EncodeToString(key)
}

// CheckSecret says what is wrong with a secret that a caller gives; empty: nothing.
func CheckSecret(secret string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, SecretPrefix))
	if !strings.HasPrefix(secret, SecretPrefix) || err != nil || len(key) < 24 || len(key) > 64 {
		return "must be " + SecretPrefix + " and 24 to 64 bytes as base64"
	}
	return ""
}

// CheckURL says what is wrong with an address; empty: nothing that could be seen without asking for it.
func CheckURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "must be an absolute URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return "must begin with https:// or http://"
	case u.User != nil:
		return "must not have a user or password"
	case u.Fragment != "":
		return "must not have a fragment"
	}
	return ""
}
