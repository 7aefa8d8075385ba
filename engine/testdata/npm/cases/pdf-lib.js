import { PDFDocument, rgb, StandardFonts } from "pdf-lib";
export default { async run() {
  const doc = await PDFDocument.create(), page = doc.addPage([200, 100]); doc.setTitle("Invoice");
  page.drawText("Total: 42", { x: 10, y: 50, size: 12, font: await doc.embedFont(StandardFonts.Helvetica), color: rgb(0, 0, 1) });
  const bytes = await doc.save(), back = await PDFDocument.load(bytes);
  return [String.fromCharCode(...bytes.slice(0, 5)), back.getPageCount(), back.getTitle(), back.getPage(0).getSize()];
} };
