package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/http/httpguts"

	"jsruntime/engine"
	"jsruntime/engine/catalog"
)

// Bounds of a script's response. Clients and proxies commonly refuse more.
const (
	maxResponseHeaders     = 128
	maxResponseHeaderBytes = 32 << 10
)

// answer is one request's way back.
type answer struct {
	g        *Gateway
	w        http.ResponseWriter
	r        *http.Request
	id       uuid.UUID
	endpoint *catalog.Endpoint // nil where none was found
}

// fail logs what went wrong on our side.
func (a *answer) fail(message string, err error) {
	log := a.g.cfg.Log
	if e := a.endpoint; e != nil {
		log = log.With("tenant_id", e.TenantID, "script_id", e.ScriptID)
	}
	log.Error(message, "execution_id", a.id, "error", err)
}

type problem struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Status      int    `json:"status"`
	Detail      string `json:"detail,omitempty"`
	Code        string `json:"code"`
	ExecutionID string `json:"execution_id,omitempty"`
}

// problem answers with a problem+json. Headers that the answer needs are set before.
func (a *answer) problem(status int, code, detail string) {
	body, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, ExecutionID: a.id.String(),
	})
	if err != nil {
		body = []byte("{}")
	}
	h := a.w.Header()
	h["Content-Type"] = []string{"application/problem+json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["Cache-Control"] = []string{"no-store"}
	a.deadline()
	a.w.WriteHeader(status)
	if a.r.Method != http.MethodHead {
		_, _ = a.w.Write(body)
	}
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
	case gone(a.r.Context()): // nobody is there to read an answer
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
		h["Retry-After"] = []string{seconds(refused.RetryAfter)}
		status := http.StatusServiceUnavailable
		if refused.Code == engine.CodeConcurrencyLimit {
			status = http.StatusTooManyRequests
		}
		a.problem(status, string(refused.Code), refused.Detail)
	case gone(a.r.Context()): // nobody is there to read an answer
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		h["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "The node is stopping.")
	default:
		a.fail("executing", err)
		h["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "The node could not run the script.")
	}
}

// failed answers where the execution ended badly.
func (a *answer) failed(result *engine.Result) {
	status := statusOf(result.Code)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		a.w.Header()["Retry-After"] = retryAfterOne
	}
	a.problem(status, string(result.Code), result.Message)
}

// statusOf is the error table of the HTTP contract.
func statusOf(code engine.Code) int {
	switch code {
	case engine.CodeExceededWallTime:
		return http.StatusGatewayTimeout
	case engine.CodeLoopDetected:
		return http.StatusLoopDetected
	case engine.CodeConcurrencyLimit:
		return http.StatusTooManyRequests
	case engine.CodeExceededMemory, engine.CodeExceededCPU, engine.CodeBootError, engine.CodeWorkerLost, engine.CodeSandboxViolation,
		engine.CodeQuarantined, engine.CodeOverloaded, engine.CodeCancelled:
		return http.StatusServiceUnavailable
	default: // exception, unsettled, invalid_output, output_too_large, handler_missing
		return http.StatusInternalServerError
	}
}

// respond passes a script's whole response through.
func (a *answer) respond(resp *engine.Response, head bool) {
	if problem := a.headers(resp.Status, resp.Headers); problem != "" {
		a.problem(http.StatusInternalServerError, string(engine.CodeInvalidOutput), problem)
		return
	}
	h := a.w.Header()
	bodyless := resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified || resp.Status == http.StatusResetContent
	if !bodyless {
		h["Content-Length"] = []string{strconv.Itoa(len(resp.Body))}
	}
	a.deadline()
	a.w.WriteHeader(resp.Status)
	if !bodyless && !head {
		_, _ = a.w.Write(resp.Body)
	}
}

