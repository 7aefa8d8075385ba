// Package wire is the language between a node and its worker processes: length-prefixed frames over a socketpair.
//
//	node                                   worker
//	  |  <---------------- Hello ------------ |   first frame, else the node kills the worker
//	  |  ----------------- Lease ------------>|   once: the tenant that this process serves until it dies
//	  |  ----------------- Load ------------->|   a script version into a slot (slot = isolate)
//	  |  <---------------- Loaded ----------- |
//	  |  ----------------- Run -------------->|   may be pipelined: the worker runs them one after the other, in order
//	  |  <-- HostCall / Log / Head / Chunk -- |
//	  |  --- HostReply / Chunk / Credit ----->|
//	  |  <---------------- Result ----------- |   exactly one a Run
//	  |  ----------------- Cancel, Drop ----->|
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
package wire
