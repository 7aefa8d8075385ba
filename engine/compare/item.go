package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

const (
	// maxShown bounds an output and a difference in an item, and maxItems all items together: beyond it outputs and differences are left out.
	maxShown = 8 << 10
	maxItems = 4 << 20
	// maxDiffed bounds the texts of which a difference is made.
	maxDiffed = 256 << 10
	// maxCalls and maxTarget bound what is shown of a candidate's calls.
	maxCalls  = 20
	maxTarget = 300
	// refusals is how often a candidate may be refused by admission before its input is skipped.
	refusals = 60
)

// What an Item's Result may be.
const (
	Same      = "same"
	Different = "different"
	Failed    = "failed"  // the candidate failed where the execution had completed
	Skipped   = "skipped" // the candidate did not run
)

// Item is one input.
type Item struct {
	ExecutionID uuid.UUID `json:"execution_id"`
	Result      string    `json:"result"`
	Reason      string    `json:"reason,omitempty"`
	Recorded    Side      `json:"recorded"`
	Candidate   *Side     `json:"candidate"`
	Diff        string    `json:"diff,omitempty"`
}

// Side is how an execution ended.
type Side struct {
	Status     string          `json:"status"`
	Output     json.RawMessage `json:"output"`
	Error      string          `json:"error,omitempty"`
	ErrorCode  string          `json:"error_code,omitempty"`
	DurationMS float64         `json:"duration_ms"`
	CPUMS      float64         `json:"cpu_ms"`
	Calls      []Call          `json:"calls,omitempty"`
}

// Call is what a candidate asked for.
type Call struct {
	Kind      string `json:"kind"`
	Operation string `json:"operation"`
	Target    string `json:"target"`
	Status    int    `json:"status,omitempty"`
	Error     string `json:"error,omitempty"`
}

// cost is what executions took.
type cost struct {
	DurationMS float64 `json:"duration_ms"`
	CPUMS      float64 `json:"cpu_ms"`
}

// costs are the sums of the inputs that the candidate has run on.
type costs struct {
	Recorded  cost `json:"recorded"`
	Candidate cost `json:"candidate"`
}

// add adds an item, and cuts what it shows.
func (o *outcome) add(item Item) {
	switch item.Result {
	case Same:
		o.same++
	case Different:
		o.different++
	case Failed:
		o.failed++
	default:
		o.skipped++
	}
	if c := item.Candidate; c != nil {
		o.costs.Recorded.DurationMS += item.Recorded.DurationMS
		o.costs.Recorded.CPUMS += item.Recorded.CPUMS
		o.costs.Candidate.DurationMS += c.DurationMS
		o.costs.Candidate.CPUMS += c.CPUMS
	}
	limit := maxShown
	if o.bytes > maxItems {
		limit = 0
	}
	item.Recorded.Output = shown(item.Recorded.Output, limit)
	o.bytes += len(item.Recorded.Output)
	if item.Candidate != nil {
		item.Candidate.Output = shown(item.Candidate.Output, limit)
		o.bytes += len(item.Candidate.Output) + len(item.Candidate.Calls)*maxTarget
	}
	item.Diff = text.Clip(item.Diff, limit)
	if limit == 0 {
		item.Diff = ""
	}
	o.bytes += len(item.Diff)
	o.items = append(o.items, item)
}

// shown is an output as an item shows it.
func shown(output json.RawMessage, limit int) json.RawMessage {
	switch {
	case len(output) == 0:
		return json.RawMessage("null")
	case len(output) > limit:
		return json.RawMessage(fmt.Sprintf(`{"truncated":true,"bytes":%d}`, len(output)))
	}
	return output
}

// one runs the candidate on the input of an execution. took is how long it ran. An error ends the comparison.
func (c *Comparer) one(ctx context.Context, row sqlc.ScriptComparison, script *engine.Script, options *Options, id uuid.UUID) (item Item, took time.Duration, err error) {
	item = Item{ExecutionID: id, Result: Skipped}
	skip := func(reason string) (Item, time.Duration, error) {
		item.Reason = reason
		return item, 0, nil
	}
	from, err := c.queries.ExecutionGet(ctx, sqlc.ExecutionGetParams{TenantID: row.TenantID, ID: id})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return skip("the execution is no longer on record")
	case err != nil && ctx.Err() != nil:
		return item, 0, context.Cause(ctx)
	case err != nil:
		return item, 0, c.failed(row, "execution", err)
	}
	e := from.ScriptExecution
	item.Recorded = recorded(e)
	inv, reason := c.invocation(script, e, from.FullInput)
	if inv == nil {
		return skip(reason)
	}
	fetcher, err := c.fetcher(ctx, row, options, id)
	if err != nil {
		return item, 0, err
	}
	inv.Host = c.cfg.Apart(fetcher)
	res, reason, err := c.execute(ctx, inv)
	switch {
	case err != nil:
		return item, 0, err
	case res == nil:
		return skip(reason)
	}
	if err := c.cfg.Recorder.Record(context.WithoutCancel(ctx), inv, res); err != nil {
		c.cfg.Log.Warn("usage of a comparison not counted", "comparison_id", row.ID, "error", err)
	}
	if ctx.Err() != nil {
		return item, 0, context.Cause(ctx)
	}
	item.Candidate = candidate(inv, res, e)
	judge(&item)
	return item, res.Metrics.Duration, nil
}

