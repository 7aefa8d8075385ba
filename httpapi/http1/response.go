package http1

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// heldBytes is how much of a body is held until its length is known.
	heldBytes = 4 << 10
	// joinedBytes is up to what size head and body are copied together and sent at once.
	joinedBytes = 16 << 10
)

// response is the http.ResponseWriter of a request.
type response struct {
	conn    *conn // nil: the request has ended
	request *http.Request
	header  http.Header

	status  int     // 0: WriteHeader was not called
	length  int64   // Content-Length that the handler has set; -1: none
	written int64   // bytes of the body that the handler wrote
	out     *[]byte // to be sent; nil before the head
	held    []byte  // of the body, while it is not known how that is framed
	framed  bool    // the head is whole
	chunked bool
	close   bool      // the connection is closed after this answer
	by      time.Time // write deadline
	err     error     // of the connection
}

var outs = sync.Pool{New: func() any { b := make([]byte, 0, joinedBytes); return &b }}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// SetReadDeadline is for http.ResponseController. It sets nothing where no byte of the body is missing.
func (w *response) SetReadDeadline(t time.Time) error {
	if c := w.conn; c != nil && c.unread > 0 && c.unread > int64(len(c.buf)) {
		c.deadline(t)
	}
	return nil
}

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.by = t
	return nil
}

// bodyless reports whether the answer has no body, whatever is written.
func (w *response) bodyless() bool {
	return w.request.Method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// WriteHeader implements http.ResponseWriter. Informational answers are not sent.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < 200 || w.conn == nil {
		return
	}
	w.status = status
	w.out = outs.Get().(*[]byte)
	b := append((*w.out)[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\n"...)
	var room [24]string
	names := room[:0]
	for name := range w.header {
		names = append(names, name)
	}
	slices.Sort(names)
	hasDate := false
	for _, name := range names {
		values := w.header[name]
		switch name {
		case "Content-Length":
			w.setLength(values)
			continue
		case "Connection":
			w.close = w.close || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "close") })
			continue
		case "Transfer-Encoding":
			continue
		case "Content-Type":
			if status == http.StatusNotModified {
				continue
			}
		case "Date":
			hasDate = true
		}
		for _, value := range values {
			b = appendField(b, name, value)
		}
	}
	if !hasDate {
		b = append(append(append(b, "Date: "...), date()...), "\r\n"...)
	}
	*w.out = b
	if w.length >= 0 || w.bodyless() && w.request.Method != http.MethodHead {
		w.frame()
	}
}

// setLength takes the handler's Content-Length, where that is one and the status has one.
func (w *response) setLength(values []string) {
	if len(values) == 0 || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(values[0]), 10, 64); err == nil && n >= 0 {
		w.length = n
	}
}

// appendField adds a line of the head. A name that is none is left out, and no value ends its line.
func appendField(b []byte, name, value string) []byte {
	for i := range len(name) {
		if !tokenBytes[name[i]] {
			return b
		}
	}
	if name == "" {
		return b
	}
	b = append(append(b, name...), ": "...)
	begin := len(b)
	b = append(b, strings.Trim(value, " \t\r\n")...)
	for i := begin; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' {
			b[i] = ' '
		}
	}
	return append(b, "\r\n"...)
}

// frame ends the head: by then it is known how the body is framed. Without a length the body is chunked.
func (w *response) frame() {
	w.framed = true
	b := *w.out
	switch {
	case w.status == http.StatusNoContent, w.status == http.StatusNotModified:
	case w.length >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, w.length, 10)
		b = append(b, "\r\n"...)
	case w.request.Method != http.MethodHead:
		w.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	// What is left of the body is read away first, so that the answer can say whether the connection goes on.
	if w.close = w.close || w.request.Close || w.conn.server.closing.Load() || !w.conn.discard(); w.close {
		b = append(b, "Connection: close\r\n"...)
	}
	*w.out = append(b, "\r\n"...)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.conn == nil {
		return 0, http.ErrHandlerTimeout
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.err != nil {
		return 0, w.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(p)); w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	switch {
	case !w.framed && len(w.held)+len(p) <= heldBytes:
		w.held = append(w.held, p...)
		return len(p), nil
	case !w.framed:
		w.unhold()
	}
	if w.request.Method == http.MethodHead {
		return len(p), nil
	}
	w.emit(p)
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// unhold frames an answer whose length is not known yet, and moves what was held into out.
func (w *response) unhold() {
	w.frame()
	if len(w.held) > 0 && w.request.Method != http.MethodHead {
		w.emit(w.held)
	}
	w.held = nil
}

// emit adds a part of the body to out, and sends what is much.
func (w *response) emit(p []byte) {
	if w.chunked {
		*w.out = append(strconv.AppendInt(*w.out, int64(len(p)), 16), "\r\n"...)
	}
	if len(*w.out)+len(p) > joinedBytes {
		w.send()
		if w.err == nil {
			w.err = w.conn.send(p, w.by)
		}
	} else {
		*w.out = append(*w.out, p...)
	}
	if w.chunked {
		*w.out = append(*w.out, "\r\n"...)
	}
}

// send sends what is in out.
func (w *response) send() {
	if len(*w.out) > 0 && w.err == nil {
		w.err = w.conn.send(*w.out, w.by)
	}
	*w.out = (*w.out)[:0]
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController.
func (w *response) FlushError() error {
	if w.conn == nil {
		return http.ErrHandlerTimeout
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed {
		w.unhold()
	}
	w.send()
	return w.err
}

// finish sends what is left of the answer. It reports whether the connection can take another request.
func (w *response) finish() bool {
	c := w.conn
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed {
		if w.request.Method != http.MethodHead || w.written > 0 {
			w.length = w.written
		}
		w.unhold()
	}
	if w.chunked {
		*w.out = append(*w.out, "0\r\n\r\n"...)
	}
	w.send()
	if cap(*w.out) <= 2*joinedBytes {
		outs.Put(w.out)
	}
	w.out = nil
	short := !w.chunked && w.length >= 0 && w.written != w.length && !w.bodyless()
	return w.err == nil && !w.close && !short && !c.broken
}

type second struct {
	unix int64
	text string
}

var dated atomic.Pointer[second]

// date is the value of Date, made once a second.
func date() string {
	now := time.Now()
	if d := dated.Load(); d != nil && d.unix == now.Unix() {
		return d.text
	}
	d := &second{now.Unix(), now.UTC().Format(http.TimeFormat)}
	dated.Store(d)
	return d.text
}
