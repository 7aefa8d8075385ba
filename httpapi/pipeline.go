package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/httpapi/session"
	"example.com/jsruntime/sqlc"
)

// permission is what a route asks of a key.
type permission string

const (
	public  permission = "public"  // anyone, to sign in
	known   permission = "known"   // any valid key, with or without a tenant
	read    permission = "read"    // viewer, developer, admin
	inspect permission = "inspect" // developer, admin; changes nothing
	write   permission = "write"   // developer, admin
	execute permission = "execute" // developer, admin
	admin   permission = "admin"   // admin
	manage  permission = "manage"  // admin; superadmin with or without a tenant
	operate permission = "operate" // superadmin, without a tenant
)

// allows reports whether a role has a permission inside its tenant.
func (p permission) allows(r Role) bool {
	switch p {
	case public, known:
		return true
	case read:
		return r == RoleViewer || r == RoleDeveloper || r == RoleAdmin || r == RoleSuperadmin
	case inspect, write, execute:
		return r == RoleDeveloper || r == RoleAdmin || r == RoleSuperadmin
	case admin, manage:
		return r == RoleAdmin || r == RoleSuperadmin
	case operate:
		return r == RoleSuperadmin
	default:
		return false
	}
}

// changes reports whether what the permission guards is stopped while a tenant is suspended.
func (p permission) changes() bool { return p == write || p == execute || p == admin }

// call is what the pipeline found out about a request. It travels in the request's context.
type call struct {
	requestID string
	client    netip.Addr // who presents keys; the zero Addr where that is not known
	principal Principal
	body      []byte                   // as it came, for the fingerprint of idempotency keys
	bearer    string                   // the key that it came with, if one
	session   *openSession             // the session that it came with, if none
	cookie    string                   // of a sign-in: the session cookie that the browser had, if any
	secure    bool                     // the client uses TLS
	host      string                   // the host that the client asked for
	ifMatch   string                   // all its If-Match headers
	held      *held                    // of a request with an Idempotency-Key
	reserved  []*admission.Reservation // released when the request has been answered
}

// credential is what the request was let in with.
func (c *call) credential() credential {
	if c.session != nil {
		return credential{token: c.session.token}
	}
	return credential{bearer: c.bearer}
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		return &call{}
	}
	return c
}

// reserve takes n bytes of the node's memory budget for the rest of the request, on behalf of its tenant. A refusal is an
// *admission.OverBudgetError.
func (a *API) reserve(ctx context.Context, use admission.Use, n int64) error {
	c := callOf(ctx)
	r, err := a.cfg.Budget.Take(c.principal.TenantID, use, n)
	if err == nil {
		c.reserved = append(c.reserved, r)
	}
	return err
}

func (c *call) release() {
	for _, r := range c.reserved {
		r.Release()
	}
	c.reserved = nil
}

func requestID(ctx context.Context) string { return callOf(ctx).requestID }

// principalOf returns who sent the request.
func principalOf(ctx context.Context) *Principal { return &callOf(ctx).principal }

// tenantOf returns the tenant that the request speaks about.
func tenantOf(ctx context.Context) uuid.UUID { return callOf(ctx).principal.TenantID }

// routeInfo is what routes.go says about a route beside its handler.
type routeInfo struct {
	permission permission
	scope      string // what it asks of a key with scopes: see scopeOf
	maxBody    int64
	anyBody    bool // any JSON value
	optional   bool // the body may be left out
	unmetered  bool // not counted against the key's admin rate: it is bounded by concurrency and queue depth instead
	streamed   bool // the handler decodes the body itself, piece by piece
	secretBody bool
	// secretAnswer keeps the answer from being compressed.
	secretAnswer bool
	conditional  bool // honours If-Match
}

const routeKey = "route"

func infoOf(op *huma.Operation) routeInfo {
	info, _ := op.Metadata[routeKey].(routeInfo)
	return info
}

// pipeline is what every request of the API passes, in this order: identity of the request, key, role, rate, URL, body,
// idempotency. Each step may answer and end it.
func (a *API) pipeline() huma.Middlewares {
	return huma.Middlewares{a.identify, a.authenticate, a.meter, a.judgeURL, a.readBody, a.idempotent}
}

// refuse answers a request from within the pipeline.
func (a *API) refuse(ctx huma.Context, err error) {
	c := humagin.Unwrap(ctx)
	a.problem(ctx.Context(), err).Write(c.Writer, c.Request)
	c.Abort()
}

