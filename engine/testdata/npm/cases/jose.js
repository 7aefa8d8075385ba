import * as jose from "jose";
const key = new TextEncoder().encode("a secret of at least 32 bytes, really");
export default { async run() {
  const token = await new jose.SignJWT({ role: "admin" }).setProtectedHeader({ alg: "HS256" }).setIssuer("me").setIssuedAt(1700000000).sign(key);
  const { publicKey, privateKey } = await jose.generateKeyPair("ES256");
  const jwks = jose.createLocalJWKSet({ keys: [{ ...(await jose.exportJWK(publicKey)), kid: "1", alg: "ES256" }] });
  const es = await new jose.SignJWT({ a: 1 }).setProtectedHeader({ alg: "ES256", kid: "1" }).sign(privateKey);
  return [token, (await jose.jwtVerify(token, key, { issuer: "me" })).payload, (await jose.jwtVerify(es, jwks)).payload, await jose.jwtVerify(token + "x", key).catch((e) => e.code), await jose.calculateJwkThumbprint({ kty: "oct", k: "AAAA" })];
} };
