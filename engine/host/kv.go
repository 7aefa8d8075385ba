package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/sqlc"
)

const (
	kvSweepEvery = 10 * time.Second
	// kvSweepRows keeps one sweep's transaction short.
	kvSweepRows = 1000
)

var kvMethods = []method{
	{"kv.get", (*Host).kvGet},                     // {key} → {present, value, expiration, metadata}
	{"kv.put", (*Host).kvPut},                     // {key, value, expirationTtl, metadata} → {}
	{"kv.delete", (*Host).kvDelete},               // {key} → {deleted}
	{"kv.list", (*Host).kvList},                   // {prefix, limit, cursor} → {keys: [{name, expiration, metadata}, …], cursor, complete}
	{"kv.compareAndSet", (*Host).kvCompareAndSet}, // {key, expected, value, expirationTtl, metadata} → {written}
	{"kv.increment", (*Host).kvIncrement},         // {key, delta, expirationTtl} → {value}
}

type kvGetReply struct {
	Present    bool            `json:"present"`
	Value      json.RawMessage `json:"value"`
	Expiration *int64          `json:"expiration"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

func (h *Host) kvGet(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key string `json:"key"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	if err := kv.CheckKey("key", args.Key); err != nil {
		return nil, ofKV(call.Method, err)
	}
	row, err := h.queries.KVGet(ctx, sqlc.KVGetParams{TenantID: call.Invocation.Script.TenantID, Key: args.Key})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return reply(kvGetReply{Value: json.RawMessage("null")})
	case err != nil:
		return nil, fmt.Errorf("kv get: %w", err)
	}
	return reply(kvGetReply{Present: true, Value: json.RawMessage(row.Value), Expiration: unix(row.ExpiresAt), Metadata: rawText(row.Metadata)})
}

// kvWrite is what the calls that write a value take.
type kvWrite struct {
	Key           string          `json:"key"`
	Value         json.RawMessage `json:"value"`
	ExpirationTTL float64         `json:"expirationTtl"`
	Metadata      json.RawMessage `json:"metadata"`
}

// size is what the write adds to the row's size_bytes.
func (w *kvWrite) size() int { return len(w.Value) + len(w.Metadata) }

// metadata is the column; nil where the write names none, or null.
func (w *kvWrite) metadata() *string {
	if len(w.Metadata) == 0 {
		return nil
	}
	s := string(w.Metadata)
	return &s
}

// admitWrite checks a write, makes room for it in the tenant's quota, and returns its time to live in seconds, nil for ever.
func (h *Host) admitWrite(ctx context.Context, call *engine.HostCall, w *kvWrite) (ttl *float64, err error) {
	if string(w.Metadata) == "null" {
		w.Metadata = nil
	}
	if err = kv.CheckKey("key", w.Key); err == nil {
		if ttl, err = kv.CheckTTL("expirationTtl", w.ExpirationTTL); err == nil {
			err = h.cfg.KV.CheckValue(w.Value, w.Metadata)
		}
	}
	if err == nil {
		err = h.cfg.KV.Reserve(ctx, h.queries, call.Invocation.Script.TenantID, int64(len(w.Key)+w.size()))
	}
	return ttl, ofKV(call.Method, err)
}

// ofKV is a fault of package kv as scripts see it.
func ofKV(method string, err error) error {
	var fault *kv.Fault
	if !errors.As(err, &fault) {
		return err
	}
	switch fault.Kind {
	case kv.TooLarge:
		return &engine.HostError{Name: "RangeError", Code: "kv_value_too_large", Message: method + ": " + fault.Error()}
	case kv.OverQuota:
		return &engine.HostError{Name: "QuotaExceededError", Code: "storage_quota", Message: method + ": " + fault.Error()}
	}
	return typeError(method, fault.Error())
}

