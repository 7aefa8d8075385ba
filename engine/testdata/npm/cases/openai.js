import OpenAI from "openai";
export default { async run() {
  const sse = 'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\ndata: {"choices":[{"delta":{"content":"lo"}}]}\n\ndata: [DONE]\n\n';
  const client = new OpenAI({ apiKey: "k", maxRetries: 1, fetch: async (url, init) => {
    const body = JSON.parse(init.body);
    if (body.stream) return new Response(sse, { headers: { "content-type": "text/event-stream" } });
    return body.model === "bad" ? Response.json({ error: { message: "no such model", code: "m" } }, { status: 404 }) : Response.json({ choices: [{ message: { content: String(url) } }] });
  } });
  let text = ""; for await (const part of await client.chat.completions.create({ model: "m", messages: [], stream: true })) text += part.choices[0].delta.content;
  const bad = await client.chat.completions.create({ model: "bad", messages: [] }).catch((e) => [e.constructor.name, e.status, e.message]);
  return [text, (await client.chat.completions.create({ model: "m", messages: [] })).choices[0].message.content, bad];
} };
