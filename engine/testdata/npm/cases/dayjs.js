import dayjs from "dayjs";
import utc from "dayjs/plugin/utc.js";
import timezone from "dayjs/plugin/timezone.js";
import relativeTime from "dayjs/plugin/relativeTime.js";
dayjs.extend(utc); dayjs.extend(timezone); dayjs.extend(relativeTime);
export default { run() {
  const d = dayjs.utc("2026-03-29T00:30:00Z");
  return [d.tz("Europe/Berlin").add(1, "hour").format("YYYY-MM-DD HH:mm Z"), d.to(dayjs.utc("2026-04-29")), d.endOf("month").toISOString(), dayjs.duration === undefined];
} };
