package httpapi

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

func oneOf(s string, values ...string) bool {
	for _, v := range values {
		if s == v {
			return true
		}
	}
	return false
}

// Tick is a tick to come.
type Tick struct {
	At    time.Time // in the schedule's zone
	Shift string    // what a change of the clock does to it: none, skipped, repeated
}

// ticks are the next n ticks of a scheduled script after a time; none for other types.
func (a *API) ticks(d *draft, after time.Time, n int) ([]Tick, error) {
	if d.CronExpression == nil {
		return nil, nil
	}
	return a.ticksOf("body", *d.CronExpression, d.Timezone, after, n)
}

// ticksOf are the next n ticks of an expression; what is wrong with it is said of the fields cron_expression and timezone of a part of the request.
func (a *API) ticksOf(part, expression, timezone string, after time.Time, n int) ([]Tick, error) {
	ticks, err := a.cfg.NextTicks(expression, timezone, after, n)
	if err != nil {
		field, message, ok := strings.Cut(err.Error(), ": ")
		if !ok || !oneOf(field, "cron_expression", "timezone") {
			field, message = "cron_expression", err.Error()
		}
		return nil, invalid(part+"."+field, message)
	}
	if len(ticks) == 0 {
		return nil, invalid(part+".cron_expression", "it never falls due")
	}
	return ticks, nil
}