// recorded is an execution of the history.
func recorded(e sqlc.ScriptExecution) Side {
	var m struct {
		DurationMS float64 `json:"duration_ms"`
		CPUMS      float64 `json:"cpu_ms"`
	}
	_ = json.Unmarshal(e.Metrics, &m) // what is not there is 0
	return Side{Status: e.Status, Output: e.Output, Error: deref(e.Error), ErrorCode: deref(e.ErrorCode), DurationMS: m.DurationMS, CPUMS: m.CPUMS}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// invocation is a run of the candidate; nil with the reason where the input is not on record as it was.
func (c *Comparer) invocation(script *engine.Script, e sqlc.ScriptExecution, full json.RawMessage) (inv *engine.Invocation, reason string) {
	input, _, err := record.Replay(e.Handler, full, e.TriggerData)
	var notWhole *record.NotWholeError
	if errors.As(err, &notWhole) {
		return nil, notWhole.Code
	}
	id, idErr := uuid.NewV7()
	if err != nil || idErr != nil {
		return nil, "input_not_kept"
	}
	inv = &engine.Invocation{
		ExecutionID: id, Script: script, Trigger: engine.Trigger(e.TriggerType), Handler: engine.Handler(e.Handler), Attempt: int(e.Attempt), Depth: int(e.Depth),
		QueuedAt: time.Now(), Unlisted: true,
	}
	if inv.Handler != engine.HandlerFetch {
		inv.Input = input
		return inv, ""
	}
	if inv.Request, err = record.Request(input, ""); err != nil {
		return nil, "input_not_kept"
	}
	return inv, ""
}

// execute runs the candidate once there is room. Without a result the reason says why it did not run.
func (c *Comparer) execute(ctx context.Context, inv *engine.Invocation) (res *engine.Result, reason string, err error) {
	for try := 0; ; try++ {
		for c.cfg.Full(inv.Script.ID) {
			if !wake.Pause(ctx, 50*time.Millisecond) {
				return nil, "", context.Cause(ctx)
			}
		}
		res, err := c.cfg.Executor.Execute(ctx, inv)
		var refused *engine.RefusedError
		switch {
		case err == nil:
			return res, "", nil
		case ctx.Err() != nil:
			return nil, "", context.Cause(ctx)
		case !errors.As(err, &refused):
			return nil, "", err
		case refused.Code == engine.CodeQuarantined || refused.Code == engine.CodeQuotaExceeded || try == refusals:
			return nil, string(refused.Code), nil
		}
		if !wake.Pause(ctx, min(max(refused.RetryAfter, 100*time.Millisecond), 5*time.Second)) {
			return nil, "", context.Cause(ctx)
		}
	}
}

// candidate is how the candidate ended, in the form in which the history has the execution.
func candidate(inv *engine.Invocation, res *engine.Result, e sqlc.ScriptExecution) *Side {
	side := &Side{
		Status: string(res.Code.Status()), Error: text.Clean(res.Message), ErrorCode: string(res.Code),
		DurationMS: millis(res.Metrics.Duration), CPUMS: millis(res.Metrics.CPU),
	}
	var cut struct {
		Truncated bool `json:"truncated"`
	}
	_ = json.Unmarshal(e.Output, &cut) // what is no object was not cut
	kept := record.Kept{Invocation: inv, Result: res, Whole: !cut.Truncated}
	side.Output = kept.AppendOutput(nil)
	for i := range res.Calls {
		if i == maxCalls {
			break
		}
		call := &res.Calls[i]
		side.Calls = append(side.Calls, Call{
			Kind: call.Kind, Operation: call.Operation, Target: text.Clip(call.Target, maxTarget), Status: call.Status, Error: text.Clip(call.Error, maxTarget),
		})
	}
	return side
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// judge compares the two.
func judge(item *Item) {
	was, is := readable(&item.Recorded), readable(item.Candidate)
	if was == is {
		item.Result = Same
		return
	}
	item.Result = Different
	if item.Recorded.Status == string(engine.StatusCompleted) && item.Candidate.Status != string(engine.StatusCompleted) {
		item.Result = Failed
	}
	if len(was)+len(is) > maxDiffed {
		item.Diff = fmt.Sprintf("the outputs are too large for a difference: %d and %d bytes\n", len(was), len(is))
		return
	}
	item.Diff = udiff.Unified("recorded", "candidate", was, is)
}

// readable is a side as text that is the same for the same ending.
func readable(s *Side) string {
	shown := map[string]any{"status": s.Status}
	if s.ErrorCode != "" || s.Error != "" {
		shown["error_code"], shown["error"] = s.ErrorCode, s.Error
	}
	if output, ok := decoded(s.Output); ok {
		shown["output"] = response(output)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(shown); err != nil {
		return string(s.Output)
	}
	return b.String()
}

// decoded reads JSON, with its numbers as they are written.
func decoded(raw json.RawMessage) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	return v, true
}

// response makes a response that is on record readable: a body that is JSON as such, and whether it was streamed left out.
func response(output any) any {
	r, ok := output.(map[string]any)
	if !ok || r["status"] == nil || r["headers"] == nil {
		return output
	}
	delete(r, "streamed")
	if body, ok := r["body"].(string); ok && (strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[")) {
		if v, ok := decoded(json.RawMessage(body)); ok {
			r["body"] = v
		}
	}
	return r
}
