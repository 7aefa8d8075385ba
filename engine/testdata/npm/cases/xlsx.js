import * as XLSX from "xlsx";
export default { run() {
  const book = XLSX.utils.book_new(); XLSX.utils.book_append_sheet(book, XLSX.utils.aoa_to_sheet([["a", "b"], [1, "x"], [2.5, "\u00fc"]]), "S");
  const bytes = XLSX.write(book, { type: "array", bookType: "xlsx" }), back = XLSX.read(bytes, { type: "array" });
  return [back.SheetNames, XLSX.utils.sheet_to_json(back.Sheets.S), XLSX.utils.sheet_to_csv(back.Sheets.S)];
} };
