// Package gateway answers tenant endpoints: one public request becomes one execution of one script.
//
//	client ── /t/{slug}/{path…} ──► Gateway ── Route ──► catalog (in memory, no database)
//	                                   │
//	                                   ├─ limits, auth, CORS: refused here, nothing was run or recorded
//	                                   ├─ Execute ──► engine
//	                                   ├─ Record  ──► ledger, before the client has its last byte
//	                                   └─ response, or the error table of the HTTP contract as problem+json
//
// It is a plain http.Handler without a router or middleware before it, because it is the hot path, and because its trust differs
// from the admin API's: the caller is anybody, and the answer is a tenant's.
//
// # Rules
//
//   - A request's headers reach the script without hop-by-hop headers. What a proxy would claim about the client (Forwarded,
//     X-Forwarded-*) is taken from trusted proxies only; otherwise X-Forwarded-For is the peer's address.
//   - An endpoint that asks for an api_key does not see the Authorization header: a script never holds a key of its tenant.
//   - What a script answers cannot break the connection or the listener's other users: no hop-by-hop headers, no bytes that a header may
//     not have, no cookies for other domains, nosniff always, and documents (HTML, SVG, XML) get a sandboxed origin of their own.
//   - A client that goes away cancels its execution.
//   - An answer is sent only once the ledger has taken the run; a ledger that cannot take it in time makes it 503.
//     (Where it is known to be full, the executor refuses the run before it begins.)
package gateway
