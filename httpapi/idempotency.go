package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/httpapi/idempotency"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

// recorder keeps an answer until it may be sent.
type recorder struct {
	gin.ResponseWriter
	body bytes.Buffer
}

// Write implements http.ResponseWriter; nothing is sent.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// WriteString implements gin.ResponseWriter.
func (r *recorder) WriteString(s string) (int, error) { return r.body.WriteString(s) }

// WriteHeaderNow implements gin.ResponseWriter.
func (r *recorder) WriteHeaderNow() {}

// Flush implements http.Flusher.
func (r *recorder) Flush() {}

// send sends the answer.
func (r *recorder) send() {
	if r.body.Len() == 0 {
		r.ResponseWriter.WriteHeaderNow()
		return
	}
	_, _ = r.ResponseWriter.Write(r.body.Bytes())
}

// replayedHeaders are those of a first answer that belong to it and not to its delivery.
func replayedHeaders() []string {
	return []string{"Content-Type", "Location", "Etag", "X-Execution-Id"}
}

const idempotencyHeader = "Idempotency-Key"

// idempotent honours Idempotency-Key on POST for 24 hours: the first answer again for the same request, 422 for another
// one, 409 while the first still runs. An answer that says "try again" (429, 5xx) is not kept.
//
// What the request changes and its answer are committed together: a client that got no answer, because the node or the connection
// broke, asks again and either gets the answer or has it done for the first time.
//
// Kept answers may hold what is shown only once (a new key), so they are encrypted with a key made of what only the caller
// has: its API key or its session's token, and the idempotency key.
func (a *API) idempotent(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header(idempotencyHeader)
	if key == "" || ctx.Method() != http.MethodPost || infoOf(ctx.Operation()).permission == public {
		next(ctx)
		return
	}
	if !idempotency.Valid(key) {
		a.refuse(ctx, idempotency.Invalid(idempotencyHeader))
		return
	}
	in := callOf(ctx.Context())
	c := humagin.Unwrap(ctx)
	id := sqlc.IdempotencyTakeParams{
		Scope: in.scope(), Key: key, Route: in.principal.TenantID.String() + " " + ctx.Operation().OperationID,
		Fingerprint: fingerprint(c, in), Taken: uuid.New(),
	}
	if a.cfg.NodeID != uuid.Nil {
		id.NodeID = &a.cfg.NodeID
	}
	// Who leaves meanwhile must not leave it open whether the key is taken.
	take, cancel := lasting(ctx.Context(), beginWait)
	_, err := a.queries.IdempotencyTake(take, id)
	cancel()
	if errors.Is(err, pgx.ErrNoRows) {
		a.replay(ctx, id, in)
		return
	}
	if err != nil {
		a.releases.add(takenKey{id, time.Now().Add(lateTake)})
		a.refuse(ctx, err)
		return
	}
	rec := &recorder{ResponseWriter: c.Writer}
	c.Writer, in.held = rec, &held{}
	kept := false
	sent := false
	defer func() { // also where the handler panics
		c.Writer = rec.ResponseWriter
		if !sent {
			for _, name := range append(replayedHeaders(), "Retry-After") {
				c.Writer.Header().Del(name)
			}
		}
		if in.held.tx != nil {
			rollback(ctx.Context(), in.held.tx)
		}
		if k := (takenKey{id: id}); !kept && !a.release(ctx.Context(), k) {
			a.releases.add(k)
		}
		if err != nil && !sent {
			a.refuse(ctx, err)
		}
	}()
	next(ctx)
	after, cancel := lasting(ctx.Context(), answerWait)
	defer cancel()
	kept, err = a.conclude(after, id, in, rec)
	if err != nil && in.held.tx != nil {
		return // what was made is undone, and so is its answer
	}
	if err != nil {
		a.logOf(after).WarnContext(after, "idempotency key not finished", "error", err)
	}
	sent = true
	rec.send()
}

const (
	// answerWait bounds how long an answer is kept back to be committed.
	answerWait = 5 * time.Second
	// releaseWait bounds how long it is kept back to release its key.
	releaseWait = 500 * time.Millisecond
	// lateTake is how long a taking of a key that was given up may still arrive at the database: Linux goes on sending what a closed
	// connection had to send for 100 s (tcp_orphan_retries), through a network that was cut and is whole again.
	lateTake = 2 * time.Minute
)

// takenKey is a key whose request was not done.
type takenKey struct {
	id    sqlc.IdempotencyTakeParams
	until time.Time // until when it may still be taken; zero: it was
}

// release makes keys free, and reports whether they are.
func (a *API) release(ctx context.Context, keys ...takenKey) bool {
	ctx, cancel := lasting(ctx, releaseWait)
	defer cancel()
	var p sqlc.IdempotencyReleaseParams
	for _, k := range keys {
		p.Scopes, p.Keys, p.Routes, p.Takens = append(p.Scopes, k.id.Scope), append(p.Keys, k.id.Key), append(p.Routes, k.id.Route), append(p.Takens, k.id.Taken)
	}
	return a.queries.IdempotencyRelease(ctx, p) == nil
}

