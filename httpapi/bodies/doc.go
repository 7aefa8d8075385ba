// Package bodies reads requests' bodies for the admin API and the gateway: within a limit of bytes, a budget of memory and a time.
//
//	r.Body ──► Read ──► []byte, reserved in admission.Budget before it is allocated
//
// # Rules
//
//   - A body takes only what has arrived: its buffer begins with 8 KiB at most and doubles, each step reserved before it is allocated,
//     whatever length the client claims.
//   - A body that the budget has no room for is refused at once. What is left of it is not read.
//   - A body that brings less than MinRate over a window of Grace, or is not complete in its time, is given up. The time is Timeout,
//     and one second more for each 64 KiB beyond the first MiB of the limit.
//   - The listener may end the reading of a body to make room for a connection (Meter).
package bodies