func (h *Host) kvPut(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args kvWrite
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	ttl, err := h.admitWrite(ctx, call, &args)
	if err != nil {
		return nil, err
	}
	lease, execution := leaseOf(call)
	written, err := h.queries.KVPut(ctx, sqlc.KVPutParams{
		TenantID: call.Invocation.Script.TenantID, Key: args.Key, Value: string(args.Value), SizeBytes: int32(args.size()), TtlSeconds: ttl,
		Metadata: args.metadata(), Lease: lease, ExecutionID: execution,
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
	call.Note.Target = args.Key
	ttl, err := h.admitWrite(ctx, call, &args.kvWrite)
	if err != nil {
		return nil, err
	}
	swap := sqlc.KVSwapParams{
		TenantID: call.Invocation.Script.TenantID, Key: args.Key, Value: string(args.Value), SizeBytes: int32(args.size()), TtlSeconds: ttl,
		Expected: string(args.Expected), Metadata: args.metadata(),
	}
	swap.Lease, swap.ExecutionID = leaseOf(call)
	var written int64
	switch swap.Expected {
	case "":
		return nil, typeError(call.Method, "expected is missing")
	case "null":
		written, err = h.queries.KVSwapNull(ctx, sqlc.KVSwapNullParams{
			TenantID: swap.TenantID, Key: swap.Key, Value: swap.Value, SizeBytes: swap.SizeBytes, TtlSeconds: ttl, Metadata: swap.Metadata,
			Lease: swap.Lease, ExecutionID: swap.ExecutionID,
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
	call.Note.Target = args.Key
	if err := kv.CheckKey("key", args.Key); err != nil {
		return nil, ofKV(call.Method, err)
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
	Name       string          `json:"name"`
	Expiration *int64          `json:"expiration"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
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
	call.Note.Target = args.Prefix
	if args.Prefix != "" {
		if err := kv.CheckKey("prefix", args.Prefix); err != nil {
			return nil, ofKV(call.Method, err)
		}
	}
	if args.Limit == 0 {
		args.Limit = kv.DefaultPage
	}
	if args.Limit < 1 || args.Limit > kv.MaxPage || args.Limit != math.Trunc(args.Limit) {
		return nil, typeError(call.Method, fmt.Sprintf("limit must be a whole number from 1 to %d", kv.MaxPage))
	}
	after, err := base64.RawURLEncoding.DecodeString(args.Cursor)
	if err != nil || (len(after) > 0 && kv.CheckKey("cursor", string(after)) != nil) {
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
		out.Keys = append(out.Keys, kvListKey{Name: row.Key, Expiration: unix(row.ExpiresAt), Metadata: rawText(row.Metadata)})
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
	call.Note.Target = args.Key
	if err := kv.CheckKey("key", args.Key); err != nil {
		return nil, ofKV(call.Method, err)
	}
	ttl, err := kv.CheckTTL("expirationTtl", args.ExpirationTTL)
	if err != nil {
		return nil, ofKV(call.Method, err)
	}
	delta := 1.0
	if args.Delta != nil {
		delta = *args.Delta
	}
	tenant := call.Invocation.Script.TenantID
	// 24 bytes is the longest text of a double.
	if err := h.cfg.KV.Reserve(ctx, h.queries, tenant, int64(len(args.Key)+24)); err != nil {
		return nil, ofKV(call.Method, err)
	}
	lease, execution := leaseOf(call)
	value, err := h.queries.KVIncrement(ctx, sqlc.KVIncrementParams{TenantID: tenant, Key: args.Key, Delta: delta, TtlSeconds: ttl, Lease: lease, ExecutionID: execution})
	switch {
	case errors.Is(err, pgx.ErrNoRows) && call.Invocation.Live != nil && !call.Invocation.Live():
		return nil, engine.ErrLeaseLost
	case errors.Is(err, pgx.ErrNoRows):
		return nil, typeError(call.Method, "the value of this key is not a number")
	case connect.ClassOf(err) == connect.Value:
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

func unix(at *time.Time) *int64 {
	if at == nil {
		return nil
	}
	s := at.Unix()
	return &s
}

// rawText is JSON text of a column that may be null.
func rawText(s *string) json.RawMessage {
	if s == nil {
		return nil
	}
	return json.RawMessage(*s)
}