func (a *API) identify(ctx huma.Context, next func(huma.Context)) {
	id, _ := uuid.NewV7()
	r := humagin.Unwrap(ctx).Request
	c := &call{
		requestID: id.String(), client: a.cfg.TrustedProxies.Client(r), secure: a.cfg.TrustedProxies.Secure(r), host: a.cfg.TrustedProxies.Host(r),
		ifMatch: strings.Join(r.Header.Values("If-Match"), ", "),
	}
	ctx.SetHeader("X-Request-Id", c.requestID)
	ctx = huma.WithValue(ctx, callKey{}, c)
	defer c.release()
	g := humagin.Unwrap(ctx)
	if w, ok := g.Writer.(*answerWriter); ok {
		w.plain = infoOf(ctx.Operation()).secretAnswer
	}
	g.Writer = &pacedWriter{g.Writer}
	next(ctx)
}

// judgeURL refuses what the path and the query say that no operation could take.
func (a *API) judgeURL(ctx huma.Context, next func(huma.Context)) {
	if err := checkText(humagin.Unwrap(ctx), ctx.Operation()); err != nil {
		a.refuse(ctx, err)
		return
	}
	next(ctx)
}

func unauthorized(detail string) *Problem {
	p := newProblem(http.StatusUnauthorized, "unauthorized", detail)
	p.Header.Set("WWW-Authenticate", `Bearer realm="jsruntime"`)
	return p
}

// bearerOf returns the key that a request presents.
func bearerOf(header string) (string, bool) {
	scheme, key, ok := strings.Cut(header, " ")
	key = strings.TrimSpace(key)
	return key, ok && strings.EqualFold(scheme, "Bearer") && key != "" && len(key) <= 512
}

func (a *API) authenticate(ctx huma.Context, next func(huma.Context)) {
	info, c, r := infoOf(ctx.Operation()), callOf(ctx.Context()), humagin.Unwrap(ctx).Request
	if info.permission == public {
		if !session.SameOrigin(r, c.host) {
			a.refuse(ctx, crossOrigin())
			return
		}
		c.cookie, _ = session.Of(r, c.secure)
		next(ctx)
		return
	}
	var p Principal
	var err error
	if isBearer(ctx.Header("Authorization")) {
		p, c.bearer, err = a.authenticateKey(ctx.Context(), ctx.Header("Authorization"))
	} else {
		p, c.session, err = a.authenticateSession(ctx.Context(), r)
	}
	if err == nil {
		p, err = a.enterTenant(ctx.Context(), p, ctx.Header("X-Tenant"), info, ctx.Param("name"))
	}
	if err != nil {
		a.refuse(ctx, err)
		return
	}
	c.principal = p
	if left := time.Until(p.expires); !p.expires.IsZero() && left < keyExpiryNotice {
		ctx.SetHeader("X-Key-Expires", p.expires.UTC().Format(time.RFC3339))
	}
	next(ctx)
}

// isBearer reports whether a request presents a key. A proxy's own Authorization, of another scheme, is none of ours.
func isBearer(header string) bool {
	scheme, _, _ := strings.Cut(header, " ")
	return strings.EqualFold(scheme, "Bearer")
}

// authenticateKey finds out who sent a request that presents a key.
func (a *API) authenticateKey(ctx context.Context, header string) (Principal, string, error) {
	bearer, ok := bearerOf(header)
	if !ok {
		return Principal{}, "", unauthorized("A key is needed: Authorization: Bearer jsr_…")
	}
	p, err := a.keys.Authenticate(ctx, bearer)
	return p, bearer, a.keyProblem(ctx, err, "This key is not valid.")
}

// keyProblem is what a client hears of an error of Keys; unknown is what it hears of ErrUnknownKey.
func (a *API) keyProblem(ctx context.Context, err error, unknown string) error {
	var many *TooManyAttemptsError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnknownKey):
		return unauthorized(unknown)
	case errors.As(err, &many):
		// It says nothing of whether the key is valid.
		return newProblem(http.StatusTooManyRequests, "too_many_attempts", many.Error()+"; this one was not accepted.").RetryAfter(many.RetryAfter)
	default:
		a.logOf(ctx).WarnContext(ctx, "key not looked up", "error", err)
		return databaseUnavailable()
	}
}

