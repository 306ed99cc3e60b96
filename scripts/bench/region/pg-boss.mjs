// pg-boss: four chained jobs. Batches, bursts and LISTEN/NOTIFY are on, which its manual names for throughput and latency.
import { PgBoss } from 'pg-boss'
import pg from 'pg'
import { atOnce, Race, remoteCall, STEPS, tasks, url } from './race.mjs'

const QUEUE = 'rescue'
const WORKERS = 4
const boss = new PgBoss({ connectionString: url, max: 20, supervise: false, schedule: false, useListenNotify: true })
boss.on('error', (error) => { console.error(error); process.exit(1) })
await boss.start()

if (process.argv[2] === 'setup') {
  await boss.createQueue(QUEUE, { notify: true })
  await boss.insert(QUEUE, Array.from({ length: tasks }, (_, task) => ({ data: { task, step: 1 } })))
} else {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  const race = new Race()
  const options = {
    batchSize: Math.ceil(atOnce / WORKERS),
    localConcurrency: WORKERS,
    pollingIntervalSeconds: 0.5,
    notifyPollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true,
  }
  await boss.work(QUEUE, options, async (jobs) => {
    for (const { data } of jobs) race.began(data.task)
    await Promise.all(jobs.map(remoteCall))
    const next = jobs.filter(({ data }) => data.step < STEPS)
    if (next.length > 0) {
      await boss.insert(QUEUE, next.map(({ data }) => ({ data: { task: data.task, step: data.step + 1 } })))
    }
    for (const { data } of jobs) if (data.step === STEPS) race.ended(data.task)
  })
  await race.finish(async () => {
    const { rows } = await pool.query(`SELECT count(*)::int AS n FROM pgboss.job WHERE name = $1 AND state < 'completed'`, [QUEUE])
    return rows[0].n
  })
  await pool.end()
}
await boss.stop({ graceful: false })
process.exit(0)
