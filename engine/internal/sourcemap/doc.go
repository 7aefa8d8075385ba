// Package sourcemap finds the places of an author's sources that positions of compiled text come from.
//
//	compiler's child ──► Pack ──► database, node ──► worker ──► Open, at the first stack that is read ──► Find
//
// Source maps come from authors: a bundle may carry its own as a comment, and the compiler follows it. So a node keeps a map as it
// is packed and never reads it. The worker of the tenant does, in its sandbox, within its script's limits.
//
// # Invariants
//
//   - Open and Find return for any input, in time and memory that its size bounds: at most maxText bytes of text, and an index of about
//     a tenth of it.
//   - A name of a source has no control characters, no scheme and no "..", and at most maxName bytes.
//   - Find takes a search and the reading of at most step segments.
//
// # What fails
//
//	the map is no source map, or larger than maxText    Pack returns "": positions stay those of the compiled text
//	the text is not what Pack returns                   Open returns nil
//	a segment that no source map has                    what comes behind it has no place
package sourcemap
