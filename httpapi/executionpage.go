package httpapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/sqlc"
)

// lookAtExecutions bounds the executions that a page looks at.
const lookAtExecutions = 20_000

// Ids of version 7 are in this range from 2020 to 2039: migrations/00004_executions.sql. They begin with the time of acceptance, and the
// history is partitioned by them.
var (
	datedFrom  = uuid.UUID{0x01, 0x70}
	datedUntil = uuid.UUID{0x02, 0x00}
)

const (
	// newestRange is how much of the history a page looks at first, and rangeGrowth by how much the next, older range is longer: a tenant that
	// runs scripts every day gets its page from one or two partitions.
	newestRange = 24 * time.Hour
	rangeGrowth = 4
	// plannedRange is the longest range whose partitions are planned for each list. Longer ones have one plan for all values.
	plannedRange = rangeGrowth * newestRange
	// longestRange is followed by all that is older.
	longestRange = 64 * 24 * time.Hour
	// clockMargin is by how much the time in an id, of the node that accepted, and queued_at, of the database, may differ.
	clockMargin = 10 * time.Second
)

// idFloor is the lowest id of version 7 of a millisecond.
func idFloor(t time.Time) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16)
	return id
}

// idTime is the time that an id of version 7 begins with.
func idTime(id uuid.UUID) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

func lowerID(x, y uuid.UUID) uuid.UUID {
	if bytes.Compare(x[:], y[:]) < 0 {
		return x
	}
	return y
}

func higherID(x, y uuid.UUID) uuid.UUID {
	if lowerID(x, y) == x {
		return y
	}
	return x
}

// belowOf is the id below which dated executions come after a position. Their own position is the time in their id, and the id.
func belowOf(p position) uuid.UUID {
	floor, next := idFloor(p.at), idFloor(p.at.Add(time.Millisecond))
	if p.at.Nanosecond()%int(time.Millisecond) != 0 {
		return lowerID(next, datedUntil)
	}
	return lowerID(higherID(floor, lowerID(p.id, next)), datedUntil)
}

// listed is an execution of a page: where it stands in the list, and what it takes to show it.
type listed struct {
	position
	bytes int64
}

func newestFirst(x, y listed) int {
	if c := y.at.Compare(x.at); c != 0 {
		return c
	}
	return bytes.Compare(y.id[:], x.id[:])
}

// pageQuery is the query whose index fits the filters best: the one of which the fewest rows are expected.
func pageQuery(q *sqlc.Queries, p sqlc.ExecutionPageParams) func(context.Context, sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
	switch {
	case p.EventID != nil:
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOfEvent(ctx, sqlc.ExecutionPageOfEventParams(p)))
		}
	case p.ErrorCode != nil:
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOfError(ctx, sqlc.ExecutionPageOfErrorParams(p)))
		}
	case p.Status != nil && *p.Status != string(engine.StatusCompleted):
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOfStatus(ctx, sqlc.ExecutionPageOfStatusParams(p)))
		}
	case p.HttpFrom != nil && *p.HttpFrom >= http.StatusInternalServerError:
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOf5xx(ctx, sqlc.ExecutionPageOf5xxParams(p)))
		}
	case p.HttpFrom != nil && *p.HttpFrom >= http.StatusBadRequest:
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOf4xx(ctx, sqlc.ExecutionPageOf4xxParams(p)))
		}
	case p.ScriptID != nil:
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOfScript(ctx, sqlc.ExecutionPageOfScriptParams(p)))
		}
	case p.TriggerType != nil && *p.TriggerType != string(engine.TriggerHTTP) && *p.TriggerType != string(engine.TriggerAPI):
		return func(ctx context.Context, p sqlc.ExecutionPageParams) ([]sqlc.ExecutionPageRow, error) {
			return pageRows(q.ExecutionPageOfTrigger(ctx, sqlc.ExecutionPageOfTriggerParams(p)))
		}
	}
	return q.ExecutionPage
}

// pageRow is a row of each of the queries of a page.
type pageRow interface {
	sqlc.ExecutionPageOfEventRow | sqlc.ExecutionPageOfErrorRow | sqlc.ExecutionPageOfStatusRow | sqlc.ExecutionPageOfScriptRow | sqlc.ExecutionPageOfTriggerRow | sqlc.ExecutionPageOf4xxRow | sqlc.ExecutionPageOf5xxRow
}

func pageRows[R pageRow](rows []R, err error) ([]sqlc.ExecutionPageRow, error) {
	same := make([]sqlc.ExecutionPageRow, len(rows))
	for i, r := range rows {
		same[i] = sqlc.ExecutionPageRow(r)
	}
	return same, err
}

