// Package load drives an HTTP server over keep-alive connections and says how long answers took.
//
// Two modes. Closed loop (Rate 0): every connection sends its next request when the last answer is in; it finds the highest
// rate. Open loop (Rate > 0): requests have intended start times, evenly spaced, and latency counts from those, so that a
// server that stalls is charged for the requests that should have been sent meanwhile.
//
// The client speaks HTTP/1.1 over plain TCP by itself: on a machine where generator and server share the cores, every
// microsecond of the generator is taken from the server, and net/http's client costs about as much as the server's own work.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to send. Zero values: Connections 1, Duration 1 s, Rate 0 (closed loop), Timeout 10 s.
type Config struct {
	Address     string   // host:port
	Method      string   // GET where empty
	Paths       []string // taken in turn by every connection; "/" where empty
	Random      bool     // every connection takes Paths at random, by a fixed seed of its own
	Host        string   // Host header; Address where empty
	Headers     []string // "Name: value" lines
	Body        []byte
	Connections int
	Rate        float64 // requests per second over all connections; 0 = closed loop
	Warmup      time.Duration
	Duration    time.Duration
	Timeout     time.Duration // of one request
}

// Result is what a run measured. Latencies are in ascending order.
type Result struct {
	Requests  int            // answered within Duration
	Elapsed   time.Duration  // of the measured part
	Status    map[int]int    // answers by status
	Errors    map[string]int // requests without an answer, by cause
	Latencies []time.Duration
	ByStatus  map[int][]time.Duration // latencies by status, ascending
}

// Rate is answers a second.
func (r *Result) Rate() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Quantile returns the latency that the share q (0 to 1) of all answers stayed within; 0 without answers.
func (r *Result) Quantile(q float64) time.Duration { return quantile(r.Latencies, q) }

// StatusQuantile is Quantile of the answers with one status.
func (r *Result) StatusQuantile(status int, q float64) time.Duration {
	return quantile(r.ByStatus[status], q)
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Failed counts the requests that got no answer.
func (r *Result) Failed() (n int) {
	for _, c := range r.Errors {
		n += c
	}
	return n
}

func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.0f req/s, p50 %v p90 %v p99 %v p99.9 %v max %v", r.Rate(), r.Quantile(.5), r.Quantile(.9), r.Quantile(.99), r.Quantile(.999), r.Quantile(1))
	statuses := make([]int, 0, len(r.Status))
	for s := range r.Status {
		statuses = append(statuses, s)
	}
	slices.Sort(statuses)
	for _, s := range statuses {
		fmt.Fprintf(&b, ", %d× %d", r.Status[s], s)
	}
	for cause, n := range r.Errors {
		fmt.Fprintf(&b, ", %d× %s", n, cause)
	}
	return b.String()
}

type sample struct {
	took   time.Duration
	status int
}

type conn struct {
	cfg      *Config
	requests [][]byte
	nc       net.Conn
	br       *bufio.Reader
	next     int
	random   *rand.Rand // nil: paths are taken in turn
	samples  []sample
	errors   map[string]int
}

