import { CronExpressionParser } from "cron-parser";
export default { run() {
  const e = CronExpressionParser.parse("*/15 9-17 * * 1-5", { currentDate: "2026-03-06T16:50:00Z", tz: "Europe/Berlin" });
  return [e.next().toISOString(), e.next().toISOString(), e.stringify()];
} };
