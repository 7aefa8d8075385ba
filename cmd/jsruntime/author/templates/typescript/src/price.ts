import type { Context, Env, Handlers } from "jsruntime";
import { total, type Line } from "./tax.ts";

export interface Input {
  lines: Line[];
  country: string;
}

export default {
  async run(input: Input, env: Env, ctx: Context) {
    return { total: total(input.lines, input.country) };
  },
} satisfies Handlers;
