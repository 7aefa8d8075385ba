// Package redact decides what is a credential and takes it out of what is kept or shown. It is the one owner of that rule: history,
// log lines, error messages, stacks, the live tail, dead letters and fetch's redirects all ask here.
//
//	by name    Header, Param and Field say whether a header, a query parameter or a member of a body holds a credential
//	by value   Values knows the secrets of one tenant, in the forms in which a script may write them
//	by shape   keys of ours (jsr_…), "Bearer …" and "Basic …", and name=value or "name": "value" in free text
//
//	what              by name                                     by value   by shape
//	headers, query    Header, Param: the whole value              yes        keys of ours
//	JSON and forms    Field: every string and number below it     yes        keys of ours
//	free text         name=value, "name": "value", name: value    yes        all
//
// # Rules
//
//   - Masked is not hidden from the client: only copies that are kept or shown to others pass through here.
//   - The shape of a document stays: what is masked becomes the string Mask, members and elements stay where they are.
//   - A document may be cut off or malformed: what can be read of it is masked, and nothing panics.
//   - Time is linear in the text: no secret is looked for as a whole, but in pieces of at most 64 bytes, so that a hostile tenant
//     cannot make secrets that are slow to look for, and a secret that was cut off is found by its pieces.
//   - Secrets shorter than MinValue bytes are not masked: they would hide ordinary words.
package redact
