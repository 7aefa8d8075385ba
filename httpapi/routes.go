package httpapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"example.com/jsruntime/httpapi/session"
)

// Sizes of bodies. A source of 1 MiB may grow to several times that when it is written as a JSON string.
const (
	signInBody = 8 << 10
	smallBody  = 1 << 20
	scriptBody = 8 << 20
	importBody = 64 << 20
)

// routes is the whole URL map: method, path, who may call it, its operation id, what it does, and its handler. What is not
// here does not exist.
func (a *API) routes(r *router) {
	r.tag("Tenants", "The operator's: tenants and their first keys.")
	post(r, "/tenants", operate, "tenant-create", "Create a tenant", a.tenantCreate)
	list(r, "/tenants", operate, "tenant-list", "List tenants", a.tenantList)
	get(r, "/tenants/{tenant}", operate, "tenant-get", "Get a tenant", a.tenantGet)
	patchRoute(r, "/tenants/{tenant}", operate, "tenant-update", "Change, suspend or resume a tenant", a.tenantUpdate, conditional)
	del(r, "/tenants/{tenant}", operate, "tenant-delete", "Delete a tenant with everything it has", a.tenantDelete, conditional)
	add(r, http.MethodPost, "/tenants/{tenant}/enter", http.StatusNoContent, operate, "tenant-enter", "Write to a tenant's audit log that the operator entered it", a.tenantEnter, nil)
	post(r, "/tenants/{tenant}/api-keys", operate, "tenant-key-create", "Create a key of a tenant", a.tenantKeyCreate, secretAnswer)
	get(r, "/tenants/usage", operate, "tenant-usage", "Usage of all tenants in a month", a.tenantsUsage)
	list(r, "/nodes", operate, "node-list", "List nodes", a.nodeList)

	r.tag("Access", "Keys, organizations and users of a tenant, and who did what.")
	get(r, "/whoami", known, "whoami", "Say who calls", a.whoami)
	list(r, "/api-keys", admin, "key-list", "List keys", a.keyList)
	post(r, "/api-keys", admin, "key-create", "Create a key", a.keyCreate, secretAnswer)
	del(r, "/api-keys/{id}", admin, "key-delete", "Delete a key", a.keyDelete)
	list(r, "/organizations", read, "organization-list", "List organizations", a.organizationList)
	post(r, "/organizations", write, "organization-create", "Create an organization", a.organizationCreate)
	get(r, "/organizations/{id}", read, "organization-get", "Get an organization", a.organizationGet)
	patchRoute(r, "/organizations/{id}", write, "organization-update", "Change an organization", a.organizationUpdate, conditional)
	del(r, "/organizations/{id}", admin, "organization-delete", "Delete an organization", a.organizationDelete, conditional)
	list(r, "/users", read, "user-list", "List users", a.userList)
	post(r, "/users", admin, "user-create", "Create a user", a.userCreate)
	get(r, "/users/{id}", read, "user-get", "Get a user", a.userGet)
	patchRoute(r, "/users/{id}", admin, "user-update", "Change a user", a.userUpdate, conditional)
	del(r, "/users/{id}", admin, "user-delete", "Delete a user", a.userDelete, conditional)
	add(r, http.MethodPost, "/session", http.StatusNoContent, public, "session-create", "Sign in to the console with a key or a one-time link", a.sessionCreate, []option{body(signInBody), secretBody})
	get(r, "/session", known, "session-get", "Say whose session it is", a.sessionGet, secretAnswer)
	del(r, "/session", known, "session-delete", "Sign out, of one browser or of all", a.sessionDelete)
	post(r, "/session-links", manage, "session-link-create", "Make a one-time link that signs in to the console", a.sessionLinkCreate, optional, secretAnswer)
	list(r, "/audit-log", manage, "audit-list", "List changes", a.auditList)

	r.tag("Scripts", "Scripts and their versions.")
	post(r, "/scripts", write, "script-create", "Create a script", a.scriptCreate, body(scriptBody))
	list(r, "/scripts", read, "script-list", "List scripts", a.scriptList)
	get(r, "/scripts/activity", read, "script-activity", "Say how scripts did lately: runs, failures and the last run of each", a.scriptActivity)
	get(r, "/scripts/{id}", read, "script-get", "Get a script", a.scriptGet)
	patchRoute(r, "/scripts/{id}", write, "script-update", "Change a script", a.scriptUpdate, body(scriptBody), conditional)
	del(r, "/scripts/{id}", admin, "script-delete", "Delete a script with its history", a.scriptDelete, conditional)
	act(r, "/scripts/{id}/release", write, "script-release", "End a script's quarantine", a.scriptRelease, conditional)
	list(r, "/scripts/{id}/versions", read, "version-list", "List versions", a.versionList)
	post(r, "/scripts/{id}/versions", write, "version-create", "Save a version that is not live yet", a.versionCreate, body(scriptBody), conditional)
	get(r, "/scripts/{id}/versions/{version}", read, "version-get", "Get a version", a.versionGet)
	get(r, "/scripts/{id}/versions/{version}/diff", read, "version-diff", "Compare two versions", a.versionDiff)
	post(r, "/scripts/{id}/versions/{version}/restore", write, "version-restore", "Make a new version of an old one", a.versionRestore, optional, conditional)
	act(r, "/scripts/{id}/versions/{version}/activate", write, "version-activate", "Make a version live", a.versionActivate, optional, conditional)
	list(r, "/scripts/{id}/deployments", read, "deployment-list", "List what went live", a.deploymentList)
	accept(r, "/scripts/{id}/versions/{version}/compare", execute, "version-compare", "Run a version on the last inputs, with its effects kept inside", a.versionCompare, optional)
	get(r, "/comparisons/{id}", inspect, "comparison-get", "Get a comparison", a.comparisonGet)
	get(r, "/export", read, "script-export", "Export all scripts", a.scriptExport)
	act(r, "/import", write, "script-import", "Import scripts", a.scriptImport, body(importBody), streamed)

	r.tag("Triggers", "What makes scripts run.")
	list(r, "/schedules", read, "schedule-list", "List schedules", a.scheduleList)
	get(r, "/schedules/preview", read, "schedule-preview", "Say when a cron expression would fall due", a.schedulePreview)
	get(r, "/scripts/{id}/schedule", read, "schedule-get", "Get a script's schedule", a.scheduleGet)
	list(r, "/http-endpoints", read, "endpoint-list", "List HTTP endpoints", a.endpointList)
	list(r, "/event-subscriptions", read, "subscription-list", "List event subscriptions", a.subscriptionList)
	accept(r, "/events", execute, "event-publish", "Publish an event", a.eventPublish, unmetered)
	a.runRoutes(r)
}

