// Package host is what scripts may call outside of their worker: fetch, kv, events, scripts, and the tenant's secrets.
//
//	script ── webapi ── worker ──wire── engine ── Host.Call ─┬─ rate     max_api_calls_per_minute, every method
//	                                                         ├─ fetch    resolver → guard → transport of the tenant
//	                                                         ├─ kv       script_kv
//	                                                         ├─ events   jsruntime_enqueue_event
//	                                                         └─ scripts  engine.Executor, one level deeper
//
// # Invariants
//
//   - Who calls is in engine.Invocation, which the node made. No tenant, script or limit is ever read from the arguments.
//   - Every query takes the tenant of the invocation.
//   - fetch decides on the address that is dialled, on every dial of every hop, never on the URL's text alone.
//   - A path and query leave as the script's URL parser wrote them (target.go), header values as one byte a character. A redirect's Location
//     is read as the URL standard reads it. Bodies in gzip, deflate and br are decoded, under the cap of a body before and after.
//   - A secret with hosts is a placeholder to scripts (placeholder.go). Its value is put into the headers of the request that is written to
//     one of the hosts, over TLS, or over http where the entry has its port and the operator allows the host; in place of the placeholder, also
//     within Basic credentials. It is in no record, log line or error. A placeholder anywhere else in a request refuses it. A redirect to
//     another origin loses the header. A host that repeats the headers in its answer shows the value to the script: name only others.
//   - A connection belongs to one tenant: pools, TLS sessions and HTTP/2 connections are never shared.
//   - The text of an error that a script sees names no address and tells no blocked name from another blocked name.
//
// # Methods
//
// Arguments and replies are JSON objects; bytes go beside them. A member that is absent has its zero value, one that
// is not listed is ignored.
//
//	fetch           args  {url, method, headers: [[name, value], …], redirect: "follow"|"manual"|"error", hasBody, streamBody}
//	                      body  the request's body where hasBody; streamBody: what follows it comes as a stream
//	                reply {status, statusText, headers: [[name, value], …], url, redirected, hasBody}
//	                      body  the response's body, decompressed, whole if it is known to be small; else a stream.
//	                      Header names are lower case, Set-Cookie appears once a cookie. content-encoding and
//	                      content-length are left out where the node decompressed. url is the last hop's, without fragment.
//	                      hasBody is false for HEAD, 204, 205 and 304: Response.body is null then.
//	                      redirect "manual" gives the 3xx response itself, with its Location.
//	others          the tables kvMethods, eventMethods and scriptMethods say what they take and give
//
// kv values are any JSON value and come back byte for byte as they were stringified. expiration is in seconds since the
// epoch, null if the key does not expire; expirationTtl is in seconds, 0 or absent for never, and for kv.increment it only
// counts where the key is made. delta defaults to 1. limit defaults to 100 and is at most 1000; cursor is opaque, "" at the
// start and once complete.
//
// # Failures
//
//	name                code                  when
//	TypeError           -                     an argument of the wrong kind; message "kv.put: key …"
//	TypeError           fetch_blocked         "fetch blocked": the guard refused the destination
//	TypeError           egress_denied         the egress of the script or of its tenant's plan does not allow the destination
//	TypeError           secret_refused        a placeholder of a secret in the URL, method, body or a header's name, or in a header to a host that the
//	                                          secret is not for, or of no secret of the script
//	TypeError           fetch_failed          "fetch failed": no such host, refused, reset, TLS, protocol
//	TypeError           fetch_redirect        too many redirects, redirect "error", a redirect to another scheme
//	TimeoutError        fetch_timeout         30 s, or fetch's share of the execution's time
//	RangeError          fetch_too_large       response headers, or a body known to exceed 10 MiB, or the upload
//	RangeError          kv_value_too_large    more than 64 KiB of JSON
//	QuotaExceededError  storage_quota         the tenant's kv is full, or for events its history
//	RateLimitError      rate_limited          max_api_calls_per_minute; retryAfter in milliseconds
//	RangeError          input_too_large       an input beyond max_request_body_bytes of the invoked script
//	RangeError          event_too_large       more than 1 MiB of JSON, or the script's max_request_body_bytes
//	QuotaExceededError  queue_full            the tenant has as many executions waiting as it may
//	NotFoundError       script_not_found      scripts.invoke of a name that the tenant has no active embedded script for
//	NotFoundError       tenant_deleted        the tenant was deleted while the script ran
//	ScriptError         its error_code        the invoked script did not complete
//	Error               overloaded, …         the invoked script was not accepted; retryAfter in milliseconds
//	Error               loop_detected         a chain deeper than 16; ends the calling execution, caught or not
//
// A fetch beyond 32 at once in one execution waits for its turn. A body that breaks off after the head fails the stream with one of the texts above.
package host
