import { gunzipSync, gzipSync, strFromU8, strToU8, unzipSync, zipSync } from "fflate";
export default { async run() {
  const text = "compress me ".repeat(500), packed = gzipSync(strToU8(text), { mtime: 0 });
  const native = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const zip = unzipSync(zipSync({ "a.txt": strToU8("A"), d: { "b.txt": strToU8("B") } }));
  return [packed.length < 100, strFromU8(gunzipSync(packed)) === text, native === text, Object.keys(zip)];
} };
