// Drains the jobs that are in the queue and exits: prints the milliseconds from its start of work to the last job's end.
const { run, makeWorkerUtils, Logger } = require("graphile-worker");
const [url, mode, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const { Pool } = require("pg");
(async () => {
  const pgPool = new Pool({ connectionString: url, max: 24 });
  pgPool.on("error", () => {}).on("connect", (c) => c.on("error", () => {}));
  if (mode === "fill") {
    const utils = await makeWorkerUtils({ pgPool });
    await utils.migrate();
    await pgPool.query("select graphile_worker.add_jobs(array(select row('noop','{}'::json,null,null,null,null,null,null)::graphile_worker.job_spec from generate_series(1,$1)))", [count]);
    await utils.release();
    return pgPool.end();
  }
  let done = 0;
  const started = process.hrtime.bigint();
  const runner = await run({
    pgPool, concurrency: 24, noHandleSignals: true, pollInterval: 200,
    preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0, concurrentJobs: 24, maxPoolSize: 24 } },
    taskList: { noop: () => { if (++done === count) { console.log(Number(process.hrtime.bigint() - started) / 1e6); runner.stop().then(() => pgPool.end()); } } },
    logger: new Logger(() => () => {}),
  });
  await runner.promise;
})().catch((e) => { console.error(e); process.exit(1); });
