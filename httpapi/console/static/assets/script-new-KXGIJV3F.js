import{e as z}from"./chunk-UXBSFKKF.js";import"./chunk-GAL4SIFM.js";import{A as _,C as j,D as R,Q as o,R as u,S as N,T as w,U as q,W as A,a as e,c as P,d as x,e as O,g as C,x as F}from"./chunk-3VUNJYDM.js";import{c as b,e as c,f as g,h as T,m as E,t as I}from"./chunk-VVHYE4XK.js";var d=[{name:"JSON endpoint",about:"Answers HTTP requests",type:"http",path:"/hello/:name",methods:["GET"],source:`export default {
  async fetch(request, env, ctx) {
    return Response.json({ hello: ctx.params.name });
  },
};
`},{name:"Webhook receiver",about:"Takes a POST and publishes an event",type:"http",path:"/hooks/orders",methods:["POST"],source:`import { events } from "jsruntime";

interface Order { id: string; total: number }

export default {
  async fetch(request, env, ctx) {
    const order = (await request.json()) as Order;
    if (!order.id) return Response.json({ error: "id is missing" }, { status: 400 });
    await events.publish("order.created", order, { id: order.id });
    return new Response(null, { status: 202 });
  },
};
`},{name:"Counter",about:"Keeps a number in kv",type:"http",path:"/count",methods:["GET","POST"],source:`import { kv } from "jsruntime";

export default {
  async fetch(request, env, ctx) {
    const count = request.method === "POST" ? await kv.increment("count", 1) : (await kv.get("count")) ?? 0;
    return Response.json({ count });
  },
};
`},{name:"Nightly job",about:"Runs by a schedule",type:"scheduled",cron:"0 3 * * *",source:`import { kv } from "jsruntime";

export default {
  async scheduled(controller, env, ctx) {
    const response = await fetch("https://example.com/rates.json", { signal: ctx.signal });
    if (!response.ok) throw new Error(\`rates: \${response.status}\`);
    await kv.put("rates", await response.json(), { expirationTtl: 86400 });
    return { stored: true };
  },
};
`},{name:"Event handler",about:"Runs for each event, with retries",type:"event",types:["order.created"],source:`import { log, NonRetryableError } from "jsruntime";

export default {
  async event(event, env, ctx) {
    if (!event.data.id) throw new NonRetryableError("an order without id");
    log.info("order", { id: event.data.id, attempt: ctx.attempt });
  },
};
`},{name:"Function",about:"Called by the API, JSON in and out",type:"oneoff",source:`interface Input { amount: number; rate?: number }

export default {
  async run(input: Input, env, ctx) {
    return { tax: Math.round(input.amount * (input.rate ?? 0.19)) };
  },
};
`},{name:"Embedded function",about:"Called by other scripts",type:"embedded",source:`export default {
  async run(input, env, ctx) {
    return { input, by: ctx.trigger };
  },
};
`}];var J=r=>r.split(/[\s,]+/).filter(Boolean),D=["GET","POST","PUT","PATCH","DELETE","HEAD","OPTIONS"];function L(){let[r]=C(),f=d.find(a=>a.type===r.type)??d[0],[y,B]=c(f),[t,S]=c(()=>H(f)),i=a=>S(n=>({...n,...a})),v=T(null),l=T(null),[G,M]=c(!1),[m,$]=c("");P(G&&!m),g(()=>{m&&O(x(`/scripts/${m}`))},[m]),g(()=>{let a=!1;return import("./editor-A2BIBL6F.js").then(({ScriptEditor:n})=>{a||!v.current||(l.current=new n({parent:v.current,source:{files:{"":f.source},main:""},changed:()=>M(l.current?.dirty??!1)}))}),()=>{a=!0,l.current?.close()}},[]);let k=a=>{B(a),S(n=>({...H(a),name:n.name,status:n.status})),l.current?.dirty||l.current?.replace({files:{"":a.source},main:""},!0)},U=async()=>{let a=t.type==="http"?{http_path:t.path,http_methods:t.methods}:t.type==="scheduled"?{cron_expression:t.cron,timezone:t.zone}:t.type==="event"?{event_types:J(t.types)}:{};try{let n=l.current?.source.files[""]??y.source,s=await I("POST /scripts",{body:{name:t.name,type:t.type,source:n,status:t.status,...t.description?{description:t.description}:{},...a}});for(let p of s.warnings??[])F(`${p.location}: ${p.message}`,!0);$(s.id)}catch(n){throw n instanceof E&&l.current?.refused(z(n,[""])),n}};return e("div",{class:"script-page",children:[e(j,{title:"New script",crumbs:[["Scripts",x("/scripts")]]}),e("div",{class:"stack",children:[e("div",{class:"templates",role:"group","aria-label":"Templates",children:d.map(a=>e("button",{type:"button","aria-pressed":a===y,onClick:()=>k(a),children:[e("b",{children:a.name}),e("span",{class:"faint",children:a.about})]},a.name))}),e("div",{class:"columns",children:[e("div",{class:"panel editor-panel",children:e("div",{ref:v,class:"editor-box"})}),e(R,{title:"Script",children:e(A,{onSubmit:U,children:({busy:a,error:n})=>e(b,{children:[e(o,{label:"Name",fault:n?.fault("name")??(n?.code==="name_taken"?n.message:void 0),children:e(u,{value:t.name,onInput:s=>i({name:s}),placeholder:"my-script",mono:!0})}),e(o,{label:"Description",fault:n?.fault("description"),children:e(N,{rows:2,value:t.description,onInput:s=>i({description:s})})}),e(o,{label:"Type",hint:K[t.type],children:e(w,{value:t.type,onChange:s=>k(d.find(p=>p.type===s)??y),options:["http","scheduled","event","oneoff","embedded"]})}),t.type==="http"?e(b,{children:[e(o,{label:"Path",hint:":name is a parameter, *rest all that follows.",fault:n?.fault("http_path")??(n?.code==="http_path_taken"?n.message:void 0),children:e(u,{value:t.path,onInput:s=>i({path:s}),mono:!0})}),e("fieldset",{class:"choices",children:[e("legend",{children:"Methods"}),e("div",{class:"row",children:D.map(s=>e(q,{label:s,checked:t.methods.includes(s),onChange:p=>i({methods:p?D.filter(h=>h===s||t.methods.includes(h)):t.methods.filter(h=>h!==s)})},s))}),n?.fault("http_methods")?e("span",{class:"bad",children:n.fault("http_methods")}):null]})]}):null,t.type==="scheduled"?e("div",{class:"pair",children:[e(o,{label:"Cron expression",fault:n?.fault("cron_expression"),children:e(u,{value:t.cron,onInput:s=>i({cron:s}),mono:!0})}),e(o,{label:"Time zone",fault:n?.fault("timezone"),children:e(u,{value:t.zone,onInput:s=>i({zone:s})})})]}):null,t.type==="event"?e(o,{label:"Event types",hint:"order.* and * are patterns.",fault:n?.fault("event_types"),children:e(u,{value:t.types,onInput:s=>i({types:s}),mono:!0})}):null,e(o,{label:"Begin as",children:e(w,{value:t.status,onChange:s=>i({status:s}),options:[["active","active: it is triggered at once"],["draft","draft"]]})}),e("div",{class:"foot",children:e(_,{kind:"primary",type:"submit",disabled:a,children:"Create"})})]})})})]})]})]})}var K={http:"Its fetch handler answers requests.",scheduled:"Its scheduled handler runs at each tick.",event:"Its event handler runs for each event.",oneoff:"Its run handler is called by the API.",embedded:"Its run handler is called by other scripts."};function H(r){return{name:"",description:"",type:r.type,path:r.path??"/",methods:r.methods??["GET"],cron:r.cron??"*/5 * * * *",zone:"UTC",types:(r.types??[]).join(" "),status:"active"}}export{L as default};
