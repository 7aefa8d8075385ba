// Package gateway answers tenant endpoints: one public request becomes one execution of one script.
//
//	client ── api.customer.com/{path…} ──┐   of endpoints whose http.hosts has the host
//	client ── {slug}.localhost/{path…} ──┤
//	client ── /t/{slug}/{path…} ─────────┴► Gateway ── Route ──► catalog (in memory, no database)
//	                                   │
//	                                   ├─ limits, auth, CORS: refused here, nothing was run or recorded; 401, 413, 429 and 503 are counted
//	                                   ├─ http.idempotency: a key is taken, or its first answer given again (Durable)
//	                                   ├─ http.async: the run is put into the queue, 202 (Durable)
//	                                   ├─ Execute ──► engine
//	                                   ├─ Record  ──► ledger, before the client has its last byte; after it where work of waitUntil goes on
//	                                   └─ response, or the error table of the HTTP contract as problem+json
//
// It is a plain http.Handler without a router or middleware before it, because it is the hot path, and because its trust differs
// from the admin API's: the caller is anybody, and the answer is a tenant's.
//
// # Two ways to a tenant
//
// Package origin says which host a request is for.
//
//	                    shared host, /t/{slug}/…              the tenant's own host, /…
//	documents           sandboxed: an opaque origin           the host's own origin
//	response headers    those on a list, and X-…              all but those that are not the tenant's to set
//	Content-Type        written anew, or octet-stream         as it is
//	Set-Cookie          t.{slug}.NAME, Path=/t/{slug};        as it is; none with a Domain wider than the host
//	                    no Domain, no __Host-, 20 at most
//	Cookie              the tenant's own, without t.{slug}.   all
//	request.url         the path that follows /t/{slug}       the request's URL
//	Location            /t/{slug} in front of a path of       as it is
//	                    this host that has it not
//
// # Rules
//
//   - A request's headers reach the script without hop-by-hop headers, and each byte of a value as one character. What a proxy would claim about the client (Forwarded,
//     X-Forwarded-*) is taken from trusted proxies only; otherwise X-Forwarded-For is the peer's address.
//   - A key of the admin API and the console's session never reach a script or its history, wherever in a request's head they are. An
//     endpoint that asks for an api_key does not see the Authorization header at all.
//   - An endpoint's auth is judged before its script is woken: a token before the body is read, a signature once it is (package auth).
//   - What a script answers cannot break the connection or the listener's other users. The form of a response's head (status, names,
//     values, 64 headers of 15 KiB together) is engine's to judge; which headers pass is judged in headers.go, and nowhere else.
//   - Every answer on the shared host carries the sandbox as its first policy: errors, 304, 204 and preflights too. What a browser
//     takes for a document is never guessed from a type.
//   - A body takes only what has arrived, on behalf of the endpoint's tenant, within the node's memory budget (package bodies). An
//     answer of more than 64 KiB is counted while it is sent. Who is over the budget gets 429 or 503 memory_budget.
//   - A key of http.idempotency is one caller's, at one endpoint: of api_key the key's, of a jwt the subject's, elsewhere of who presents the same
//     Authorization and Cookie. Its request runs to its end though the client leaves, and its answer is kept, encrypted, before it is sent. 429, 5xx
//     and an answer that broke off free the key. Package idempotency has the rule that the admin API shares.
//   - A request that is answered before it runs is judged as any other before: auth, rate limit, body, idempotency key.
//   - A client that goes away cancels its execution, unless work of waitUntil is registered, or a key is taken. A response is whole, and its connection free,
//     before such work ends; the run is recorded when it has ended.
//   - X-Execution-Id names an execution that is on record, or will be: what was refused has none.
//   - An answer is sent only once the ledger has taken the run; a ledger that cannot take it in time makes it 503.
//     (Where it is known to be full, the executor refuses the run before it begins.)
package gateway
