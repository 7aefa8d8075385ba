package ledger

import (
	"context"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/sqlc"
)

// Ended is an execution that was ended without its script at hand: before it began, or because its node was lost.
type Ended struct {
	ID, ScriptID uuid.UUID
	Code         engine.Code
}

// Forget deletes the executions that their scripts' histories do not keep. It belongs into the transaction that ended them. The returned function
// takes their bytes off the meter, which may be nil, and is called after the commit.
func Forget(ctx context.Context, queries *sqlc.Queries, meter *storage.Meter, ended []Ended) (after func(), err error) {
	if len(ended) == 0 {
		return func() {}, nil
	}
	var scripts, ids []uuid.UUID
	for _, e := range ended {
		scripts = append(scripts, e.ScriptID)
	}
	rows, err := queries.ScriptHistories(ctx, scripts)
	if err != nil {
		return nil, err
	}
	histories := make(map[uuid.UUID]*engine.History, len(rows))
	for _, row := range rows {
		histories[row.ID] = catalog.HistoryOf(row.History)
	}
	for _, e := range ended {
		if !histories[e.ScriptID].Keeps(e.ID, e.Code) {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return func() {}, nil
	}
	forgotten, err := queries.ExecutionForget(ctx, ids)
	return func() {
		for _, row := range forgotten {
			if row.Attempt == 1 { // what its acceptance counted
				meter.Add(row.TenantID, storage.Executions, -int64(storage.RowBytes))
			}
		}
	}, err
}
