// Package keyring holds the operator's secret keys: what tenants' secrets and other credentials are encrypted with at rest.
//
//	JSRUNTIME_SECRET_KEY        the keys of now: the first encrypts, all decrypt
//	JSRUNTIME_SECRET_KEY_OLD    keys of before: they only decrypt
//
// # Rules
//
//   - AES-256-GCM with a random nonce for each value. The caller's additional data says whose value it is, so that a row that is moved to
//     another owner or name does not open.
//   - A key never leaves the package. Its ID, which two nodes compare, is made with HMAC-SHA256 and tells nothing about it.
//   - What has another purpose is encrypted with keys derived for it (Derive).
//
// # Changing the key
//
//	step  JSRUNTIME_SECRET_KEY  JSRUNTIME_SECRET_KEY_OLD   why
//	1     old                   new                        every node can read what the new key encrypts
//	2     new                   old                        nodes encrypt with the new key, one after the other
//	3     POST /api/v1/secrets/rekey                       rows of the old key are rewritten while nodes run
//	4     new                                              the old key is worth nothing
package keyring