// headers copies what of a response's headers a client may get. It returns what is wrong with a response that cannot be sent.
func (a *answer) headers(status int, pairs []string) string {
	if status < 200 || status > 599 {
		return "The response's status " + strconv.Itoa(status) + " is not within 200 and 599."
	}
	h := a.w.Header()
	size, count := 0, 0
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := canonical(pairs[i]), pairs[i+1]
		count++
		if size += len(name) + len(value); size > maxResponseHeaderBytes || count > maxResponseHeaders {
			a.clear(pairs[:i])
			return "The response's headers are over " + strconv.Itoa(maxResponseHeaders) + " or " + strconv.Itoa(maxResponseHeaderBytes) + " bytes."
		}
		switch name {
		case "Content-Type":
			h[name] = []string{value}
			if !a.g.cfg.OwnOrigin && document(value) {
				// Several policies hold all at once, so that a policy of the script's own can only narrow this one.
				h["Content-Security-Policy"] = append(h["Content-Security-Policy"], sandbox)
			}
			continue
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
			"Content-Length", "Date", "Server", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data", "X-Execution-Id",
			"X-Content-Type-Options", "Service-Worker-Allowed":
			continue
		case "Set-Cookie":
			if !ownCookie(value, a.r.Host) {
				continue
			}
		case "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials":
			if h[name] != nil { // of the endpoint's CORS
				continue
			}
		}
		if strings.HasPrefix(name, http.TrailerPrefix) || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			continue
		}
		h[name] = append(h[name], value)
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // the node does not guess from the bytes
	} else if !httpguts.ValidHeaderFieldValue(h["Content-Type"][0]) {
		h["Content-Type"] = nil
	}
	return ""
}

// clear removes the headers that were copied.
func (a *answer) clear(pairs []string) {
	h := a.w.Header()
	for i := 0; i+1 < len(pairs); i += 2 {
		if name := canonical(pairs[i]); name != "X-Execution-Id" && name != "X-Content-Type-Options" {
			delete(h, name)
		}
	}
}

func (a *answer) deadline() {
	_ = http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(a.g.cfg.WriteTimeout))
}

// canonical is textproto's, with the usual ones without an allocation.
func canonical(name string) string {
	switch name {
	case "content-type":
		return "Content-Type"
	case "cache-control":
		return "Cache-Control"
	case "location":
		return "Location"
	case "etag":
		return "Etag"
	case "set-cookie":
		return "Set-Cookie"
	case "vary":
		return "Vary"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// sandbox gives a document an origin of its own: tenants share a host with each other and with the console.
const sandbox = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads allow-top-navigation-by-user-activation"

// document reports whether a browser would render the content type and run scripts in it.
func document(contentType string) bool {
	mime, _, _ := strings.Cut(contentType, ";")
	mime = strings.ToLower(strings.TrimSpace(mime))
	return mime == "text/html" || strings.HasSuffix(mime, "+xml") || strings.HasSuffix(mime, "/xml") || strings.HasPrefix(mime, "multipart/")
}

// ownCookie reports whether a Set-Cookie names no domain, or the request's own host.
func ownCookie(cookie, host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	_, attributes, _ := strings.Cut(cookie, ";")
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		if strings.EqualFold(strings.TrimSpace(name), "domain") {
			domain := strings.TrimPrefix(strings.TrimSpace(value), ".")
			if domain != "" && !strings.EqualFold(domain, host) {
				return false
			}
		}
	}
	return true
}

// printable bounds what of a request is quoted in an answer.
func printable(text string) string {
	return strconv.QuoteToASCII(text[:min(len(text), 32)])
}

// sink passes a streamed response through. The engine calls it from one goroutine while Execute runs.
type sink struct {
	answer *answer
	head   bool
	begun  bool
	broken error
}

// Head implements engine.ResponseSink.
func (s *sink) Head(status int, headers []string) error {
	if problem := s.answer.headers(status, headers); problem != "" {
		return errors.New(problem)
	}
	s.begun = true
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
		s.broken = err
		return err
	}
	return s.flush()
}

func (s *sink) flush() error {
	s.broken = http.NewResponseController(s.answer.w).Flush()
	return s.broken
}
