package httpapi

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

// Activity is what a tenant's scripts did lately, for charts: how much ran, how it ended, and which errors there were.
type Activity struct {
	From        time.Time      `json:"from"`
	To          time.Time      `json:"to"`
	SpanSeconds int            `json:"span_seconds" doc:"How long each span is."`
	Spans       []ActivitySpan `json:"spans" nullable:"false" doc:"Oldest first; spans in which nothing ran are among them."`
	Groups      []FailureGroup `json:"failure_groups" nullable:"false" doc:"Failures by script, code, message without its numbers, and line, of the newest 2,000; the most frequent first, at most 50."`
}

// ActivitySpan is a span of time. Of a span with more than 500 executions the newest 500 stand for all.
type ActivitySpan struct {
	At         time.Time `json:"at" doc:"When the span begins."`
	Runs       int64     `json:"runs" doc:"Executions that were accepted in it; 500 where there were more."`
	More       bool      `json:"more" doc:"There were more than 500: the other numbers are of the newest 500."`
	Failures   int64     `json:"failures" doc:"Those that failed or ran out of time."`
	P50MS      float64   `json:"p50_ms" doc:"Median of the duration."`
	P99MS      float64   `json:"p99_ms" doc:"99th percentile of the duration."`
	QueueP99MS float64   `json:"queue_p99_ms" doc:"99th percentile of the time that they waited."`
	CPUMS      float64   `json:"cpu_ms" doc:"CPU time in all."`
	LateTicks  int64     `json:"late_ticks" doc:"Runs of a schedule that began more than 5 s after their tick."`
}

// FailureGroup is failures that look alike.
type FailureGroup struct {
	ScriptID        uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName      string    `json:"script_name"`
	ErrorCode       string    `json:"error_code"`
	Message         string    `json:"message" doc:"The newest one's, cut to 300 characters."`
	Place           *string   `json:"place" doc:"Where the newest one was thrown, as FILE:LINE:COLUMN of the source."`
	Count           int       `json:"count"`
	Version         int32     `json:"version" doc:"The newest one's."`
	LastExecutionID uuid.UUID `json:"last_execution_id" format:"uuid"`
	FirstAt         time.Time `json:"first_at"`
	LastAt          time.Time `json:"last_at"`
}

type activityIn struct {
	Hours int `query:"hours" minimum:"1" maximum:"168" default:"1" doc:"How far back."`
}

const (
	// activitySpans is the number of spans of an answer, and activityLook how many executions of a span are looked at: an answer reads at
	// most 30,000 rows of an index's order.
	activitySpans = 60
	activityLook  = 500
	// failuresLook is how many failures, and how many timeouts, are grouped.
	failuresLook = 1000
	maxGroups    = 50
)

func (a *API) activity(ctx context.Context, in *activityIn) (*found[Activity], error) {
	span := time.Duration(in.Hours) * time.Hour / activitySpans
	to := time.Now().UTC().Truncate(span).Add(span)
	from := to.Add(-activitySpans * span)
	out := Activity{From: from, To: to, SpanSeconds: int(span / time.Second)}
	p := sqlc.ExecutionActivityParams{TenantID: tenantOf(ctx), LookAt: activityLook, FirstID: idFloor(from), UntilID: idFloor(to)}
	for i := range activitySpans {
		at := from.Add(time.Duration(i) * span)
		out.Spans = append(out.Spans, ActivitySpan{At: at})
		p.Ns = append(p.Ns, int32(i))
		p.FromIds = append(p.FromIds, idFloor(at))
		p.BelowIds = append(p.BelowIds, idFloor(at.Add(span)))
	}
	err := a.list(ctx, func(q *sqlc.Queries) error {
		if err := q.PlanByRows(ctx); err != nil {
			return err
		}
		rows, err := q.ExecutionActivity(ctx, p)
		if err != nil {
			return err
		}
		for _, r := range rows {
			out.Spans[r.N] = ActivitySpan{
				At: out.Spans[r.N].At, Runs: r.Looked, More: r.Looked == activityLook, Failures: r.Failures, P50MS: r.P50Ms, P99MS: r.P99Ms,
				QueueP99MS: r.QueueP99Ms, CPUMS: r.CpuMs, LateTicks: r.LateTicks,
			}
		}
		var failures []sqlc.ExecutionFailuresRow
		for _, status := range []string{"failed", "timeout"} {
			rows, err := q.ExecutionFailures(ctx, sqlc.ExecutionFailuresParams{TenantID: tenantOf(ctx), Status: status, FromID: idFloor(from), RowLimit: failuresLook})
			if err != nil {
				return err
			}
			failures = append(failures, rows...)
		}
		out.Groups = groupFailures(failures)
		return nil
	})
	return &found[Activity]{out}, err
}

