// Package auth judges whether a request to a tenant's endpoint comes from whom the endpoint's http.auth admits: senders of webhooks, who
// sign the body, and holders of a JSON Web Token. Keys of the API (api_key) are package gateway's.
//
//	request ──► Check ─┬─ head: jwt                            ── before the body is read
//	                   └─ body: standard_webhooks, stripe, …   ── once it is read, within its limit and the node's budget
//	                        │
//	                        ├─ secret   of the tenant, in memory (Config.Secret)
//	                        ├─ keys     of jwks_url, in memory, by the operator's guard (Config.Fetch)
//	                        └─ replays  one statement (Config.Claim)
//
// No worker is woken and no lane taken before Check has agreed. There is one file for each scheme.
//
// # Rules
//
//   - What is signed is the body as it came, byte for byte. Signatures are compared in constant time.
//   - A scheme's header has to be there exactly once, and its value has one spelling: a timestamp in decimal without sign or leading zero,
//     hexadecimal in lower case, base64 with its padding. The script sees the headers that were judged.
//   - A signed time may differ from the node's clock by tolerance_seconds, in both directions.
//   - The same signed request is admitted once. Its id is the SHA-256 of all that is signed: time, id of the message where the scheme signs
//     one, and body. A sender that tries again signs a new time, and is admitted. Postgres decides, in one statement, for all nodes; it holds
//     the id for twice the tolerance, after which the time is out of it. Where nothing ran (429, 503) the id is given back.
//   - github signs neither time nor id: the same X-GitHub-Delivery with the same body is not admitted twice within tolerance_seconds, and is
//     after it. 0 admits it always.
//   - A token's alg has to be among the rule's algorithms, which are those of shared keys or of public keys, never both: alg none, and a
//     public key that is used as a shared one, are refused before any key is looked at. A key of a set is used with its own alg and kty only.
//     What a token's head says of keys (jwk, jku, x5c, x5u) is not read; a crit that is not known is refused.
//   - exp and nbf hold where the token has them, iat may not be in the future; the clocks may differ by tolerance_seconds.
//   - A set of keys is fetched with the operator's guard, by one request at a time, and kept for keysFresh. When a token names a key that the
//     set lacks, it is fetched again, at most 3 times at once and once in 10 s after that. A set that cannot be fetched again stays for a day.
//   - Tokens that were found good are remembered, by their SHA-256, until they expire or their key or rule is another: a signature is checked
//     once. All of this is bounded in number and bytes.
//
// # Failures
//
//	*RefusedError      401 unauthorized: the request is not what the rule admits, or the secret is missing or is no key
//	*UnavailableError  503: the secret, the keys or Postgres cannot be asked
package auth
