import pLimit from "p-limit";
export default { async run() { const limit = pLimit(2); let now = 0, most = 0; const job = async (n) => { most = Math.max(most, ++now); await new Promise((r) => setTimeout(r, 1)); now--; return n; }; return [await Promise.all([1, 2, 3, 4].map((n) => limit(job, n))), most]; } };
