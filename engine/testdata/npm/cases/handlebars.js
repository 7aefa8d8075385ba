import Handlebars from "handlebars/dist/cjs/handlebars";
// Templates are made functions by new Function at run time, which the runtime has not; precompiled ones work.
export default { run() { try { return Handlebars.compile("{{a}}")({ a: 1 }); } catch (e) { return [e.name, Handlebars.Utils.escapeExpression("<a>"), typeof Handlebars.precompile("{{a}}")]; } } };