// setTriggers makes the rows that trigger a script what the script says: they are active exactly while it is.
// rearm says that the next tick is to be computed anew.
func (a *API) setTriggers(ctx context.Context, c *change, d *draft, rearm bool) error {
	active := d.Status == "active"
	switch d.Type {
	case "scheduled":
		return a.setSchedule(ctx, c, d, active, rearm)
	case "http":
		if err := a.checkPatternFree(ctx, c, d); err != nil {
			return err
		}
		return c.EndpointUpsert(ctx, sqlc.EndpointUpsertParams{
			ID: newID(), ScriptID: d.ID, TenantID: d.TenantID, HttpPath: *d.HttpPath, HttpMethods: d.HttpMethods, IsActive: &active,
		})
	case "event":
		if err := c.SubscriptionDeleteOthers(ctx, sqlc.SubscriptionDeleteOthersParams{TenantID: d.TenantID, ScriptID: d.ID, EventTypes: d.EventTypes}); err != nil {
			return err
		}
		for _, t := range d.EventTypes {
			if err := c.SubscriptionUpsert(ctx, sqlc.SubscriptionUpsertParams{ID: newID(), ScriptID: d.ID, TenantID: d.TenantID, EventType: t, IsActive: &active}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *API) setSchedule(ctx context.Context, c *change, d *draft, active, rearm bool) error {
	schedule := scheduleOf(d.Schedule)
	p := sqlc.ScheduledJobUpsertParams{
		ID: newID(), ScriptID: d.ID, TenantID: d.TenantID, CronExpression: *d.CronExpression, Timezone: &d.Timezone, IsActive: active, Rearm: rearm,
		OverlapPolicy: *schedule.Overlap, MissedPolicy: *schedule.Missed, MissedWindowSeconds: *schedule.MissedWindowSeconds,
		JitterSeconds: *schedule.JitterSeconds, RetryLost: *schedule.RetryLost,
	}
	if active {
		// The database's clock decides what is next; ours may be ahead or behind.
		now, err := c.DatabaseNow(ctx)
		if err != nil {
			return err
		}
		ticks, err := a.ticks(d, now, 1)
		if err != nil {
			return err
		}
		p.NextRunAt = &ticks[0].At
	}
	return c.ScheduledJobUpsert(ctx, p)
}

// checkPatternFree refuses a path that matches the same requests as another script's: /a/:x and /a/:y.
func (a *API) checkPatternFree(ctx context.Context, c *change, d *draft) error {
	shape, parameters := catalog.Shape(*d.HttpPath)
	others, err := c.EndpointPatterns(ctx, sqlc.EndpointPatternsParams{TenantID: c.tenant, Parameters: parameters, Shape: shape})
	if err != nil {
		return err
	}
	for _, o := range others {
		if other, _ := catalog.Shape(o.HttpPath); o.ScriptID != d.ID && other == shape {
			return conflict("http_path_taken", "body.http_path: another script has the path "+o.HttpPath+", which matches the same requests.")
		}
	}
	return nil
}

var (
	pathWord      = regexp.MustCompile(`^[A-Za-z0-9\-._~!$&'()+,;=@%]+$`)
	pathParameter = regexp.MustCompile(`^[:*][A-Za-z_][A-Za-z0-9_]*$`)
	eventType     = regexp.MustCompile(`^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*$`)
)

// checkPath judges an endpoint's pattern.
func checkPath(path string) error {
	const location = "body.http_path"
	if !strings.HasPrefix(path, "/") {
		return invalid(location, "must begin with /")
	}
	if path == "/" {
		return nil
	}
	names := map[string]bool{}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		switch {
		case s == "" && i == len(segments)-1:
			// A trailing slash is another path than the one without it.
		case s == "" || s == "." || s == "..":
			return invalid(location, "must not have the segments //, . or ..")
		case s[0] == ':' || s[0] == '*':
			if !pathParameter.MatchString(s) {
				return invalid(location, "a parameter's name has letters, digits and _ only: "+text.Clip(s, 60))
			}
			if s[0] == '*' && i != len(segments)-1 {
				return invalid(location, "only the last segment may be "+text.Clip(s, 60))
			}
			if names[s[1:]] {
				return invalid(location, "two parameters are named "+text.Clip(s[1:], 60))
			}
			names[s[1:]] = true
		case !pathWord.MatchString(s):
			return invalid(location, "a segment has characters that a path can't have: "+text.Clip(s, 60))
		}
	}
	return nil
}

// isEventType reports whether s names a type of event.
func isEventType(s string) bool { return len(s) <= 255 && eventType.MatchString(s) }

// isEventPattern reports whether s is what a script may subscribe to.
func isEventPattern(s string) bool {
	return s == "*" || isEventType(s) || (strings.HasSuffix(s, ".*") && isEventType(strings.TrimSuffix(s, ".*")))
}

// Schedule is a schedule as the API shows it.
type Schedule struct {
	ScriptID       uuid.UUID      `json:"script_id" format:"uuid"`
	ScriptName     string         `json:"script_name"`
	CronExpression string         `json:"cron_expression"`
	Timezone       string         `json:"timezone"`
	IsActive       bool           `json:"is_active"`
	NextRunAt      *time.Time     `json:"next_run_at"`
	LastRunAt      *time.Time     `json:"last_run_at"`
	LastRunStatus  *string        `json:"last_run_status"`
	IsRunning      bool           `json:"is_running"`
	Overlap        string         `json:"overlap" enum:"skip,queue_one,allow"`
	Missed         string         `json:"missed" enum:"run_once,skip,run_all"`
	Upcoming       []time.Time    `json:"upcoming" nullable:"false" doc:"The next five ticks; none while it is not active."`
	Ticks          []ScheduleTick `json:"ticks,omitempty" nullable:"false" doc:"What was decided on the latest ticks."`
}

// ScheduleTick says what became of a tick.
type ScheduleTick struct {
	ScheduledFor time.Time  `json:"scheduled_for"`
	Outcome      string     `json:"outcome" enum:"started,skipped_overlap,skipped_quota,queued,missed,coalesced"`
	ExecutionID  *uuid.UUID `json:"execution_id" format:"uuid" nullable:"true"`
	DecidedAt    time.Time  `json:"decided_at"`
}

func (a *API) scheduleOfRow(j sqlc.ScheduledJobListRow) Schedule {
	s := Schedule{
		ScriptID: j.ScriptID, ScriptName: j.ScriptName, CronExpression: j.CronExpression, Timezone: "UTC", IsActive: j.IsActive, NextRunAt: utcPtr(j.NextRunAt),
		LastRunAt: utcPtr(j.LastRunAt), LastRunStatus: j.LastRunStatus, Overlap: j.OverlapPolicy, Missed: j.MissedPolicy, Upcoming: []time.Time{},
	}
	if j.Timezone != nil {
		s.Timezone = *j.Timezone
	}
	s.IsRunning = j.IsRunning != nil && *j.IsRunning
	if j.NextRunAt != nil {
		s.Upcoming = append(s.Upcoming, utc(*j.NextRunAt))
		ticks, err := a.cfg.NextTicks(s.CronExpression, s.Timezone, *j.NextRunAt, 4)
		for _, t := range ticks {
			if err == nil {
				s.Upcoming = append(s.Upcoming, utc(t.At))
			}
		}
	}
	return s
}

type scheduleListIn struct{ ListQuery }

func (a *API) scheduleList(ctx context.Context, in *scheduleListIn) (*found[Page[Schedule]], error) {
	bind := []string{"schedules", tenantOf(ctx).String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.ScheduledJobListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.ScheduledJobList(ctx, sqlc.ScheduledJobListParams{TenantID: tenantOf(ctx), BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Schedule]]{pageOf(a.cursors, rows, in.Limit, bind, a.scheduleOfRow, func(j sqlc.ScheduledJobListRow) position {
		return position{at: orZero(j.CreatedAt), id: j.ID}
	})}, nil
}

// shownTicks is how many decided ticks a schedule shows.
const shownTicks = 20

func (a *API) scheduleGet(ctx context.Context, in *IDPath) (*found[Schedule], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	out := &found[Schedule]{}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		j, err := q.ScheduledJobGet(ctx, sqlc.ScheduledJobGetParams{TenantID: tenantOf(ctx), ScriptID: id})
		if err != nil {
			return err
		}
		out.Body = a.scheduleOfRow(sqlc.ScheduledJobListRow(j))
		ticks, err := q.ScheduleTickList(ctx, sqlc.ScheduleTickListParams{TenantID: tenantOf(ctx), ScriptID: id, RowLimit: shownTicks})
		for _, t := range ticks {
			out.Body.Ticks = append(out.Body.Ticks, ScheduleTick{
				ScheduledFor: utc(t.ScheduledFor), Outcome: t.Outcome, ExecutionID: t.ExecutionID, DecidedAt: utc(t.DecidedAt),
			})
		}
		return err
	})
	return out, err
}

// SchedulePreview is when an expression would fall due.
type SchedulePreview struct {
	CronExpression string        `json:"cron_expression"`
	Timezone       string        `json:"timezone"`
	Ticks          []PreviewTick `json:"ticks" nullable:"false" doc:"The next ticks, the soonest first."`
}

// PreviewTick is a tick that a schedule would have.
type PreviewTick struct {
	At          time.Time `json:"at"`
	Local       string    `json:"local" format:"date-time" doc:"The same instant in the time zone, with its offset from UTC."`
	ClockChange string    `json:"clock_change" enum:"none,skipped,repeated" doc:"skipped: the clock skips the time that the expression names, and the tick is the first instant after the gap. repeated: the clock shows this time twice; of fixed times the tick is the first of the two."`
}

type schedulePreviewIn struct {
	CronExpression string `query:"cron_expression" required:"true" maxLength:"255" doc:"Five fields, or six with seconds first."`
	Timezone       string `query:"timezone" default:"UTC" maxLength:"100" doc:"IANA name."`
	Limit          int    `query:"limit" minimum:"1" maximum:"50" default:"5" doc:"How many ticks."`
}

// schedulePreview says when a schedule would fall due that is not saved: as the scheduler would compute it, jitter aside.
func (a *API) schedulePreview(_ context.Context, in *schedulePreviewIn) (*found[SchedulePreview], error) {
	ticks, err := a.ticksOf("query", in.CronExpression, in.Timezone, time.Now(), in.Limit)
	if err != nil {
		return nil, err
	}
	out := SchedulePreview{CronExpression: in.CronExpression, Timezone: in.Timezone, Ticks: []PreviewTick{}}
	for _, t := range ticks {
		out.Ticks = append(out.Ticks, PreviewTick{At: utc(t.At), Local: t.At.Format(time.RFC3339), ClockChange: t.Shift})
	}
	return &found[SchedulePreview]{out}, nil
}

// Endpoint is an HTTP endpoint as the API shows it.
type Endpoint struct {
	ScriptID    uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName  string    `json:"script_name"`
	HTTPPath    string    `json:"http_path"`
	HTTPMethods []string  `json:"http_methods" nullable:"false"`
	IsActive    bool      `json:"is_active"`
	URL         string    `json:"url" doc:"Its path on this server."`
	CreatedAt   time.Time `json:"created_at"`
}

type endpointListIn struct{ ListQuery }

func (a *API) endpointList(ctx context.Context, in *endpointListIn) (*found[Page[Endpoint]], error) {
	p := principalOf(ctx)
	bind := []string{"endpoints", p.TenantID.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.EndpointListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.EndpointList(ctx, sqlc.EndpointListParams{TenantID: p.TenantID, BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Endpoint]]{pageOf(a.cursors, rows, in.Limit, bind, func(e sqlc.EndpointListRow) Endpoint {
		return Endpoint{
			ScriptID: e.ScriptID, ScriptName: e.ScriptName, HTTPPath: e.HttpPath, HTTPMethods: nonNil(e.HttpMethods),
			IsActive: e.IsActive != nil && *e.IsActive, URL: "/t/" + p.TenantSlug + e.HttpPath, CreatedAt: orZero(e.CreatedAt),
		}
	}, func(e sqlc.EndpointListRow) position { return position{at: orZero(e.CreatedAt), id: e.ID} })}, nil
}

// Subscription is an event subscription as the API shows it.
type Subscription struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	ScriptID   uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName string    `json:"script_name"`
	EventType  string    `json:"event_type"`
	IsActive   bool      `json:"is_active"`
	CreatedAt  time.Time `json:"created_at"`
}

type subscriptionListIn struct{ ListQuery }

func (a *API) subscriptionList(ctx context.Context, in *subscriptionListIn) (*found[Page[Subscription]], error) {
	bind := []string{"subscriptions", tenantOf(ctx).String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.SubscriptionListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.SubscriptionList(ctx, sqlc.SubscriptionListParams{TenantID: tenantOf(ctx), BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Subscription]]{pageOf(a.cursors, rows, in.Limit, bind, func(s sqlc.SubscriptionListRow) Subscription {
		return Subscription{
			ID: s.ID, ScriptID: s.ScriptID, ScriptName: s.ScriptName, EventType: s.EventType, IsActive: s.IsActive != nil && *s.IsActive, CreatedAt: orZero(s.CreatedAt),
		}
	}, func(s sqlc.SubscriptionListRow) position { return position{at: orZero(s.CreatedAt), id: s.ID} })}, nil
}