// pageParams are the filters of a list.
func pageParams(ctx context.Context, in *executionListIn, script *uuid.UUID, whole bool) sqlc.ExecutionPageParams {
	p := sqlc.ExecutionPageParams{
		TenantID: tenantOf(ctx), ScriptID: script, Status: given(in.Status), TriggerType: given(in.TriggerType), ErrorCode: given(in.ErrorCode),
		EventID: given(in.EventID), Path: given(in.Path), Since: givenTime(in.Since), Until: givenTime(in.Until), Whole: whole, LookAt: lookAtExecutions,
		Wanted: likePattern(in.Q), Urls: mayReadBodies(ctx),
	}
	if in.HTTPStatus != "" {
		first := int32(in.HTTPStatus[0]-'0') * 100
		last := first + 99
		if n, err := strconv.ParseInt(in.HTTPStatus, 10, 32); err == nil { // one status, and not a class
			first, last = int32(n), int32(n)
		}
		p.HttpFrom, p.HttpUntil = &first, &last
	}
	return p
}

// executionPage reads what is on a page of executions, and one more. next is where the page after it begins, where that is not behind the last
// of the rows. Dated executions are read from the newest ids on, range by range, until the page is full; executions whose ids say no time
// (an application has inserted them itself) are put where the time of their acceptance belongs.
func executionPage(ctx context.Context, q *sqlc.Queries, in *executionListIn, script *uuid.UUID, at position, whole bool) (rows []listed, next *position, err error) {
	if err := q.PlanByRows(ctx); err != nil {
		return nil, nil, err
	}
	limit := in.Limit + 1
	p := pageParams(ctx, in, script, whole)
	other, err := q.ExecutionPageOtherIDs(ctx, sqlc.ExecutionPageOtherIDsParams{
		TenantID: p.TenantID, BeforeAt: at.at, BeforeID: at.id, ScriptID: p.ScriptID, Status: p.Status, TriggerType: p.TriggerType, ErrorCode: p.ErrorCode,
		EventID: p.EventID, Since: p.Since, Until: p.Until, Path: p.Path, HttpFrom: p.HttpFrom, HttpUntil: p.HttpUntil, Wanted: p.Wanted, Urls: p.Urls,
		Whole: whole, LookAt: p.LookAt, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, nil, err
	}
	rows, next, err = datedPage(ctx, q, p, belowOf(at), limit)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range other {
		where := position{at: r.QueuedAt, id: r.ID}
		if r.Hit {
			rows = append(rows, listed{where, r.Bytes})
		}
		if r.Last && (next == nil || newestFirst(listed{position: where}, listed{position: *next}) < 0) {
			next = &where
		}
	}
	if next != nil { // of what is older, only one of the two kinds was looked at
		rows = slices.DeleteFunc(rows, func(r listed) bool { return newestFirst(r, listed{position: *next}) > 0 })
	}
	slices.SortFunc(rows, newestFirst)
	if len(rows) > limit {
		rows = rows[:limit]
	}
	return rows, next, nil
}

// datedPage is executionPage for the executions whose ids are below the given one and hold the time.
func datedPage(ctx context.Context, q *sqlc.Queries, p sqlc.ExecutionPageParams, below uuid.UUID, limit int) (rows []listed, next *position, err error) {
	query := pageQuery(q, p)
	from := datedFrom
	if p.Since != nil {
		from = higherID(from, idFloor(p.Since.Add(-clockMargin)))
	}
	if p.Until != nil {
		below = lowerID(below, idFloor(p.Until.Add(clockMargin)))
	}
	start := idTime(below)
	if now := time.Now(); start.After(now) {
		start = now
	}
	for age := newestRange; len(rows) < limit && lowerID(from, below) != below; age *= rangeGrowth {
		p.FromID, p.BelowID, p.RowLimit = from, below, int32(limit-len(rows))
		if age <= longestRange {
			p.FromID = higherID(from, idFloor(start.Add(-age)))
		}
		if age == plannedRange*rangeGrowth {
			if err := q.PlanOnce(ctx); err != nil {
				return nil, nil, err
			}
		}
		page, err := query(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range page {
			where := position{at: idTime(r.ID), id: r.ID}
			if r.Hit {
				rows = append(rows, listed{where, r.Bytes})
			}
			if r.Last {
				return rows, &where, nil
			}
		}
		if n := len(page); n > 0 {
			p.LookAt -= int32(page[n-1].Looked)
		}
		below = p.FromID
	}
	return rows, nil, nil
}
