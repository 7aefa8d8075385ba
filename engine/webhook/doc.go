// Package webhook tells tenants and the operator what happens to scripts, at the addresses that they have given.
//
//	a fact (quarantine, dead letter, missed tick, mark of a quota, version taken back, failures in a row)
//	   └─ its own transaction ──► jsruntime_emit ──► webhook_deliveries (durable, 1,000 waiting for each webhook)
//	                                                       │ claim under a lease, SKIP LOCKED
//	                                                       ▼
//	                              POST, signed (standardwebhooks.com), through the guard of fetch, no redirects
//	   2xx delivered · 410 failed, and the webhook is disabled · else again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, then failed
//
// # Rules
//
//   - An event is queued by the transaction that makes the fact true, so that neither is without the other. Failures in a row are counted after the
//     transaction that writes the executions (package ledger): a node that is killed between them loses some counts.
//   - A delivery is made at least once; webhook-id is the same at each attempt, so that a receiver can tell.
//   - The address is judged where it is dialled, by the operator's rules for fetch and, for a tenant's webhook, the egress of its plan: a name that
//     begins to resolve to an address inside is refused as one that always did. Only the status of an answer is kept.
//   - A node has 2 attempts under way for one webhook at most, 4 for one owner, 64 in all, and goes around all webhooks that have deliveries: a
//     receiver that hangs holds up only its owner's.
//   - Deliveries that have ended are kept for 30 days, and the last 2,000 of a webhook.
//   - Breakers that are due are opened here, in a transaction of their own (jsruntime_open_breakers), and scripts that have completed since they
//     failed are told to have recovered (jsruntime_recover_scripts), so that executions that complete cost nothing.
//
// # What goes wrong, and what happens then
//
//	node dies during an attempt    its lease ends after a minute, and another node makes the attempt
//	Postgres away                  deliveries wait
//	secret cannot be deciphered    the attempt fails, and is made again: the key may come back
//	1,000 deliveries wait          the webhook gets no more events until there are fewer
package webhook
