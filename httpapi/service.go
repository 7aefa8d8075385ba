package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"example.com/jsruntime/httpapi/console"
	"example.com/jsruntime/httpapi/docs"
)

// healthz says that the process serves requests. It asks nothing of anyone else, so that a database outage restarts no node.
func (a *API) healthz(c *gin.Context) {
	c.JSON(http.StatusOK, struct {
		Status  string `json:"status"`
		Version string `json:"version"`
		EngineInfo
		V8AgeDays *int     `json:"v8_age_days,omitempty"`
		Sandbox   []string `json:"sandbox,omitempty"`
	}{"ok", a.cfg.Version, a.cfg.Engine, v8AgeDays(a.cfg.Engine.V8Version), a.layers()})
}

// layers names the layers of the workers' sandbox. Of those that hold, only that: the rest is this machine's own affair.
func (a *API) layers() []string {
	if a.cfg.Layers == nil {
		return nil
	}
	layers := a.cfg.Layers()
	for i, l := range layers {
		if name, _, ok := strings.Cut(l, "=on"); ok {
			layers[i] = name + "=on"
		}
	}
	return layers
}

// readyz says whether the node should get traffic: it is not stopping, it has workers or can start some, and its database answers.
// (Before the catalog has been read there is no listener to ask.) ?exclude=NAME leaves a check out ("workers", "database"), as
// Kubernetes' own API server has it: a name that is no check changes nothing. Proxies ask with ?exclude=database: an outage of the
// database is all nodes' at once, and each still serves what is warm.
func (a *API) readyz(c *gin.Context) {
	ctx := c.Request.Context()
	if a.cfg.Ready != nil {
		if err := a.cfg.Ready(ctx); err != nil {
			newProblem(http.StatusServiceUnavailable, "not_ready", err.Error()).RetryAfter(time.Second).Write(c.Writer, c.Request)
			return
		}
	}
	exclude := c.QueryArray("exclude")
	if a.cfg.Able != nil && !slices.Contains(exclude, "workers") && !a.cfg.Able() {
		newProblem(http.StatusServiceUnavailable, "not_ready", "The node has no worker process and can start none; its log says why.").RetryAfter(time.Second).Write(c.Writer, c.Request)
		return
	}
	if !slices.Contains(exclude, "database") {
		if err := a.ping(ctx); err != nil {
			a.log.WarnContext(ctx, "not ready", "error", err)
			databaseUnavailable().Write(c.Writer, c.Request)
			return
		}
	}
	c.JSON(http.StatusOK, gin.H{"status": "ready"})
}

// ping asks the database whether it answers, once for all who want to know at one time: anyone may, and connections are few.
func (a *API) ping(ctx context.Context) error {
	_, err, _ := a.pings.Do("", func() (any, error) {
		ctx, cancel := lasting(ctx, 2*time.Second) // the first one's leaving is not the others'
		defer cancel()
		return nil, a.cfg.Ping(ctx)
	})
	return err
}

func (a *API) openAPI(c *gin.Context) {
	c.Data(http.StatusOK, "application/json; charset=utf-8", a.spec)
}

func (a *API) docsPage(c *gin.Context) {
	console.Protect(c.Writer.Header(), docs.Policy)
	a.docs.ServeHTTP(c.Writer, c.Request)
}

func (a *API) types(c *gin.Context) {
	if len(a.cfg.Types) == 0 {
		notFound().Write(c.Writer, c.Request)
		return
	}
	c.Data(http.StatusOK, "application/typescript; charset=utf-8", a.cfg.Types)
}

// Document returns the OpenAPI document as the API serves it. It needs neither a database nor anything else.
func Document() ([]byte, error) {
	a := &API{}
	a.Mount(NewRouter(slog.New(slog.DiscardHandler)))
	if a.spec == nil {
		return nil, errors.New("the OpenAPI document could not be rendered")
	}
	return a.spec, nil
}

// Docs returns the pages of /docs as the API serves them.
func Docs() *docs.Docs {
	a := &API{}
	a.Mount(NewRouter(slog.New(slog.DiscardHandler)))
	return a.docs
}

// document completes the OpenAPI document once all routes are known, and renders it.
func (a *API) document() {
	doc := a.huma.OpenAPI()
	doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	doc.Components.Schemas.Schema(reflect.TypeFor[TailEvent](), true, "")
	doc.Components.Schemas.Schema(reflect.TypeFor[TailNotice](), true, "")
	doc.Components.Schemas.Schema(reflect.TypeFor[TenantsUsage](), true, "")
	// huma's own error bodies never leave: transform replaces them.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	for path, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			completeOperation(path, op)
		}
	}
	a.spec = indented(doc)
	pages, err := docs.New(docs.Config{Document: doc, Script: console.Asset("docs", ".js"), Style: console.Asset("docs", ".css"), Flags: a.cfg.Flags})
	if err != nil {
		panic(err) // a template of ours
	}
	a.docs = pages
}