// enterTenant decides which tenant a request speaks about and whether its role may do what the route does.
func (a *API) enterTenant(ctx context.Context, p Principal, header string, info routeInfo, name string) (Principal, error) {
	perm := info.permission
	if perm == operate {
		if p.Role != RoleSuperadmin {
			return p, forbidden("Only the operator's key may do this.")
		}
		return p, nil
	}
	switch {
	case header == "":
	case p.Role == RoleSuperadmin:
		t, err := a.tenantByRef(ctx, header)
		if err != nil {
			return p, err
		}
		p.TenantID, p.TenantSlug, p.TenantActive = t.ID, t.Slug, t.Status == "active"
	case header != p.TenantSlug && header != p.TenantID.String():
		return p, forbidden("X-Tenant names another tenant than the key's.")
	}
	if perm == manage && !info.mayPass(&p, name) {
		return p, mayNot(&p, info, name)
	}
	if perm == known || perm == manage {
		return p, nil
	}
	if !p.HasTenant() {
		return p, newProblem(http.StatusBadRequest, "tenant_required", "Say which tenant is meant with the header X-Tenant: its slug or id.",
			ProblemError{Location: "header.X-Tenant", Message: "required with a superadmin key"})
	}
	if !info.mayPass(&p, name) {
		return p, mayNot(&p, info, name)
	}
	if !p.TenantActive && perm.changes() && (p.Role != RoleSuperadmin || perm == execute) {
		return p, tenantSuspended()
	}
	return p, nil
}

// mayNot refuses a route to a role or to scopes.
func mayNot(p *Principal, info routeInfo, name string) *Problem {
	if p.Role == RoleCustom {
		return outOfScope(info.scope, name)
	}
	return forbidden("The role " + string(p.Role) + " may not do this.")
}

// tenantByRef finds a tenant by slug or id. What it finds is remembered for two seconds.
func (a *API) tenantByRef(ctx context.Context, ref string) (*sqlc.Tenant, error) {
	if len(ref) > 63 || !isText(ref) {
		return nil, notFound()
	}
	if t, ok := a.tenants.GetIfPresent(ref); ok {
		return t, nil
	}
	t, err := a.readTenantByRef(ctx, ref)
	if err != nil {
		return nil, err
	}
	a.tenants.Set(ref, t)
	return t, nil
}

// readTenantByRef is tenantByRef without the memory. A slug may look like an id; the id wins.
func (a *API) readTenantByRef(ctx context.Context, ref string) (*sqlc.Tenant, error) {
	if !isText(ref) {
		return nil, notFound()
	}
	if id, err := uuid.Parse(ref); err == nil {
		t, err := a.queries.TenantGet(ctx, id)
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return &t, err
		}
	}
	t, err := a.queries.TenantGetBySlug(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// superadminRate is how much more often the operator's keys may ask than a tenant's.
const superadminRate = 10

func (a *API) meter(ctx huma.Context, next func(huma.Context)) {
	info := infoOf(ctx.Operation())
	if info.permission == public || info.unmetered || a.cfg.RatePerMinute < 0 {
		next(ctx)
		return
	}
	s, whose := a.takeRate(principalOf(ctx.Context()))
	ctx.SetHeader("RateLimit-Limit", strconv.Itoa(s.limit))
	ctx.SetHeader("RateLimit-Remaining", strconv.Itoa(s.remaining))
	ctx.SetHeader("RateLimit-Reset", strconv.Itoa(int(math.Ceil(s.reset.Seconds()))))
	ctx.SetHeader("RateLimit-Policy", strconv.Itoa(s.limit)+";w=60")
	if s.retry > 0 {
		a.refuse(ctx, rateLimited(s, whose))
		return
	}
	next(ctx)
}

// takeRate counts a request against its key's rate, which all sessions of a key share, and against its tenant's. whose says which
// of the two rates s is.
func (a *API) takeRate(p *Principal) (s rateState, whose string) {
	now := time.Now()
	perMinute := a.cfg.RatePerMinute
	if p.Role == RoleSuperadmin {
		perMinute *= superadminRate
	}
	s = a.keyRates.take(p.KeyID, rate{perMinute, perMinute}, now)
	// A tenant may have many keys, and the operator's requests are not its own.
	if p.HasTenant() && p.Role != RoleSuperadmin && s.retry == 0 {
		if t := a.tenantRates.take(p.TenantID, rate{a.cfg.TenantRatePerMinute, a.cfg.TenantRatePerMinute}, now); t.retry > 0 || t.remaining < s.remaining {
			return t, "tenant"
		}
	}
	return s, "key"
}

func rateLimited(s rateState, whose string) *Problem {
	return newProblem(http.StatusTooManyRequests, "rate_limited",
		"api_requests_per_minute: limit "+strconv.Itoa(s.limit)+" of this "+whose+".").RetryAfter(s.retry)
}

func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// readBody reads the whole body, within its limit, its time and the node's memory budget, and judges it before anything decodes it.
// huma does not see it: it would copy it, and decode it into any to validate it.
func (a *API) readBody(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	if !hasBody(c.Request.Method) {
		next(ctx)
		return
	}
	in := callOf(ctx.Context())
	body, err := a.takeBody(c, in, ctx.Operation())
	if err == nil {
		err = a.judgeBody(ctx.Operation(), body)
	}
	if err == nil && !infoOf(ctx.Operation()).streamed {
		// Decoded values hold copies of the body's strings, and the database's protocol another one.
		err = a.reserve(ctx.Context(), admission.UseDecode, 2*int64(len(body)))
	}
	if err != nil {
		a.refuse(ctx, err)
		return
	}
	in.body = body
	c.Request.Body = http.NoBody
	if len(body) > 0 {
		c.Request.Body = io.NopCloser(strings.NewReader("null")) // decodeBody decodes the body itself
	}
	// huma must not take the type for another one: it was checked, and what is left is JSON.
	c.Request.Header.Set("Content-Type", "application/json")
	next(ctx)
}

func (a *API) takeBody(c *gin.Context, in *call, op *huma.Operation) ([]byte, error) {
	if err := checkMediaType(c.Request); err != nil {
		return nil, err
	}
	body, err := a.bodies.Read(c.Writer, c.Request, in.principal.TenantID, infoOf(op).maxBody)
	if err != nil {
		return nil, err
	}
	in.reserved = append(in.reserved, body.Reservation)
	return body.Bytes, nil
}

// checkMediaType refuses a body that is no JSON in UTF-8 by what its headers say. A request without a body has no type.
func checkMediaType(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if r.Header.Get("Content-Type") == "" && r.Header.Get("Content-Encoding") == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	known := media == "application/json" || (media == "application/merge-patch+json" && r.Method == http.MethodPatch)
	if err != nil || !known || (charset != "" && !strings.EqualFold(charset, "utf-8")) || r.Header.Get("Content-Encoding") != "" {
		return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body must be application/json in UTF-8.")
	}
	return nil
}

func (a *API) judgeBody(op *huma.Operation, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		if len(body) > 0 || (op.RequestBody != nil && op.RequestBody.Required) {
			return newProblem(http.StatusBadRequest, "malformed_json", "body: a JSON document is required.",
				ProblemError{Location: "body", Message: "a JSON document is required"})
		}
		return nil
	}
	var schema *huma.Schema
	if !infoOf(op).anyBody && op.RequestBody != nil {
		if media := op.RequestBody.Content["application/json"]; media != nil {
			schema = media.Schema
		}
	}
	faults, err := validateJSON(body, "body", schema, a.huma.OpenAPI().Components.Schemas, infoOf(op).secretBody)
	if err != nil {
		return newProblem(http.StatusBadRequest, "malformed_json", "body: "+err.Error(), ProblemError{Location: "body", Message: err.Error()})
	}
	if len(faults) > 0 {
		return newProblem(http.StatusUnprocessableEntity, "validation_failed", faults[0].Location+": "+faults[0].Message, faults...)
	}
	return nil
}

