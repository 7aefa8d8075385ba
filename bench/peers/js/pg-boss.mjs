// As graphile-worker.cjs, with pg-boss.
import { PgBoss } from "pg-boss";
const [url, mode, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const boss = new PgBoss({ connectionString: url, max: 20 });
boss.on("error", (e) => { console.error(e); process.exit(1); });
await boss.start();
if (mode === "fill") {
  await boss.createQueue("noop");
  for (let n = 0; n < count; n += 5000) {
    await boss.insert("noop", Array.from({ length: Math.min(5000, count - n) }, () => ({ data: {} })));
  }
} else {
  let done = 0;
  const started = process.hrtime.bigint();
  let finish;
  const all = new Promise((resolve) => (finish = resolve));
  const drain = async () => {
    // fetch and complete in batches is pg-boss's fastest way; its work() polls at most twice a second.
    while (done < count) {
      const jobs = await boss.fetch("noop", { batchSize: 500 });
      if (!jobs.length) { await new Promise((r) => setTimeout(r, 5)); continue; }
      await boss.complete("noop", jobs.map((j) => j.id));
      done += jobs.length;
      if (done >= count) return finish();
    }
  };
  for (let i = 0; i < 4; i++) drain();
  await all;
  console.log(Number(process.hrtime.bigint() - started) / 1e6);
}
await boss.stop({ graceful: false });
process.exit(0);
