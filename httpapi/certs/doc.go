// Package certs gives the listener its TLS certificates: from files, which are read again when they change, and from a certificate
// authority by ACME, for hosts that the node serves.
//
//	a client's hello ── a file's certificate is for the name ──> that one
//	                 └─ ACME is on and the policy admits it ───> from memory, else the database, else the authority
//	                 └─ neither ───────────────────────────────> the first file's; without one the handshake fails
//
//	a file is broken or half written      the certificate before stays, and the log says so once
//	the authority does not answer         the names that have a certificate keep it; a new one's handshakes fail
//	the database does not answer          the same
//
// What comes from the authority is kept in the database, for all nodes, encrypted with a key made from the node's secret key. A stranger can
// make the node ask the authority only for names that the policy admits, and for maxNewPerHour of them.
package certs