func operationsOf(item *huma.PathItem) []*huma.Operation {
	var ops []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			ops = append(ops, op)
		}
	}
	return ops
}

// completeOperation adds to an operation what huma cannot know of it.
func completeOperation(path string, op *huma.Operation) {
	for i, p := range op.Parameters {
		op.Parameters[i] = completeParameter(path, p)
	}
	op.Parameters = append(op.Parameters, headerParameters(op)...)
	if op.RequestBody != nil && infoOf(op).optional {
		op.RequestBody.Required = false
	}
	if op.Method == http.MethodPatch && op.RequestBody != nil {
		op.RequestBody.Content["application/merge-patch+json"] = &huma.MediaType{Schema: op.RequestBody.Content["application/json"].Schema}
	}
	if hasTag(op) {
		op.Responses["304"] = &huma.Response{Description: "The caller has the answer already"}
	}
	if complete := answers[op.OperationID]; complete != nil {
		complete(op)
	}
}

// completeParameter is the parameter as the document has it. An id that is malformed is a 404 and no 422, and an unknown error code finds
// nothing, so nothing validates them; the document says what they look like all the same.
func completeParameter(path string, p *huma.Param) *huma.Param {
	schema := *p.Schema
	switch {
	case p.In == "path" && p.Name == "id" && !strings.HasPrefix(path, "/api/v1/users/"):
		schema.Format = "uuid"
	case p.In == "query" && p.Name == "error_code":
		for _, code := range codeNames() {
			schema.Enum = append(schema.Enum, code)
		}
	default:
		return p
	}
	completed := *p
	completed.Schema = &schema
	return &completed
}

// hasTag reports whether a GET's answer has an ETag.
func hasTag(op *huma.Operation) bool {
	r := op.Responses["200"]
	return op.Method == http.MethodGet && r != nil && r.Headers["ETag"] != nil
}

// headerParameters are the request headers that the pipeline, and not the operation's handler, reads.
func headerParameters(op *huma.Operation) []*huma.Param {
	var params []*huma.Param
	add := func(when bool, name, description string, examples ...any) {
		if when {
			params = append(params, &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString, Examples: examples}})
		}
	}
	add(op.Method == http.MethodPost, "Idempotency-Key", "The same key within 24 hours gives the first answer again.")
	add(infoOf(op).conditional, "If-Match", "Do it only if the object's ETag is still one of these; else 412. A list of tags, or *.", `"17.5f0c2a91"`)
	add(hasTag(op), "If-None-Match", "ETags of answers that the caller has: 304 if the answer would be one of them.")
	add(infoOf(op).permission != operate, "X-Tenant", "With a superadmin key: the slug or id of the tenant that is meant.")
	return params
}

// answers completes the answers that an operation's output type does not describe, by operation.
var answers = map[string]func(*huma.Operation){
	"execution-create": func(op *huma.Operation) {
		op.Responses["200"] = &huma.Response{Description: "With wait=true: the finished execution", Content: op.Responses["202"].Content, Headers: op.Responses["202"].Headers}
	},
	"log-tail": func(op *huma.Operation) {
		op.Responses["200"] = &huma.Response{
			Description: "A stream of server-sent events whose data are JSON. log: a line (TailEvent with seq). execution.started: an execution that has run for a second. " +
				"execution.ended: an execution that has ended or was refused, with trigger, status, outcome, duration and error (both TailEvent). " +
				"notice: what the stream cannot show (TailNotice).",
			Content: contentOf("text/event-stream", &huma.Schema{Type: huma.TypeString}),
		}
	},
	"script-export": func(op *huma.Operation) {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: contentOf("application/json", &huma.Schema{Ref: "#/components/schemas/Export"})}
	},
	"tenant-usage": func(op *huma.Operation) {
		op.Responses["200"].Content = map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/TenantsUsage"}},
			"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}, Example: "period,tenant_id,slug,name,deleted,executions,completed,cpu_ms,duration_ms,memory_byte_ms,egress_bytes,api_calls\r\n" +
				"2026-11,0192f1c2-7c1e-7a31-9f43-0a6f3f6a7c11,acme,Acme Inc.,false,1204,1198,8123.5,60412,4112000000,88213,310\r\n"},
		}
	},
	"version-diff": func(op *huma.Operation) {
		op.Responses["200"].Content = contentOf("text/x-diff", &huma.Schema{Type: huma.TypeString})
	},
}

func contentOf(mediaType string, schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{mediaType: {Schema: schema}}
}

func indented(doc *huma.OpenAPI) []byte {
	b, err := doc.MarshalJSON()
	if err != nil {
		return nil
	}
	var v any
	if err := decodeNumbers(b, &v); err != nil {
		return b
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return b
	}
	return append(out, '\n')
}
