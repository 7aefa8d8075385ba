import { addBusinessDays, formatDistanceStrict, intervalToDuration, isValid, parse, startOfISOWeek } from "date-fns";
export default { run() {
  const d = new Date(Date.UTC(2026, 1, 27, 12));
  return [addBusinessDays(d, 3).toISOString(), formatDistanceStrict(d, new Date(0)), intervalToDuration({ start: new Date(0), end: d }), isValid(parse("31/02/2026", "dd/MM/yyyy", d)), startOfISOWeek(d).toISOString()];
} };
