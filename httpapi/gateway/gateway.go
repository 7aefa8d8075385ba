package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/httpapi/bodies"
	"example.com/jsruntime/httpapi/forwarded"
	"example.com/jsruntime/httpapi/gateway/auth"
	"example.com/jsruntime/httpapi/origin"
	"example.com/jsruntime/httpapi/problem"
)

// Prefix is the path below which all tenants' endpoints are.
const Prefix = "/t/"

// Router finds endpoints and their scripts in memory: *catalog.Catalog is one. Its methods are called for every request.
type Router interface {
	// Route takes the path percent-encoded, from the slash that follows the slug. Its errors are catalog's.
	Route(slug, method, path string) (catalog.Match, error)
	// RouteHost is Route for a host of a tenant's own.
	RouteHost(host, method, path string) (catalog.Match, error)
	Script(ctx context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error)
}

// Recorder writes executions down. Record returns once the ledger has taken the run (which may wait for room), or an error.
type Recorder interface {
	Record(ctx context.Context, inv *engine.Invocation, result *engine.Result) error
}

// Authenticator checks an API key that a request presents for an endpoint of a tenant, and returns the key's id. scope is what the key must
// have; empty: nothing. ErrBadKey says that the tenant has no such key, ErrOutOfScope that the key has not the scope, and a *ManyKeysError
// that the client has presented too many unknown keys.
type Authenticator interface {
	Authenticate(r *http.Request, key string, tenantID uuid.UUID, scope string) (keyID uuid.UUID, err error)
}

// ManyKeysError says that a client has presented so many unknown keys that this one was not accepted.
type ManyKeysError struct {
	Limit      string // its name and value
	RetryAfter time.Duration
}

func (e *ManyKeysError) Error() string { return e.Limit }

// Answers of an Authenticator.
var (
	ErrBadKey     = errors.New("unknown api key")       // unknown, expired, revoked, or another tenant's
	ErrOutOfScope = errors.New("api key without scope") // known, and without the scope that is asked for
)

// ErrStopping is the cause with which a request's context is cancelled because the node stops: its client is still there for an answer.
var ErrStopping = errors.New("the node is stopping")

// Config is a Gateway's.
type Config struct {
	Router   Router
	Executor engine.Executor
	Recorder Recorder
	Keys     Authenticator
	// Auth judges requests to endpoints whose auth has a rule. nil: none of them is admitted.
	Auth *auth.Verifier
	Log  *slog.Logger // nil means slog.Default
	// Origins says whose host a request is for. Required.
	Origins *origin.Map
	// TrustedProxies may say who the client is, by X-Forwarded-For. Empty means none.
	TrustedProxies forwarded.Proxies
	// OperatorKey reports whether a text is a key of the operator's that does not begin with jsr_, which a script must not see either.
	// nil means that there is none.
	OperatorKey func(string) bool
	// Refused counts a request to a script that was refused before anything ran. nil means that none is counted.
	Refused func(tenantID, scriptID uuid.UUID, code string)
	// RecordTimeout bounds the wait for room in the ledger; 0 means 10 s.
	RecordTimeout time.Duration
	// Durable keeps answers under idempotency keys, and takes requests that are answered before they run. nil: such requests are refused with 503.
	Durable Durable
	// Members are the nodes that share endpoints' rate limits. nil means that this node is alone.
	Members *cluster.Members
	// Budget is the node's memory budget; nil means that nothing is refused for memory.
	Budget *admission.Budget
	// BodyTimeout bounds the reading of a request's body; 0 means 30 s. Limits over 1 MiB have one second more for each 64 KiB.
	BodyTimeout time.Duration
	// WriteTimeout bounds the sending of an answer, or of one chunk of a streamed one; 0 means 30 s.
	WriteTimeout time.Duration
}

// Gateway is the http.Handler of tenants' hosts, and of the paths below Prefix on every other host.
type Gateway struct {
	onEnd  func(*engine.Invocation, *engine.Result) // records a run that went on after its answer
	cfg    Config
	bodies bodies.Reader
	rates  *rateLimits
}

// New returns a Gateway.
func New(cfg Config) (*Gateway, error) {
	switch {
	case cfg.Router == nil:
		return nil, errors.New("Router is missing")
	case cfg.Executor == nil:
		return nil, errors.New("Executor is missing")
	case cfg.Recorder == nil:
		return nil, errors.New("Recorder is missing")
	case cfg.Keys == nil:
		return nil, errors.New("Keys is missing")
	case cfg.Origins == nil:
		return nil, errors.New("Origins is missing")
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.RecordTimeout = cmp.Or(cfg.RecordTimeout, 10*time.Second)
	cfg.BodyTimeout = cmp.Or(cfg.BodyTimeout, 30*time.Second)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 30*time.Second)
	g := &Gateway{cfg: cfg, bodies: bodies.Reader{Budget: cfg.Budget, Timeout: cfg.BodyTimeout}, rates: newRateLimits(cfg.Members, cfg.Budget)}
	g.onEnd = func(inv *engine.Invocation, result *engine.Result) {
		result.Answered = answeredWith(inv, result, true)
		_ = g.record(inv, result) // it has logged what went wrong
	}
	return g, nil
}

