package host

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/andybalholm/brotli"
	"golang.org/x/net/http/httpguts"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

var fetchMethods = []method{
	{"fetch", (*Host).fetch},
}

const (
	maxRedirects    = 20
	maxURLBytes     = 16 << 10
	maxFetchHeaders = 128
	maxStatusText   = 256
	// inlineBody is up to what Content-Length a response's body goes with its head in one frame.
	inlineBody = 64 << 10
)

type fetchArgs struct {
	URL        string      `json:"url"`
	Method     string      `json:"method"`
	Headers    [][2]string `json:"headers"`
	Redirect   string      `json:"redirect"`
	HasBody    bool        `json:"hasBody"`
	StreamBody bool        `json:"streamBody"`
}

type fetchReply struct {
	Status     int         `json:"status"`
	StatusText string      `json:"statusText"`
	Headers    [][2]string `json:"headers"`
	URL        string      `json:"url"`
	Redirected bool        `json:"redirected"`
	HasBody    bool        `json:"hasBody"`
}

// forbiddenHeaders frame the message or belong to the connection: the node sets them, and drops what a script says of them.
var forbiddenHeaders = map[string]bool{
	"Accept-Encoding": true, "Connection": true, "Content-Length": true, "Expect": true, "Host": true, "Http2-Settings": true,
	"Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Via": true, tenantHeader: true,
}

// tenantHeader names the tenant to the server that is called, so that abuse can be reported; a script cannot change it.
const tenantHeader = "Jsruntime-Tenant"

func (h *Host) fetch(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	var args fetchArgs
	if err := decode(call, &args); err != nil {
		return nil, err
	}
	args.note(call)
	f, err := h.newFetch(call, &args)
	if err == nil {
		err = f.carry(ctx)
	}
	if err != nil {
		return nil, err
	}
	release, ok := h.fetches.acquire(ctx.Done(), call.Invocation.ExecutionID)
	if !ok {
		return nil, fmt.Errorf("wait for a fetch to end: %w", context.Cause(ctx))
	}
	parent := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.FetchTimeout, errFetchTimeout)
	done := sync.OnceFunc(func() { cancel(); release() })

	resp, err := f.follow(ctx)
	if err != nil {
		defer done()
		return nil, f.explain(parent, ctx, err)
	}
	call.Note.Status = resp.StatusCode
	body, decoded, err := f.openBody(resp)
	if err != nil {
		resp.Body.Close()
		defer done()
		return nil, f.explain(parent, ctx, err)
	}
	out := fetchReply{
		Status:     resp.StatusCode,
		StatusText: statusText(resp),
		Headers:    responseHeaders(resp.Header, decoded),
		URL:        f.target.String(),
		Redirected: f.hops > 0,
		HasBody:    body != nil,
	}
	answer, err := reply(out)
	if err != nil || body == nil {
		resp.Body.Close()
		done()
		if err == nil {
			answer.EgressBytes = f.egress.Load()
		}
		return answer, err
	}
	stream := &fetchBody{Reader: body, raw: resp.Body, left: h.cfg.MaxFetchBytes, done: done, explain: func(err error) error { return f.explain(parent, ctx, err) }}
	if resp.ContentLength >= 0 && resp.ContentLength <= inlineBody {
		// Decompressed it can still be long: then the beginning goes with the head and the rest follows.
		head, err := io.ReadAll(io.LimitReader(stream, inlineBody+1))
		if err != nil {
			_ = stream.Close()
			return nil, err
		}
		answer.Body = head
		if len(head) <= inlineBody {
			_ = stream.Close()
			answer.EgressBytes = f.egress.Load()
			return answer, nil
		}
	}
	answer.BodyStream = stream
	answer.EgressBytes = f.egress.Load()
	return answer, nil
}

// Faults of a fetch that have a text of their own.
var errFetchTimeout = errors.New("fetch timed out")

type redirectError string

func (e redirectError) Error() string { return "fetch failed: " + string(e) }

type tooLargeError struct {
	what  string
	limit int64
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("fetch failed: the %s is longer than the limit of %d bytes", e.what, e.limit)
}

