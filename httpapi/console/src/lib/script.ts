// What several pages know of scripts.

import type { ScriptItem } from "./api";

/** triggerOf is what makes a script run, in a few words. */
export function triggerOf(s: ScriptItem): string {
  if (s.type === "http") return `${(s.http_methods ?? []).join(" ")} ${s.http_path ?? ""}`;
  if (s.type === "scheduled") return `${s.cron_expression ?? ""}${s.timezone && s.timezone !== "UTC" ? ` ${s.timezone}` : ""}`;
  return (s.event_types ?? []).join(" ");
}

/** moves are the statuses that a script of a status may get. */
export const moves: Record<string, [status: "active" | "paused" | "disabled" | "archived" | "draft", name: string][]> = {
  draft: [["active", "Activate"], ["archived", "Archive"]], active: [["paused", "Pause"], ["disabled", "Disable"], ["archived", "Archive"]],
  paused: [["active", "Activate"], ["disabled", "Disable"], ["archived", "Archive"]], disabled: [["active", "Activate"], ["archived", "Archive"]], archived: [["draft", "Back to draft"]],
};

export const samples: Record<string, string> = {
  http: 'export default {\n  async fetch(request: Request, env, ctx) {\n    return Response.json({ hello: "world" });\n  },\n};\n',
  scheduled: 'export default {\n  async scheduled(controller, env, ctx) {\n    console.log("tick", controller.cron);\n  },\n};\n',
  event: "export default {\n  async event(event, env, ctx) {\n    console.log(event.type, event.data);\n  },\n};\n",
  oneoff: "export default {\n  async run(input, env, ctx) {\n    return { input };\n  },\n};\n",
  embedded: "export default {\n  async run(input, env, ctx) {\n    return { input };\n  },\n};\n",
};
