import { decodeTime, monotonicFactory, ulid } from "ulid";
export default { run() { const next = monotonicFactory(), a = next(1700000000000), b = next(1700000000000); return [ulid().length, decodeTime(a), a < b, a.slice(0, 10)]; } };