// runRoutes are what has run, and what scripts keep.
func (a *API) runRoutes(r *router) {
	r.tag("Executions", "Runs, their logs, and what to do with them.")
	accept(r, "/scripts/{id}/executions", execute, "execution-create", "Run a script", a.executionCreate, unmetered, optional)
	accept(r, "/scripts/{id}/versions/{version}/executions", execute, "version-execution-create", "Run a version, live or not", a.versionExecutionCreate, unmetered, optional)
	act(r, "/invoke/{name}", execute, "script-invoke", "Run a script by name and get its output", a.scriptInvoke, unmetered, anyBody, optional)
	list(r, "/executions", read, "execution-list", "List executions", a.executionList)
	get(r, "/executions/{id}", read, "execution-get", "Get an execution", a.executionGet)
	get(r, "/activity", read, "activity-get", "What ran lately: over time, and failures in groups", a.activity)
	list(r, "/executions/{id}/logs", read, "execution-logs", "List an execution's log", a.executionLogs)
	list(r, "/executions/{id}/calls", read, "execution-calls", "List an execution's host calls", a.executionCalls)
	get(r, "/logs/tail", read, "log-tail", "Watch log lines, starts and ends of executions as they happen (server-sent events)", a.logTail)
	accept(r, "/executions/{id}/cancel", execute, "execution-cancel", "Cancel an execution", a.executionCancel)
	accept(r, "/executions/{id}/replay", execute, "execution-replay", "Run again with the same input", a.executionReplay, optional)

	r.tag("Dead letters", "Events that no attempt could handle.")
	list(r, "/dead-letters", read, "dead-letter-list", "List dead letters", a.deadLetterList)
	get(r, "/dead-letters/{id}", read, "dead-letter-get", "Get a dead letter", a.deadLetterGet)
	del(r, "/dead-letters/{id}", admin, "dead-letter-delete", "Delete a dead letter", a.deadLetterDelete)
	accept(r, "/dead-letters/{id}/retry", execute, "dead-letter-retry", "Retry a dead letter", a.deadLetterRetry, optional)
	accept(r, "/dead-letters/retry", execute, "dead-letter-retry-many", "Retry all dead letters that match", a.deadLetterRetryMany, optional)

	r.tag("Secrets", "Values that only scripts see, as env.")
	list(r, "/secrets", read, "secret-list", "List names of secrets", a.secretList)
	put(r, "/secrets/{name}", write, "secret-put", "Set a secret", a.secretPut, secretBody)
	del(r, "/secrets/{name}", admin, "secret-delete", "Delete a secret", a.secretDelete)

	act(r, "/secrets/rekey", operate, "secret-rekey", "Encrypt the secrets of all tenants with the newest secret key", a.secretRekey)

	r.tag("Vars", "Plain values that scripts have on env beside the secrets.")
	get(r, "/vars", read, "var-list", "List the vars", a.varList)
	add(r, http.MethodPut, "/vars", http.StatusOK, write, "var-replace", "Set all vars: those that are not given are deleted", a.varReplace, []option{conditional})
	put(r, "/vars/{name}", write, "var-put", "Set a var", a.varPut)
	del(r, "/vars/{name}", write, "var-delete", "Delete a var", a.varDelete)

	r.tag("kv", "Keys and values of scripts.")
	list(r, "/kv", inspect, "kv-list", "List keys, in their own order", a.kvList)
	get(r, "/kv/{key}", inspect, "kv-get", "Get a key's value", a.kvGet)
	put(r, "/kv/{key}", write, "kv-put", "Set a key", a.kvPut)
	del(r, "/kv/{key}", write, "kv-delete", "Delete a key", a.kvDelete)

	r.tag("Webhooks", "Where a tenant, or the operator without X-Tenant, hears of what happens to scripts.")
	list(r, "/webhooks", manage, "webhook-list", "List webhooks", a.webhookList)
	post(r, "/webhooks", manage, "webhook-create", "Create a webhook", a.webhookCreate, secretAnswer, secretBody)
	get(r, "/webhooks/{id}", manage, "webhook-get", "Get a webhook", a.webhookGet)
	del(r, "/webhooks/{id}", manage, "webhook-delete", "Delete a webhook with its deliveries", a.webhookDelete)
	accept(r, "/webhooks/{id}/test", manage, "webhook-test", "Send a test", a.webhookTest)
	list(r, "/webhooks/{id}/deliveries", manage, "webhook-delivery-list", "List deliveries", a.webhookDeliveries)
	accept(r, "/webhooks/{id}/deliveries/{delivery}/redrive", manage, "webhook-delivery-redrive", "Make a delivery once more, now, and enable the webhook", a.webhookDeliveryRedrive)
	accept(r, "/webhooks/{id}/redrive", manage, "webhook-redrive", "Make deliveries that failed once more, and enable the webhook", a.webhookRedrive)

	r.tag("Usage", "What was used.")
	get(r, "/usage", read, "usage", "Usage per day and script", a.usage)
	get(r, "/health/report", read, "health-report", "Say how the tenant does: what fails, waits, is late or used up, and one verdict", a.healthReport)
	list(r, "/refusals", read, "refusal-list", "List requests that were refused, by script, reason and minute", a.refusalList)
}

