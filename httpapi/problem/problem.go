// Package problem says how errors and endings are answered: status, code and body (RFC 9457, application/problem+json). The API and the gateway of
// tenant endpoints share it, so that one refusal has one answer wherever a client meets it.
//
//	an execution's ending ──► Status, Ended     the table of tenant endpoints
//	                      ──► Invoked           of an invocation: the script's own faults are 422
//	*engine.RefusedError  ──► Refused           not accepted: 429 or 503 with Retry-After
//	*OverBudgetError      ──► OverBudget        no room in the node's memory
//	a body not read       ──► Body              413, 408, 503 or 400
//	anything else         ──► New, with a code of the list Codes
//	*Problem              ──► Write, Response   onto a request's answer, or a connection of which no request is read
//
// # Rules
//
//   - A problem holds nothing of ours: no stack, no SQL, no path of the node's.
//   - A code is what a program reads, and does not change. Each one is in Codes with the statuses that it comes with; a test compares the list with the
//     code of both packages.
//   - 429 and 503 say when to try again.
//   - Every error answer of a node is written here: its body, media type and length. What an answer must have beside them (a policy, an id) is set by
//     the handler before. The API's handlers return a Problem, which huma encodes as encode does.
package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/httpapi/bodies"
)

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// Problem is the body of every error answer.
type Problem struct {
	Type   string `json:"type" doc:"A URI that identifies the kind of problem."`
	Title  string `json:"title" doc:"The status in words."`
	Status int    `json:"status" doc:"The HTTP status."`
	Detail string `json:"detail" doc:"What is wrong with this request, for a person."`
	Code   string `json:"code" doc:"What is wrong, for a program. Stable."`
	// ExecutionID is set where a script ran and failed.
	ExecutionID *uuid.UUID `json:"execution_id,omitempty" format:"uuid" doc:"The execution that failed, where a script was run."`
	Errors      []Fault    `json:"errors,omitempty" nullable:"false" doc:"Each fault by itself."`
	// ChangedBy and ChangedAt are set where another change came first.
	ChangedBy string     `json:"changed_by,omitempty" doc:"Of precondition_failed on a script: the name of the key that made its last change."`
	ChangedAt *time.Time `json:"changed_at,omitempty" doc:"When that was."`

	// Header are headers of the answer.
	Header http.Header `json:"-"`
}

// Fault is one fault of a request.
type Fault struct {
	Location string `json:"location" doc:"Where: body.name, query.limit, path.id, source:LINE:COLUMN."`
	Message  string `json:"message" doc:"What is wrong there."`
	Value    any    `json:"value,omitempty" doc:"What was there, where it is short."`
}

// docs is where a code is explained, on the host of the console and the API.
const docs = "/docs/errors#"

// New makes a problem.
func New(status int, code, detail string, faults ...Fault) *Problem {
	return &Problem{
		Type: docs + code, Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Errors: faults, Header: http.Header{},
	}
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus gives huma the status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders gives huma headers that go with the problem.
func (p *Problem) GetHeaders() http.Header { return p.Header }

// ContentType gives huma the media type.
func (p *Problem) ContentType(string) string { return ContentType }

// RetryAfter says when to try again, in whole seconds and at least one.
func (p *Problem) RetryAfter(d time.Duration) *Problem {
	p.Header.Set("Retry-After", strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10))
	return p
}

// Of names the execution that failed.
func (p *Problem) Of(execution uuid.UUID) *Problem {
	p.ExecutionID = &execution
	p.Header.Set("X-Execution-Id", execution.String())
	return p
}

// encode is the problem as JSON, without HTML's escapes: details quote what clients sent.
func (p *Problem) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(p) // its fields are texts, numbers and values that came as JSON
	return b.Bytes()
}

// head adds the problem's headers to an answer's.
func (p *Problem) head(h http.Header, length int) {
	for name, values := range p.Header {
		h[name] = values
	}
	h["Content-Type"] = []string{ContentType}
	h["Content-Length"] = []string{strconv.Itoa(length)}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
}

