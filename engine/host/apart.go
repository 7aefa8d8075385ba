package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/engine/text"
)

// maxOverlay bounds what an Apart holds of keys and values.
const maxOverlay = 4 << 20

// Fetcher answers a fetch of an execution that is kept apart.
type Fetcher func(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error)

// Apart serves the host calls of one execution whose effects stay inside: kv is read, and what is written to it lies over it and is gone with the
// execution; events and invocations are checked and not sent. Calls are counted against the script's max_api_calls_per_minute as if the
// execution were the only one, and not against that of its live executions.
type Apart struct {
	host  *Host
	fetch Fetcher

	mu      sync.Mutex // guards what follows
	calls   int
	overlay map[string]*laid
	bytes   int
}

// laid is a key as the execution has left it.
type laid struct {
	value, metadata json.RawMessage // value nil: deleted
	expires         *time.Time
}

func (l *laid) present(now time.Time) bool {
	return l.value != nil && (l.expires == nil || l.expires.After(now))
}

// Apart makes the host of one execution. fetch answers its fetches; nil: they leave as any other.
func (h *Host) Apart(fetch Fetcher) *Apart {
	if fetch == nil {
		fetch = h.fetch
	}
	return &Apart{host: h, fetch: fetch, overlay: map[string]*laid{}}
}

// Call implements engine.Host.
func (a *Apart) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	if _, ok := methods[call.Method]; !ok {
		return nil, typeError(call.Method, "is not a host call of this version")
	}
	a.mu.Lock()
	a.calls++
	limit := call.Invocation.Script.Limits.MaxAPICallsPerMinute
	over := a.calls > limit
	a.mu.Unlock()
	if over {
		describe(call)
		return nil, &engine.HostError{
			Name: "RateLimitError", Code: "rate_limited", RetryAfter: time.Minute.Milliseconds(),
			Message: fmt.Sprintf("max_api_calls_per_minute: the limit of %d calls a minute is used up", limit),
		}
	}
	reply, err := a.serve(ctx, call)
	return reply, ofDeleted(call.Method, err)
}

func (a *Apart) serve(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	switch call.Method {
	case "fetch":
		var args fetchArgs
		if err := decode(call, &args); err != nil {
			return nil, err
		}
		args.note(call)
		return a.fetch(ctx, call)
	case "events.publish":
		return a.publish(call)
	case "scripts.invoke":
		if _, err := invocationOf(call); err != nil {
			return nil, err
		}
		return reply(struct {
			Output json.RawMessage `json:"output"`
		}{json.RawMessage("null")})
	case "kv.get":
		return a.get(ctx, call)
	case "kv.put":
		return a.put(call)
	case "kv.delete":
		return a.delete(ctx, call)
	case "kv.list":
		return a.list(ctx, call)
	case "kv.compareAndSet":
		return a.compareAndSet(ctx, call)
	case "kv.increment":
		return a.increment(ctx, call)
	}
	return nil, typeError(call.Method, "is not available in a comparison")
}

func (a *Apart) publish(call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
		ID   string          `json:"id"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Type
	if args.Type == "" {
		return nil, typeError(call.Method, "type must be a string that is not empty")
	}
	if _, err := text.CleanJSON(args.Data); len(args.Data) > 0 && err != nil {
		return nil, typeError(call.Method, "data "+err.Error())
	}
	if args.ID == "" {
		args.ID = uuid.NewString()
	}
	return reply(publishReply{EventID: args.ID})
}

// read is a key as the execution sees it.
func (a *Apart) read(ctx context.Context, call *engine.HostCall, key string) (out kvGetReply, err error) {
	if err := kv.CheckKey("key", key); err != nil {
		return out, ofKV(call.Method, err)
	}
	a.mu.Lock()
	l := a.overlay[key]
	a.mu.Unlock()
	if l == nil {
		under, err := json.Marshal(map[string]string{"key": key})
		if err != nil {
			return out, fmt.Errorf("encode key: %w", err)
		}
		got, err := a.host.kvGet(ctx, &engine.HostCall{Invocation: call.Invocation, Method: call.Method, Args: under})
		if err != nil {
			return out, err
		}
		return out, json.Unmarshal(got.Payload, &out)
	}
	if !l.present(time.Now()) {
		return kvGetReply{Value: json.RawMessage("null")}, nil
	}
	return kvGetReply{Present: true, Value: l.value, Expiration: unix(l.expires), Metadata: l.metadata}, nil
}

// lay writes a key over kv. The value is nil where it is deleted.
func (a *Apart) lay(call *engine.HostCall, key string, l *laid) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	size := len(key) + len(l.value) + len(l.metadata)
	if old := a.overlay[key]; old != nil {
		size -= len(key) + len(old.value) + len(old.metadata)
	}
	if a.bytes+size > maxOverlay {
		return &engine.HostError{
			Name: "QuotaExceededError", Code: "storage_quota",
			Message: fmt.Sprintf("%s: an execution of a comparison writes at most %d bytes", call.Method, maxOverlay),
		}
	}
	a.bytes += size
	a.overlay[key] = l
	return nil
}

// write checks a write and lays it.
func (a *Apart) write(call *engine.HostCall, w *kvWrite) error {
	if string(w.Metadata) == "null" {
		w.Metadata = nil
	}
	err := kv.CheckKey("key", w.Key)
	var ttl *float64
	if err == nil {
		ttl, err = kv.CheckTTL("expirationTtl", w.ExpirationTTL)
	}
	if err == nil {
		err = a.host.cfg.KV.CheckValue(w.Value, w.Metadata)
	}
	if err != nil {
		return ofKV(call.Method, err)
	}
	l := &laid{value: slices.Clone(w.Value), metadata: slices.Clone(w.Metadata)}
	if ttl != nil {
		at := time.Now().Add(time.Duration(*ttl * float64(time.Second)))
		l.expires = &at
	}
	return a.lay(call, w.Key, l)
}

func (a *Apart) get(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key string `json:"key"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	out, err := a.read(ctx, call, args.Key)
	if err != nil {
		return nil, err
	}
	return reply(out)
}

