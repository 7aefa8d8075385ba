function t(e){return e.type==="http"?`${(e.http_methods??[]).join(" ")} ${e.http_path??""}`:e.type==="scheduled"?`${e.cron_expression??""}${e.timezone&&e.timezone!=="UTC"?` ${e.timezone}`:""}`:(e.event_types??[]).join(" ")}var n={draft:[["active","Activate"],["archived","Archive"]],active:[["paused","Pause"],["disabled","Disable"],["archived","Archive"]],paused:[["active","Activate"],["disabled","Disable"],["archived","Archive"]],disabled:[["active","Activate"],["archived","Archive"]],archived:[["draft","Back to draft"]]},r={http:`export default {
  async fetch(request: Request, env, ctx) {
    return Response.json({ hello: "world" });
  },
};
`,scheduled:`export default {
  async scheduled(controller, env, ctx) {
    console.log("tick", controller.cron);
  },
};
`,event:`export default {
  async event(event, env, ctx) {
    console.log(event.type, event.data);
  },
};
`,oneoff:`export default {
  async run(input, env, ctx) {
    return { input };
  },
};
`,embedded:`export default {
  async run(input, env, ctx) {
    return { input };
  },
};
`};export{t as a,n as b,r as c};
