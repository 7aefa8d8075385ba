import * as pako from "pako";
export default { async run() { const text = "abc".repeat(1000), z = pako.deflate(text), native = await new Response(new Blob([z]).stream().pipeThrough(new DecompressionStream("deflate"))).text(); return [z.length < 100, new TextDecoder().decode(pako.inflate(z)) === text, native === text, new TextDecoder().decode(pako.ungzip(pako.gzip("g")))]; } };
