package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

const (
	reportRows   = 20    // of each list
	reportCount  = 1000  // counted at most: what is more is not told apart
	reportDue    = 10000 // of the backlog
	reportErrors = 50    // executions of a script that are looked at
	reportAge    = 24 * time.Hour
	// lateAfter is when a schedule and what is queued are late, lateFailing when nothing can be said to work.
	lateAfter, lateFailing = time.Minute, 10 * time.Minute
)

// HealthReport is how a tenant does.
type HealthReport struct {
	Verdict     string          `json:"verdict" enum:"ok,warning,failing" doc:"The worst of the reasons; ok without any."`
	Reasons     []HealthReason  `json:"reasons" nullable:"false"`
	At          time.Time       `json:"at"`
	Failing     []FailingScript `json:"failing" nullable:"false" doc:"Scripts with so many failures in a row as their breaker allows, or five, which have not completed since; at most 20, the longest first."`
	Quarantined []Quarantined   `json:"quarantined" nullable:"false" doc:"Scripts that are not run for a while, since they ended workers; at most 20."`
	Backlog     HealthBacklog   `json:"backlog"`
	Late        []LateSchedule  `json:"late_schedules" nullable:"false" doc:"Schedules whose next tick is due for more than a minute; at most 20."`
	Quotas      []QuotaUsage    `json:"quotas" nullable:"false" doc:"Those of the plan."`
	DeadLetters int64           `json:"dead_letters" doc:"Made in the last 24 hours; 1000 stands for that many or more."`
}

// HealthReason is what a verdict goes by.
type HealthReason struct {
	Code     string `json:"code" enum:"tenant_suspended,script_failing,breaker_open,script_quarantined,backlog,schedule_late,quota_exceeded,quota_warning,storage_full,storage_lean,dead_letters,webhook_disabled"`
	Severity string `json:"severity" enum:"warning,failing"`
	Count    int64  `json:"count" doc:"How many there are of what it names; 1000 stands for that many or more."`
	Message  string `json:"message"`
}

// FailingScript is a script that fails.
type FailingScript struct {
	ScriptID     uuid.UUID    `json:"script_id" format:"uuid"`
	ScriptName   string       `json:"script_name"`
	Status       string       `json:"status"`
	Failures     int64        `json:"failures" doc:"In a row, over all nodes; as they were counted with the history of a tenth of a second, in the order in which they were written."`
	ErrorCode    string       `json:"error_code" doc:"Of the last failure."`
	FailingSince time.Time    `json:"failing_since"`
	LastFailedAt time.Time    `json:"last_failed_at"`
	BreakerAt    *time.Time   `json:"breaker_opened_at" doc:"When its breaker opened; null: it has not, or there is none."`
	Errors       []ErrorGroup `json:"errors" nullable:"false" doc:"Its last executions that failed within 24 hours, by what went wrong; the most frequent first. Empty where its history is not kept."`
}

// ErrorGroup are failures that look alike.
type ErrorGroup struct {
	ErrorCode       string    `json:"error_code"`
	Message         string    `json:"message" doc:"The first line of the error; numbers and ids of it are N."`
	Count           int64     `json:"count" doc:"Of the last 50 executions."`
	LastExecutionID uuid.UUID `json:"last_execution_id" format:"uuid"`
	LastAt          time.Time `json:"last_at"`
}

// Quarantined is a script in quarantine.
type Quarantined struct {
	ScriptID         uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName       string    `json:"script_name"`
	QuarantinedUntil time.Time `json:"quarantined_until"`
	Reason           string    `json:"quarantine_reason"`
}

// HealthBacklog is what waits though it is due.
type HealthBacklog struct {
	Due         int64      `json:"due" doc:"Queued executions that are due and have not begun; 10000 stands for that many or more."`
	OldestDueAt *time.Time `json:"oldest_due_at" doc:"Since when the oldest of them that were counted is due."`
}

// LateSchedule is a schedule whose tick is late.
type LateSchedule struct {
	ScriptID   uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName string    `json:"script_name"`
	NextRunAt  time.Time `json:"next_run_at" doc:"When it was to run."`
}

