// Package http1 serves plain HTTP/1.1 requests to tenants' endpoints without net/http's server, which takes as much CPU for a small request
// as the node's own code does. Every other request is handed over to net/http, on the same connection, with all bytes that were read.
//
//	connection ──► Server's conn ──── plain, and the Handler's ──► Handler
//	                    │
//	                    └─ anything else: Listener.Accept ──► package framing ──► net/http, until the connection ends
//
// The package refuses nothing and answers nothing by itself: what a head means beyond the plain ones, and which answer a wrong one gets, is
// package framing's and net/http's to say.
//
// # What is plain
//
//   - GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS; a target that is a path; HTTP/1.1; lines that end with CR LF; names that are tokens;
//     values of printable bytes, tabs and bytes from 0x80 on; 64 lines and 4 KiB at most.
//   - Exactly one Host header of letters, digits and -._:[].
//   - A body, if any, has one Content-Length of digits without a leading zero. GET and HEAD have none.
//   - No Transfer-Encoding, Upgrade, Expect, Trailer or HTTP2-Settings. Connection is absent, keep-alive or close.
//
// What is accepted, net/http reads as the same method, target, headers and length (FuzzPlain), and the next request begins at the byte
// after it.
//
// # Rules
//
//   - Requests of a connection are answered in their order; the next one is looked at when the one before was answered.
//   - A Handler sees what it sees under net/http: a context that ends with the request, the client or the node; Flush, and deadlines by
//     http.ResponseController; a body that is read from the connection when the Handler reads it. It sees no trailers, no Hijacker
//     no informational answers, and no Content-Type is guessed.
//   - The client is watched once a request has run for one to two watchEvery: until then no goroutine reads the connection, so that a short
//     request costs no second goroutine. Bytes of the next request do not hide that the client leaves while they fit in the buffer.
//   - An answer has a Content-Length, or is chunked; where a Handler writes less than it said, or panics, the connection is cut.
//   - What a Handler leaves of a body is read away up to maxLeftover and for HeadTimeout; else the connection is closed after the answer.
//   - The deadlines that a Handler sets are handed to the kernel's poller only where a read or a write must wait.
//   - A connection has HeadTimeout for its first head and for the rest of a head that has begun, and IdleTimeout, and 5 s more at most,
//     for the next one to begin.
//   - Shutdown closes idle connections, and answers of the others say Connection: close.
//   - Server.ConnState hears of StateActive and StateIdle as with net/http. A connection takes a buffer of 4 KiB and one goroutine.
package http1
