package httpapi

import (
	"compress/gzip"
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	// encodeFrom is the size from which an answer is compressed: below it the frame costs more than is won.
	encodeFrom = 1 << 10
	// maxEncoders bounds the answers that a router compresses at one time, at about 800 KiB each. Others leave as they are.
	maxEncoders = 16
)

// encoders are the compressors of a router. A place in the channel is the right to use one; nil makes one.
type encoders chan *gzip.Writer

func newEncoders() encoders {
	e := make(encoders, maxEncoders)
	for range maxEncoders {
		e <- nil
	}
	return e
}

// take returns a compressor to w; nil: all are in use.
func (e encoders) take(w io.Writer) *gzip.Writer {
	select {
	case z := <-e:
		if z == nil {
			z, _ = gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
			return z
		}
		z.Reset(w)
		return z
	default:
		return nil
	}
}

// give takes a compressor back.
func (e encoders) give(z *gzip.Writer) {
	z.Reset(io.Discard) // it must not keep the request's writer
	e <- z
}

// answerWriter holds the first bytes of an answer until it knows how to send it: as 304 where the client has it already, compressed
// where the client takes that, or as it is. An event stream leaves as it is, at once. The answer to HEAD has the headers alone.
type answerWriter struct {
	gin.ResponseWriter
	request  *http.Request // as it came
	encoders encoders
	// plain keeps the answer from being compressed: it has a secret, whose length must not show beside text of others.
	plain bool
	// end ends the handler of a HEAD request whose answer would be a stream.
	end context.CancelFunc

	buffer  []byte // the first bytes, before begun
	begun   bool   // the head is decided
	discard bool   // the body is not sent
	length  int64  // of the body of a HEAD request's answer
	zip     *gzip.Writer
}

// Write implements http.ResponseWriter.
func (w *answerWriter) Write(b []byte) (int, error) {
	if w.request.Method == http.MethodHead {
		w.length += int64(len(b))
		return len(b), nil
	}
	if !w.begun {
		if len(w.buffer)+len(b) < encodeFrom {
			w.buffer = append(w.buffer, b...)
			return len(b), nil
		}
		w.begin(true)
		if err := w.sendBuffer(); err != nil {
			return 0, err
		}
	}
	return w.send(b)
}

// WriteString implements gin.ResponseWriter.
func (w *answerWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Written implements gin.ResponseWriter. What is in the buffer can be taken back.
func (w *answerWriter) Written() bool { return w.begun || w.ResponseWriter.Written() }

// WriteHeaderNow implements gin.ResponseWriter. The head waits for the body.
func (w *answerWriter) WriteHeaderNow() {}

// Flush implements http.Flusher.
func (w *answerWriter) Flush() {
	if !w.begun {
		w.begin(len(w.buffer) > 0)
		_ = w.sendBuffer() // the next write has the same error
	}
	switch {
	case w.discard && w.end != nil:
		w.end()
		return
	case w.zip != nil:
		_ = w.zip.Flush()
	}
	w.ResponseWriter.Flush()
}

// Unwrap is for http.ResponseController.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *answerWriter) send(b []byte) (int, error) {
	switch {
	case w.discard:
		return len(b), nil
	case w.zip != nil:
		return w.zip.Write(b)
	default:
		return w.ResponseWriter.Write(b)
	}
}

func (w *answerWriter) sendBuffer() error {
	b := w.buffer
	w.buffer = nil
	if len(b) == 0 {
		return nil
	}
	_, err := w.send(b)
	return err
}

// finish sends what is left. It is called once, after the handler.
func (w *answerWriter) finish() {
	if !w.begun {
		w.begin(int64(len(w.buffer))+w.length >= encodeFrom)
		_ = w.sendBuffer() // the client has gone
	}
	if w.zip != nil {
		_ = w.zip.Close() // as above
	}
	w.ResponseWriter.WriteHeaderNow()
}

// release gives the compressor back, also where the handler panicked.
func (w *answerWriter) release() {
	if w.zip != nil {
		w.encoders.give(w.zip)
		w.zip = nil
	}
}

// begin decides the head. large reports whether the body is worth a compression.
func (w *answerWriter) begin(large bool) {
	w.begun = true
	header, status := w.Header(), w.Status()
	head := w.request.Method == http.MethodHead
	w.discard = head
	if status == http.StatusOK && (head || w.request.Method == http.MethodGet) && unchanged(w.request, header.Get("ETag")) {
		w.discard, w.buffer = true, nil
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	encode := false
	if compressible(header) && !w.plain {
		header.Add("Vary", "Accept-Encoding")
		wanted, must := acceptsGzip(w.request.Header.Values("Accept-Encoding"))
		encode = wanted && (large || must) && status != http.StatusNoContent
	}
	if encode && !head {
		w.zip = w.encoders.take(w.ResponseWriter)
		encode = w.zip != nil
	}
	switch {
	case encode:
		header.Set("Content-Encoding", "gzip")
		header.Del("Content-Length")
		if tag := header.Get("ETag"); strings.HasSuffix(tag, `"`) {
			header.Set("ETag", strings.TrimSuffix(tag, `"`)+gzipSuffix+`"`)
		}
	case head && w.length > 0:
		header.Set("Content-Length", strconv.FormatInt(w.length, 10))
	}
}

// compressible reports whether an answer with that header may be compressed.
func compressible(header http.Header) bool {
	if header.Get("Content-Encoding") != "" || header.Get("Content-Range") != "" {
		return false
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || media == "text/event-stream" {
		return false
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || media == "application/json" || media == "application/typescript"
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3): whether a client takes gzip at least as gladly as an answer without any coding,
// and whether it takes nothing but that.
func acceptsGzip(headers []string) (wanted, must bool) {
	const unnamed = -1.0
	zip, identity, other := unnamed, unnamed, unnamed
	for element := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		coding, parameters, _ := strings.Cut(element, ";")
		q := quality(parameters)
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			zip = max(zip, q)
		case "identity":
			identity = q
		case "*":
			other = q
		}
	}
	if zip == unnamed {
		zip = max(other, 0)
	}
	if identity == unnamed && other == 0 {
		identity = 0 // excluded with all others
	}
	return zip > 0 && zip >= identity, zip > 0 && identity == 0
}

// quality reads the weight of an element; 1 where there is none, 0 where it is none that the standard has.
func quality(parameters string) float64 {
	name, value, found := strings.Cut(parameters, "=")
	if strings.TrimSpace(parameters) == "" {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// answering is the middleware that gives each request an answerWriter.
func answering(pool encoders) gin.HandlerFunc {
	return func(c *gin.Context) {
		w := &answerWriter{ResponseWriter: c.Writer, request: c.Request, encoders: pool}
		c.Writer = w
		defer func() {
			w.release()
			c.Writer = w.ResponseWriter
		}()
		if c.Request.Method == http.MethodHead {
			ctx, end := context.WithCancel(c.Request.Context())
			defer end()
			w.end = end
			// The handlers are those of GET; the server sends no body, whatever they write.
			asked := c.Request.WithContext(ctx)
			asked.Method = http.MethodGet
			c.Request = asked
		}
		c.Next()
		w.finish()
	}
}

// mountHead makes every path that has GET answer HEAD too.
func mountHead(g *gin.Engine) {
	routes := g.Routes()
	heads := map[string]bool{}
	for _, route := range routes {
		if route.Method == http.MethodHead {
			heads[route.Path] = true
		}
	}
	for _, route := range routes {
		if route.Method == http.MethodGet && !heads[route.Path] {
			g.HEAD(route.Path, route.HandlerFunc)
		}
	}
}