func (a *API) healthReport(ctx context.Context, _ *struct{}) (*found[HealthReport], error) {
	report := HealthReport{Verdict: "ok", Reasons: []HealthReason{}}
	tenant := tenantOf(ctx)
	err := a.read(ctx, func(q *sqlc.Queries) error {
		if err := report.scripts(ctx, q, tenant); err != nil {
			return err
		}
		if err := report.queues(ctx, q, tenant); err != nil {
			return err
		}
		row, err := q.TenantGet(ctx, tenant)
		if err != nil {
			return err
		}
		if row.Status != "active" {
			report.blame("failing", "tenant_suspended", 1, "The operator has suspended the tenant: nothing is triggered.")
		}
		disabled, err := q.HealthWebhooks(ctx, tenant)
		if err == nil && disabled > 0 {
			report.blame("warning", "webhook_disabled", disabled, fmt.Sprintf("Webhooks whose receiver said that it is gone: %d.", disabled))
		}
		if err != nil {
			return err
		}
		report.Quotas, err = a.quotasOf(ctx, q, tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, quota := range report.Quotas {
		switch quota.State {
		case "exceeded":
			report.blame("failing", "quota_exceeded", 1, fmt.Sprintf("The quota %s of the %s is used up: nothing begins before %s.", quota.Name, quota.Per, quota.PeriodEnd.Format(time.RFC3339)))
		case "warning":
			report.blame("warning", "quota_warning", 1, fmt.Sprintf("The quota %s of the %s has passed its soft mark.", quota.Name, quota.Per))
		}
	}
	switch state, _ := a.cfg.Storage.State(tenant); state {
	case storage.Full:
		report.blame("failing", "storage_full", 1, "The history has reached max_history_bytes: versions, events and queued executions are refused.")
	case storage.Lean:
		report.blame("warning", "storage_lean", 1, "The history is near max_history_bytes: executions are kept without bodies and logs.")
	}
	return &found[HealthReport]{report}, nil
}

// blame adds a reason.
func (r *HealthReport) blame(severity, code string, count int64, message string) {
	r.Reasons = append(r.Reasons, HealthReason{Code: code, Severity: severity, Count: count, Message: message})
	if r.Verdict != "failing" {
		r.Verdict = severity
	}
}

// scripts looks at scripts that fail, and at those in quarantine.
func (r *HealthReport) scripts(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID) error {
	failing, err := q.HealthFailing(ctx, sqlc.HealthFailingParams{TenantID: tenant, RowLimit: reportCount})
	if err != nil {
		return err
	}
	r.Failing = []FailingScript{}
	var ids []uuid.UUID
	open := int64(0)
	for i, row := range failing {
		if row.TrippedAt != nil {
			open++
		}
		if i >= reportRows {
			continue
		}
		ids = append(ids, row.ScriptID)
		r.Failing = append(r.Failing, FailingScript{
			ScriptID: row.ScriptID, ScriptName: row.Name, Status: row.Status, Failures: row.Failures, ErrorCode: row.LastCode, FailingSince: utc(row.FailingSince),
			LastFailedAt: utc(row.FailedAt), BreakerAt: utcPtr(row.TrippedAt), Errors: []ErrorGroup{},
		})
	}
	if n := int64(len(failing)); n > 0 {
		r.blame("failing", "script_failing", n, fmt.Sprintf("Scripts that fail: %s.", counted(n, reportCount)))
		if err := r.errors(ctx, q, tenant, ids); err != nil {
			return err
		}
	}
	if open > 0 {
		r.blame("failing", "breaker_open", open, fmt.Sprintf("Scripts whose breaker has opened: %s.", counted(open, reportCount)))
	}
	quarantined, err := q.HealthQuarantined(ctx, sqlc.HealthQuarantinedParams{TenantID: tenant, RowLimit: reportCount})
	if err != nil {
		return err
	}
	r.Quarantined = []Quarantined{}
	for _, row := range quarantined[:min(len(quarantined), reportRows)] {
		r.Quarantined = append(r.Quarantined, Quarantined{ScriptID: row.ID, ScriptName: row.Name, QuarantinedUntil: utc(row.QuarantinedUntil), Reason: row.Reason})
	}
	if n := int64(len(quarantined)); n > 0 {
		r.blame("failing", "script_quarantined", n, fmt.Sprintf("Scripts in quarantine: %s.", counted(n, reportCount)))
	}
	return nil
}

func counted(n, most int64) string {
	if n >= most {
		return fmt.Sprintf("%d or more", n)
	}
	return fmt.Sprint(n)
}

// errors groups the errors of scripts.
func (r *HealthReport) errors(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID, ids []uuid.UUID) error {
	if err := q.PlanByRows(ctx); err != nil {
		return err
	}
	rows, err := q.HealthErrors(ctx, sqlc.HealthErrorsParams{TenantID: tenant, ScriptIds: ids, FromID: idFloor(time.Now().Add(-reportAge)), LookAt: reportErrors})
	if err == nil {
		err = q.PlanByValues(ctx)
	}
	if err != nil {
		return err
	}
	type group struct {
		script        uuid.UUID
		code, message string
	}
	groups := map[group]*ErrorGroup{}
	var order []group
	for _, row := range rows { // of each script the newest first
		key := group{row.ScriptID, orEmpty(row.ErrorCode), errorKind(row.Error)}
		if groups[key] == nil {
			groups[key] = &ErrorGroup{ErrorCode: key.code, Message: key.message, LastExecutionID: row.ID, LastAt: utc(row.QueuedAt)}
			order = append(order, key)
		}
		groups[key].Count++
	}
	for i := range r.Failing {
		script := &r.Failing[i]
		for _, key := range order {
			if key.script == script.ScriptID {
				script.Errors = append(script.Errors, *groups[key])
			}
		}
		slices.SortStableFunc(script.Errors, func(a, b ErrorGroup) int { return cmp.Compare(b.Count, a.Count) })
	}
	return nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// variable are the parts of a message that differ between errors that are the same: ids, numbers, addresses.
var variable = regexp.MustCompile(`\b(0x)?[0-9a-fA-F]{8,}\b|\b[0-9a-fA-F]+(-[0-9a-fA-F]+){4}\b|\d+`)

// errorKind is the first line of an error without what varies.
func errorKind(message string) string {
	first, _, _ := strings.Cut(message, "\n")
	return text.Clip(variable.ReplaceAllString(first, "N"), 200)
}

// queues looks at what waits: executions, schedules and dead letters.
func (r *HealthReport) queues(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID) error {
	backlog, err := q.HealthBacklog(ctx, sqlc.HealthBacklogParams{TenantID: tenant, RowLimit: reportDue})
	if err != nil {
		return err
	}
	r.Backlog.Due, r.At = backlog.Due, utc(backlog.At)
	if backlog.Due > 0 {
		r.Backlog.OldestDueAt = utcPtr(&backlog.Oldest)
		if late := r.At.Sub(backlog.Oldest); late > lateAfter {
			r.blame(severityOf(late), "backlog", backlog.Due, fmt.Sprintf("Queued executions that are due: %s, one for %s.", counted(backlog.Due, reportDue), late.Round(time.Second)))
		}
	}
	late, err := q.HealthLateSchedules(ctx, sqlc.HealthLateSchedulesParams{TenantID: tenant, LateSeconds: lateAfter.Seconds(), RowLimit: reportCount})
	if err != nil {
		return err
	}
	r.Late = []LateSchedule{}
	for _, row := range late[:min(len(late), reportRows)] {
		r.Late = append(r.Late, LateSchedule{ScriptID: row.ScriptID, ScriptName: row.Name, NextRunAt: utc(row.NextRunAt)})
	}
	if n := int64(len(late)); n > 0 {
		r.blame(severityOf(r.At.Sub(late[0].NextRunAt)), "schedule_late", n, fmt.Sprintf("Schedules that are late: %s.", counted(n, reportCount)))
	}
	r.DeadLetters, err = q.HealthDeadLetters(ctx, sqlc.HealthDeadLettersParams{TenantID: tenant, AgeSeconds: reportAge.Seconds(), RowLimit: reportCount})
	if err == nil && r.DeadLetters > 0 {
		r.blame("warning", "dead_letters", r.DeadLetters, fmt.Sprintf("Dead letters of the last 24 hours: %s.", counted(r.DeadLetters, reportCount)))
	}
	return err
}

func severityOf(late time.Duration) string {
	if late > lateFailing {
		return "failing"
	}
	return "warning"
}
