// Package httpapi is the admin API: everything that the data model holds, managed over REST. Paths, statuses and shapes are
// those of the OpenAPI document that it serves.
//
// # What a request passes
//
//	router ─ identify ─ authenticate ─ meter ─ readBody ─ idempotent ─ validation ─ handler ─ transaction
//	         request id  key or         rate    limit,     the first     huma, from   one a     rows and audit log
//	                     session, role, a key   JSON       answer again  the types    route     together
//	                     tenant
//
// routes.go is the whole map: what is not on it does not exist, and each line names the permission that its route asks for.
// errors.go has the one function that turns an error into an answer.
//
// # Invariants
//
//   - A session of the console stands for a key: it has the key's role, tenant, rate and name in the audit log, and ends with the key. Its
//     cookie counts only in requests that a page of this origin makes (Sec-Fetch-Site, Origin), and in changes only beside the CSRF token.
//     A request that presents a key is judged by the key alone.
//   - Of a session's token and of a one-time link only a hash is stored. One of all callers, on any node, gets a session of a link.
//   - No answer of the API is of use to a page of another origin: none has a CORS header, and all forbid to be framed or embedded.
//   - The tenant comes from the key (or, for a superadmin, from X-Tenant), never from a path or body. Every query takes it.
//   - An id of another tenant and an id that never existed get the same 404, byte for byte. So does a malformed id.
//   - What a request changes and its trace in the audit log are one transaction.
//   - A script's row is locked before its version is numbered: versions have no gap and no duplicate, and If-Match is judged
//     against the row that is then changed.
//   - A script's endpoint, subscriptions and schedule are active exactly while the script is, in the same transaction.
//   - Settings are typed and strict. What is misspelt is refused with the name that was meant, also in metadata, which is free and read by
//     nothing: an endpoint never stays open because its lock was misspelt.
//   - A 202 means that the row is committed.
//   - A body is read after its key was looked up, in steps that are reserved in the node's memory budget (package bodies). It is judged
//     on its bytes, as JSON and by the route's schema, before anything decodes it: what Postgres or V8 could not hold is a 422 that names
//     the place. Nothing makes a tree of a whole body: free values stay as they came (json.RawMessage).
//   - Memory is reserved before it is taken: for bodies, for what they are decoded to, for pages of lists, for exports and imports. Who
//     is over the tenant's share gets 429 memory_budget, who finds the node full 503, both with Retry-After.
//   - An export is read and sent page by page, an import is decoded and compiled script by script.
//   - An answer that its client does not take is given up after 30 s, and one second more for each 64 KiB of it.
//   - Nothing of a failure of ours is shown but the request's id.
//
// # Answers
//
//   - ETag: every object that can be changed has one, "STATE.REST": the state of its row, and what the answer shows beside it. An empty PATCH does
//     not change it. If-Match on a change is a list of tags or *, whose states are compared: a weak tag and a malformed one match nothing, and no
//     match is 412 precondition_failed, judged under the row's lock. The tag of a compressed answer ends with -gzip, and has the same state.
//   - If-None-Match on GET and HEAD is compared weakly: a match is 304 without a body or a type.
//   - HEAD works wherever GET does, with GET's headers; Content-Length is there where GET's answer would not be compressed. A stream answers with
//     its head and ends.
//   - Answers of 1 KiB and more are sent with gzip where the client takes it as gladly as none (Accept-Encoding, RFC 9110), 16 at a time, with
//     Vary. Answers that hold a secret and event streams are not: a length must not show what is in them. The API sends no
//     brotli.
//   - ?fields= names the members of a list's items that the caller wants; one that no item has is a 422. Without it lists leave out the large ones:
//     source, input, output, event_data. Single objects have them always.
//   - Every error answer is written by package problem.
//
// # Failures
//
//	the database does not answer   503 database_unavailable, for sessions always; keys seen within two hours stay valid, so that invocations go on
//	the read replica is away       lists and usage come from the primary, as they do while the replica is more than 30 s behind
//	a notification is lost         a deleted key works for two more seconds at most
//	the node dies in a request     nothing or all of it is committed, with the answer where there is an Idempotency-Key; a key
//	                               without an answer can be used again once the node counts as dead (15 s)
//	the ledger is full             synchronous runs are 503 before they begin; those that had begun wait, then 503
package httpapi

//go:generate go run generate.go