// fetching is one call: its request as it stands after the hops so far.
type fetching struct {
	host      *Host
	inv       *engine.Invocation
	transport *http.Transport
	redirect  string

	method string
	target *target
	header http.Header
	body   []byte    // what is sent, or its beginning
	stream io.Reader // what follows body; nil if nothing does
	sends  bool      // there is a body, if only an empty one
	hops   int
	egress atomic.Int64

	carriers []string // names of the headers that have placeholders of secrets
}

func (h *Host) newFetch(call *engine.HostCall, args *fetchArgs) (*fetching, error) {
	f := &fetching{
		host: h, inv: call.Invocation, redirect: cmp.Or(args.Redirect, "follow"),
		method: cmp.Or(args.Method, http.MethodGet), header: make(http.Header, len(args.Headers)+4),
	}
	if len(args.URL) > maxURLBytes {
		return nil, typeError(call.Method, fmt.Sprintf("the URL is longer than %d bytes", maxURLBytes))
	}
	var detail string
	if f.target, detail = parseTarget(args.URL); detail != "" {
		return nil, typeError(call.Method, detail)
	}
	if !httpguts.ValidHeaderFieldName(f.method) {
		return nil, typeError(call.Method, "the method is not an HTTP token")
	}
	switch strings.ToUpper(f.method) {
	case "CONNECT", "TRACE", "TRACK":
		return nil, typeError(call.Method, "the method "+strings.ToUpper(f.method)+" is not allowed")
	case "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT":
		f.method = strings.ToUpper(f.method)
	}
	switch f.redirect {
	case "follow", "manual", "error":
	default:
		return nil, typeError(call.Method, `redirect must be "follow", "manual" or "error"`)
	}
	if err := f.setHeaders(call.Method, args.Headers); err != nil {
		return nil, err
	}
	if args.HasBody || args.StreamBody || len(call.Body) > 0 {
		if f.method == http.MethodGet || f.method == http.MethodHead {
			return nil, typeError(call.Method, "a "+f.method+" request has no body")
		}
		if int64(len(call.Body)) > h.cfg.MaxFetchBytes {
			return nil, tooLarge(&tooLargeError{"request body", h.cfg.MaxFetchBytes})
		}
		f.sends, f.body = true, call.Body
		if args.StreamBody && call.BodyStream != nil {
			f.stream = call.BodyStream
		}
	}
	f.transport = h.pools.of(f.inv.Script.TenantID, f.inv.Script.Egress)
	return f, nil
}

func (f *fetching) setHeaders(method string, list [][2]string) error {
	if len(list) > maxFetchHeaders {
		return typeError(method, fmt.Sprintf("more than %d headers", maxFetchHeaders))
	}
	size := 0
	for _, nv := range list {
		name := nv[0]
		value, ok := text.ToLatin1(strings.Trim(nv[1], " \t\r\n"))
		if !httpguts.ValidHeaderFieldName(name) {
			return typeError(method, fmt.Sprintf("the header name %.100q is not valid", name))
		}
		if !ok || !httpguts.ValidHeaderFieldValue(value) {
			return typeError(method, fmt.Sprintf("the value of the header %s is not valid", name))
		}
		name = http.CanonicalHeaderKey(name)
		if forbiddenHeaders[name] || strings.HasPrefix(name, "Proxy-") {
			continue
		}
		size += len(name) + len(value) + 4
		f.header.Add(name, value)
	}
	if size > maxHeaderBytes {
		return typeError(method, fmt.Sprintf("the headers are longer than %d bytes", maxHeaderBytes))
	}
	slug := f.inv.Script.TenantSlug
	f.header.Set(tenantHeader, slug)
	f.header.Set("Accept-Encoding", "gzip, deflate")
	if f.header.Get("User-Agent") == "" {
		f.header.Set("User-Agent", f.host.cfg.Product+" (tenant "+slug+")")
	}
	if f.header.Get("Accept") == "" {
		f.header.Set("Accept", "*/*")
	}
	if f.inv.TraceParent != "" && f.header.Get("Traceparent") == "" {
		f.header.Set("Traceparent", f.inv.TraceParent)
		if f.inv.TraceState != "" {
			f.header.Set("Tracestate", f.inv.TraceState)
		}
	}
	return nil
}

