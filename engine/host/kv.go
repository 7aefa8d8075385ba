package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

const (
	maxKVKeyBytes = 512 // script_kv.key
	maxKVListKeys = 1000
	kvListKeys    = 100
	// maxKVTTL is ten years: far enough for a script, near enough that now() plus it is a timestamp.
	maxKVTTL = 10 * 365 * 24 * 3600

	kvSweepEvery = 10 * time.Second
	// kvSweepRows keeps one sweep's transaction short.
	kvSweepRows = 1000
	// kvUsageAge is how old a tenant's usage may be when a put is judged by it.
	kvUsageAge = 10 * time.Second
)

var kvMethods = []method{
	{"kv.get", (*Host).kvGet},                     // {key} → {present, value, expiration}
	{"kv.put", (*Host).kvPut},                     // {key, value, expirationTtl} → {}
	{"kv.delete", (*Host).kvDelete},               // {key} → {deleted}
	{"kv.list", (*Host).kvList},                   // {prefix, limit, cursor} → {keys: [{name, expiration}, …], cursor, complete}
	{"kv.compareAndSet", (*Host).kvCompareAndSet}, // {key, expected, value, expirationTtl} → {written}
	{"kv.increment", (*Host).kvIncrement},         // {key, delta, expirationTtl} → {value}
}

type kvGetReply struct {
	Present    bool            `json:"present"`
	Value      json.RawMessage `json:"value"`
	Expiration *int64          `json:"expiration"`
}

func (h *Host) kvGet(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key string `json:"key"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	if err := checkKey(call.Method, args.Key); err != nil {
		return nil, err
	}
	row, err := h.queries.KVGet(ctx, sqlc.KVGetParams{TenantID: call.Invocation.Script.TenantID, Key: args.Key})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return reply(kvGetReply{Value: json.RawMessage("null")})
	case err != nil:
		return nil, fmt.Errorf("kv get: %w", err)
	}
	return reply(kvGetReply{Present: true, Value: json.RawMessage(row.Value), Expiration: unix(row.ExpiresAt)})
}

// kvWrite is what the calls that write a value take.
type kvWrite struct {
	Key           string          `json:"key"`
	Value         json.RawMessage `json:"value"`
	ExpirationTTL float64         `json:"expirationTtl"`
}

// admitWrite checks a write, makes room for it in the tenant's quota, and returns its time to live in seconds, nil for ever.
func (h *Host) admitWrite(ctx context.Context, call *engine.HostCall, w *kvWrite) (ttl *float64, err error) {
	if err := checkKey(call.Method, w.Key); err != nil {
		return nil, err
	}
	if len(w.Value) == 0 {
		return nil, typeError(call.Method, "value is missing")
	}
	if ttl, err = checkTTL(call.Method, w.ExpirationTTL); err != nil {
		return nil, err
	}
	if len(w.Value) > h.cfg.MaxKVValueBytes {
		return nil, &engine.HostError{
			Name: "RangeError", Code: "kv_value_too_large",
			Message: fmt.Sprintf("%s: the value is %d bytes of JSON, the limit of a kv value is %d bytes", call.Method, len(w.Value), h.cfg.MaxKVValueBytes),
		}
	}
	if err := text.CheckJSON(w.Value); err != nil {
		return nil, typeError(call.Method, "value "+err.Error())
	}
	return ttl, h.reserveKV(ctx, call.Method, call.Invocation.Script.TenantID, int64(len(w.Key)+len(w.Value)))
}

func (h *Host) kvPut(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args kvWrite
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	ttl, err := h.admitWrite(ctx, call, &args)
	if err != nil {
		return nil, err
	}
	lease, execution := leaseOf(call)
	written, err := h.queries.KVPut(ctx, sqlc.KVPutParams{
		TenantID: call.Invocation.Script.TenantID, Key: args.Key, Value: string(args.Value), SizeBytes: int32(len(args.Value)), TtlSeconds: ttl,
		Lease: lease, ExecutionID: execution,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("kv put: %w", err)
	case written == 0:
		return nil, engine.ErrLeaseLost
	}
	return reply(struct{}{})
}

// kvCompareAndSet writes where the key has the expected value. Values are compared as JSON.stringify has written them.
func (h *Host) kvCompareAndSet(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		kvWrite
		Expected json.RawMessage `json:"expected"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	ttl, err := h.admitWrite(ctx, call, &args.kvWrite)
	if err != nil {
		return nil, err
	}
	swap := sqlc.KVSwapParams{
		TenantID: call.Invocation.Script.TenantID, Key: args.Key, Value: string(args.Value), SizeBytes: int32(len(args.Value)), TtlSeconds: ttl,
		Expected: string(args.Expected),
	}
	swap.Lease, swap.ExecutionID = leaseOf(call)
	var written int64
	switch swap.Expected {
	case "":
		return nil, typeError(call.Method, "expected is missing")
	case "null":
		written, err = h.queries.KVSwapNull(ctx, sqlc.KVSwapNullParams{
			TenantID: swap.TenantID, Key: swap.Key, Value: swap.Value, SizeBytes: swap.SizeBytes, TtlSeconds: ttl, Lease: swap.Lease, ExecutionID: swap.ExecutionID,
		})
	default:
		written, err = h.queries.KVSwap(ctx, swap)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("kv compare and set: %w", err)
	case written == 0 && call.Invocation.Live != nil && !call.Invocation.Live():
		return nil, engine.ErrLeaseLost
	}
	return reply(struct {
		Written bool `json:"written"`
	}{written == 1})
}