// serviceRoutes are those that anyone may call. They are not part of the versioned API.
func (a *API) serviceRoutes(g *gin.Engine) {
	g.GET("/healthz", a.healthz)
	g.GET("/readyz", a.readyz)
	g.GET("/openapi.json", a.openAPI)
	g.GET("/docs", a.docsPage)
	g.GET("/docs/*page", a.docsPage)
	g.GET("/jsruntime.d.ts", a.types)
	if a.cfg.Metrics != nil {
		g.GET("/metrics", gin.WrapH(a.cfg.Metrics))
	}
}

// Mount adds the API's routes to a router made by NewRouter. It is called once.
func (a *API) Mount(g *gin.Engine) {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "jsruntime admin API", Version: "1.0.0",
				Description: "Tenants, scripts, executions, events and dead letters of a jsruntime. Errors are application/problem+json; " +
					"lists are paged by cursor, newest first; every POST honours Idempotency-Key for 24 hours. Every path with GET answers HEAD. " +
					"Objects that can be changed carry an ETag: If-Match with a stale one is 412, If-None-Match with the present one 304. " +
					"Answers are compressed for clients that accept gzip. A query parameter that is unknown, or given twice, is a 422.",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Servers:  []*huma.Server{{URL: "/", Description: "This node"}},
			Security: []map[string][]string{{"key": {}}, {"session": {}}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"key": {Type: "http", Scheme: "bearer", Description: "A key: jsr_…"},
					"session": {Type: "apiKey", In: "cookie", Name: session.Cookie, Description: "A session of the console, for pages of this origin. " +
						"With TLS the cookie is called " + session.HostCookie + ". Every request but GET and HEAD needs the header X-CSRF-Token."},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{a.transform},
	}
	a.huma = humagin.New(g, config)
	a.huma.UseMiddleware(a.pipeline()...)
	a.routes(&router{api: a})
	a.serviceRoutes(g)
	mountHead(g)
	a.document()
}

