// Package cluster makes a process one of several nodes of a database: its row and heartbeat, the view of the other live nodes, the division
// of limits over them, and the LISTEN connection.
//
//	Node: heartbeat ──► nodes (its row, what it does) ──► who takes work ──► Members
//	Members ──► Share, Serve: scheduler's claims, pool of workers, host calls
//	Listener: LISTEN, one connection a node ──► Subscribe: catalog, scheduler, log tail
//
// # Invariants
//
//   - One division: each part of the product that holds a limit across nodes asks Members for this node's part.
//   - The Shares of all nodes add up to the limit. What does not divide goes to nodes that the key picks, so that the scripts whose
//     limit is 1 are spread over the nodes.
//   - A node that was not counted yet, and a node alone, has the whole limit.
//   - A node takes work only while the others count it: TakesWork is false from a lease without a heartbeat on, until 1.5 heartbeats
//     after the next one.
//   - A notification is a hint. Every subscriber polls too, and is told "" after each new connection.
//
// # What goes wrong, and what happens then
//
//	Postgres away              heartbeats fail and are tried again; /readyz is red after ten seconds; nothing is claimed after a lease
//	node killed                its row counts for a lease; it is pruned after a day
//	no worker can be started   the row says can_run = false: the others have the node's share
//	clocks differ              a warning; the database's clock counts
//	LISTEN connection lost     made anew after half a second; subscribers poll meanwhile
package cluster
