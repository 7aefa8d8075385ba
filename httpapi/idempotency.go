package httpapi

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"jsruntime/sqlc"
)

// recorder keeps what is written, beside writing it.
type recorder struct {
	gin.ResponseWriter
	body bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

func (r *recorder) WriteString(s string) (int, error) {
	r.body.WriteString(s)
	return r.ResponseWriter.WriteString(s)
}

// replayedHeaders are those of a first answer that belong to it and not to its delivery.
func replayedHeaders() []string {
	return []string{"Content-Type", "Location", "Etag", "X-Execution-Id"}
}

// idempotent honours Idempotency-Key on POST for 24 hours: the first answer again for the same request, 422 for another
// one, 409 while the first still runs. An answer that says "try again" (429, 5xx) is not kept.
//
// Kept answers may hold what is shown only once (a new key), so they are encrypted with a key made of what only the caller
// has: its API key and the idempotency key.
func (a *API) idempotent(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header("Idempotency-Key")
	if key == "" || ctx.Method() != http.MethodPost || infoOf(ctx.Operation()).permission == public {
		next(ctx)
		return
	}
	if len(key) > 255 || !isText(key) {
		a.refuse(ctx, invalid("header.Idempotency-Key", "expected length <= 255"))
		return
	}
	in := callOf(ctx.Context())
	c := humagin.Unwrap(ctx)
	id := sqlc.IdempotencyTakeParams{
		Scope: in.principal.KeyID.String(), Key: key, Route: in.principal.TenantID.String() + " " + ctx.Operation().OperationID,
		Fingerprint: fingerprint(c, in),
	}
	_, err := a.queries.IdempotencyTake(ctx.Context(), id)
	if errors.Is(err, pgx.ErrNoRows) {
		a.replay(ctx, id, in)
		return
	}
	if err != nil {
		a.refuse(ctx, err)
		return
	}
	rec := &recorder{ResponseWriter: c.Writer}
	c.Writer = rec
	finished := false
	// What runs after the answer must not be stopped by the caller's leaving.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), 5*time.Second)
	defer cancel()
	defer func() {
		if finished {
			return
		}
		if err := a.queries.IdempotencyRelease(after, sqlc.IdempotencyReleaseParams{Scope: id.Scope, Key: id.Key, Route: id.Route}); err != nil {
			a.log.WarnContext(after, "idempotency key not released", "error", err)
		}
	}()
	next(ctx)
	status := c.Writer.Status()
	if status >= 500 || status == http.StatusTooManyRequests {
		return
	}
	header := map[string]string{}
	for _, name := range replayedHeaders() {
		if v := c.Writer.Header().Get(name); v != "" {
			header[name] = v
		}
	}
	headers, _ := json.Marshal(header)
	code := int32(status)
	err = a.queries.IdempotencyFinish(after, sqlc.IdempotencyFinishParams{
		Scope: id.Scope, Key: id.Key, Route: id.Route, StatusCode: &code, Headers: headers,
		Body: sealAnswer(in.bearer, key, rec.body.Bytes()),
	})
	if err != nil {
		a.log.WarnContext(after, "idempotency key not finished", "error", err)
		return
	}
	finished = true
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
	inProgress := conflict("idempotency_in_progress", "The first request with this Idempotency-Key has not been answered yet.").retryAfter(time.Second)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		a.refuse(ctx, inProgress)
		return
	case err != nil:
		a.refuse(ctx, err)
		return
	case !bytes.Equal(row.Fingerprint, id.Fingerprint):
		a.refuse(ctx, invalidCode("idempotency_key_reused", "header.Idempotency-Key", "already used for another request"))
		return
	case row.StatusCode == nil:
		a.refuse(ctx, inProgress)
		return
	}
	body, err := openAnswer(in.bearer, id.Key, row.Body)
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
	c.Writer.Header().Set("Idempotent-Replayed", "true")
	c.Status(int(*row.StatusCode))
	c.Writer.WriteHeaderNow()
	_, _ = c.Writer.Write(body)
}

func answerCipher(bearer, key string) cipher.AEAD {
	sum := sha256.Sum256([]byte("jsruntime answer\x00" + bearer + "\x00" + key))
	block, _ := aes.NewCipher(sum[:]) // 32 bytes are a key
	aead, _ := cipher.NewGCM(block)
	return aead
}

func sealAnswer(bearer, key string, body []byte) []byte {
	aead := answerCipher(bearer, key)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, body, nil)
}

func openAnswer(bearer, key string, sealed []byte) ([]byte, error) {
	aead := answerCipher(bearer, key)
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("kept answer is too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
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
