import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";
export default { run() {
  const parsed = new XMLParser({ ignoreAttributes: false }).parse('<r><i n="1">a &amp; b</i><i n="2"><![CDATA[<c>]]></i></r>');
  return [parsed, new XMLBuilder({ ignoreAttributes: false }).build(parsed), XMLValidator.validate("<a><b></a>").err?.code];
} };
