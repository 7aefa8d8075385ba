// Package partitions keeps the partitions of the history: script_executions, script_execution_logs and script_execution_calls are partitioned by ranges
// of execution ids, which begin with the time of acceptance (migrations/00004_executions.sql).
//
//	Ahead ──► the partitions of today and the next days, one a day, or shorter ones where a day has more than Rows rows
//	Drop  ──► a partition as a whole, once every tenant's retention of its newest row has passed
//	Check ──► whether this user may make partitions, and whether there are some ahead
//
// # Rules
//
//   - Any node does it, at any time, and several at once: an advisory lock lets one of them make or drop a partition, and each looks at what
//     is there under that lock.
//   - A row always finds a place. Where no partition was made (no node may create tables, or none ran for days) it goes to the default
//     partition, works as everywhere, and is deleted row by row when it is old. A partition for a range of which the default partition
//     already has rows begins behind them, at the next full hour.
//   - No request waits for a lock longer than lockTimeout. Making a partition locks the default partition and dropping one locks its
//     parent, for a few milliseconds; where the lock is not there at once, another attempt follows later.
//   - A partition with an execution that waits or runs is never dropped. Dead letters lose the id of an execution that is gone, as with
//     any deletion, and the tenants' stored bytes (tenant_storage) go down by what was dropped, in the same transaction.
package partitions