func (h *Host) kvDelete(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key string `json:"key"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	if err := checkKey(call.Method, args.Key); err != nil {
		return nil, err
	}
	tenant := call.Invocation.Script.TenantID
	lease, execution := leaseOf(call)
	deleted, err := h.queries.KVDelete(ctx, sqlc.KVDeleteParams{TenantID: tenant, Key: args.Key, Lease: lease, ExecutionID: execution})
	if err != nil {
		return nil, fmt.Errorf("kv delete: %w", err)
	}
	return reply(struct {
		Deleted bool `json:"deleted"`
	}{deleted})
}

// leaseOf is under which lease a call's execution runs, and its id; nil where it is not of the queue.
func leaseOf(call *engine.HostCall) (lease, execution *uuid.UUID) {
	if call.Invocation.Lease == uuid.Nil {
		return nil, nil
	}
	return &call.Invocation.Lease, &call.Invocation.ExecutionID
}

type kvListReply struct {
	Keys     []kvListKey `json:"keys"`
	Cursor   string      `json:"cursor"`
	Complete bool        `json:"complete"`
}

type kvListKey struct {
	Name       string `json:"name"`
	Expiration *int64 `json:"expiration"`
}

func (h *Host) kvList(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Prefix string  `json:"prefix"`
		Limit  float64 `json:"limit"`
		Cursor string  `json:"cursor"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	if args.Prefix != "" {
		if detail := keyFault(args.Prefix); detail != "" {
			return nil, typeError(call.Method, "prefix "+detail)
		}
	}
	if args.Limit == 0 {
		args.Limit = kvListKeys
	}
	if args.Limit < 1 || args.Limit > maxKVListKeys || args.Limit != math.Trunc(args.Limit) {
		return nil, typeError(call.Method, fmt.Sprintf("limit must be a whole number from 1 to %d", maxKVListKeys))
	}
	after, err := base64.RawURLEncoding.DecodeString(args.Cursor)
	if err != nil || (len(after) > 0 && keyFault(string(after)) != "") {
		return nil, typeError(call.Method, "cursor must be one that kv.list gave")
	}
	limit := int(args.Limit)
	rows, err := h.queries.KVList(ctx, sqlc.KVListParams{
		TenantID: call.Invocation.Script.TenantID, After: string(after), Prefix: args.Prefix, MaxKeys: int32(limit + 1),
	})
	if err != nil {
		return nil, fmt.Errorf("kv list: %w", err)
	}
	out := kvListReply{Keys: make([]kvListKey, 0, min(len(rows), limit)), Complete: len(rows) <= limit}
	for _, row := range rows[:min(len(rows), limit)] {
		out.Keys = append(out.Keys, kvListKey{Name: row.Key, Expiration: unix(row.ExpiresAt)})
	}
	if !out.Complete {
		out.Cursor = base64.RawURLEncoding.EncodeToString([]byte(rows[limit-1].Key))
	}
	return reply(out)
}