// Run sends requests until Warmup + Duration are over or ctx ends. It returns an error where no connection could be made.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Connections <= 0 {
		cfg.Connections = 1
	}
	if cfg.Duration <= 0 {
		cfg.Duration = time.Second
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	requests := encode(&cfg)
	probe, err := net.DialTimeout("tcp", cfg.Address, cfg.Timeout)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	_ = probe.Close()

	begin := time.Now()
	measureFrom := begin.Add(cfg.Warmup)
	end := measureFrom.Add(cfg.Duration)
	var ticket atomic.Int64
	conns := make([]*conn, cfg.Connections)
	var wg sync.WaitGroup
	for i := range conns {
		c := &conn{cfg: &cfg, requests: requests, next: i, errors: map[string]int{}}
		conns[i] = c
		if cfg.Random {
			c.random = rand.New(rand.NewPCG(uint64(i), 0))
		}
		wg.Go(func() {
			defer c.close()
			for ctx.Err() == nil {
				start := time.Now()
				if cfg.Rate > 0 {
					intended := begin.Add(time.Duration(float64(ticket.Add(1)-1) / cfg.Rate * float64(time.Second)))
					if wait := intended.Sub(start); wait > 0 {
						select {
						case <-time.After(wait):
						case <-ctx.Done():
							return
						}
					}
					start = intended
				}
				if start.After(end) || time.Now().After(end) {
					return
				}
				status, err := c.roundTrip()
				now := time.Now()
				if start.Before(measureFrom) || now.After(end) && cfg.Rate == 0 {
					continue
				}
				if err != nil {
					c.errors[cause(err)]++
					continue
				}
				c.samples = append(c.samples, sample{now.Sub(start), status})
			}
		})
	}
	wg.Wait()

	res := &Result{Elapsed: min(time.Since(measureFrom), cfg.Duration), Status: map[int]int{}, Errors: map[string]int{}, ByStatus: map[int][]time.Duration{}}
	for _, c := range conns {
		res.Requests += len(c.samples)
		for _, s := range c.samples {
			res.Status[s.status]++
			res.Latencies = append(res.Latencies, s.took)
			res.ByStatus[s.status] = append(res.ByStatus[s.status], s.took)
		}
		for k, n := range c.errors {
			res.Errors[k] += n
		}
	}
	slices.Sort(res.Latencies)
	for _, l := range res.ByStatus {
		slices.Sort(l)
	}
	return res, nil
}

func encode(cfg *Config) [][]byte {
	paths := cfg.Paths
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	method, host := cfg.Method, cfg.Host
	if method == "" {
		method = "GET"
	}
	if host == "" {
		host = cfg.Address
	}
	out := make([][]byte, len(paths))
	for i, p := range paths {
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, p, host)
		for _, h := range cfg.Headers {
			b.WriteString(h + "\r\n")
		}
		if cfg.Body != nil {
			fmt.Fprintf(&b, "Content-Length: %d\r\n", len(cfg.Body))
		}
		b.WriteString("\r\n")
		b.Write(cfg.Body)
		out[i] = b.Bytes()
	}
	return out
}

func (c *conn) close() {
	if c.nc != nil {
		_ = c.nc.Close()
		c.nc = nil
	}
}

func (c *conn) roundTrip() (status int, err error) {
	reused := c.nc != nil
	if !reused {
		if c.nc, err = net.DialTimeout("tcp", c.cfg.Address, c.cfg.Timeout); err != nil {
			c.nc = nil
			return 0, err
		}
		c.br = bufio.NewReaderSize(c.nc, 16<<10)
	}
	_ = c.nc.SetDeadline(time.Now().Add(c.cfg.Timeout))
	req := c.requests[c.next%len(c.requests)]
	c.next++
	if c.random != nil {
		req = c.requests[c.random.IntN(len(c.requests))]
	}
	keep := false
	if _, err = c.nc.Write(req); err == nil {
		status, keep, err = c.readResponse()
	}
	if err != nil || !keep {
		c.close()
	}
	return status, err
}

// readResponse reads one answer. keep is false where the server closes the connection after it.
func (c *conn) readResponse() (status int, keep bool, err error) {
	line, err := c.br.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, false, errors.New("not HTTP")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errors.New("not HTTP")
	}
	keep = line[7] == '1'
	length, chunked := -1, false
	for {
		line, err = c.br.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, errors.New("bad content-length")
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("connection")):
			if bytes.EqualFold(value, []byte("close")) {
				keep = false
			}
		}
	}
	switch {
	case status == 204 || status == 304:
		return status, keep, nil
	case chunked:
		return status, keep, c.skipChunks()
	case length >= 0:
		_, err = c.br.Discard(length)
		return status, keep, err
	default:
		_, err = io.Copy(io.Discard, c.br)
		return status, false, err
	}
}

func (c *conn) skipChunks() error {
	for {
		line, err := c.br.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
		n, err := strconv.ParseInt(string(size), 16, 32)
		if err != nil {
			return errors.New("bad chunk")
		}
		if _, err = c.br.Discard(int(n) + 2); err != nil || n == 0 {
			return err
		}
	}
}

func cause(err error) string {
	var ne net.Error
	switch {
	case errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case strings.Contains(err.Error(), "connection reset"), strings.Contains(err.Error(), "broken pipe"):
		return "connection reset"
	case strings.Contains(err.Error(), "refused"):
		return "connection refused"
	default:
		return err.Error()
	}
}