// checkURL returns what is wrong with a requested URL, in words.
func checkURL(u *url.URL) string {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "only http: and https: URLs can be fetched"
	case u.User != nil:
		return "a URL with a user name or password cannot be fetched"
	case u.Hostname() == "":
		return "the URL has no host"
	}
	return ""
}

// follow sends the request, and the next one where the answer is a redirect that is to be followed.
func (f *fetching) follow(ctx context.Context) (*http.Response, error) {
	for {
		resp, err := f.send(ctx)
		if err != nil {
			return nil, err
		}
		location := resp.Header.Get("Location")
		if !isRedirect(resp.StatusCode) || location == "" || f.redirect == "manual" {
			return resp, nil
		}
		// The rest of a redirect's body is read so that the connection can be used again, unless it is long.
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		resp.Body.Close()
		if f.redirect == "error" {
			return nil, redirectError("the answer is a redirect")
		}
		if f.hops++; f.hops > maxRedirects {
			return nil, redirectError(fmt.Sprintf("more than %d redirects", maxRedirects))
		}
		if err := f.turn(resp.StatusCode, location); err != nil {
			return nil, err
		}
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// turn makes the request that a redirect asks for.
func (f *fetching) turn(status int, location string) error {
	if len(location) > maxURLBytes {
		return redirectError("a redirect's URL is too long")
	}
	next, detail := f.target.resolve(location)
	if detail != "" {
		return redirectError("a redirect's target cannot be fetched: " + detail)
	}
	toGet := (status == http.StatusSeeOther && f.method != http.MethodGet && f.method != http.MethodHead) ||
		((status == http.StatusMovedPermanently || status == http.StatusFound) && f.method == http.MethodPost)
	switch {
	case toGet:
		f.method, f.body, f.stream, f.sends = http.MethodGet, nil, nil, false
		for name := range f.header {
			if strings.HasPrefix(name, "Content-") {
				f.header.Del(name)
			}
		}
	case f.stream != nil:
		return redirectError("a streamed request body cannot be sent again")
	}
	if !sameOrigin(&f.target.url, &next.url) {
		for name := range f.header {
			if redact.Header(name) {
				f.header.Del(name)
			}
		}
		f.drop()
	}
	f.target = next
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if u.Scheme == "https" {
		return cmp.Or(u.Port(), "443")
	}
	return cmp.Or(u.Port(), "80")
}

func (f *fetching) send(ctx context.Context) (*http.Response, error) {
	// A name that every rule would refuse is refused before anything is looked up; the dial decides again.
	u := f.target.url
	if _, ok, err := egress.HostAddr(u.Hostname()); err != nil {
		return nil, errBlocked
	} else if !ok {
		if _, err := egress.HostName(u.Hostname()); err != nil {
			return nil, errBlocked
		}
	}
	header, err := f.put(ctx, f.header.Clone())
	if err != nil {
		return nil, err
	}
	req := (&http.Request{
		Method: f.method, URL: &u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if f.sends {
		f.attachBody(req)
	}
	f.egress.Add(headBytes(req))
	return f.transport.RoundTrip(req)
}

func (f *fetching) attachBody(req *http.Request) {
	open := func() io.ReadCloser {
		return io.NopCloser(&upload{Reader: bytes.NewReader(f.body), left: f.host.cfg.MaxFetchBytes, sent: &f.egress})
	}
	if f.stream == nil {
		if len(f.body) == 0 {
			req.Body = http.NoBody
			return
		}
		req.ContentLength = int64(len(f.body))
		req.Body = open()
		req.GetBody = func() (io.ReadCloser, error) { return open(), nil }
		return
	}
	req.ContentLength = -1
	req.Body = io.NopCloser(&upload{
		Reader: io.MultiReader(bytes.NewReader(f.body), f.stream), left: f.host.cfg.MaxFetchBytes, sent: &f.egress,
	})
}

// upload counts what is sent and stops at the cap.
type upload struct {
	io.Reader
	left int64
	sent *atomic.Int64
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	u.sent.Add(int64(n))
	limit := u.left
	if u.left -= int64(n); u.left < 0 {
		return int(limit), &tooLargeError{"request body", u.sent.Load() - int64(n) + limit}
	}
	return n, err
}

func headBytes(req *http.Request) int64 {
	n := len(req.Method) + len(req.URL.RequestURI()) + len(req.Host) + 20
	for name, values := range req.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return int64(n)
}

// openBody returns a reader of the decoded body, nil if the response has none.
func (f *fetching) openBody(resp *http.Response) (body io.Reader, decoded bool, err error) {
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols:
		return nil, false, errors.New("protocol switch")
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		return nil, false, nil
	}
	if f.method == http.MethodHead {
		return nil, false, nil
	}
	limit := f.host.cfg.MaxFetchBytes
	if resp.ContentLength > limit {
		return nil, false, &tooLargeError{"response body", limit}
	}
	// What comes over the wire is bounded as well: a deflate stream can be endless and decode to nothing.
	raw := &capped{Reader: resp.Body, left: limit, limit: limit}
	codings := strings.Split(strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ",")), ",")
	body = raw
	for _, coding := range slices.Backward(codings) {
		switch strings.TrimSpace(coding) {
		case "", "identity":
		case "gzip", "x-gzip":
			body, decoded = &lazyReader{source: body, open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }}, true
		case "deflate":
			body, decoded = &lazyReader{source: body, open: openDeflate}, true
		case "br":
			body, decoded = &lazyReader{source: body, open: func(r io.Reader) (io.Reader, error) { return brotliReader{brotli.NewReader(r)}, nil }}, true
		default:
			// The script said nothing of this coding and neither did the node; it gets the bytes as they are.
			if decoded {
				return nil, false, errors.New("unknown content coding below a known one")
			}
			return raw, false, nil
		}
		if len(codings) > 3 {
			return nil, false, errors.New("too many content codings")
		}
	}
	return body, decoded, nil
}

