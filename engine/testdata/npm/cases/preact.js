import { h } from "preact";
import { useState } from "preact/hooks";
import { renderToString } from "preact-render-to-string";
const Hello = ({ name, children }) => { const [n] = useState(3); return h("p", { class: "x", title: '"q"' }, "Hi ", name, " ", n, children); };
export default { run() { return renderToString(h("div", null, h(Hello, { name: "<Ada>" }, h("br")))); } };
