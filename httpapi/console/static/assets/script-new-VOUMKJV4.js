import{e as D,f as H,g as M}from"./chunk-Y5HNLHOQ.js";import"./chunk-5DXLPSNQ.js";import"./chunk-UGPQNPQB.js";import{C as j,E as z,F as R,S as a,T as c,U as N,V as k,W as q,Y as A,a as e,c as O,d as w,e as _,g as C,z as F}from"./chunk-KAHH5H76.js";import{c as f,e as u,f as T,h as x,m as I,t as P}from"./chunk-SESEK43D.js";var d=[{name:"JSON endpoint",about:"Answers HTTP requests",type:"http",path:"/hello/:name",methods:["GET"],source:`export default {
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
`}];var Q=r=>r.split(/[\s,]+/).filter(Boolean),B=["GET","POST","PUT","PATCH","DELETE","HEAD","OPTIONS"];function W(){let[r]=C(),y=d.find(o=>o.type===r.type)??d[0],[v,$]=u(y),[t,S]=u(()=>G(y)),i=o=>S(n=>({...n,...o})),b=x(null),l=x(null),[U,J]=u(!1),[m,L]=u(""),g=H(t.cron,t.zone,t.type!=="scheduled");O(U&&!m),T(()=>{m&&_(w(`/scripts/${m}`))},[m]),T(()=>{let o=!1;return import("./editor-VA3LVY7T.js").then(({ScriptEditor:n})=>{o||!b.current||(l.current=new n({parent:b.current,source:{files:{"":y.source},main:""},changed:()=>J(l.current?.dirty??!1)}))}),()=>{o=!0,l.current?.close()}},[]);let E=o=>{$(o),S(n=>({...G(o),name:n.name,status:n.status})),l.current?.dirty||l.current?.replace({files:{"":o.source},main:""},!0)},K=async()=>{let o=t.type==="http"?{http_path:t.path,http_methods:t.methods}:t.type==="scheduled"?{cron_expression:t.cron,timezone:t.zone}:t.type==="event"?{event_types:Q(t.types)}:{};try{let n=l.current?.source.files[""]??v.source,s=await P("POST /scripts",{body:{name:t.name,type:t.type,source:n,status:t.status,...t.description?{description:t.description}:{},...o}});for(let p of s.warnings??[])F(`${p.location}: ${p.message}`,!0);L(s.id)}catch(n){throw n instanceof I&&l.current?.refused(D(n,[""])),n}};return e("div",{class:"script-page",children:[e(z,{title:"New script",crumbs:[["Scripts",w("/scripts")]]}),e("div",{class:"stack",children:[e("div",{class:"templates",role:"group","aria-label":"Templates",children:d.map(o=>e("button",{type:"button","aria-pressed":o===v,onClick:()=>E(o),children:[e("b",{children:o.name}),e("span",{class:"faint",children:o.about})]},o.name))}),e("div",{class:"columns",children:[e("div",{class:"panel editor-panel",children:e("div",{ref:b,class:"editor-box"})}),e(R,{title:"Script",children:e(A,{onSubmit:K,children:({busy:o,error:n})=>e(f,{children:[e(a,{label:"Name",fault:n?.fault("name")??(n?.code==="name_taken"?n.message:void 0),children:e(c,{value:t.name,onInput:s=>i({name:s}),placeholder:"my-script",mono:!0})}),e(a,{label:"Description",fault:n?.fault("description"),children:e(N,{rows:2,value:t.description,onInput:s=>i({description:s})})}),e(a,{label:"Type",hint:V[t.type],children:e(k,{value:t.type,onChange:s=>E(d.find(p=>p.type===s)??v),options:["http","scheduled","event","oneoff","embedded"]})}),t.type==="http"?e(f,{children:[e(a,{label:"Path",hint:":name is a parameter, *rest all that follows.",fault:n?.fault("http_path")??(n?.code==="http_path_taken"?n.message:void 0),children:e(c,{value:t.path,onInput:s=>i({path:s}),mono:!0})}),e("fieldset",{class:"choices",children:[e("legend",{children:"Methods"}),e("div",{class:"row",children:B.map(s=>e(q,{label:s,checked:t.methods.includes(s),onChange:p=>i({methods:p?B.filter(h=>h===s||t.methods.includes(h)):t.methods.filter(h=>h!==s)})},s))}),n?.fault("http_methods")?e("span",{class:"bad",children:n.fault("http_methods")}):null]})]}):null,t.type==="scheduled"?e(f,{children:[e("div",{class:"pair",children:[e(a,{label:"Cron expression",hint:"Minute, hour, day of the month, month, day of the week.",fault:g.fault("cron_expression")??n?.fault("cron_expression"),children:e(c,{value:t.cron,onInput:s=>i({cron:s}),mono:!0})}),e(a,{label:"Time zone",fault:g.fault("timezone")??n?.fault("timezone"),children:e(c,{value:t.zone,onInput:s=>i({zone:s})})})]}),e(M,{ticks:g.ticks,zone:t.zone})]}):null,t.type==="event"?e(a,{label:"Event types",hint:"order.* and * are patterns.",fault:n?.fault("event_types"),children:e(c,{value:t.types,onInput:s=>i({types:s}),mono:!0})}):null,e(a,{label:"Begin as",children:e(k,{value:t.status,onChange:s=>i({status:s}),options:[["active","active: it is triggered at once"],["draft","draft"]]})}),e("div",{class:"foot",children:e(j,{kind:"primary",type:"submit",disabled:o,children:"Create"})})]})})})]})]})]})}var V={http:"Its fetch handler answers requests.",scheduled:"Its scheduled handler runs at each tick.",event:"Its event handler runs for each event.",oneoff:"Its run handler is called by the API.",embedded:"Its run handler is called by other scripts."};function G(r){return{name:"",description:"",type:r.type,path:r.path??"/",methods:r.methods??["GET"],cron:r.cron??"*/5 * * * *",zone:"UTC",types:(r.types??[]).join(" "),status:"active"}}export{W as default};
