package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi/idempotency"
	"example.com/jsruntime/httpapi/problem"
)

// This file honours idempotency keys of endpoints (http.idempotency). A key is one caller's, at one endpoint. While it is taken, the run
// goes on when its client leaves, so that the client finds the answer when it asks again; the answer is kept before it is sent. What says "try
// again", and what ended without an answer, frees the key.

const (
	// maxKeptAnswer bounds a kept answer with its headers. What is larger is sent, and not given again.
	maxKeptAnswer = 256 << 10
	// holdMargin is what a key is held for beyond the script's own time.
	holdMargin = time.Minute
)

// attempt is a request that has taken a key.
type attempt struct {
	*Key
	key  string
	rule *catalog.Idempotency
	out  *keeper
	base map[string][]string // the headers that every answer of this delivery has
	kept bool                // an answer is kept already
}

// attempted takes the request's key, where it has one. It answers, and returns false, where the request is not to run.
func (a *answer) attempted(e *catalog.Endpoint, body []byte, limit time.Duration) bool {
	if e.Idempotency == nil || a.r.Method == http.MethodGet || a.r.Method == http.MethodHead || a.r.Method == http.MethodOptions {
		return true
	}
	values := a.r.Header[e.Idempotency.Header]
	if len(values) == 0 {
		return true
	}
	t := &attempt{key: values[0], rule: e.Idempotency}
	if len(values) > 1 || !idempotency.Valid(t.key) {
		a.admission.Undo()
		a.send(idempotency.Invalid(e.Idempotency.Header))
		return false
	}
	if a.g.cfg.Durable == nil {
		a.admission.Undo()
		a.fails("taking an idempotency key", errors.New("this node keeps no answers"))
		return false
	}
	t.Key = &Key{TenantID: e.TenantID, ScriptID: e.ScriptID, ID: a.callersKey(e, t.key), Fingerprint: a.fingerprint(body), ExecutionID: a.id, Taken: uuid.New()}
	// A client that leaves meanwhile must not leave it open whether the key is taken.
	ctx, cancel := a.lasting()
	defer cancel()
	found, err := a.g.cfg.Durable.Take(ctx, t.Key, limit+holdMargin)
	switch {
	case err != nil:
		a.admission.Undo()
		a.release(t)
		a.fails("taking an idempotency key", err)
		return false
	case found != nil:
		a.again(t, found)
		return false
	}
	t.base = make(map[string][]string, 8)
	for name, values := range a.w.Header() {
		t.base[name] = slices.Clone(values)
	}
	t.out = &keeper{ResponseWriter: a.w}
	a.w, a.attempt = t.out, t
	return true
}

// callersKey is the id of a key as its caller has it: who does not present what the caller has presented does not get the caller's answer.
func (a *answer) callersKey(e *catalog.Endpoint, key string) [32]byte {
	h := sha256.New()
	part(h, strconv.FormatBool(a.own())) // cookies and types are written otherwise for the shared host
	part(h, string(e.Auth))
	switch e.Auth {
	case catalog.AuthAPIKey:
		part(h, a.keyID.String())
	case catalog.AuthJWT:
		var who struct{ Iss, Sub json.RawMessage }
		_ = json.Unmarshal(a.admission.Claims, &who)
		if len(who.Sub) == 0 {
			part(h, string(a.admission.Claims))
		} else {
			part(h, string(who.Iss))
			part(h, string(who.Sub))
		}
	default:
		for _, name := range []string{"Authorization", "Cookie"} {
			for _, value := range a.r.Header[name] {
				part(h, name+value)
			}
		}
	}
	part(h, key)
	return [32]byte(h.Sum(nil))
}

// fingerprint tells whether two requests are the same.
func (a *answer) fingerprint(body []byte) [32]byte {
	h := sha256.New()
	part(h, a.r.Method)
	part(h, a.path)
	part(h, a.query)
	part(h, string(body))
	return [32]byte(h.Sum(nil))
}

// part adds a text to a hash, so that no two lists of texts have the same one.
func part(h hash.Hash, text string) {
	_, _ = h.Write(strconv.AppendInt(nil, int64(len(text)), 10))
	_, _ = h.Write([]byte{':'})
	_, _ = h.Write([]byte(text))
}