// thrownAt is the first frame of a stack that names a file.
var thrownAt = regexp.MustCompile(`\n\s+at .*?([\w@./-]+\.[cm]?[jt]sx?:\d+:\d+)`)

// groupFailures puts failures that look alike together, the most frequent first. The failures of each status come newest first.
func groupFailures(failures []sqlc.ExecutionFailuresRow) []FailureGroup {
	type kind struct {
		script               uuid.UUID
		code, message, place string
	}
	groups := map[kind]*FailureGroup{}
	all := []*FailureGroup{}
	for _, f := range failures {
		k := kind{script: f.ScriptID, message: errorKind(f.Error)}
		if f.ErrorCode != nil {
			k.code = *f.ErrorCode
		}
		if m := thrownAt.FindStringSubmatch(f.ErrorStack); m != nil {
			k.place = m[1]
		}
		g := groups[k]
		if g == nil {
			g = &FailureGroup{
				ScriptID: f.ScriptID, ScriptName: f.ScriptName, ErrorCode: k.code, Message: f.Error, Place: given(k.place), Version: f.Version,
				LastExecutionID: f.ID, LastAt: utc(f.QueuedAt),
			}
			groups[k] = g
			all = append(all, g)
		}
		g.Count++
		g.FirstAt = utc(f.QueuedAt)
	}
	slices.SortStableFunc(all, func(x, y *FailureGroup) int { return cmp.Or(cmp.Compare(y.Count, x.Count), y.LastAt.Compare(x.LastAt)) })
	out := []FailureGroup{}
	for _, g := range all[:min(len(all), maxGroups)] {
		out = append(out, *g)
	}
	return out
}

// ScriptActivity is how a script did lately.
type ScriptActivity struct {
	ScriptID        uuid.UUID  `json:"script_id" format:"uuid"`
	Executions      int64      `json:"executions" doc:"Executions that ended yesterday or today, by UTC. Exact, whatever the script's history keeps."`
	Failures        int64      `json:"failures" doc:"Those of them that neither completed nor were cancelled."`
	FailingSince    *time.Time `json:"failing_since" nullable:"true" doc:"Since when it fails without an end: as many failures in a row as its breaker allows, or five."`
	LastExecutionID *uuid.UUID `json:"last_execution_id" format:"uuid" nullable:"true" doc:"The newest execution of the last seven days that is on record."`
	LastStatus      *string    `json:"last_status" nullable:"true" doc:"Its status."`
	LastErrorCode   *string    `json:"last_error_code" nullable:"true"`
	LastAt          *time.Time `json:"last_at" nullable:"true" doc:"When it was accepted."`
}

// ScriptActivities are how scripts did lately.
type ScriptActivities struct {
	Items []ScriptActivity `json:"items" nullable:"false" doc:"In the order of the ids; of ids that are no script's, none."`
}

type scriptActivityIn struct {
	IDs []string `query:"ids" required:"true" minItems:"1" maxItems:"200" doc:"Ids of scripts, separated by commas."`
}

// lastRunWithin is how far back a script's last execution is looked for.
const lastRunWithin = 7 * 24 * time.Hour

func (a *API) scriptActivity(ctx context.Context, in *scriptActivityIn) (*found[ScriptActivities], error) {
	p := sqlc.ScriptActivityParams{TenantID: tenantOf(ctx), FromID: idFloor(time.Now().Add(-lastRunWithin)), Days: failureDays(time.Now())}
	for _, s := range in.IDs {
		id, err := uuid.Parse(s)
		if err != nil {
			return nil, invalid("query.ids", text.Clip(s, 60)+" is no id")
		}
		p.Ids = append(p.Ids, id)
	}
	out := ScriptActivities{Items: []ScriptActivity{}}
	err := a.list(ctx, func(q *sqlc.Queries) error {
		rows, err := q.ScriptActivity(ctx, p)
		slices.SortFunc(rows, func(x, y sqlc.ScriptActivityRow) int {
			return slices.Index(p.Ids, x.ScriptID) - slices.Index(p.Ids, y.ScriptID)
		})
		for _, r := range rows {
			s := ScriptActivity{ScriptID: r.ScriptID, Executions: r.Executions, Failures: r.Failures, FailingSince: utcPtr(r.FailingSince)}
			if r.LastID != uuid.Nil {
				s.LastExecutionID, s.LastStatus, s.LastErrorCode, s.LastAt = &r.LastID, &r.LastStatus, given(r.LastErrorCode), utcPtr(&r.LastAt)
			}
			out.Items = append(out.Items, s)
		}
		return err
	})
	return &found[ScriptActivities]{out}, err
}

// failureDays are the days of which a script's failures count as lately: yesterday and today, by UTC.
func failureDays(now time.Time) []time.Time {
	today := now.UTC().Truncate(24 * time.Hour)
	return []time.Time{today.AddDate(0, 0, -1), today}
}