func (a *Apart) put(call *engine.HostCall) (*engine.HostReply, error) {
	var args kvWrite
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	if err := a.write(call, &args); err != nil {
		return nil, err
	}
	return reply(struct{}{})
}

func (a *Apart) delete(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key string `json:"key"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	was, err := a.read(ctx, call, args.Key)
	if err == nil {
		err = a.lay(call, args.Key, &laid{})
	}
	if err != nil {
		return nil, err
	}
	return reply(struct {
		Deleted bool `json:"deleted"`
	}{was.Present})
}

func (a *Apart) compareAndSet(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		kvWrite
		Expected json.RawMessage `json:"expected"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	if len(args.Expected) == 0 {
		return nil, typeError(call.Method, "expected is missing")
	}
	was, err := a.read(ctx, call, args.Key)
	if err != nil {
		return nil, err
	}
	written := bytes.Equal(was.Value, args.Expected)
	if written {
		if err := a.write(call, &args.kvWrite); err != nil {
			return nil, err
		}
	}
	return reply(struct {
		Written bool `json:"written"`
	}{written})
}

func (a *Apart) increment(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Key           string   `json:"key"`
		Delta         *float64 `json:"delta"`
		ExpirationTTL float64  `json:"expirationTtl"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Key
	was, err := a.read(ctx, call, args.Key)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	if was.Present {
		if json.Unmarshal(was.Value, &sum) != nil || string(was.Value) == "null" {
			return nil, typeError(call.Method, "the value of this key is not a number")
		}
		args.ExpirationTTL = 0
	}
	if args.Delta == nil {
		sum++
	} else {
		sum += *args.Delta
	}
	if math.IsInf(sum, 0) {
		return nil, &engine.HostError{Name: "RangeError", Message: "kv.increment: the sum is beyond what a number can hold"}
	}
	value, err := json.Marshal(sum)
	if err != nil {
		return nil, fmt.Errorf("encode sum: %w", err)
	}
	w := kvWrite{Key: args.Key, Value: value, ExpirationTTL: args.ExpirationTTL, Metadata: was.Metadata}
	if err := a.write(call, &w); err != nil {
		return nil, err
	}
	if was.Expiration != nil { // an increment keeps it
		at := time.Unix(*was.Expiration, 0)
		a.mu.Lock()
		a.overlay[args.Key].expires = &at
		a.mu.Unlock()
	}
	return reply(struct {
		Value json.RawMessage `json:"value"`
	}{value})
}

// list lists kv's keys and those that lie over it, in one order.
func (a *Apart) list(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args struct {
		Prefix string  `json:"prefix"`
		Limit  float64 `json:"limit"`
		Cursor string  `json:"cursor"`
	}
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	call.Note.Target = args.Prefix
	if args.Limit == 0 {
		args.Limit = kv.DefaultPage
	}
	out := kvListReply{Keys: []kvListKey{}}
	for {
		under, err := json.Marshal(args)
		if err != nil {
			return nil, fmt.Errorf("encode list: %w", err)
		}
		got, err := a.host.kvList(ctx, &engine.HostCall{Invocation: call.Invocation, Method: call.Method, Args: under})
		if err != nil {
			return nil, err
		}
		var page kvListReply
		if err := json.Unmarshal(got.Payload, &page); err != nil {
			return nil, fmt.Errorf("decode list: %w", err)
		}
		after, _ := base64.RawURLEncoding.DecodeString(args.Cursor) // kvList has judged it
		out.Keys = append(out.Keys, a.merge(page, args.Prefix, string(after))...)
		out.Complete, args.Cursor = page.Complete, page.Cursor
		if out.Complete || len(out.Keys) >= int(args.Limit) {
			break
		}
	}
	if limit := int(args.Limit); len(out.Keys) > limit {
		out.Keys, out.Complete = out.Keys[:limit], false
	}
	if !out.Complete {
		out.Cursor = base64.RawURLEncoding.EncodeToString([]byte(out.Keys[len(out.Keys)-1].Name))
	}
	return reply(out)
}

// merge is a page of kv's keys with what lies over its range.
func (a *Apart) merge(page kvListReply, prefix, after string) []kvListKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys := slices.DeleteFunc(page.Keys, func(k kvListKey) bool { return a.overlay[k.Name] != nil })
	last, now := "", time.Now()
	if !page.Complete {
		b, _ := base64.RawURLEncoding.DecodeString(page.Cursor) // it is ours
		last = string(b)
	}
	for name, l := range a.overlay {
		if l.present(now) && strings.HasPrefix(name, prefix) && name > after && (page.Complete || name <= last) {
			keys = append(keys, kvListKey{Name: name, Expiration: unix(l.expires), Metadata: l.metadata})
		}
	}
	slices.SortFunc(keys, func(x, y kvListKey) int { return strings.Compare(x.Name, y.Name) })
	return keys
}
