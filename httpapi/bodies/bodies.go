package bodies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
)

// Reader reads bodies. Its zero value reads without a budget.
type Reader struct {
	// Budget is where memory is reserved; nil means that none is.
	Budget *admission.Budget
	// Timeout bounds the reading of a body of up to 1 MiB; 0 means 30 s. Larger ones have one second more for each further 64 KiB.
	Timeout time.Duration
	// Grace is how long a body may be slower than MinRate, and how long it may pause; 0 means 10 s.
	Grace time.Duration
	// MinRate is the least that a body has to bring after Grace, in bytes a second; 0 means 1024.
	MinRate int64
}

// Body is a body that was read. Release gives its memory back; the bytes are not used after it.
type Body struct {
	Bytes []byte
	*admission.Reservation
}

// TooLargeError says that a body is longer than its limit in bytes.
type TooLargeError struct{ Limit int64 }

// Error names the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the body is larger than %d bytes", e.Limit)
}

// SlowError says that a body did not come in its time.
type SlowError struct {
	MinRate int64         // bytes a second
	Timeout time.Duration // of the whole body
}

// Error names the limits.
func (e *SlowError) Error() string {
	return fmt.Sprintf("the body took too long to arrive: it must bring %d bytes a second and be complete within %s", e.MinRate, e.Timeout)
}

var (
	// ErrBroken says that the client ended or broke the body.
	ErrBroken = errors.New("the body did not arrive")
	// ErrShed says that the node ended the reading to make room for other connections.
	ErrShed = errors.New("max_connections: the node needs this connection for others, and its body was the longest on its way")
)

// Meter is a connection's record of the body that is read from it.
type Meter interface {
	// Receiving says that a body's reading begins or ends.
	Receiving(bool)
	// Shed reports whether the reading is to end.
	Shed() bool
}

type meterKey struct{}

// WithMeter returns a context for the requests of a connection.
func WithMeter(ctx context.Context, m Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

const (
	firstStep = 8 << 10
	freeBytes = 1 << 20  // of a body's limit: what Timeout is for
	slowest   = 64 << 10 // bytes a second that Timeout grows by beyond that
	leftover  = 5 * time.Second
)

// Read reads the request's body up to limit bytes, on behalf of a tenant. Its errors are *TooLargeError, *SlowError,
// *admission.OverBudgetError, ErrShed and ErrBroken; then nothing is reserved any more, and the connection is closed after the answer.
// After a body that was read the connection has no read deadline.
func (b *Reader) Read(w http.ResponseWriter, r *http.Request, tenant uuid.UUID, limit int64) (*Body, error) {
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, &TooLargeError{limit}
	}
	reservation, err := b.Budget.Take(tenant, admission.UseBody, 0)
	if err != nil {
		return nil, err
	}
	c := &collector{
		control: http.NewResponseController(w), body: r.Body, reservation: reservation, limit: limit, length: r.ContentLength,
		grace: cmp.Or(b.Grace, 10*time.Second), minRate: cmp.Or(b.MinRate, 1024),
		timeout: cmp.Or(b.Timeout, 30*time.Second) + time.Duration(max(limit-freeBytes, 0)/slowest)*time.Second,
	}
	c.meter, _ = r.Context().Value(meterKey{}).(Meter)
	if c.meter != nil {
		c.meter.Receiving(true)
		defer c.meter.Receiving(false)
	}
	if err := c.read(); err != nil {
		reservation.Release()
		// What is left of the body is not worth reading, and the server does not read it away from a connection that it closes.
		w.Header().Set("Connection", "close")
		_ = c.control.SetReadDeadline(time.Now().Add(leftover))
		return nil, err
	}
	_ = c.control.SetReadDeadline(time.Time{})
	return &Body{Bytes: c.buf, Reservation: reservation}, nil
}

// collector is one reading.
type collector struct {
	control     *http.ResponseController
	body        io.Reader
	meter       Meter // nil: none
	reservation *admission.Reservation
	buf         []byte
	limit       int64
	length      int64 // that the client claims; -1: none
	timeout     time.Duration
	grace       time.Duration
	minRate     int64
}

func (c *collector) read() error {
	begun := time.Now()
	window, arrived := begun, int64(0) // the window that MinRate is measured over, and what came in it
	var armed time.Time                // when the read deadline was set
	for {
		if c.length >= 0 && int64(len(c.buf)) == c.length {
			return nil
		}
		if len(c.buf) == cap(c.buf) {
			if err := c.grow(); err != nil {
				return err
			}
		}
		now := time.Now()
		if passed := now.Sub(window); passed >= c.grace {
			if arrived < int64(passed.Seconds()*float64(c.minRate)) {
				return c.slow()
			}
			window, arrived = now, 0
		}
		if now.Sub(begun) >= c.timeout {
			return c.slow()
		}
		if now.Sub(armed) > c.grace/8 {
			_ = c.control.SetReadDeadline(earlier(now.Add(c.grace), begun.Add(c.timeout)))
			armed = now
		}
		if c.meter != nil && c.meter.Shed() {
			return ErrShed
		}
		n, err := c.body.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		arrived += int64(n)
		if int64(len(c.buf)) > c.limit {
			return &TooLargeError{c.limit}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			if c.buf == nil {
				c.buf = []byte{}
			}
			return nil
		default:
			return c.failed(err)
		}
	}
}

func (c *collector) failed(err error) error {
	var timeout net.Error
	switch {
	case c.meter != nil && c.meter.Shed():
		return ErrShed
	case errors.As(err, &timeout) && timeout.Timeout():
		return c.slow()
	default:
		return ErrBroken
	}
}

func (c *collector) slow() error { return &SlowError{MinRate: c.minRate, Timeout: c.timeout} }

// grow makes room for more, at most for one byte beyond the limit: that byte shows that a body is too large.
func (c *collector) grow() error {
	held := int64(cap(c.buf))
	size := max(2*held, firstStep)
	if c.length >= 0 {
		size = min(size, c.length)
	} else {
		size = min(size, c.limit+1)
	}
	// Old and new buffer are both there while the old one is copied.
	if err := c.reservation.Grow(size); err != nil {
		return err
	}
	buf := make([]byte, len(c.buf), size)
	copy(buf, c.buf)
	c.buf = buf
	c.reservation.Shrink(held)
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
