import slugify from "slugify";
export default { run() { return [slugify("Sch\u00f6ne Gr\u00fc\u00dfe & Co. \u20ac5", { lower: true, strict: true, locale: "de" }), slugify("a  b", "_")]; } };
