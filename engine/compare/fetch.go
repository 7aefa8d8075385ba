package compare

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/sqlc"
)

// fetcher answers the fetches of a run of the candidate on the input of an execution; nil: they are live.
func (c *Comparer) fetcher(ctx context.Context, row sqlc.ScriptComparison, options *Options, execution uuid.UUID) (host.Fetcher, error) {
	switch options.Fetch {
	case FetchLive:
		return nil, nil
	case FetchRecord:
		rows, err := c.queries.ComparisonFetches(ctx, sqlc.ComparisonFetchesParams{TenantID: row.TenantID, ExecutionID: execution})
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, c.failed(row, "calls", err)
		}
		return (&replayed{comparer: c, rows: rows, used: make([]bool, len(rows))}).fetch, nil
	}
	return denied, nil
}

// denied refuses a fetch.
func denied(context.Context, *engine.HostCall) (*engine.HostReply, error) {
	return nil, &engine.HostError{Name: "TypeError", Code: "fetch_denied", Message: `fetch failed: the comparison refuses every fetch; ask for it with "fetch": "record" or "live"`}
}

// replayed answers fetches from the record of an execution: each one with the first answer to the same method, URL and body that is not used yet.
type replayed struct {
	comparer *Comparer
	rows     []sqlc.ComparisonFetchesRow

	mu   sync.Mutex // guards used
	used []bool
}

func (r *replayed) fetch(_ context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	secrets := r.comparer.cfg.Secrets(call.Invocation.Script.TenantID)
	target := engine.CallTarget(call.Method, call.Note.Target, secrets)
	body := record.CallRequest(call.Note.RequestType, call.Body, secrets)
	r.mu.Lock()
	defer r.mu.Unlock()
	why := errors.New("it did not make this request")
	for i, row := range r.rows {
		if r.used[i] || row.Operation != call.Note.Operation || row.Target != target {
			continue
		}
		kept, err := record.ReadCall(row.Bodies)
		if err != nil {
			why = errors.New(`its answer was not kept (the script's history.calls must be "bodies")`)
			continue
		}
		if kept.Request != nil && call.BodyStream == nil && !bytes.Equal(kept.Request, body) {
			why = errors.New("it sent another body")
			continue
		}
		r.used[i] = true
		call.Note.Status = kept.Status
		return kept.Reply, nil
	}
	return nil, &engine.HostError{
		Name: "TypeError", Code: "not_on_record", Message: "fetch failed: the execution that is compared with cannot answer " + call.Note.Operation + " " + target + ": " + why.Error(),
	}
}