// ServeHTTP implements http.Handler. Each step may answer and end the request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := answer{g: g, w: w, r: r, queued: time.Now(), origin: g.cfg.Origins.For(w, r)}
	if !a.begin() {
		return
	}
	match, ok := a.route()
	if !ok || a.cors(&match) || !a.enter(match.Endpoint) {
		return
	}
	e := match.Endpoint
	script, err := g.cfg.Router.Script(r.Context(), e.TenantID, e.ScriptID, e.Rollout.Choose(e.ScriptID, e.Version, a.client(e)))
	if err != nil {
		a.unrouted(err)
		return
	}
	body, ok := g.body(&a, script.Limits.MaxRequestBodyBytes)
	if !ok {
		return
	}
	defer a.giveBack()
	if e.Auth.Signed() && !(g.check(&a, e, body) && a.rated(e, afterAuth)) {
		return
	}
	if !a.attempted(e, body, script.Limits.MaxExecutionTime) {
		return
	}
	defer a.conclude()
	inv := a.invocation(&match, script, body)
	if async, asked := a.async(e); async {
		a.enqueue(inv, asked)
		return
	}
	sink := &sink{answer: &a, head: r.Method == http.MethodHead}
	inv.Response = sink
	// A streamed response takes the header along. A refused request has no execution, and no id of one.
	w.Header()["X-Execution-Id"] = []string{a.id.String()}
	ctx, end := a.runContext()
	defer end()
	result, err := g.cfg.Executor.Execute(ctx, inv)
	if err != nil {
		delete(w.Header(), "X-Execution-Id")
		a.admission.Undo()
		a.refused(err)
		return
	}
	a.ended(inv, result, sink)
}

// enter judges what needs neither body nor script: the endpoint's auth and its rate limit.
func (a *answer) enter(e *catalog.Endpoint) bool {
	return a.rated(e, beforeAuth) && a.g.admit(a, e) && (e.Auth.Signed() || a.rated(e, afterAuth))
}

// begin sets the headers that every answer has, makes the execution's id and judges the request's host.
func (a *answer) begin() bool {
	h := a.w.Header()
	h["X-Content-Type-Options"] = nosniff
	if !a.own() {
		h["Content-Security-Policy"] = sandboxPolicy
	}
	id, err := uuid.NewV7()
	if err != nil {
		a.fail("making an execution id", err)
		a.problem(http.StatusInternalServerError, "internal", "")
		return false
	}
	a.id = id
	if a.origin.Kind == origin.Invalid {
		a.problem(http.StatusBadRequest, "bad_request", "The Host header is not a host name.")
		return false
	}
	return true
}

// route finds the endpoint of the request's target.
func (a *answer) route() (catalog.Match, bool) {
	if !a.split() {
		a.problem(http.StatusNotFound, "not_found", "There is no such endpoint.")
		return catalog.Match{}, false
	}
	var match catalog.Match
	var err error
	if a.origin.Custom {
		match, err = a.g.cfg.Router.RouteHost(a.origin.Name(), a.r.Method, a.path)
	} else {
		match, err = a.g.cfg.Router.Route(a.slug, a.r.Method, a.path)
	}
	if err != nil {
		a.unrouted(err)
		return catalog.Match{}, false
	}
	a.endpoint = match.Endpoint
	a.r.Pattern = match.Endpoint.Pattern // for the handlers around the gateway: the path without what is in it
	return match, true
}

// cors sets the headers of the endpoint's CORS rules, and reports whether the request was a preflight, which it answers.
func (a *answer) cors(match *catalog.Match) bool {
	e := match.Endpoint
	if e.CORS == nil {
		return false
	}
	h := a.w.Header()
	setCORS(h, e, a.r, match.Preflight)
	if match.Preflight {
		h["Allow"] = []string{e.Allow}
		a.w.WriteHeader(http.StatusNoContent)
	}
	return match.Preflight
}

