package main

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// sink is what scripts tell that they run. It knows nothing of the queue, so it cannot be wrong in the same way.
type sink struct {
	base   string
	server *http.Server

	mu   sync.Mutex
	runs map[run3]int
}

// run3 names a run as its script sees it: the script, what it was about (a tick's time, an event's number) and the attempt.
type run3 struct {
	script, subject int64
	attempt         int
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{base: "http://" + l.Addr().String(), runs: map[run3]int{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

func (s *sink) close() { _ = s.server.Close() }

// ServeHTTP takes /?s=script&n=subject&a=attempt.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	script, err1 := strconv.ParseInt(q.Get("s"), 10, 64)
	subject, err2 := strconv.ParseInt(q.Get("n"), 10, 64)
	attempt, err3 := strconv.Atoi(q.Get("a"))
	if err1 != nil || err2 != nil || err3 != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.runs[run3{script, subject, attempt}]++
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// first is how many subjects of a script were seen in their first attempt.
func (s *sink) first() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for r := range s.runs {
		if r.attempt == 1 {
			count++
		}
	}
	return count
}
