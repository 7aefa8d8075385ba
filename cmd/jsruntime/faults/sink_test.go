package faults

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sink is where scripts say that they began and ended. It knows nothing of the queue, so it cannot be wrong in the same way.
type sink struct {
	base string

	mu     sync.Mutex
	begins map[string][]mark          // by execution
	ends   map[string][]mark          // by execution
	ticks  map[string]map[string]bool // by script and scheduled time: executions
	fail   bool                       // answer 500, as a downstream that is out of order
	hits   int
}

type mark struct {
	token string
	at    time.Time
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{begins: map[string][]mark{}, ends: map[string][]mark{}, ticks: map[string]map[string]bool{}}
	// Every address: nodes in a namespace reach it by the bridge's.
	l, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	s.base = fmt.Sprintf("http://127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return s
}

func (s *sink) port() string { return s.base[len("http://127.0.0.1:"):] }

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	m := mark{token: q.Get("token"), at: time.Now()}
	s.mu.Lock()
	fail := s.fail
	s.hits++
	switch r.URL.Path {
	case "/begin":
		s.begins[q.Get("e")] = append(s.begins[q.Get("e")], m)
	case "/end":
		s.ends[q.Get("e")] = append(s.ends[q.Get("e")], m)
	case "/tick":
		key := q.Get("s") + " " + q.Get("at")
		if s.ticks[key] == nil {
			s.ticks[key] = map[string]bool{}
		}
		s.ticks[key][q.Get("e")] = true
	}
	s.mu.Unlock()
	if ms, _ := strconv.Atoi(q.Get("ms")); ms > 0 {
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	if fail {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.Write([]byte("ok"))
}

func (s *sink) began(execution string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.begins[execution])
}

func (s *sink) setFail(fail bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}
