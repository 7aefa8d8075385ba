package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compare"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/sqlc"
)

// Comparer runs comparisons. *compare.Comparer is one.
type Comparer interface {
	NodeID() uuid.UUID
	// Room reports whether Start would take one more.
	Room() bool
	// Start takes a comparison whose row is committed.
	Start(id uuid.UUID)
}

// Comparison is a version ran on inputs that are on record, beside what the executions did.
type Comparison struct {
	ID            uuid.UUID        `json:"id" format:"uuid"`
	ScriptID      uuid.UUID        `json:"script_id" format:"uuid"`
	VersionNumber int32            `json:"version_number"`
	Status        string           `json:"status" enum:"pending,running,completed,failed"`
	Error         *string          `json:"error" doc:"Why the comparison has failed; items are what there was by then."`
	Last          int              `json:"last"`
	StatusFilter  *string          `json:"status_filter"`
	TriggerType   *string          `json:"trigger_type"`
	Fetch         string           `json:"fetch" enum:"deny,record,live"`
	Total         int32            `json:"total" doc:"Inputs that were found."`
	Same          int32            `json:"same"`
	Different     int32            `json:"different"`
	Failed        int32            `json:"failed" doc:"The candidate failed where the execution had completed."`
	Skipped       int32            `json:"skipped" doc:"The candidate did not run: the item says why."`
	Costs         ComparisonCosts  `json:"costs" doc:"Sums over the inputs that the candidate has run on; there at the end."`
	Items         []ComparisonItem `json:"items" nullable:"false" doc:"One for each input, newest first; there at the end."`
	CreatedAt     time.Time        `json:"created_at"`
	StartedAt     *time.Time       `json:"started_at"`
	CompletedAt   *time.Time       `json:"completed_at"`
}

// ComparisonCosts are what the executions have cost and what the candidate did.
type ComparisonCosts struct {
	Recorded  ComparisonCost `json:"recorded"`
	Candidate ComparisonCost `json:"candidate"`
}

// ComparisonCost is what executions cost together.
type ComparisonCost struct {
	DurationMS float64 `json:"duration_ms"`
	CPUMS      float64 `json:"cpu_ms"`
}

// ComparisonItem is one input.
type ComparisonItem struct {
	ExecutionID uuid.UUID       `json:"execution_id" format:"uuid" doc:"Whose input it is."`
	Result      string          `json:"result" enum:"same,different,failed,skipped"`
	Reason      *string         `json:"reason,omitempty" example:"input_not_kept" doc:"Why it was skipped."`
	Recorded    ComparisonSide  `json:"recorded"`
	Candidate   *ComparisonSide `json:"candidate,omitempty" doc:"Absent where it was skipped."`
	Diff        *string         `json:"diff,omitempty" doc:"A unified diff of the two endings as JSON with sorted members, of at most 8 KiB."`
}

// ComparisonSide is how an execution ended.
type ComparisonSide struct {
	Status     string           `json:"status" enum:"pending,running,completed,failed,timeout,cancelled"`
	Output     json.RawMessage  `json:"output" doc:"As the history has it, credentials masked; of more than 8 KiB {truncated, bytes}."`
	Error      *string          `json:"error,omitempty"`
	ErrorCode  *string          `json:"error_code,omitempty"`
	DurationMS float64          `json:"duration_ms"`
	CPUMS      float64          `json:"cpu_ms"`
	Calls      []ComparisonCall `json:"calls,omitempty" doc:"What the candidate asked for, the first 20. Writes of kv, events and invocations stayed inside: an invocation was answered with null."`
}

// ComparisonCall is a host call of the candidate.
type ComparisonCall struct {
	Kind      string  `json:"kind" enum:"fetch,kv,events,scripts,step"`
	Operation string  `json:"operation"`
	Target    string  `json:"target"`
	Status    *int32  `json:"status,omitempty"`
	Error     *string `json:"error,omitempty"`
}

// comparisonOf is a comparison as the API shows it. What the row holds was written by package compare.
func comparisonOf(c sqlc.ScriptComparison) (Comparison, error) {
	out := Comparison{
		ID: c.ID, ScriptID: c.ScriptID, VersionNumber: c.VersionNumber, Status: c.Status, Error: c.Error, Total: c.Total, Same: c.Same, Different: c.Different,
		Failed: c.Failed, Skipped: c.Skipped, CreatedAt: utc(c.CreatedAt), StartedAt: utcPtr(c.StartedAt), CompletedAt: utcPtr(c.CompletedAt),
	}
	var o compare.Options
	err := errors.Join(json.Unmarshal(c.Options, &o), json.Unmarshal(c.Costs, &out.Costs), json.Unmarshal(c.Items, &out.Items))
	out.Last, out.Fetch, out.StatusFilter, out.TriggerType = o.Last, o.Fetch, given(o.Status), given(o.TriggerType)
	if out.Items == nil {
		out.Items = []ComparisonItem{}
	}
	return out, err
}

type versionCompareIn struct {
	VersionPath
	Body struct {
		Last        *int   `json:"last,omitempty" minimum:"1" maximum:"200" doc:"How many of the last executions; 50 by default."`
		Status      string `json:"status,omitempty" enum:"completed,failed,timeout" doc:"Only those that ended so; by default all but cancelled ones."`
		TriggerType string `json:"trigger_type,omitempty" enum:"cron,http,event,manual,api" doc:"Only those."`
		Fetch       string `json:"fetch,omitempty" enum:"deny,record,live" doc:"What becomes of the candidate's fetches: refused (the default), answered from the execution's record (history.calls must have been \"bodies\"), or sent."`
	}
}

type comparisonOut struct {
	Location string `header:"Location"`
	Body     Comparison
}

func (a *API) versionCompare(ctx context.Context, in *versionCompareIn) (*comparisonOut, error) {
	if a.cfg.Compare == nil {
		return nil, newProblem(http.StatusServiceUnavailable, "comparisons_unavailable", "This node runs no comparisons.")
	}
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	if !a.cfg.Compare.Room() {
		return nil, newProblem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "As many comparisons wait on this node as may.").RetryAfter(time.Minute)
	}
	o := compare.Options{Last: compare.DefaultLast, Status: in.Body.Status, TriggerType: in.Body.TriggerType, Fetch: in.Body.Fetch}
	if in.Body.Last != nil {
		o.Last = *in.Body.Last
	}
	if o.Fetch == "" {
		o.Fetch = compare.FetchDeny
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	a.settleOwn(ctx)
	out := &comparisonOut{}
	err = a.change(ctx, func(c *change) error {
		script, err := c.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if script.Status == "archived" {
			return scriptArchived()
		}
		n, err := versionNumber(ctx, c.Queries, id, in.Version)
		if err != nil {
			return err
		}
		row, err := c.ComparisonInsert(ctx, sqlc.ComparisonInsertParams{
			ID: newID(), TenantID: c.tenant, ScriptID: id, VersionNumber: n, Options: options, NodeID: a.cfg.Compare.NodeID(), LeaseSeconds: compare.Lease.Seconds(),
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return conflict("comparison_running", "The tenant has a comparison that has not ended.")
		}
		if err != nil {
			return err
		}
		if _, err := c.ComparisonForget(ctx, sqlc.ComparisonForgetParams{TenantID: c.tenant, Keep: compare.Keep}); err != nil {
			return err
		}
		a.stored(c, storage.Comparisons, 400)
		if out.Body, err = comparisonOf(row); err != nil {
			return err
		}
		out.Location = "/api/v1/comparisons/" + row.ID.String()
		return c.audit("version.compare", "script", id.String(), nil, map[string]any{"comparison_id": row.ID, "version_number": n, "options": json.RawMessage(options)})
	})
	if err != nil {
		return nil, err
	}
	a.after(ctx, func() { a.cfg.Compare.Start(out.Body.ID) })
	return out, nil
}

func (a *API) comparisonGet(ctx context.Context, in *IDPath) (*found[Comparison], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	out := &found[Comparison]{}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		row, err := q.ComparisonGet(ctx, sqlc.ComparisonGetParams{TenantID: tenantOf(ctx), ID: id})
		if err != nil {
			return err
		}
		out.Body, err = comparisonOf(row)
		return err
	})
	return out, err
}
