// Package egress says where a tenant's scripts may send data.
//
//	operator   JSRUNTIME_FETCH_ALLOW, _DENY   the guard of fetch, which always holds (package host)
//	plan       tenants.plan.egress            what the tenant may
//	script     scripts.egress                 what the script may of it
//
// A list has host names, names below one (*.example.com, not example.com itself), addresses and networks, each with a port or for all of
// them. Without allow, everything is allowed that deny has not; with an empty one, nothing is.
//
// # Rules
//
//   - Names are compared as package idna writes them: lower case, ASCII, without a final dot. A wildcard ends at a dot: *.example.com has
//     neither example.com nor notexample.com.
//   - An address is compared as an address, however a URL spells it. An entry with a name has no URL with an address.
//   - A network allows a name by the addresses that it stands for, each of them. A name of which no address could be allowed is not looked up.
//   - What is judged is the address that is dialled, on every hop. Connections are kept for one policy: none that another script has opened
//     is used.
package egress
