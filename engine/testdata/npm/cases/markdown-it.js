import MarkdownIt from "markdown-it";
export default { run() { return new MarkdownIt({ linkify: true, typographer: true }).render("# T\n\n*a* **b** `c` http://x.test\n\n- [l](/u)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"); } };
