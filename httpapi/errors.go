package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/httpapi/problem"
	"example.com/jsruntime/migrations/connect"
)

// Problem is the body of every error answer: see package problem.
type Problem = problem.Problem

// ProblemError is one fault of a request.
type ProblemError = problem.Fault

func newProblem(status int, code, detail string, faults ...ProblemError) *Problem {
	return problem.New(status, code, detail, faults...)
}

// invalid is a 422 that names one field.
func invalid(location, message string) *Problem {
	return invalidCode("validation_failed", location, message)
}

func invalidCode(code, location, message string) *Problem {
	return newProblem(http.StatusUnprocessableEntity, code, location+": "+message, ProblemError{Location: location, Message: message})
}

// notFound is the one 404 of the API: an id that never existed and a neighbour's get the same bytes.
func notFound() *Problem {
	return newProblem(http.StatusNotFound, "not_found", "There is no such object.")
}

func conflict(code, detail string) *Problem { return newProblem(http.StatusConflict, code, detail) }

func forbidden(detail string) *Problem { return newProblem(http.StatusForbidden, "forbidden", detail) }

func tenantSuspended() *Problem {
	return newProblem(http.StatusForbidden, "tenant_suspended", "This tenant is suspended.")
}

// uniqueProblem says what a violated unique constraint means to the caller.
func uniqueProblem(constraint string) *Problem {
	switch constraint {
	case "uq_versions_script_tag":
		return conflict("tag_taken", "body.tag: another version of the script has this tag.")
	case "uq_scripts_tenant_name":
		return conflict("name_taken", "body.name: another script has this name.")
	case "uq_scripts_tenant_http_path", "uq_endpoints_tenant_path":
		return conflict("http_path_taken", "body.http_path: another script has this path.")
	case "uq_tenants_slug":
		return conflict("slug_taken", "body.slug: another tenant has this slug.")
	case "uq_organizations_tenant_name":
		return conflict("name_taken", "body.name: another organization has this name.")
	case "uq_users_tenant_email":
		return conflict("email_taken", "body.email: another user has this e-mail address.")
	default:
		return conflict("conflict", "The object conflicts with another one.")
	}
}

// databaseProblem translates what Postgres refused. Its texts never reach the caller.
func databaseProblem(err *pgconn.PgError) *Problem {
	switch {
	case err.Code == "JSR01":
		return notFound()
	case err.Code == "JSR02":
		return tenantSuspended()
	case err.Code == "JSR03":
		return newProblem(http.StatusTooManyRequests, "queue_full", "The tenant has as many executions waiting as it may.").RetryAfter(5 * time.Second)
	case err.Code == "JSR04":
		// The publishing function's own words, which begin with the field.
		field, message, _ := strings.Cut(err.Message, ": ")
		return invalid("body."+field, message)
	case err.Code == "JSR05":
		return newProblem(http.StatusLoopDetected, string(engine.CodeLoopDetected), err.Message)
	}
	if err.Code == "JSR06" {
		return conflict("host_taken", "body.http.hosts: another tenant has the host "+text.Clip(err.Message, 253)+".")
	}
	switch connect.ClassOfState(err.Code) {
	case connect.Duplicate:
		return uniqueProblem(err.ConstraintName)
	case connect.Reference:
		return conflict("in_use", "The object refers to one that is gone, or others still refer to it.")
	case connect.Value:
		return newProblem(http.StatusUnprocessableEntity, "validation_failed", "A value of the request cannot be stored.")
	case connect.Busy:
		return newProblem(http.StatusServiceUnavailable, "busy", "The object is being changed by others; try again.").RetryAfter(time.Second)
	case connect.Cancelled:
		return newProblem(http.StatusServiceUnavailable, "busy", "The database took too long; try again.").RetryAfter(time.Second)
	case connect.Away:
		return databaseUnavailable()
	default:
		return nil
	}
}

func databaseUnavailable() *Problem {
	return newProblem(http.StatusServiceUnavailable, "database_unavailable", "The database does not answer; try again.").RetryAfter(time.Second)
}