// lazyReader opens its decoder at the first read, which blocks until there is something to decode.
type lazyReader struct {
	source io.Reader
	open   func(io.Reader) (io.Reader, error)
	reader io.Reader
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.reader == nil {
		buffered := bufio.NewReader(l.source)
		if _, err := buffered.Peek(1); err != nil {
			return 0, err // an empty body is no gzip stream, and still an empty body
		}
		r, err := l.open(buffered)
		if err != nil {
			return 0, err
		}
		l.reader = r
	}
	return l.reader.Read(p)
}

// openDeflate reads both of what servers mean by "deflate": a zlib stream, or deflate without a header.
func openDeflate(r io.Reader) (io.Reader, error) {
	buffered := r.(*bufio.Reader)
	head, err := buffered.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(buffered)
	}
	return flate.NewReader(buffered), nil
}

var errUndecodable = errors.New("the body cannot be decompressed")

// brotliReader gives errors of the coding a name: those of the library have none. Its window is 16 MiB at most, of which it takes what the
// body fills.
type brotliReader struct{ r *brotli.Reader }

func (b brotliReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errUndecodable, err)
	}
	return n, err
}

type capped struct {
	io.Reader
	left, limit int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n, &tooLargeError{"response body", c.limit}
	}
	return n, err
}

// fetchBody is a response's body for the engine: capped, with errors that a script may see.
type fetchBody struct {
	io.Reader
	raw     io.Closer
	left    int64
	done    func()
	explain func(error) error
}

func (b *fetchBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.Reader.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		err = &tooLargeError{"response body", 0}
	}
	b.left -= int64(n)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		err = b.explain(err)
	}
	b.done() // frees the place; Close closes the connection
	return n, err
}

func (b *fetchBody) Close() error {
	err := b.raw.Close()
	b.done()
	return err
}

