package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/gateway/auth"
	"example.com/jsruntime/httpapi/origin"
	"example.com/jsruntime/httpapi/problem"
)

// answer is one request's way back.
type answer struct {
	g         *Gateway
	w         http.ResponseWriter
	r         *http.Request
	id        uuid.UUID              // of the execution
	queued    time.Time              // when the request came
	ran       bool                   // the execution is on record, or will be
	goesOn    bool                   // the execution goes on after its answer
	origin    origin.Origin          // whom the request is addressed to
	slug      string                 // of the tenant; empty where none was named
	path      string                 // that the script sees, percent-encoded
	query     string                 // with its question mark; empty where there is none
	endpoint  *catalog.Endpoint      // nil where none was found
	keyID     uuid.UUID              // of the key that was presented to an endpoint with auth api_key; zero elsewhere
	admission auth.Admission         // of the endpoint's auth
	attempt   *attempt               // nil: the request has taken no idempotency key
	memory    *admission.Reservation // of the body; nil where there is none
	jar       map[string]int         // the tenant's cookies on the shared host, by name: bytes; nil before one is set
}

// own reports whether the request came by a host of the tenant's own.
func (a *answer) own() bool { return a.origin.Kind == origin.Tenant }

// fail logs what went wrong on our side.
func (a *answer) fail(message string, err error) {
	log := a.g.cfg.Log
	if e := a.endpoint; e != nil {
		log = log.With("tenant_id", e.TenantID, "script_id", e.ScriptID)
	}
	log.Error(message, "execution_id", a.id, "error", err)
}

// problem answers with a problem. Headers that the answer needs are set before.
func (a *answer) problem(status int, code, detail string) {
	a.send(problem.New(status, code, detail))
}

// send answers with a problem and its headers.
func (a *answer) send(p *problem.Problem) {
	if a.ran {
		p.ExecutionID = &a.id
	} else if a.endpoint != nil && a.g.cfg.Refused != nil && (problem.Refuses(p.Status) || p.Status == http.StatusUnauthorized || p.Code == "out_of_scope") {
		a.g.cfg.Refused(a.endpoint.TenantID, a.endpoint.ScriptID, p.Code)
	}
	a.deadline()
	p.Write(a.w, a.r)
}

// unrouted answers where no script was found.
func (a *answer) unrouted(err error) {
	h := a.w.Header()
	var method *catalog.MethodError
	switch {
	case errors.As(err, &method):
		h["Allow"] = []string{method.Allow}
		a.problem(http.StatusMethodNotAllowed, "method_not_allowed", "The endpoint does not take the method "+printable(a.r.Method)+".")
	case errors.Is(err, catalog.ErrNoRoute), errors.Is(err, catalog.ErrTenantUnknown), errors.Is(err, catalog.ErrScriptUnknown):
		a.problem(http.StatusNotFound, "not_found", "There is no such endpoint.")
	case errors.Is(err, catalog.ErrTenantSuspended):
		a.problem(http.StatusForbidden, "tenant_suspended", "The tenant is suspended.")
	case gone(a.r.Context()): // the client is gone
	default:
		if !errors.Is(err, catalog.ErrNotReady) {
			a.fail("finding an endpoint's script", err)
		}
		h["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "The node could not read the script.")
	}
}

// refused answers where the engine did not take the execution.
func (a *answer) refused(err error) {
	h := a.w.Header()
	var refused *engine.RefusedError
	switch {
	case errors.As(err, &refused):
		a.send(problem.Refused(refused))
	case a.left():
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		h["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "The node is stopping.")
	default:
		a.fail("executing", err)
		h["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "The node could not run the script.")
	}
}

// respond passes a script's whole response through.
func (a *answer) respond(resp *engine.Response, head bool) {
	if len(resp.Body) > freeAnswer {
		memory, err := a.g.cfg.Budget.Take(a.endpoint.TenantID, admission.UseAnswer, int64(len(resp.Body)))
		var over *admission.OverBudgetError
		if errors.As(err, &over) {
			a.send(problem.OverBudget(over))
			return
		}
		defer memory.Release()
	}
	length := a.headers(resp.Headers)
	h := a.w.Header()
	bodyless := resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified || resp.Status == http.StatusResetContent
	switch {
	case bodyless:
	case !head || len(resp.Body) > 0:
		h["Content-Length"] = []string{strconv.Itoa(len(resp.Body))}
	case length != "": // the script says how long the body of a GET would be
		h["Content-Length"] = []string{length}
	}
	a.deadline()
	a.w.WriteHeader(resp.Status)
	if !bodyless && !head {
		_, _ = a.w.Write(resp.Body)
	}
}

// freeAnswer is up to what size an answer is not counted: the kernel takes it at once, and its memory is free again.
const freeAnswer = 64 << 10

func (a *answer) deadline() {
	_ = http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(a.g.cfg.WriteTimeout))
}

// printable bounds what of a request is quoted in an answer.
func printable(text string) string {
	return strconv.QuoteToASCII(text[:min(len(text), 32)])
}

// sink passes a streamed response through. The engine calls it from one goroutine while Execute runs.
type sink struct {
	answer *answer
	head   bool
	status int // of the head that has left; 0: none
	broken error
}

// Head implements engine.ResponseSink.
func (s *sink) Head(status int, headers []string) error {
	if length := s.answer.headers(headers); length != "" && s.head {
		s.answer.w.Header()["Content-Length"] = []string{length}
	}
	s.status = status
	s.answer.deadline()
	s.answer.w.WriteHeader(status)
	return s.flush()
}

// Write implements engine.ResponseSink.
func (s *sink) Write(chunk []byte) error {
	if s.broken != nil {
		return s.broken
	}
	if s.head {
		return nil
	}
	s.answer.deadline()
	if _, err := s.answer.w.Write(chunk); err != nil {
		s.broken = engine.ErrClientGone
		return s.broken
	}
	return s.flush()
}

func (s *sink) flush() error {
	if http.NewResponseController(s.answer.w).Flush() != nil {
		s.broken = engine.ErrClientGone
	}
	return s.broken
}
