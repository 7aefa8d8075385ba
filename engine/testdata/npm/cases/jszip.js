import JSZip from "jszip";
export default { async run() {
  const zip = new JSZip(); zip.file("a.txt", "hello"); zip.folder("d").file("b.json", JSON.stringify({ n: 1 }));
  const bytes = await zip.generateAsync({ type: "uint8array", compression: "DEFLATE" });
  const back = await JSZip.loadAsync(bytes);
  return [Object.keys(back.files), await back.file("a.txt").async("string"), await back.file("d/b.json").async("string"), bytes[0], bytes[1]];
} };
