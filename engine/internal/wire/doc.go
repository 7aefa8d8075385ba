// Package wire is the language between a node and its worker processes: length-prefixed frames over a socketpair.
//
//	node                                   worker
//	  |  <---------------- Hello ------------ |   first frame, else the node kills the worker
//	  |  ----------------- Lease ------------>|   once: the tenant that this process serves until it dies
//	  |  ----------------- Load ------------->|   a script version into a slot (slot = isolate)
//	  |  <---------------- Loaded ----------- |
//	  |  ----------------- Run -------------->|   may be pipelined: the worker runs them one after the other, in order
//	  |  <-- HostCall / Log / Head / Chunk -- |
//	  |  <---------------- Answer ----------- |   the answer of a Run whose waitUntil work goes on
//	  |  --- HostReply / Chunk / Credit ----->|
//	  |  <---------------- Result ----------- |   exactly one a Run
//	  |  ----------------- Cancel, Drop ----->|
//	  |  <---------------- GoesOn ----------- |   to a Cancel with Left
//
// # Frame
//
// A frame is a little-endian uint32 length, a kind byte and a payload; the length counts kind and payload. Integers in a
// payload are unsigned varints, strings and byte strings are a varint length and the bytes. A payload that ends early or has
// bytes left over is an error, and so is an unknown kind.
//
// # Rules
//
//   - The node treats every frame as if an attacker had written it. A length is checked before anything is allocated.
//   - The worker names nothing but Seq, Slot and Call, which the node gave out or checks against the lease. Tenant, script and
//     limits are never read from a frame of the worker's.
//   - A reader's first error is its last: the connection is not used again.
//   - One writer a side. Frames are written whole.
//   - The node sends one Load at a time and no Run for its slot before Loaded came without a code.
//   - The worker writes frames of a Run in the order in which the script caused them, its Result last. A Result may wait for
//     the Results of Runs that are already in the worker's memory, but for 20 ms at most, also while the next one runs: another
//     thread flushes. A HostCall, Head, Chunk or Answer flushes at once.
//   - Frames of the worker name the Run that it is executing: the first one without a Result. Only HostCancel, Credit and the
//     Chunk of an upload may still name one that has ended, and the Result of a cancelled Run may come out of turn. The node
//     kills a worker that names another. A worker ignores what the node sends for a Run that has ended.
//   - Cancel reaches a Run in any state. One that was not begun is never begun: its Result, with Cancel's code and WallMicros 0,
//     comes at once, from the reading thread, also when another one runs. One that runs is told (ctx.signal, the response stream's
//     cancel) and has the grace to clean up, within its own time limit; then, or at once without a grace, it is terminated. With
//     CodeRecalled the worker ignores the Cancel of a Run that has begun.
//   - A Run has at most one Answer, and none after a Head. What its script does after it changes only how the Run ends.
//   - A Loaded with a code and a Result with Condemned mean that the worker has dropped the slot. Runs for it that were written
//     before the node knew come back, not executed, as Result with CodeRecalled.
//   - A worker that ends by itself has one of the Exit statuses.
//   - The worker keeps at most MaxOpenCalls HostCalls of a Run unanswered and makes the script's next ones wait; the node
//     rejects what goes beyond.
package wire
