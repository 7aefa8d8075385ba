package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/sqlc"
)

// defaultMaxScripts is Config.MaxScripts.
const defaultMaxScripts = 10_000

// storageQuota refuses what would store more for a tenant that has reached a limit of its plan.
func storageQuota(limit string, bound, observed int64) *Problem {
	return newProblem(http.StatusInsufficientStorage, "storage_quota_exceeded",
		fmt.Sprintf("%s: the tenant has %d, its limit is %d.", limit, observed, bound))
}

// mayStore refuses versions, events and queued executions of a tenant whose history is full.
func (a *API) mayStore(ctx context.Context) error {
	tenant := tenantOf(ctx)
	if state, stored := a.cfg.Storage.State(tenant); state == storage.Full {
		return storageQuota("max_history_bytes", a.cfg.Storage.Quota(tenant), stored)
	}
	return nil
}

// mayAddScript refuses a script beyond the tenant's max_scripts. Others of the tenant that add scripts wait until c's end.
func (a *API) mayAddScript(ctx context.Context, c *change) error {
	row, err := c.ScriptCount(ctx, c.tenant)
	if err != nil {
		return err
	}
	limit := a.cfg.MaxScripts
	if limit == 0 {
		limit = defaultMaxScripts
	}
	if row.MaxScripts >= 0 {
		limit = row.MaxScripts
	}
	if row.Scripts >= limit {
		return storageQuota("max_scripts", limit, row.Scripts)
	}
	return nil
}

// inputFits refuses an input that is larger than a request's body to the script may be.
func inputFits(bytes int, limits engine.Limits) error {
	if limit := limits.MaxRequestBodyBytes; limit > 0 && int64(bytes) > limit {
		return newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
			fmt.Sprintf("The input is %d bytes of JSON, max_request_body_bytes is %d.", bytes, limit))
	}
	return nil
}

// StoredBytes is what a tenant stores in one table.
type StoredBytes struct {
	Table string `json:"table"`
	Bytes int64  `json:"bytes"`
}

// Storage is what a tenant stores and may store.
type Storage struct {
	Tables          []StoredBytes `json:"tables" nullable:"false"`
	HistoryBytes    int64         `json:"history_bytes" doc:"Of all tables but kv: what counts against max_history_bytes."`
	MaxHistoryBytes int64         `json:"max_history_bytes"`
	KVBytes         int64         `json:"kv_bytes"`
}

// storageOf reads what a tenant stores, as of the last second or so.
func (a *API) storageOf(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID) (Storage, error) {
	rows, err := q.StorageByTable(ctx, tenant)
	out := Storage{Tables: []StoredBytes{}, MaxHistoryBytes: storage.DefaultHistoryBytes}
	if a.cfg.Storage != nil {
		out.MaxHistoryBytes = a.cfg.Storage.Quota(tenant)
	}
	for _, row := range rows {
		out.Tables = append(out.Tables, StoredBytes{row.TableName, row.Bytes})
		if row.TableName == storage.KV {
			out.KVBytes = row.Bytes
		} else {
			out.HistoryBytes += row.Bytes
		}
	}
	return out, err
}