func (h *Host) kvIncrement(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key           string   `json:"key"`
		Delta         *float64 `json:"delta"`
		ExpirationTTL float64  `json:"expirationTtl"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	if err := checkKey(call.Method, args.Key); err != nil {
		return nil, err
	}
	ttl, err := checkTTL(call.Method, args.ExpirationTTL)
	if err != nil {
		return nil, err
	}
	delta := 1.0
	if args.Delta != nil {
		delta = *args.Delta
	}
	tenant := call.Invocation.Script.TenantID
	// 24 bytes is the longest text of a double.
	if err := h.reserveKV(ctx, call.Method, tenant, int64(len(args.Key)+24)); err != nil {
		return nil, err
	}
	lease, execution := leaseOf(call)
	value, err := h.queries.KVIncrement(ctx, sqlc.KVIncrementParams{TenantID: tenant, Key: args.Key, Delta: delta, TtlSeconds: ttl, Lease: lease, ExecutionID: execution})
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows) && call.Invocation.Live != nil && !call.Invocation.Live():
		return nil, engine.ErrLeaseLost
	case errors.Is(err, pgx.ErrNoRows):
		return nil, typeError(call.Method, "the value of this key is not a number")
	case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "22"):
		return nil, &engine.HostError{Name: "RangeError", Message: "kv.increment: the sum is beyond what a number can hold"}
	case err != nil:
		return nil, fmt.Errorf("kv increment: %w", err)
	}
	return reply(struct {
		Value json.RawMessage `json:"value"`
	}{json.RawMessage(value)})
}

func (h *Host) sweepKV(ctx context.Context) {
	for {
		n, err := h.queries.KVSweep(ctx, kvSweepRows)
		if err != nil {
			if ctx.Err() == nil {
				h.cfg.Log.Warn("kv sweep failed", "error", err)
			}
			return
		}
		if n < kvSweepRows {
			return
		}
	}
}

func checkKey(method, key string) error {
	if detail := keyFault(key); detail != "" {
		return typeError(method, "key "+detail)
	}
	return nil
}

func keyFault(key string) string {
	switch {
	case key == "":
		return "must be a string that is not empty"
	case len(key) > maxKVKeyBytes:
		return fmt.Sprintf("must be at most %d bytes of UTF-8", maxKVKeyBytes)
	case !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\U0010FFFF"):
		return "must hold neither NUL nor U+10FFFF"
	}
	return ""
}

// checkTTL returns nil for "never".
func checkTTL(method string, seconds float64) (*float64, error) {
	switch {
	case seconds == 0:
		return nil, nil
	case seconds < 0 || seconds > maxKVTTL:
		return nil, typeError(method, fmt.Sprintf("expirationTtl must be a number of seconds, more than 0 and at most %d", maxKVTTL))
	}
	return &seconds, nil
}

func unix(at *time.Time) *int64 {
	if at == nil {
		return nil
	}
	s := at.Unix()
	return &s
}

// reserveKV refuses a write that would take the tenant beyond its quota. An overwrite counts as if it were new until the
// usage is read again.
func (h *Host) reserveKV(ctx context.Context, method string, tenant uuid.UUID, bytes int64) error {
	fits, known := h.usage.add(tenant, bytes, time.Now())
	if known && fits {
		return nil
	}
	// Unknown, old or full: the database's figure decides.
	row, err := h.queries.KVUsage(ctx, tenant)
	if err != nil {
		return fmt.Errorf("kv usage: %w", err)
	}
	limit := h.cfg.MaxKVBytes
	if row.MaxBytes >= 0 {
		limit = row.MaxBytes
	}
	if row.Bytes+bytes > limit {
		return &engine.HostError{
			Name: "QuotaExceededError", Code: "storage_quota",
			Message: fmt.Sprintf("%s: the tenant's kv holds %d bytes and may hold %d (max_kv_bytes), the write needs %d more", method, row.Bytes, limit, bytes),
		}
	}
	h.usage.set(tenant, row.Bytes+bytes, limit, time.Now())
	return nil
}

// usageCache spares a put the sum over its tenant's rows. It is an estimate between two readings, kvUsageAge apart.
type usageCache struct {
	mu      sync.Mutex
	tenants map[uuid.UUID]*usage
}

type usage struct {
	bytes, limit int64
	readAt       time.Time
}

func newUsageCache() *usageCache { return &usageCache{tenants: map[uuid.UUID]*usage{}} }

func (c *usageCache) add(tenant uuid.UUID, bytes int64, now time.Time) (fits, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.tenants[tenant]
	if u == nil || now.Sub(u.readAt) > kvUsageAge {
		return false, false
	}
	if u.bytes+bytes > u.limit {
		return false, true
	}
	u.bytes += bytes
	return true, true
}

func (c *usageCache) set(tenant uuid.UUID, bytes, limit int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tenants[tenant] = &usage{bytes: bytes, limit: limit, readAt: now}
}

func (c *usageCache) prune(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tenant, u := range c.tenants {
		if now.Sub(u.readAt) > kvUsageAge {
			delete(c.tenants, tenant)
		}
	}
}