// invocation is the run that the request asks for.
func (a *answer) invocation(match *catalog.Match, script *engine.Script, body []byte) *engine.Invocation {
	e, method := match.Endpoint, a.r.Method
	if method == http.MethodHead && !slices.Contains(e.Methods, http.MethodHead) && !slices.Contains(e.Methods, "*") {
		method = http.MethodGet
	}
	target, headers := a.request(a.path, a.query, e.Auth == catalog.AuthAPIKey)
	traceParent, traceState := engine.TraceContext(a.r.Header)
	inv := &engine.Invocation{
		ExecutionID: a.id,
		Script:      script,
		Trigger:     engine.TriggerHTTP,
		Handler:     engine.HandlerFetch,
		Attempt:     1,
		QueuedAt:    a.queued,
		TraceParent: traceParent,
		TraceState:  traceState,
		Request: &engine.Request{
			Method: method, URL: target, Params: match.Params, Headers: headers, Body: body, HasBody: body != nil,
			Auth: a.admission.Claims,
		},
		OnEnd: a.g.onEnd,
	}
	if memory, onEnd := a.memory, a.g.onEnd; memory != nil {
		inv.OnEnd = func(inv *engine.Invocation, result *engine.Result) { // a run that goes on holds the body until it ends
			defer memory.Release()
			onEnd(inv, result)
		}
	}
	return inv
}

// giveBack gives the memory of the request's body back, unless a run that goes on holds it: that one's OnEnd does.
func (a *answer) giveBack() {
	if !a.goesOn {
		a.memory.Release()
	}
}

// ended records a run and answers with its result.
func (a *answer) ended(inv *engine.Invocation, result *engine.Result, sink *sink) {
	a.ran, a.goesOn = true, result.GoesOn
	var recorded error
	if !a.goesOn {
		result.Answered = answeredWith(inv, result, false)
		recorded = a.g.record(inv, result)
	}
	h := a.w.Header()
	switch {
	case sink.status != 0:
		// The status is out. What is left to say is whether the body is whole.
		if result.Code != engine.CodeNone || recorded != nil {
			panic(http.ErrAbortHandler)
		}
	case a.left():
	case recorded != nil:
		delete(h, "X-Execution-Id") // it leads to nothing
		a.ran = false
		h["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, "overloaded", "The run could not be written down in time.")
	case result.Code != engine.CodeNone:
		a.send(problem.Ended(result.Code, result.Message))
	case result.Response == nil:
		a.problem(http.StatusInternalServerError, string(engine.CodeInvalidOutput), "The script gave no response.")
	default:
		a.respond(result.Response, sink.head)
	}
}

// answeredWith is the status that the client of a run has got, or gets; goneOn: the run went on after its answer.
func answeredWith(inv *engine.Invocation, result *engine.Result, goneOn bool) int {
	if s, ok := inv.Response.(*sink); ok && s.status != 0 {
		return s.status
	}
	switch {
	case result.Response != nil && (goneOn || result.Code == engine.CodeNone):
		return result.Response.Status
	case result.Code != engine.CodeNone:
		return problem.Status(result.Code)
	default:
		return http.StatusInternalServerError // the script gave no response
	}
}

// left reports whether there is nobody to answer: an answer that is kept is for the client that asks again.
func (a *answer) left() bool { return a.attempt == nil && gone(a.r.Context()) }

// gone reports whether the client of a request's context has left. Where the node cancelled it, the client waits for an answer.
func gone(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), ErrStopping)
}

// record hands the run to the ledger. It does not end with the client: a run that happened is written down.
func (g *Gateway) record(inv *engine.Invocation, result *engine.Result) error {
	ctx := &lateTimeout{Context: context.Background(), timeout: g.cfg.RecordTimeout}
	defer ctx.end()
	err := g.cfg.Recorder.Record(ctx, inv, result)
	if err != nil {
		g.cfg.Log.Error("recording an execution", "tenant_id", inv.Script.TenantID, "script_id", inv.Script.ID,
			"execution_id", inv.ExecutionID, "error", err)
	}
	return err
}

// lateTimeout is a context whose time begins, and whose timer is set, when it is first waited for: most records find room at once. One goroutine
// uses it.
type lateTimeout struct {
	context.Context
	timeout time.Duration
	cancel  context.CancelFunc // nil: it was not waited for
}

// Done implements context.Context.
func (c *lateTimeout) Done() <-chan struct{} {
	if c.cancel == nil {
		c.Context, c.cancel = context.WithTimeout(c.Context, c.timeout)
	}
	return c.Context.Done()
}

// end stops the timer.
func (c *lateTimeout) end() {
	if c.cancel != nil {
		c.cancel()
	}
}

// client is what keeps the request's client on one version while another is rolled out; empty: nothing does.
func (a *answer) client(e *catalog.Endpoint) string {
	if e.Rollout.Candidate == 0 || e.Sticky == "" {
		return ""
	}
	if name := e.Sticky.Header(); name != "" {
		return first(a.r.Header[name])
	}
	return a.g.cfg.TrustedProxies.Client(a.r).String()
}