// Write answers r with the problem.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request) {
	body := p.encode()
	p.head(w.Header(), len(body))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// Response is the problem as a whole HTTP/1.1 response, after which the connection is closed: for a connection that is refused before a request
// of it is read.
func (p *Problem) Response() []byte {
	body := p.encode()
	r := http.Response{
		StatusCode: p.Status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Close: true,
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
	p.head(r.Header, len(body))
	var out bytes.Buffer
	_ = r.Write(&out) // to memory
	return out.Bytes()
}

// Refuses reports whether an answer of that status means that the same request might have been accepted at another time, or if it were smaller.
func Refuses(status int) bool {
	return status == http.StatusRequestEntityTooLarge || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// Status is how an execution's ending is answered.
func Status(code engine.Code) int {
	switch code {
	case engine.CodeNone:
		return http.StatusOK
	case engine.CodeExceededWallTime:
		return http.StatusGatewayTimeout
	case engine.CodeLoopDetected:
		return http.StatusLoopDetected
	case engine.CodeConcurrencyLimit, engine.CodeQuotaExceeded:
		return http.StatusTooManyRequests
	case engine.CodeExceededMemory, engine.CodeExceededCPU, engine.CodeBootError, engine.CodeWorkerLost, engine.CodeSandboxViolation,
		engine.CodeQuarantined, engine.CodeOverloaded, engine.CodeCancelled:
		return http.StatusServiceUnavailable
	default: // exception, background_error, unsettled, invalid_output, output_too_large, handler_missing
		return http.StatusInternalServerError
	}
}

// Ended answers an execution that ended badly.
func Ended(code engine.Code, message string) *Problem {
	return ended(Status(code), code, message)
}

// Invoked answers an invocation whose script failed: 422 where the script is at fault, else as Ended.
func Invoked(code engine.Code, message string) *Problem {
	switch code {
	case engine.CodeException, engine.CodeUnsettled, engine.CodeInvalidOutput, engine.CodeHandlerMissing, engine.CodeBootError:
		return ended(http.StatusUnprocessableEntity, code, message)
	}
	return Ended(code, message)
}

func ended(status int, code engine.Code, message string) *Problem {
	p := New(status, string(code), text.Clean(message))
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		return p.RetryAfter(time.Second)
	}
	return p
}

// Refused answers where the engine did not accept an execution.
func Refused(err *engine.RefusedError) *Problem {
	return New(Status(err.Code), string(err.Code), err.Detail).RetryAfter(err.RetryAfter)
}

// OverBudget answers where the node's memory budget has no room: 429 where the tenant holds its share, else 503.
func OverBudget(err *admission.OverBudgetError) *Problem {
	status := http.StatusServiceUnavailable
	if err.Scope == admission.ScopeTenant {
		status = http.StatusTooManyRequests
	}
	return New(status, admission.LimitMemory, err.Error()).RetryAfter(err.RetryAfter)
}

// Body answers where a request's body was not read; nil: err is of another kind. limit names what bounds the body.
func Body(err error, limit string) *Problem {
	var (
		large  *bodies.TooLargeError
		slow   *bodies.SlowError
		budget *admission.OverBudgetError
	)
	switch {
	case errors.As(err, &large):
		return New(http.StatusRequestEntityTooLarge, "body_too_large", limit+": limit "+strconv.FormatInt(large.Limit, 10)+" bytes, the request's body is larger.")
	case errors.As(err, &slow):
		return New(http.StatusRequestTimeout, "request_timeout", slow.Error())
	case errors.As(err, &budget):
		return OverBudget(budget)
	case errors.Is(err, bodies.ErrShed):
		return New(http.StatusServiceUnavailable, "max_connections", err.Error()).RetryAfter(time.Second)
	case errors.Is(err, bodies.ErrBroken):
		return New(http.StatusBadRequest, "bad_request", "The request's body did not arrive.")
	}
	return nil
}