// router collects the routes. Its functions below are functions and not methods because those can't be generic.
type router struct {
	api     *API
	current string
}

func (r *router) tag(name, description string) {
	r.current = name
	doc := r.api.huma.OpenAPI()
	doc.Tags = append(doc.Tags, &huma.Tag{Name: name, Description: description})
}

type option func(*routeInfo)

func body(n int64) option { return func(i *routeInfo) { i.maxBody = n } }

func streamed(i *routeInfo)   { i.streamed = true }
func unmetered(i *routeInfo)  { i.unmetered = true }
func anyBody(i *routeInfo)    { i.anyBody = true }
func optional(i *routeInfo)   { i.optional = true }
func secretBody(i *routeInfo) { i.secretBody = true }

// secretAnswer is of routes whose answer has a key, a link or a CSRF token: it is never compressed.
func secretAnswer(i *routeInfo) { i.secretAnswer = true }

// conditional is of routes that change an object which has an ETag: they honour If-Match.
func conditional(i *routeInfo) { i.conditional = true }

type handler[I, O any] func(context.Context, *I) (*O, error)

func get[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodGet, path, http.StatusOK, p, id, summary, h, opts)
}

func list[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodGet, path, http.StatusOK, p, id, summary, h, opts)
}

func post[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodPost, path, http.StatusCreated, p, id, summary, h, opts)
}

// act is a POST that is answered with its result, accept one that is answered before its work is done.
func act[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodPost, path, http.StatusOK, p, id, summary, h, opts)
}

func accept[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodPost, path, http.StatusAccepted, p, id, summary, h, opts)
}

func put[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodPut, path, http.StatusNoContent, p, id, summary, h, opts)
}

func patchRoute[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodPatch, path, http.StatusOK, p, id, summary, h, opts)
}

func del[I, O any](r *router, path string, p permission, id, summary string, h handler[I, O], opts ...option) {
	add(r, http.MethodDelete, path, http.StatusNoContent, p, id, summary, h, opts)
}

func add[I, O any](r *router, method, path string, status int, p permission, id, summary string, h handler[I, O], opts []option) {
	info := routeInfo{permission: p, maxBody: smallBody, scope: scopeOf(method, path, p)}
	for _, o := range opts {
		o(&info)
	}
	r.api.routeInfos = append(r.api.routeInfos, info)
	description := "Needs " + describePermission(p) + "."
	if info.scope != "" {
		description += " Scope: " + info.scope + "."
	}
	if p == public {
		description = "Needs no key before."
	}
	op := huma.Operation{
		Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary, Description: description, Tags: []string{r.current},
		DefaultStatus: status, MaxBodyBytes: -1, BodyReadTimeout: -1, SkipValidateBody: true, // the pipeline has read and validated it
		Metadata: map[string]any{routeKey: info}, Extensions: map[string]any{"x-permission": string(p), "x-scope": info.scope},
		Responses: map[string]*huma.Response{"default": {
			Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
		}, "4XX": {
			Description: "The request is refused", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
		}},
	}
	if p == public {
		op.Security = []map[string][]string{}
	}
	huma.Register(r.api.huma, op, func(ctx context.Context, in *I) (*O, error) {
		if err := decodeBody(ctx, reflect.ValueOf(in).Elem(), info); err != nil {
			return nil, r.api.problem(ctx, err)
		}
		out, err := h(ctx, in)
		if err != nil {
			return nil, r.api.problem(ctx, err)
		}
		return out, nil
	})
}

func describePermission(p permission) string {
	switch p {
	case operate:
		return "a superadmin key"
	case admin:
		return "the role admin"
	case manage:
		return "the role admin, or a superadmin key"
	case inspect, write, execute:
		return "the role developer or admin"
	default:
		return "any key of the tenant"
	}
}
