import { Liquid } from "liquidjs";
export default { async run() { const e = new Liquid(); return [await e.parseAndRender("{% for i in list %}{{ i | times: 2 }}{% unless forloop.last %},{% endunless %}{% endfor %} {{ 'a b' | url_encode }}", { list: [1, 2, 3] }), await e.parseAndRender("{{ d | date: '%Y-%m-%d', 'UTC' }}", { d: new Date(0) })]; } };
