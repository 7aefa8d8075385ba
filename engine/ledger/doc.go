// Package ledger writes synchronous executions down: what ran for an HTTP request, an invoke or a manual run that was waited for.
// (Queued executions are rows before they run; the scheduler ends those itself, with the JSON of package record.)
//
//	Record ──► buffer (bounded by bytes) ──► batch ──► one transaction, in one round trip (trip.go): check and lock scripts and tenants,
//	  │            │                           │       COPY executions, logs and host calls, add to the day's usage
//	  │            │                           every FlushInterval, half as often while rows are few, or at BatchRows, or when Flush asks
//	  │            └ full: Record waits, until its ctx ends
//	  └ makes the row at once, so that the caller may reuse its buffers
//
// # Rules
//
//   - A row is never dropped for lack of room or of Postgres: rows wait in the buffer, callers wait for the buffer. Once nothing
//     is written any more and the buffer is nearly full, Full says so, and nothing further is begun.
//   - A batch is a transaction, so a row, its logs, its host calls and its share of usage are there together or not at all. A batch whose
//     COMMIT got no answer is tried again; ids that are there by then are left out of the second try, with their usage.
//   - Usage counts every execution once, whatever is kept of it: executions without a row leave a mark of their batch (script_usage_marks), by
//     which a second try finds that the first one was committed. They are summed while they wait, for a second at most (sums.go).
//   - A row is on record within 100 ms of its end: it waits for 80 ms at most, and its transaction has the rest. (Waiting for 90 ms would save
//     a ninth of the flushes of a quiet node, and leave 10 ms to a transaction that takes 2 to 15 ms.)
//   - Foreign keys hold whichever way they are checked: once for a batch of 50 rows and more where the database user may, else row by row
//     (parents.go).
//   - No row can hold up the others for ever: a batch that Postgres refuses for what is in it is halved until the row is
//     alone, which is then written without what a script could have put into it, or dropped with a log line and a count.
//   - Everything a script or client made passes package text: no NUL, no lone surrogates, no invalid UTF-8, no nesting
//     or number that jsonb cannot hold.
//   - Bodies are cut to record.MaxBodyBytes, inputs as outputs. A record whose input was cut says so in its trigger data and is not replayed;
//     a run of the queue has its whole input until it has ended for good.
//   - Credentials of callers and secrets of the tenant stay out: package redact says what they are. Trigger data name what was masked.
//   - A request that is refused before anything runs has no row. It is counted by script, reason and minute: Refused.
//   - An execution that has run for a second has an attended row with status running, which its node keeps alive by a lease and in which
//     a request to cancel is found. Its end deletes that row and inserts its own in one transaction; it is never both. Shorter ones have one
//     row and cost nothing more.
//
// # What goes wrong, and what happens then
//
//	Postgres away, read-only, out of disk or connections   the batch waits and is tried again (50 ms … 2 s), for as long as it takes
//	deadlock, serialization failure                        tried again
//	script deleted while it ran                            its rows are dropped and counted, which is no error
//	node lost while an execution runs                      its attended row is rescued: failed, worker_lost
//	node was silent for a lease, and lives                 the true ending replaces the rescue's
//	node killed with -9                                    waiting rows are lost: the last 80 ms (twice FlushInterval) and the transactions under way,
//	                                                       but all of the buffer while Postgres is away; of executions without a row the
//	                                                       usage of the last second
//	shutdown                                               everything is written, for at most ShutdownGrace; what is lost is counted
//	                                                       in a line of the log
package ledger
