// Package connect is how the program connects to Postgres, and what an error of Postgres means.
//
//	Parse      connection string → settings: every connection of the program is made of these
//	Open       a pool of connections
//	One        a single connection
//	ClassOf    what an error means, by its SQLSTATE: the server is away, busy, or refuses what the statement says
//
// # Several hosts
//
// A connection string may name several hosts, of which one is the primary and the others are its standbys:
//
//	postgres://jsruntime@pg1,pg2/jsruntime
//
// Then a session must be able to write (target_session_attrs=read-write), unless the string says otherwise, and a host that does not
// answer is given up after 3 s (connect_timeout). The host that was reached last is tried first, so that a machine which is switched
// off costs that time once and not for each connection.
//
// # A primary that is one no longer
//
//	the server stops or crashes (57P01 to 57P03)     the pool drops its idle connections at once, and the acquired ones when they come back
//	the session became read-only (25006)             the same, and the connection itself is closed
//	the connection ends without a word               the statement fails; the pool tries idle connections before it gives them out
//
// Dropping is bounded to once a second: a server that stays read-only is asked for new connections no faster than that.
package connect
