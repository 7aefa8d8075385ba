// Package advisory knows the age of versions of V8 and the bugs in them that are known to be exploited. It is data that the doctor, the
// health report and SECURITY.md share, and links no V8.
//
//	released.go    when a version, or its branch, came out
//	advisories.go  the list, with its date, and which of it applies to a version at a level of compilation
//
// # Rules
//
//   - The list has what is known to be exploited, and says when it was made: Listed. What was found since is not in it.
//   - An advisory applies to each version before the version that fixed it, unless what it needs is switched off here. Where the
//     component was not published, no level of compilation is said to help.
package advisory
