// graphile-worker: four chained jobs. The local queue and batched completion are on, as its manual's page on performance says.
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import { atOnce, Race, remoteCall, STEPS, tasks, url } from './race.mjs'

// A line per job would cost more than the job.
const logger = new Logger(() => (level, message) => { if (level === 'error') console.error(message) })

if (process.argv[2] === 'setup') {
  const utils = await makeWorkerUtils({ connectionString: url, logger })
  await utils.migrate()
  await utils.addJobs(Array.from({ length: tasks }, (_, task) => ({ identifier: 'step', payload: { task, step: 1 } })))
  await utils.release()
} else {
  const pgPool = new pg.Pool({ connectionString: url, max: 20 })
  const race = new Race()
  const runner = await run({
    pgPool,
    concurrency: atOnce,
    noHandleSignals: true,
    logger,
    pollInterval: 100,
    preset: { worker: { localQueue: { size: atOnce + 1 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    taskList: {
      async step({ task, step }, helpers) {
        race.began(task)
        await remoteCall()
        if (step < STEPS) await helpers.addJob('step', { task, step: step + 1 })
        else race.ended(task)
      },
    },
  })
  await race.finish(async () => {
    const { rows } = await pgPool.query('SELECT count(*)::int AS n FROM graphile_worker.jobs')
    return rows[0].n
  })
  await runner.stop()
  await pgPool.end()
}
process.exit(0)