// decodeBody decodes the request's body into the field Body of a handler's input.
func decodeBody(ctx context.Context, input reflect.Value, info routeInfo) error {
	body := callOf(ctx).body
	field := input.FieldByName("Body")
	if len(body) == 0 || !field.IsValid() || info.streamed {
		return nil
	}
	if raw, ok := field.Addr().Interface().(*json.RawMessage); ok {
		*raw = body
		return nil
	}
	if err := json.Unmarshal(body, field.Addr().Interface()); err != nil {
		return notDecoded("body", err)
	}
	return nil
}

// notDecoded says what of a document that was validated could not be decoded: 1.0 or 1e3 for a whole number.
func notDecoded(location string, err error) *Problem {
	fault := faultOfDecoding(ProblemError{Location: location, Message: err.Error()})
	return newProblem(http.StatusUnprocessableEntity, "validation_failed", fault.Location+": "+fault.Message, fault)
}

// pacedWriter gives each part of an answer the time that it may take to be sent: a client that reads nothing holds its answer's memory
// no longer. An event stream has deadlines of its own.
type pacedWriter struct{ gin.ResponseWriter }

const (
	answerTime = 30 * time.Second
	answerRate = 64 << 10 // bytes a second beyond that
)

func (w *pacedWriter) arm(n int) {
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTime + time.Duration(n/answerRate)*time.Second))
	}
}

// Write implements http.ResponseWriter.
func (w *pacedWriter) Write(b []byte) (int, error) {
	w.arm(len(b))
	return w.ResponseWriter.Write(b)
}

// WriteString implements gin.ResponseWriter.
func (w *pacedWriter) WriteString(s string) (int, error) {
	w.arm(len(s))
	return w.ResponseWriter.WriteString(s)
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// transform makes our problem of huma's own error bodies.
func (a *API) transform(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if m.Status >= http.StatusInternalServerError {
		a.logOf(ctx.Context()).ErrorContext(ctx.Context(), "request failed", "error", m.Detail)
	}
	return problemOfModel(m, infoOf(ctx.Operation()).secretBody), nil
}