// again answers a request whose key another one has taken.
func (a *answer) again(t *attempt, found *KeptAnswer) {
	switch {
	case found.Fingerprint != t.Fingerprint:
		a.admission.Undo()
		a.send(idempotency.Reused(t.rule.Header))
	case found.Status == 0:
		a.admission.Undo()
		a.send(idempotency.InProgress(t.rule.Header))
	case found.Sealed == nil:
		a.send(problem.New(http.StatusConflict, "idempotency_answer_not_kept",
			"The first request with this "+t.rule.Header+" was answered, and its answer was too large to be kept; nothing ran again.").Of(found.ExecutionID))
	default:
		header, body, err := openKept(t.key, found.Sealed)
		if err != nil {
			a.fails("reading a kept answer", err)
			return
		}
		h := a.w.Header()
		for name, values := range header {
			h[name] = values
		}
		h["X-Execution-Id"] = []string{found.ExecutionID.String()}
		h[idempotency.Replayed] = []string{"true"}
		a.deadline()
		a.w.WriteHeader(found.Status)
		_, _ = a.w.Write(body)
	}
}

// runContext is what the run of the request ends with: its client, or the node only where a key is taken.
func (a *answer) runContext() (context.Context, context.CancelFunc) {
	if a.attempt == nil {
		return a.r.Context(), func() {}
	}
	client := a.r.Context()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(client))
	stop := context.AfterFunc(client, func() {
		if cause := context.Cause(client); errors.Is(cause, ErrStopping) {
			cancel(cause)
		}
	})
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// conclude keeps the answer of a request that has taken a key, and sends it. It is deferred: where the answer is not whole the key is free again.
func (a *answer) conclude() {
	t := a.attempt
	if t == nil {
		return
	}
	if broken := recover(); broken != nil {
		a.release(t)
		panic(broken)
	}
	switch {
	case t.kept:
	case t.out.status == 0 || !idempotency.Kept(t.out.status):
		a.release(t)
	default:
		a.keep(t)
	}
	t.out.send()
}

// keep keeps an answer. Where that fails the client has its answer all the same, and the key stays taken until its time is over: what has run is
// not run again at once.
func (a *answer) keep(t *attempt) {
	kept := &KeptAnswer{Fingerprint: t.Fingerprint, ExecutionID: a.id, Status: t.out.status}
	if !t.out.cut {
		memory, err := a.g.cfg.Budget.Take(t.TenantID, admission.UseAnswer, 3*int64(len(t.out.body)))
		if err == nil {
			defer memory.Release()
			kept.Sealed = t.sealed(a.w.Header())
		}
	}
	ctx, cancel := a.lasting()
	defer cancel()
	if err := a.g.cfg.Durable.Finish(ctx, t.Key, kept, t.rule.TTL); err != nil {
		a.fail("keeping an answer under its idempotency key", err)
	}
}

func (a *answer) release(t *attempt) {
	ctx, cancel := a.lasting()
	defer cancel()
	if err := a.g.cfg.Durable.Release(ctx, t.Key); err != nil {
		a.fail("freeing an idempotency key", err)
	}
}

// sealed is the answer as it is kept; nil: it is too large. Headers that belong to the delivery and not to the answer are left out.
func (t *attempt) sealed(header http.Header) []byte {
	own := map[string][]string{}
	for name, values := range header {
		if before, ok := t.base[name]; !ok || !slices.Equal(before, values) {
			own[name] = values
		}
	}
	head, err := json.Marshal(own)
	if err != nil || len(head)+len(t.out.body) > maxKeptAnswer {
		return nil
	}
	plain := make([]byte, 0, len(head)+1+len(t.out.body))
	plain = append(append(append(plain, head...), '\n'), t.out.body...)
	return idempotency.Seal("endpoint", t.key, plain)
}

func openKept(key string, sealed []byte) (header map[string][]string, body []byte, err error) {
	plain, err := idempotency.Open("endpoint", key, sealed)
	if err != nil {
		return nil, nil, err
	}
	head, body, _ := bytes.Cut(plain, []byte{'\n'})
	return header, body, json.Unmarshal(head, &header)
}

// keeper holds an answer back until it is kept. What is flushed, or larger than is kept, is sent as it comes.
type keeper struct {
	http.ResponseWriter
	status  int
	body    []byte
	through bool // what was held back is sent
	cut     bool // body is not all
}

// Unwrap is for http.ResponseController.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (k *keeper) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

// Write implements http.ResponseWriter.
func (k *keeper) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if len(k.body)+len(b) > maxKeptAnswer {
		k.send()
		k.cut, k.body = true, nil
	}
	if !k.cut {
		k.body = append(k.body, b...)
	}
	if k.through {
		return k.ResponseWriter.Write(b)
	}
	return len(b), nil
}

// FlushError is for http.ResponseController.
func (k *keeper) FlushError() error {
	k.send()
	return http.NewResponseController(k.ResponseWriter).Flush()
}

// send sends what was held back.
func (k *keeper) send() {
	if k.through || k.status == 0 {
		return
	}
	k.through = true
	k.ResponseWriter.WriteHeader(k.status)
	if len(k.body) > 0 {
		_, _ = k.ResponseWriter.Write(k.body)
	}
}
