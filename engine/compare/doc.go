// Package compare runs a version of a script on inputs that are on record, keeps its effects inside, and says what it does otherwise than the
// executions did whose inputs they are.
//
//	POST …/compare ──► row (pending, leased) ──► Start ──► queue of this node ──► worker: for each of the last inputs
//	                                                          │                       wait while the script or tenant is at its concurrency
//	                     Run renews the leases every 5 s ◄────┘                       execute with a host of its own (package host: Apart)
//	                     and ends those of nodes that are gone                        compare status, error and output; difference as text
//	                                                                                  rest for as long as it ran
//	                                                                            ──► row (completed or failed) with its items
//
// # Rules
//
//   - Nothing leaves: kv is read and written to an overlay of one execution, events and invocations are noted, fetch is refused, answered
//     from the record, or live where that was asked for. What the candidate asked for is in its item.
//   - An execution of a comparison is unlisted: it has no row. Its usage counts, since it costs as much as any other.
//   - A comparison is background work: one execution at a time, half of the time at most, and none while the script or its tenant has as many
//     executions as it may. A tenant has one comparison at a time, a node works on Workers of them.
//   - A comparison ends: after Patience at the latest, with its node's end, and by its lease where the node is killed.
//   - What was masked in the record stays masked: the candidate's output is masked the same way before the two are compared.
//   - An input that is not on record whole is skipped, and the item says why.
//
// # When two are the same
//
// Where status, error code, error and output are. Members of JSON have no order, neither has a body that is JSON; a response that was streamed is
// compared by its status, headers and body where these are on record.
package compare