func statusText(resp *http.Response) string {
	_, reason, _ := strings.Cut(resp.Status, " ")
	if len(reason) > maxStatusText {
		reason = reason[:maxStatusText]
	}
	return text.FromLatin1(reason)
}

// responseHeaders lists a response's headers by name, each value by itself.
func responseHeaders(header http.Header, decoded bool) [][2]string {
	list := make([][2]string, 0, len(header))
	for name, values := range header {
		if decoded && (name == "Content-Encoding" || name == "Content-Length") {
			continue
		}
		lower := strings.ToLower(name)
		for _, v := range values {
			list = append(list, [2]string{lower, text.FromLatin1(v)})
		}
	}
	slices.SortStableFunc(list, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return list
}

// explain turns an error of a fetch into one that the script may see. parent is the call's context, ctx the fetch's own.
func (f *fetching) explain(parent, ctx context.Context, err error) error {
	var (
		ours     *engine.HostError
		redirect redirectError
		large    *tooLargeError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case parent.Err() != nil && !errors.Is(context.Cause(parent), context.DeadlineExceeded):
		return fmt.Errorf("fetch: %w", context.Cause(parent))
	case errors.Is(err, errDenied):
		f.host.cfg.Log.Info("fetch denied by egress", "tenant_id", f.inv.Script.TenantID, "script_id", f.inv.Script.ID,
			"execution_id", f.inv.ExecutionID, "host", f.target.url.Host, "hop", f.hops)
		return &engine.HostError{Name: "TypeError", Code: "egress_denied", Message: errDenied.Error()}
	case errors.Is(err, errBlocked):
		f.host.cfg.Log.Warn("fetch blocked", "tenant_id", f.inv.Script.TenantID, "script_id", f.inv.Script.ID,
			"execution_id", f.inv.ExecutionID, "host", f.target.url.Host, "hop", f.hops)
		return &engine.HostError{Name: "TypeError", Code: "fetch_blocked", Message: errBlocked.Error()}
	case errors.As(err, &redirect):
		return &engine.HostError{Name: "TypeError", Code: "fetch_redirect", Message: redirect.Error()}
	case errors.As(err, &large):
		if large.limit == 0 {
			large = &tooLargeError{large.what, f.host.cfg.MaxFetchBytes}
		}
		return tooLarge(large)
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return &engine.HostError{
			Name: "TimeoutError", Code: "fetch_timeout",
			Message: fmt.Sprintf("fetch timed out: the limit is %d s, or what is left of the execution's time", int(f.host.cfg.FetchTimeout/time.Second)),
		}
	}
	var known *redact.Values
	if f.host.cfg.Secrets != nil {
		known = f.host.cfg.Secrets.Known(f.inv.Script.TenantID) // the text may have some of the answer, which may repeat a header
	}
	f.host.cfg.Log.Debug("fetch failed", "tenant_id", f.inv.Script.TenantID, "script_id", f.inv.Script.ID,
		"execution_id", f.inv.ExecutionID, "host", f.target.url.Host, "error", known.Plain(fmt.Sprint(err)))
	return &engine.HostError{Name: "TypeError", Code: "fetch_failed", Message: "fetch failed: " + failureKind(err)}
}

func tooLarge(err *tooLargeError) *engine.HostError {
	return &engine.HostError{Name: "RangeError", Code: "fetch_too_large", Message: err.Error()}
}

// failureKind says what went wrong without naming an address. The guard has agreed to the address by then, so that nothing
// is told about a network that the script may not see.
func failureKind(err error) string {
	var (
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
		bad    flate.CorruptInputError
		opcode interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &cert):
		return "the server's certificate is not valid"
	case errors.As(err, &record), errors.As(err, &alert):
		return "no TLS connection could be made"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case errors.As(err, &opcode) && opcode.Timeout():
		return "the host did not answer in time"
	case errors.Is(err, errUndecodable), errors.As(err, &bad), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum):
		return "the body cannot be decompressed"
	}
	return "the server's answer is not valid"
}
