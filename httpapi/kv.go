package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/sqlc"
)

// KVKey is a key of the tenant's kv as lists show it.
type KVKey struct {
	Key       string          `json:"key"`
	Metadata  json.RawMessage `json:"metadata" doc:"What the key's writer said of it; null where nothing."`
	SizeBytes int32           `json:"size_bytes" doc:"Of value and metadata as JSON."`
	ExpiresAt *time.Time      `json:"expires_at" nullable:"true" doc:"Null for a key that stays."`
	UpdatedAt time.Time       `json:"updated_at"`
}

// KVEntry is a key with its value.
type KVEntry struct {
	KVKey
	Value json.RawMessage `json:"value"`
}

type kvListIn struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Items a page, at most 200."`
	Cursor string `query:"cursor" maxLength:"900" doc:"next_cursor of the page before."`
	Prefix string `query:"prefix" maxLength:"512" doc:"Keys that begin with it."`
}

// kvList answers keys in the order of their bytes.
func (a *API) kvList(ctx context.Context, in *kvListIn) (*found[Page[KVKey]], error) {
	if in.Prefix != "" {
		if err := kvProblem("query.prefix", kv.CheckKey("prefix", in.Prefix)); err != nil {
			return nil, err
		}
	}
	bind := []string{"kv", tenantOf(ctx).String(), in.Prefix}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.KVListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.KVList(ctx, sqlc.KVListParams{TenantID: tenantOf(ctx), After: at.text, Prefix: in.Prefix, MaxKeys: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[KVKey]]{pageOf(a.cursors, rows, in.Limit, bind, func(r sqlc.KVListRow) KVKey {
		return KVKey{Key: r.Key, Metadata: textOrNull(r.Metadata), SizeBytes: r.SizeBytes, ExpiresAt: r.ExpiresAt, UpdatedAt: utc(r.UpdatedAt)}
	}, func(r sqlc.KVListRow) position { return position{text: r.Key} })}, nil
}

// KVPath names a key in a path.
type KVPath struct {
	Key string `path:"key" maxLength:"512" doc:"The key, percent-encoded: a / in it is %2F."`
}

func (p *KVPath) check() error { return kvProblem("path.key", kv.CheckKey("key", p.Key)) }

func (a *API) kvGet(ctx context.Context, in *KVPath) (*found[KVEntry], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var row sqlc.KVGetRow
	err := a.read(ctx, func(q *sqlc.Queries) (err error) {
		row, err = q.KVGet(ctx, sqlc.KVGetParams{TenantID: tenantOf(ctx), Key: in.Key})
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, notFound()
	case err != nil:
		return nil, err
	}
	key := KVKey{Key: in.Key, Metadata: textOrNull(row.Metadata), SizeBytes: row.SizeBytes, ExpiresAt: row.ExpiresAt, UpdatedAt: utc(row.UpdatedAt)}
	return &found[KVEntry]{KVEntry{key, json.RawMessage(row.Value)}}, nil
}

type kvPutIn struct {
	KVPath
	Body struct {
		Value         json.RawMessage `json:"value" doc:"Any JSON, at most 64 KiB."`
		ExpirationTTL *float64        `json:"expiration_ttl,omitempty" exclusiveMinimum:"0" maximum:"315360000" nullable:"true" doc:"Seconds until the key is gone; absent: it stays."`
		Metadata      json.RawMessage `json:"metadata,omitempty" doc:"Any JSON, at most 1 KiB; lists show it. Absent: the key has none."`
	}
}

// kvPut writes a key as a script does, under the same bounds.
func (a *API) kvPut(ctx context.Context, in *kvPutIn) (*none, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	value, metadata := compactJSON(in.Body.Value), compactJSON(in.Body.Metadata)
	if bytes.Equal(metadata, []byte("null")) {
		metadata = nil
	}
	put := sqlc.KVPutParams{
		TenantID: tenantOf(ctx), Key: in.Key, Value: string(value), SizeBytes: int32(len(value) + len(metadata)), TtlSeconds: in.Body.ExpirationTTL,
	}
	if metadata != nil {
		m := string(metadata)
		put.Metadata = &m
	}
	if err := kvProblem("", a.cfg.KV.CheckValue(value, metadata)); err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(c *change) error {
		if err := a.cfg.KV.Reserve(ctx, c.Queries, c.tenant, int64(len(in.Key))+int64(put.SizeBytes)); err != nil {
			return kvProblem("", err)
		}
		if _, err := c.KVPut(ctx, put); err != nil {
			return err
		}
		return c.audit("kv.put", "kv", in.Key, nil, nil)
	})
}

func (a *API) kvDelete(ctx context.Context, in *KVPath) (*none, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(c *change) error {
		deleted, err := c.KVDelete(ctx, sqlc.KVDeleteParams{TenantID: c.tenant, Key: in.Key})
		if err != nil {
			return err
		}
		if !deleted {
			return notFound()
		}
		return c.audit("kv.delete", "kv", in.Key, nil, nil)
	})
}

// kvProblem is a fault of package kv as callers see it; location names its field, "" for a field of the body.
func kvProblem(location string, err error) error {
	var fault *kv.Fault
	if !errors.As(err, &fault) {
		return err
	}
	if location == "" {
		location = "body." + fault.Field
	}
	switch fault.Kind {
	case kv.OverQuota:
		return newProblem(http.StatusInsufficientStorage, "storage_quota_exceeded", fault.Error()+".")
	case kv.TooLarge:
		return invalidCode("kv_value_too_large", location, fault.Detail)
	}
	return invalid(location, fault.Detail)
}

// compactJSON is JSON text without white space; nil of nil.
func compactJSON(raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return nil
	}
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		return raw // the body was read as JSON before
	}
	return out.Bytes()
}

func textOrNull(s *string) json.RawMessage {
	if s == nil {
		return json.RawMessage("null")
	}
	return json.RawMessage(*s)
}
