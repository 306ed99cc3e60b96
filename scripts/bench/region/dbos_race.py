"""DBOS: a workflow of four steps on a queue, asynchronous, polled often."""
import asyncio
import os

from dbos import DBOS, DBOSConfig
import psycopg

from race import AT_ONCE, SETUP, STEPS, TASKS, URL, Race, remote_call

QUEUE = "rescue"
race = Race()
config: DBOSConfig = {
    "name": "bench",
    "system_database_url": URL.replace("postgres://", "postgresql://", 1),
    "application_version": "1",
    "executor_id": "bench",
    "sys_db_pool_size": 20,
    "max_executor_threads": AT_ONCE + 56,
    "log_level": "ERROR",
}
DBOS(config=config)


@DBOS.step()
async def call():
    await remote_call()
    return True


@DBOS.workflow()
async def rescue(task: int):
    race.began(task)
    for _ in range(STEPS):
        await call()
    race.ended(task)


async def setup():
    await DBOS.register_queue_async(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=0.02)
    for first in range(0, TASKS, 50):
        await asyncio.gather(*(DBOS.enqueue_workflow_async(QUEUE, rescue, t) for t in range(first, min(first + 50, TASKS))))


async def run():
    race.start = __import__("time").perf_counter()
    DBOS.launch()
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as probe:

        async def left():
            query = "SELECT count(*) FROM dbos.workflow_status WHERE queue_name = %s AND status IN ('ENQUEUED', 'PENDING')"
            return (await (await probe.execute(query, [QUEUE])).fetchone())[0]

        await race.finish(left)
    os._exit(0)


if SETUP:
    DBOS.listen_queues([])
    DBOS.launch()
    asyncio.run(setup())
    os._exit(0)
else:
    asyncio.run(run())
