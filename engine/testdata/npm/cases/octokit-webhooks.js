import { sign, verify } from "@octokit/webhooks-methods";
export default { async run() { const s = await sign("secret", '{"a":1}'); return [s, await verify("secret", '{"a":1}', s), await verify("secret", '{"a":2}', s)]; } };
