// Package record writes what an execution got and gave as JSON, and reads it back. It is the one owner of that form: history, replays, manual
// runs, retries, the queue and the redrive of dead letters share it.
//
//	engine.Request ──► RequestJSON ──► input of a row of the queue   whole
//	               ──► Kept.AppendInput ──► input in history         credentials masked, body cut at MaxBodyBytes
//	               ◄── Request ◄── either of them, or what a person wrote by hand
//	history's row  ──► Replay ──► the input of a new execution, and which credentials it lacks; or *NotWholeError
//	event, tick    ──► EventInput, ScheduledInput
//
// A request is {method, url, path, query, params, headers, body, auth}; auth is what ctx.auth was, and absent where that was null. url is what the script sees as request.url, to the letter; path and query tell
// the same to a person and are what a person gives by hand. A body, or the value of a header, is a string where it is text, else {"base64": …}.
//
// # Rules
//
//   - Request(RequestJSON(r), "") is r, for every r that the gateway can make; names of headers are sorted, and repeated ones are joined by ", ", as a
//     script's Headers object has them.
//   - History masks what package redact calls a credential, and names it in trigger_data.redacted: headers.NAME, query.NAME, body.NAME, auth.NAME, input.NAME;
//     path, body or input where something within was masked that has no name.
//   - A replay lacks what was masked: the header, the parameter, the member of a body is not there, and never the mask in its place. What has no
//     name cannot be left out, so such an input is not replayed. Neither is one that was cut, or not kept.
//   - Where url and path, or url and query, differ, a person has edited path or query, and these count.
package record
