import { InteractionResponseType, InteractionType, verifyKey } from "discord-interactions";
const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, "0")).join("");
export default { async run() {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const key = hex(await crypto.subtle.exportKey("raw", pair.publicKey)), time = "1700000000", body = JSON.stringify({ type: InteractionType.PING });
  const signature = hex(await crypto.subtle.sign("Ed25519", pair.privateKey, new TextEncoder().encode(time + body)));
  return [await verifyKey(body, signature, time, key), await verifyKey(body + " ", signature, time, key), InteractionResponseType.PONG];
} };