// releases are keys whose release is still to be made, or made again: the database did not answer.
type releases struct {
	mu   sync.Mutex
	keys []takenKey
}

// maxReleases bounds what an outage leaves to do. What is beyond becomes free after five minutes.
const maxReleases = 10_000

func (r *releases) add(keys ...takenKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, keys[:min(len(keys), max(0, maxReleases-len(r.keys)))]...)
}

// releaseKeys makes the releases that are to be made, until some fail. Those whose taking may still arrive stay on the list.
func (a *API) releaseKeys(ctx context.Context) {
	a.releases.mu.Lock()
	keys := a.releases.keys
	a.releases.keys = nil
	a.releases.mu.Unlock()
	reached := true
	for some := range slices.Chunk(keys, 1000) {
		now := time.Now()
		reached = reached && a.release(ctx, some...)
		for _, k := range some {
			if !reached || now.Before(k.until) {
				a.releases.add(k)
			}
		}
	}
}

// conclude commits what the request has changed, together with its answer where that is one to keep.
func (a *API) conclude(ctx context.Context, id sqlc.IdempotencyTakeParams, in *call, rec *recorder) (kept bool, err error) {
	status, h, q := rec.Status(), in.held, a.queries
	if h.tx != nil {
		if status >= 500 {
			return false, nil // it is rolled back
		}
		q = sqlc.New(h.tx)
		if err := tenantdb.Leave(ctx, h.tx); err != nil {
			return false, err
		}
	}
	if idempotency.Kept(status) {
		header := map[string]string{}
		for _, name := range replayedHeaders() {
			if v := rec.Header().Get(name); v != "" {
				header[name] = v
			}
		}
		headers, err := json.Marshal(header)
		if err != nil {
			return false, err
		}
		code := int32(status)
		rows, err := q.IdempotencyFinish(ctx, sqlc.IdempotencyFinishParams{
			Scope: id.Scope, Key: id.Key, Route: id.Route, Taken: id.Taken, StatusCode: &code, Headers: headers,
			Body: idempotency.Seal(in.secret(), id.Key, rec.body.Bytes()),
		})
		if err != nil {
			return false, err
		}
		if rows == 0 {
			return false, idempotency.InProgress(idempotencyHeader) // another node took it for dead, and the key with it
		}
		kept = true
	}
	if h.tx == nil {
		return kept, nil
	}
	if err := h.tx.Commit(ctx); err != nil {
		return false, err
	}
	h.tx = nil
	a.followOwn(ctx, h.change)
	for _, what := range h.after {
		what()
	}
	return kept, nil
}

func fingerprint(c *gin.Context, in *call) []byte {
	h := sha256.New()
	h.Write([]byte(c.Request.URL.Path + "?" + c.Request.URL.Query().Encode() + "\n"))
	h.Write(in.body)
	return h.Sum(nil)
}

// replay answers a request whose idempotency key is taken.
func (a *API) replay(ctx huma.Context, id sqlc.IdempotencyTakeParams, in *call) {
	row, err := a.queries.IdempotencyGet(ctx.Context(), sqlc.IdempotencyGetParams{Scope: id.Scope, Key: id.Key, Route: id.Route})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		a.refuse(ctx, idempotency.InProgress(idempotencyHeader))
		return
	case err != nil:
		a.refuse(ctx, err)
		return
	case !bytes.Equal(row.Fingerprint, id.Fingerprint):
		a.refuse(ctx, idempotency.Reused(idempotencyHeader))
		return
	case row.StatusCode == nil:
		a.refuse(ctx, idempotency.InProgress(idempotencyHeader))
		return
	}
	body, err := idempotency.Open(in.secret(), id.Key, row.Body)
	if err != nil {
		a.refuse(ctx, err)
		return
	}
	var header map[string]string
	_ = json.Unmarshal(row.Headers, &header)
	c := humagin.Unwrap(ctx)
	for name, v := range header {
		c.Writer.Header().Set(name, v)
	}
	c.Writer.Header().Set(idempotency.Replayed, "true")
	c.Status(int(*row.StatusCode))
	c.Writer.WriteHeaderNow()
	_, _ = c.Writer.Write(body)
}

// scope is who an Idempotency-Key belongs to. A session is by itself: it cannot read the answers that are kept for its key.
func (c *call) scope() string {
	switch {
	case c.session != nil:
		return c.session.id.String()
	case c.principal.operatorKey != 0:
		sum := sha256.Sum256([]byte("jsruntime scope\x00" + c.bearer))
		return "operator " + hex.EncodeToString(sum[:16])
	}
	return c.principal.KeyID.String()
}

// secret is what only the caller and the request know.
func (c *call) secret() string {
	if c.session != nil {
		return c.session.token
	}
	return c.bearer
}

// pruneIdempotency deletes keys that are older than a day, in batches.
func (a *API) pruneIdempotency(ctx context.Context) {
	for {
		n, err := a.queries.IdempotencyPrune(ctx, 1000)
		if err != nil {
			if ctx.Err() == nil {
				a.log.WarnContext(ctx, "idempotency keys not pruned", "error", err)
			}
			return
		}
		if n < 1000 {
			return
		}
	}
}
