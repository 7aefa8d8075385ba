import { Resend } from "resend";
export default { async run() {
  const asked = []; globalThis.fetch = async (url, init) => { asked.push([String(url), init.method, new Headers(init.headers).get("authorization"), JSON.parse(init.body).subject]); return Response.json({ id: "e-1" }); };
  const sent = await new Resend("re_x").emails.send({ from: "a@b.test", to: "c@d.test", subject: "Hi", html: "<p>x</p>" });
  return [sent.data, sent.error, asked];
} };
