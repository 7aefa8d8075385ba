import { DateTime, Duration, Interval } from "luxon";
export default { run() {
  const d = DateTime.fromISO("2026-03-29T01:30", { zone: "Europe/Berlin" });
  return [d.plus({ hours: 1 }).toISO(), d.setZone("America/New_York").toFormat("ffff"), d.setLocale("de").toLocaleString(DateTime.DATE_HUGE), Duration.fromISO("PT36H").rescale().toObject(), Interval.after(d, { days: 2 }).count("days"), DateTime.fromISO("nope").invalidReason];
} };
