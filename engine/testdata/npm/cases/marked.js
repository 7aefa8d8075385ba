import { Marked } from "marked";
export default { async run() { const m = new Marked({ gfm: true, async: true }); return [await m.parse("# T\n\n- [x] done\n- ~~no~~\n\n```js\na < b\n```"), m.lexer("a *b*")[0].tokens.map((t) => t.type)]; } };
