// Package quota keeps tenants within what their plan lets them use in a day or a month, over all nodes.
//
//	Executor ──► begin: used + running ≥ hard? ──► *engine.RefusedError quota_exceeded
//	                      ▲
//	ledger ────► Recorded ┤ ended on this node, not yet written
//	ledger, scheduler ──► Written: the transaction that adds to the usage is committed ──► read the totals of all nodes (tenant_usage_daily)
//	                                                                                             │
//	                                       first over a mark in its period, of all nodes ◄───────┘──► Notify, in one transaction with its note
//
// # Rules
//
//   - No execution waits for Postgres: what a node knows is in memory, and is refreshed after each flush that wrote usage of a tenant with quotas,
//     when the tenant or its plan changes, and every second while the tenant is asked about. All tenants with quotas are read before a node serves.
//   - A node knows its own usage to the row, and that of the others as of the last flush: together they pass a hard mark by no more than what the
//     other nodes end within one flush. Executions are counted from their beginning; CPU and bytes are known at the end only, so what runs when
//     the mark is passed comes on top.
//   - Usage never shrinks: of what was read and what is known the larger one counts, so that an answer that comes late takes nothing back.
//   - Days and months are those of UTC. Periods end by themselves: with the new day or month its sum begins at what was used in it.
//   - A higher mark in the plan is in force as soon as the node's catalog has it; nothing is kept of a tenant having been over.
//   - Each mark is told once a period by one node, whichever sees it first.
//
// # What goes wrong, and what happens then
//
//	Postgres away      the node goes on with what it knows and what it counts itself
//	node killed (-9)   what its ledger had not written is nobody's usage, as it is no history: see package ledger
//	Notify fails       its note is rolled back, and the next refresh tries again
package quota
