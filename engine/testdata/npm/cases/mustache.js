import Mustache from "mustache";
export default { run() { return Mustache.render("{{#items}}{{name}}: {{{raw}}} {{&raw}}; {{/items}}{{^none}}empty{{/none}} {{> p}}", { items: [{ name: "<a>", raw: "<b>" }], none: [] }, { p: "partial {{items.length}}" }); } };
