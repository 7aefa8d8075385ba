// Package webcrypto does the arithmetic behind the Web Cryptography API with Go's standard library. It knows nothing of V8 or of
// CryptoKey: the JavaScript in package webapi normalises algorithms, holds keys and checks usages, and calls Do with what is left.
//
// # Do
//
// The request is a JSON object with op, the parameters of that op, and lens, the lengths of the inputs that stand one after the
// other in data. The reply is text (JSON or "true"/"false") or bytes. Keys are DER: PKCS #8 for private ones, SPKI for public
// ones, and plain bytes for symmetric ones.
//
//	op            parameters                        inputs                    reply
//	digest        hash                              data                      bytes
//	hmac          hash                              key, data                 bytes
//	hmac.verify   hash                              key, data, signature      true/false
//	aes           mode, encrypt, tagLength, length  key, iv, data, aad        bytes
//	pbkdf2        hash, iterations, length          password, salt            bytes
//	hkdf          hash, length                      key, salt, info           bytes
//	generate      kind, curve, modulusLength, e     -                         bytes: u32 length, PKCS #8, SPKI
//	sign          kind, hash, saltLength            key, data                 bytes
//	verify        kind, hash, saltLength            key, data, signature      true/false
//	oaep          hash, encrypt                     key, data, label          bytes
//	derive        -                                 private, public           bytes
//	import        format, private, curve, jwk       data                      bytes (DER)
//	export        format                            key                       bytes, or JSON for jwk
//	info          -                                 key                       JSON {kind, curve, modulusLength, publicExponent}
//
// # Failures
//
//	DataError          a key that does not parse, or is not what it should be
//	OperationError     the operation failed: a wrong tag, a signature that cannot be made
//	NotSupportedError  an algorithm that is not here
package webcrypto
