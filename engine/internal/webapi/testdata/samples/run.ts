import type { Context, Env } from "jsruntime";

export default async function (input: { url: string }, _env: Env, ctx: Context): Promise<{ lines: number; took: number }> {
  const began = performance.now();
  const response = await fetch(input.url, { signal: AbortSignal.any([ctx.signal, AbortSignal.timeout(5_000)]), redirect: "manual" });
  if (response.body === null) return { lines: 0, took: performance.now() - began };
  let lines = 0;
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) lines += text.split("\n").length - 1;
  const copy = structuredClone({ lines });
  queueMicrotask(() => console.log("done", copy, navigator.userAgent));
  return { lines, took: performance.now() - began };
}
