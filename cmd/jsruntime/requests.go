//go:build linux

package main

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/jsruntime/httpapi/console"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/origin"
)

// group is which part of the node answers a request: what requests are counted by.
type group int

const (
	groupEndpoint group = iota // tenants' endpoints: tenants' hosts, and /t/ on every other host
	groupConsole
	groupAdmin   // the versioned API
	groupService // /healthz, /metrics and their like, and paths that do not exist
	groups
)

var groupNames = [groups]string{"endpoint", "console", "admin", "service"}

// groupOf is the group of a request that is addressed to a host of that kind: by the host first, then by the path.
func groupOf(kind origin.Kind, r *http.Request) group {
	path := r.URL.Path
	switch {
	case kind == origin.Tenant, kind == origin.Nobody, kind == origin.Invalid, strings.HasPrefix(path, gateway.Prefix):
		return groupEndpoint
	case strings.HasPrefix(path, console.Prefix), path+"/" == console.Prefix:
		return groupConsole
	case strings.HasPrefix(path, "/api/"):
		return groupAdmin
	default:
		return groupService
	}
}

// answerNames are the values of the label code. 429 is apart: it says that a limit works, and not that a client errs.
var answerNames = [...]string{"2xx", "3xx", "4xx", "429", "5xx"}

// answerOf is the place in answerNames of a status, of which 0 is that of a handler that did not answer.
func answerOf(status int) int {
	switch {
	case status == http.StatusTooManyRequests:
		return 3
	case status >= 500, status == 0:
		return 4
	case status >= 400:
		return 2
	case status >= 300:
		return 1
	default:
		return 0
	}
}

// requests counts the requests of the listener.
type requests struct {
	answers [groups][len(answerNames)]prometheus.Counter
	admin   prometheus.Observer
	writers sync.Pool // of *answerWriter
}

func newRequests(registry prometheus.Registerer) *requests {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "jsruntime_http_requests_total", Help: "Requests that were answered, by group of paths and class of status; 429 is apart from 4xx.",
	}, []string{"group", "code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "jsruntime_http_request_seconds", Help: "From a request's head to its answer's end, streams aside.", Buckets: secondsBuckets,
	}, []string{"group"})
	registry.MustRegister(total, seconds)
	r := &requests{
		admin:   seconds.WithLabelValues(groupNames[groupAdmin]),
		writers: sync.Pool{New: func() any { return new(answerWriter) }},
	}
	for g := range groups {
		for i, code := range answerNames {
			r.answers[g][i] = total.WithLabelValues(groupNames[g], code)
		}
	}
	return r
}

// counting counts what next answers, and looks up for it whom the request is addressed to. It allocates nothing for a request.
func (q *requests) counting(origins *origin.Map, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := origins.For(w, r)
		g := groupOf(at.Kind, r)
		var begun time.Time
		if g == groupAdmin {
			begun = time.Now()
		}
		a := q.writers.Get().(*answerWriter)
		a.ResponseWriter, a.status, a.origins, a.at = w, 0, origins, at
		returned := false
		defer func() { // a handler that panics has its answer cut off
			status := a.status
			if status == 0 && returned {
				if status = http.StatusOK; r.Context().Err() != nil {
					status = http.StatusBadRequest // the client left before its answer
				}
			}
			q.answers[g][answerOf(status)].Inc()
			if g == groupAdmin && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
				q.admin.Observe(time.Since(begun).Seconds())
			}
			*a = answerWriter{}
			q.writers.Put(a)
		}()
		next.ServeHTTP(a, r)
		returned = true
	})
}

// answerWriter notes the status that a handler answers with.
type answerWriter struct {
	http.ResponseWriter
	status int

	origins *origin.Map // nil: at is not known
	at      origin.Origin
}

// Origin implements origin.Carrier.
func (a *answerWriter) Origin(m *origin.Map) (origin.Origin, bool) { return a.at, a.origins == m }

// WriteHeader implements http.ResponseWriter. The first status that is not only informational counts.
func (a *answerWriter) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answerWriter) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, which gin asks for.
func (a *answerWriter) Flush() { _ = a.FlushError() }

// FlushError is for http.ResponseController: its caller learns that the client has left.
func (a *answerWriter) FlushError() error {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (a *answerWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }
