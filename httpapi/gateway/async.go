package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
)

// respondAsync is the preference of RFC 7240 by which a client asks for an answer before its request has run.
const respondAsync = "respond-async"

// async reports whether the request is answered before it runs, and whether its client prefers that.
func (a *answer) async(e *catalog.Endpoint) (async, asked bool) {
	if e.Async == catalog.AsyncNever {
		return false, false
	}
	asked = prefers(a.r.Header["Prefer"], respondAsync)
	return asked || e.Async == catalog.AsyncAlways, asked
}

// prefers reports whether Prefer headers have a preference without a value.
func prefers(lines []string, preference string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), preference) {
				return true
			}
		}
	}
	return false
}

// enqueue puts the run of the request into the queue, and answers with where it will be found.
func (a *answer) enqueue(inv *engine.Invocation, asked bool) {
	if a.g.cfg.Durable == nil {
		a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "This node takes no requests for later.")
		return
	}
	id := a.id.String()
	body, err := json.Marshal(map[string]string{"execution_id": id, "status": string(engine.StatusPending)})
	if err != nil {
		a.fails("answering before a run", err)
		return
	}
	h := a.w.Header()
	h["Location"] = []string{"/api/v1/executions/" + id}
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Execution-Id"] = []string{id}
	if asked {
		h["Preference-Applied"] = []string{respondAsync}
	}
	// The client learns whether its request is in the queue: that does not end with the client.
	ctx, cancel := a.lasting()
	defer cancel()
	if t := a.attempt; t == nil {
		err = a.g.cfg.Durable.Enqueue(ctx, inv, nil, nil, 0)
	} else {
		t.out.status, t.out.body = http.StatusAccepted, body
		kept := &KeptAnswer{Fingerprint: t.Fingerprint, ExecutionID: a.id, Status: http.StatusAccepted, Sealed: t.sealed(h)}
		t.out.status, t.out.body = 0, nil
		err = a.g.cfg.Durable.Enqueue(ctx, inv, t.Key, kept, t.rule.TTL)
		t.kept = err == nil
	}
	if err != nil {
		for _, name := range []string{"Location", "Content-Type", "Content-Length", "X-Execution-Id", "Preference-Applied"} {
			delete(h, name)
		}
		a.admission.Undo()
		a.fails("putting a request into the queue", err)
		return
	}
	a.deadline()
	a.w.WriteHeader(http.StatusAccepted)
	if a.r.Method != http.MethodHead {
		_, _ = a.w.Write(body)
	}
}