// problem translates any error to what the caller sees. It is the only place that does. An error that it does not know is
// ours: logged, and a 500 that says nothing.
func (a *API) problem(ctx context.Context, err error) *Problem {
	var (
		p         *Problem
		refused   *engine.RefusedError
		pg        *pgconn.PgError
		unreached *pgconn.ConnectError
		other     huma.StatusError
		budget    *admission.OverBudgetError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		return problem.Refused(refused)
	case errors.As(err, &budget):
		return problem.OverBudget(budget)
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, catalog.ErrScriptUnknown), errors.Is(err, catalog.ErrTenantUnknown):
		return notFound()
	case errors.Is(err, catalog.ErrTenantSuspended):
		return tenantSuspended()
	case errors.Is(err, catalog.ErrNotReady):
		return newProblem(http.StatusServiceUnavailable, "not_ready", "The node has not read its scripts yet; try again.").RetryAfter(time.Second)
	case errors.As(err, &pg):
		if p = databaseProblem(pg); p != nil {
			return p
		}
	case errors.As(err, &unreached), connect.Lost(err) && !errors.As(err, &other):
		a.logOf(ctx).WarnContext(ctx, "database unavailable", "error", err)
		return databaseUnavailable()
	case errors.As(err, &other):
		return newProblem(other.GetStatus(), codeOfStatus(other.GetStatus()), other.Error())
	case problem.Body(err, "body") != nil:
		return problem.Body(err, "body")
	case ctx.Err() != nil:
		return newProblem(http.StatusServiceUnavailable, "cancelled", "The request was given up.")
	case errors.Is(err, context.DeadlineExceeded):
		return databaseUnavailable()
	}
	a.logOf(ctx).ErrorContext(ctx, "request failed", "error", err)
	return newProblem(http.StatusInternalServerError, "internal", "Something went wrong on our side. The log of the node has it under request "+requestID(ctx)+".")
}

// logOf is the log of what happens to a request: with its id, and with its tenant where that is known.
func (a *API) logOf(ctx context.Context) *slog.Logger {
	log, c := a.log, callOf(ctx)
	if c.requestID != "" {
		log = log.With("request_id", c.requestID)
	}
	if c.principal.HasTenant() {
		log = log.With("tenant_id", c.principal.TenantID)
	}
	return log
}

// codeOfStatus names the faults that huma itself finds.
func codeOfStatus(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad_request"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusRequestTimeout:
		return "request_timeout"
	case http.StatusRequestEntityTooLarge:
		return "body_too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusUnprocessableEntity:
		return "validation_failed"
	default:
		if status >= 500 {
			return "internal"
		}
		return "bad_request"
	}
}

// problemOfModel turns huma's own error body into ours.
func problemOfModel(m *huma.ErrorModel, hideValues bool) *Problem {
	p := newProblem(m.Status, codeOfStatus(m.Status), m.Detail)
	if m.Status >= http.StatusInternalServerError {
		p.Detail = "Something went wrong on our side."
		return p
	}
	for _, e := range m.Errors {
		fault := faultOfDecoding(ProblemError{Location: e.Location, Message: e.Message, Value: shortValue(e.Value)})
		if hideValues {
			fault.Value = nil
		}
		p.Errors = append(p.Errors, fault)
		if len(p.Errors) == 32 {
			break
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	return p
}

// What is expected of times and dates, in words: what Go's packages say has the layouts of Go.
const (
	notATime = "not a time: RFC 3339 is expected, with seconds and a zone, such as 2026-11-30T08:15:00Z"
	notADate = "not a date: year, month and day are expected, such as 2026-11-30"
)

// inWords replaces what packages say of times, dates and large numbers.
func inWords(message string) string {
	switch {
	case message == validation.MsgExpectedRFC3339Date:
		return notADate
	case message == validation.MsgExpectedRFC3339DateTime, strings.HasPrefix(message, "invalid date/time"), strings.Contains(message, "parsing time"),
		strings.Contains(message, "Time.UnmarshalJSON"):
		return notATime
	default:
		return plainNumber(message)
	}
}

// plainNumber writes the bound at the end of a message without an exponent.
func plainNumber(message string) string {
	at := strings.LastIndexByte(message, ' ') + 1
	if !strings.Contains(message[at:], "e+") {
		return message
	}
	bound, err := strconv.ParseFloat(message[at:], 64)
	if err != nil {
		return message
	}
	return message[:at] + strconv.FormatFloat(bound, 'f', -1, 64)
}

// faultOfDecoding makes a fault of encoding/json's that validation let pass (1.0 or 1e3 for a whole number) one that names the
// field instead of our types.
func faultOfDecoding(f ProblemError) ProblemError {
	if words := inWords(f.Message); words != f.Message {
		f.Message = words
		if value, _ := f.Value.(string); strings.Contains(value, " ") && strings.HasPrefix(f.Location, "query.") {
			f.Message += "; a + in a query is written %2B"
		}
		return f
	}
	text, ok := strings.CutPrefix(f.Message, "json: ")
	if !ok {
		return f
	}
	f.Message = "a value has the wrong type"
	if _, field, ok := strings.Cut(text, "Go struct field "); ok {
		field, _, _ = strings.Cut(field, " of type")
		if _, path, ok := strings.Cut(field, "."); ok {
			f.Location += "." + path
		}
	}
	if strings.HasPrefix(text, "cannot unmarshal number") {
		f.Message = "expected a whole number, written without a point or exponent"
	}
	return f
}

// shortValue is what is echoed of a value that was refused: scalars only, and of strings no more than a line.
func shortValue(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > 120 {
			return nil
		}
		return v
	case bool, float64, int, int64:
		return v
	default:
		return nil
	}
}
