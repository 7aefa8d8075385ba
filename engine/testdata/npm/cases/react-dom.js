import { createElement as h, Suspense, use } from "react";
import { renderToReadableStream } from "react-dom/server.browser";
const Late = ({ data }) => h("b", null, use(data));
export default { async run() {
  const data = new Promise((r) => setTimeout(r, 2, "loaded"));
  const stream = await renderToReadableStream(h("main", { className: "m" }, "Hi <you>", h(Suspense, { fallback: h("i", null, "\u2026") }, h(Late, { data }))));
  await stream.allReady;
  const html = await new Response(stream).text();
  return [html.startsWith('<main class="m">Hi &lt;you&gt;'), html.includes("<b>loaded</b>")];
} };