// admit checks what of the endpoint's auth needs no body, and answers where it fails.
func (g *Gateway) admit(a *answer, e *catalog.Endpoint) bool {
	switch {
	case e.Auth == catalog.AuthNone, e.Auth.Signed():
		return true
	case e.Auth == catalog.AuthAPIKey:
		return g.admitKey(a, e)
	default:
		return g.check(a, e, nil)
	}
}

// check has the endpoint's rule judge the request, and answers where it does not admit it.
func (g *Gateway) check(a *answer, e *catalog.Endpoint, body []byte) bool {
	err := error(&auth.RefusedError{Reason: "This node checks no auth of type " + string(e.Auth) + "."})
	if g.cfg.Auth != nil {
		a.admission, err = g.cfg.Auth.Check(a.r.Context(), e, a.r.Header, body)
	}
	if err == nil {
		return true
	}
	var unavailable *auth.UnavailableError
	switch {
	case errors.As(err, &unavailable) && gone(a.r.Context()): // the client is gone
	case errors.As(err, &unavailable):
		if !unavailable.Logged {
			a.fail("checking an endpoint's auth", err)
		}
		a.w.Header()["Retry-After"] = retryAfterOne
		a.problem(http.StatusServiceUnavailable, "overloaded", unavailable.Reason)
	default:
		if e.Auth == catalog.AuthJWT {
			a.w.Header()["Www-Authenticate"] = []string{`Bearer realm="jsruntime", error="invalid_token"`}
		}
		a.problem(http.StatusUnauthorized, "unauthorized", err.Error())
	}
	return false
}

// admitKey admits who holds a key of the endpoint's tenant.
func (g *Gateway) admitKey(a *answer, e *catalog.Endpoint) bool {
	scheme, key, _ := strings.Cut(first(a.r.Header["Authorization"]), " ")
	key = strings.TrimSpace(key)
	scope := ""
	if e.AuthRule != nil {
		scope = e.AuthRule.Scope
	}
	if key != "" && strings.EqualFold(scheme, "Bearer") {
		id, err := g.cfg.Keys.Authenticate(a.r, key, e.TenantID, scope)
		if err == nil {
			a.keyID = id
			return true
		}
		if errors.Is(err, ErrOutOfScope) {
			a.w.Header()["Www-Authenticate"] = []string{`Bearer realm="jsruntime", error="insufficient_scope"`}
			a.problem(http.StatusForbidden, "out_of_scope", "The key's scopes do not have "+scope+", which the endpoint asks for.")
			return false
		}
		if many := (*ManyKeysError)(nil); errors.As(err, &many) {
			a.w.Header()["Retry-After"] = []string{seconds(many.RetryAfter)}
			a.problem(http.StatusTooManyRequests, "too_many_attempts", many.Limit+"; this key was not accepted.")
			return false
		}
		if err != nil && !errors.Is(err, ErrBadKey) {
			a.fail("checking an api key", err)
			a.w.Header()["Retry-After"] = retryAfterOne
			a.problem(http.StatusServiceUnavailable, "overloaded", "The key could not be checked.")
			return false
		}
	}
	a.w.Header()["Www-Authenticate"] = []string{`Bearer realm="jsruntime"`}
	a.problem(http.StatusUnauthorized, "unauthorized", "The endpoint takes an api key of its tenant as a bearer token.")
	return false
}

// split takes the slug, the path that the script sees, and the query (with its question mark) out of the request's target,
// without decoding, and reports whether it names an endpoint. On a tenant's own host the slug is the host's, and the path the target's. Dot segments, backslashes and fragments
// are not found: a client resolves them, and the script's URL parser would see another path than the matched one.
func (a *answer) split() bool {
	target, path, query := a.r.RequestURI, "", ""
	if target == "" || target[0] != '/' { // absolute form, or a test's request
		target = cmp.Or(a.r.URL.EscapedPath(), "/")
		if a.r.URL.RawQuery != "" {
			query = "?" + a.r.URL.RawQuery
		}
	} else if i := strings.IndexByte(target, '?'); i >= 0 {
		target, query = target[:i], target[i:]
	}
	if a.own() {
		a.slug, path = a.origin.Slug, target
	} else {
		rest, below := strings.CutPrefix(target, Prefix)
		if !below || a.origin.Kind == origin.Nobody {
			return false
		}
		a.slug, path = rest, "/"
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			a.slug, path = rest[:i], rest[i:]
		}
	}
	if a.slug == "" || path[0] != '/' || strings.ContainsAny(path, `\#`) || strings.IndexByte(query, '#') >= 0 || dotSegment(path) {
		return false
	}
	a.path, a.query = path, query
	return true
}

func dotSegment(path string) bool {
	if !strings.Contains(path, "/.") && !strings.Contains(path, "/%2") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

var (
	// No handler appends in place: their capacity is their length.
	nosniff       = []string{"nosniff"}
	sandboxPolicy = []string{sandbox}
	retryAfterOne = []string{"1"}
)
