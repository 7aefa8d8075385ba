import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
export default { run() {
  const key = new Uint8Array(32).fill(7), text = utf8ToBytes("m");
  return [bytesToHex(ed25519.getPublicKey(key)), ed25519.verify(ed25519.sign(text, key), text, ed25519.getPublicKey(key)), bytesToHex(secp256k1.getPublicKey(key)), bytesToHex(keccak_256(text)), bytesToHex(blake3(text))];
} };
