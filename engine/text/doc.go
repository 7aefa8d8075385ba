// Package text is the one owner of what text and JSON may be kept: how they are cleaned, cut, written and judged. It imports nothing of
// this project, so that every other package can use it.
//
//	text a script or client made ──► Clean, CleanTo ──► a text column, a log line, a message
//	JSON a script made           ──► CleanJSON ──► an output, an event, a value of kv; or an error that says why it is none
//	JSON that must be kept       ──► StorableJSON ──► a jsonb column, whatever it was
//	text to be sent as JSON      ──► AppendString
//	a string of a request        ──► Measure ──► its length, and why it cannot be kept as it is
//
// # Rules
//
//   - Postgres has no NUL, encoding/json replaces invalid UTF-8, and jsonb refuses half a surrogate pair: in kept text each of them is U+FFFD.
//   - One depth: the value of an input, an output, an event or a kv entry is nested at most MaxDepth deep, whatever made it. What the node wraps
//     around such a value (an event's {id, type, time, data}) is not counted.
//   - One number rule, Number: a literal of at most 400 characters whose value a double can hold. Scripts have no others.
//   - Text is cut on the edge of a character: a text that is cut stays a text.
//   - Nothing here fails for what it is given, and nothing recurses: each function is one pass over the bytes.
package text
